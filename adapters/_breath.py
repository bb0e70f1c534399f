"""How long a stream may rest between two network reads; knows no API.

Every read costs the same, whether it brings one token or ten. A page looks at an answer every 50 ms at most, every
350 ms when a hundred runs go on, so reading each token by itself is work for nobody. A batch run shows no text at all:
there a stream rests until its answer may end, by what answers of this model usually take; before that is known, one
stream looks out for all. The first text of an answer never rests. Figures stand in tests/benchmarks/streaming.md and
batch.md.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

UNREAD = "unread"  # of a response's extensions: a context manager; inside, nothing is taken from the socket
EACH, LONGEST, LEAST = 0.0005, 0.12, 0.005  # seconds: for each stream, at most, and what is not worth a timer
LONGEST_UNWATCHED, TICKS = 1.0, 16  # seconds; parts of an answer's time, or up to twice as many
LONGEST_CROWDED, TICKS_CROWDED = 0.5, 48  # the same where many streams must not come to be read all at once
CROWD = 100  # streams
LONGEST_TICK = 1 / 16  # seconds
NEWEST = 0.2  # weight of the newest answer in what is usual
_unwatched: ContextVar[bool] = ContextVar("unwatched", default=False)


@contextmanager
def unwatched() -> Iterator[None]:
    """Nobody reads along in the streams that begin inside, nor in those of tasks that are started inside."""
    token = _unwatched.set(True)
    try:
        yield
    finally:
        _unwatched.reset(token)


class Breath:
    """Counts the streams under way; enter it for the time of one. Used from loops in several threads: a rough count."""

    def __init__(self) -> None:
        self._streams = 0

    def __enter__(self) -> "Breath":
        self._streams += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._streams -= 1

    @property
    def seconds(self) -> float:
        return _worth(min(LONGEST, EACH * self._streams))

    @property
    def crowded(self) -> bool:
        return self._streams >= CROWD


class Usual:
    """How long answers of one model take from first text to end: mean and mean deviation in seconds, the newest
    counting most, as TCP estimates its round trips (RFC 6298). `mean` is 0 before the first has ended.
    """

    def __init__(self) -> None:
        self.mean = self.deviation = 0.0
        self.scout: Waiting | None = None  # who looks often while nothing is known
        self._sleepers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def note(self, seconds: float) -> None:
        if not self.mean:
            self.mean, self.deviation = seconds, seconds / 2
            for sleeper, loop in tuple(self._sleepers.items()):
                if not loop.is_closed():
                    loop.call_soon_threadsafe(sleeper.set)
            return
        self.deviation += NEWEST * (abs(seconds - self.mean) - self.deviation)
        self.mean += NEWEST * (seconds - self.mean)

    async def known(self, within: float) -> None:
        """Return when the first answer has ended, after `within` seconds at the latest."""
        sleeper = asyncio.Event()
        self._sleepers[sleeper] = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within):
                await sleeper.wait()
        except TimeoutError:
            return
        finally:
            del self._sleepers[sleeper]

    def tick(self, ticks: int) -> float:
        """A power of two, so that ticks of one length are also ticks of every shorter one."""
        return 2.0 ** math.floor(math.log2(min(self.mean / ticks, LONGEST_TICK)))


class Waiting:
    """For the end of one answer whose first text has come. Times are a loop's."""

    def __init__(self, usual: Usual, begun: float) -> None:
        self._usual, self._begun = usual, begun
        self._looked, self._expected, self._tick = begun, 0.0, 0.0

    def rest(self, now: float, breath: Breath) -> float:
        """Seconds until the next look; `breath` says how long, where somebody reads along.

        Else until the answer might end, or for half of what is usually left, or for a small part of its time so far,
        to the nearest tick. Ticks are the same for all streams, so that many are read in one turn of the loop. Before
        the first answer has ended, the first to ask rests for that small part, the others until then.
        """
        usual, spent = self._usual, now - self._begun
        self._looked, self._expected = now, 0.0
        if not _unwatched.get():
            return breath.seconds
        if not usual.mean:
            usual.scout = usual.scout or self
            return min(LONGEST_CROWDED, max(LEAST, spent / TICKS)) if usual.scout is self else LONGEST_UNWATCHED
        longest, ticks = (LONGEST_CROWDED, TICKS_CROWDED) if breath.crowded else (LONGEST_UNWATCHED, TICKS)
        left, tick = usual.mean - spent, usual.tick(ticks)
        self._expected, self._tick = usual.mean, tick
        rest = min(longest, max(left - usual.deviation, left / 2, spent / ticks))
        return _worth(max(round((now + rest) / tick), math.ceil(now / tick + 0.5)) * tick - now)

    async def sleep(self, rest: float) -> None:
        """For that long; of those that nobody watches, until it is known how long answers take."""
        if self._usual.mean or not _unwatched.get():
            await asyncio.sleep(rest)
        else:
            await self._usual.known(rest)

    def leave(self) -> None:
        """Nobody waits any more; who looked out for the others is followed by the next of them."""
        if self._usual.scout is self:
            self._usual.scout = None

    def ended(self, now: float) -> None:
        """It is known only that the end came after the last look. If that was long ago, the end came no later than
        expected, and a little earlier is assumed: else it would never be looked for earlier.
        """
        at_least, at_most = self._looked - self._begun, now - self._begun
        took = (at_least + at_most) / 2
        if self._expected and at_most - at_least > 2 * self._tick:
            took = max(at_least, min(at_most, self._expected) - self._tick)
        self._usual.note(took)


def _worth(rest: float) -> float:
    return rest if rest >= LEAST else 0.0
