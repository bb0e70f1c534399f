"""One open database and the one place where its failures become plain sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, IntegrityError, SQLAlchemyError

from playground.errors import StoreFailed
from playground.store.grouped import Grouped
from playground.store.schema import WRITES, engine_for, upgrade

FULL = ("disk is full", "no space left", "disk i/o error", "could not extend")


class Base:
    """Holds the engine. `read` and `write` are short transactions; an error inside writes nothing at all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._grouped = Grouped(self.write)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open and bring to the newest schema; raises `StoreFailed` or `BadInput` that say what to do."""
        engine = engine_for(url)
        try:
            upgrade(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        self._grouped.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that has been committed when the block is left; `IntegrityError` is the caller's."""
        try:
            with self._engine.execution_options(**{WRITES: True}).begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise failed(error, what="Not saved") from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise failed(error, what="Not read") from error


def failed(error: SQLAlchemyError, *, what: str) -> StoreFailed:
    """A sentence for whoever waits; the technical one is its cause. `what`: what did not happen."""
    words = str(getattr(error, "orig", None) or error).lower()
    if any(sign in words for sign in FULL):
        return StoreFailed(f"{what}: the database's disk is full. Free some space, then try again.")
    if "locked" in words:
        return StoreFailed(f"{what}: the database is busy. Try again.")
    if isinstance(error, DatabaseError) and error.connection_invalidated:
        return StoreFailed(f"{what}: the database does not answer. It is tried again; keep the page open.")
    return StoreFailed(f"{what}: the database refused. Keep the page open and tell whoever runs the playground.")
