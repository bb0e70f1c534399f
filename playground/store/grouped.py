"""Writes of many threads in few transactions: one thread takes what waits, commits once, then confirms each.

With 100 visitors a transaction of its own for each answer takes the database's lock 500 times in ten seconds, and each
waits several times for the interpreter while it holds the lock. A write is confirmed after the commit that holds it,
never before.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from playground.errors import PlaygroundError, StoreFailed

Write = Callable[[Connection], object]
MOST = 100  # writes of one transaction
CLOSED = "Not saved: the playground is closing. Start it again."


class Grouped:
    """`transaction` opens one, committed when its block is left. The thread starts with the first write."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._transaction = transaction
        self._waiting: queue.SimpleQueue[tuple[Write, Future[None]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def do(self, write: Write) -> None:
        """Write and return after the commit; raises what write or commit raised. A write may be repeated."""
        done: Future[None] = Future()
        with self._lock:
            if self._closed:
                raise StoreFailed(CLOSED)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="database", daemon=True)
                self._thread.start()
            self._waiting.put((write, done))
        done.result()

    def close(self) -> None:
        """Write what waits, then end the thread."""
        with self._lock:
            self._closed = True
            self._waiting.put(None)
        if self._thread:
            self._thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, ended = [first], False
            while len(group) < MOST and not self._waiting.empty() and not ended:
                item = self._waiting.get()
                ended = item is None
                if item is not None:
                    group.append(item)
            self._write(group)
            if ended:
                return

    def _write(self, group: list[tuple[Write, Future[None]]]) -> None:
        """All in one transaction; where that fails, each in its own, so that one bad row costs no other its place."""
        try:
            with self._transaction() as connection:
                for write, _ in group:
                    write(connection)
        except (IntegrityError, PlaygroundError) as error:
            if len(group) == 1:
                group[0][1].set_exception(error)
                return
            for item in group:
                self._write([item])
        except BaseException as error:  # noqa: BLE001 - a bug in a row; its thread must hear of it, and this one go on
            for _, done in group:
                done.set_exception(error)
        else:
            for _, done in group:
                done.set_result(None)
