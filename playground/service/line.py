"""A line before the runs: so many at once, so many waiting, first come first served. Lives in one event loop."""

import asyncio
import secrets
from collections import OrderedDict
from contextlib import suppress

from playground.errors import Busy

FULL = "Too many runs at the moment. Nothing was sent to a model. Try again in a minute."


class Ticket:
    """One run's place in the line. Call `done` in every case."""

    def __init__(self, line: "Line") -> None:
        self.id = f"line-{secrets.token_hex(8)}"
        self.left = False  # the visitor has left the line
        self._line = line
        self.changed = asyncio.Event()

    @property
    def ahead(self) -> int:
        """How many runs wait before this one."""
        return list(self._line.waiting).index(self.id) if self.id in self._line.waiting else 0

    async def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` for a place; whether this run may start now."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.changed.wait()
        return self.id in self._line.running

    def done(self) -> None:
        self._line.release(self.id)


class Line:
    def __init__(self, *, places: int, most_waiting: int) -> None:
        self._places, self._most = places, most_waiting
        self.running: dict[str, Ticket] = {}
        self.waiting: OrderedDict[str, Ticket] = OrderedDict()

    def join(self) -> Ticket:
        """A ticket, with its place at once where one is free; raises `Busy` when too many wait already."""
        if len(self.running) >= self._places and len(self.waiting) >= self._most:
            raise Busy(FULL)
        ticket = Ticket(self)
        self.waiting[ticket.id] = ticket
        self._admit()
        return ticket

    def leave(self, name: str) -> bool:
        """Take a waiting ticket out of the line; False if it does not wait."""
        ticket = self.waiting.pop(name, None)
        if ticket is None:
            return False
        ticket.left = True
        ticket.changed.set()
        return True

    def release(self, name: str) -> None:
        self.running.pop(name, None)
        self.waiting.pop(name, None)
        self._admit()

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self._places:
            name, ticket = self.waiting.popitem(last=False)
            self.running[name] = ticket
            ticket.changed.set()
