"""Opens a database and brings it to the newest schema; safe when two processes start at once."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from playground.errors import BadInput, StoreFailed

BUSY = 15_000  # milliseconds that SQLite waits for another writer
WRITES = "playground_writes"  # execution option of a connection that will write
MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_206_000_001  # of PostgreSQL's advisory locks, taken while migrating


def engine_for(url: str) -> Engine:
    """An engine with our settings; raises `BadInput` for an address that cannot be read."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadInput(
            "PLAYGROUND_DATABASE_URL is not an address. Write postgresql://user:password@host/name."
        ) from error
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            _private_file(Path(parsed.database))
        engine = create_engine(parsed, connect_args={"timeout": BUSY / 1000, "check_same_thread": False})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin)
        return engine
    if parsed.drivername != "postgresql+psycopg":
        raise BadInput(f"PLAYGROUND_DATABASE_URL begins with {parsed.drivername}://. Only postgresql:// is known.")
    return create_engine(parsed, pool_pre_ping=True, pool_size=10, max_overflow=20)


def _private_file(path: Path) -> None:
    """Ratings are for the owner of the server alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreFailed(
            f"{path} cannot be written: {error.strerror}. Set PLAYGROUND_DATA to another folder."
        ) from error


def _set_up_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # we begin ourselves, see `_begin`
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY}", "foreign_keys=ON", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    _use_wal(cursor)
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """SQLite itself does not wait when another process changes a new file's mode in the same moment."""
    until = time.monotonic() + BUSY / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    """Writers take the lock at once, so that two of them queue instead of failing; readers never wait."""
    immediate = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def upgrade(engine: Engine) -> None:
    """Run missing migrations. Raises `StoreFailed` for a database that is newer than this program."""
    with _alone(engine) as connection:
        current = _revision(connection)
        if current != revisions()[-1]:
            _migrate(connection, current)


def revisions() -> list[str]:
    """Every revision, oldest first: the number that each file's name begins with."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _revision(connection: Connection) -> str | None:
    """The revision that Alembic noted; None in an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: Connection, current: str | None) -> None:
    from alembic import command  # a tenth of a second, which only a new or an older database costs
    from alembic.config import Config

    if current is not None and current not in revisions():
        raise StoreFailed(f"The database is of a newer version ({current}) than this program. Update the program.")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.execution_options(
            **{WRITES: True}
        ).begin() as connection:  # SQLite: BEGIN IMMEDIATE keeps others out
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            yield connection
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StoreFailed(f"The database cannot be opened: {reason} Check PLAYGROUND_DATABASE_URL.") from error
