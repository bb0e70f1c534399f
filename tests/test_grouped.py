"""Writes that wait at the same time share a commit; a bad one costs no other its place; nothing is confirmed early."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from playground.errors import StoreFailed
from playground.store import Store
from playground.store.grouped import Grouped
from tests import samples


class Book:
    """A transaction that counts its commits and can be held open."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.commits = 0
        self.may_begin, self.waits = threading.Event(), threading.Event()
        self.may_begin.set()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        self.waits.set()
        assert self.may_begin.wait(20)
        before = list(self.lines)
        try:
            yield cast(Connection, self)
        except BaseException:
            self.lines = before
            raise
        self.commits += 1

    def write(self, line: str) -> Any:
        def into(_: Connection) -> None:
            if line == "bad":
                raise IntegrityError(line, {}, ValueError(line))
            if line == "bug":
                raise KeyError(line)
            self.lines.append(line)

        return into


def all_at_once(book: Book, lines: list[str]) -> tuple[Grouped, list[BaseException | None]]:
    """Ask for one write that is held in its transaction, then for all of `lines`, which wait behind it."""
    grouped = Grouped(book.transaction)
    book.may_begin.clear()
    with ThreadPoolExecutor(len(lines) + 1) as pool:
        held = pool.submit(grouped.do, book.write("first"))
        assert book.waits.wait(20)
        asked = [pool.submit(grouped.do, book.write(line)) for line in lines]
        until = time.monotonic() + 20
        while grouped._waiting.qsize() < len(lines) and time.monotonic() < until:
            time.sleep(0.005)
        book.may_begin.set()
        assert held.exception() is None
        return grouped, [one.exception() for one in asked]


def test_what_waits_at_once_shares_one_commit() -> None:
    book = Book()
    grouped, errors = all_at_once(book, [f"line {n}" for n in range(20)])
    assert errors == [None] * 20
    assert len(book.lines) == 21
    assert book.commits == 2, "the one that was held, and all that waited"
    grouped.close()


def test_a_bad_row_is_told_to_its_own_thread_and_the_others_are_kept() -> None:
    book = Book()
    grouped, errors = all_at_once(book, ["a", "bad", "b", "c"])
    assert sorted(book.lines) == ["a", "b", "c", "first"]
    assert [type(e).__name__ for e in errors if e] == ["IntegrityError"]
    grouped.close()


def test_a_bug_reaches_whoever_asked_and_the_next_write_goes_on() -> None:
    book = Book()
    grouped = Grouped(book.transaction)
    with pytest.raises(KeyError):
        grouped.do(book.write("bug"))
    grouped.do(book.write("after"))
    assert book.lines == ["after"]
    grouped.close()


def test_after_closing_nothing_is_taken() -> None:
    grouped = Grouped(Book().transaction)
    grouped.close()
    with pytest.raises(StoreFailed, match="Start it again"):
        grouped.do(lambda connection: None)


def test_forty_answers_at_once_are_all_there(store: Store) -> None:
    run = samples.comparison()
    store.add_comparison(run)
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(lambda n: store.add_response(samples.response(run.id, attempt=n + 1)), range(40)))
    assert sum(1 for _ in store.iterate_responses()) == 40
