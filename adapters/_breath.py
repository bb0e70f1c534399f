"""How long a stream may rest between two network reads; knows no API.

Every read costs the same, whether it brings one token or ten. A page looks at an answer every 50 ms at most, every
350 ms when a hundred runs go on, so reading each token by itself is work for nobody. A batch run shows no text at all:
there a stream rests until its answer may end, by what answers of this model usually take. The first text of an answer
never rests. Figures stand in tests/benchmarks/streaming.md and batch.md.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

UNREAD = "unread"  # of a response's extensions: a context manager; inside, nothing is taken from the socket
EACH, LONGEST, LEAST = 0.0005, 0.12, 0.005  # seconds: for each stream, at most, and what is not worth a timer
LONGEST_UNWATCHED = 0.5  # seconds
TICKS = 24  # of an answer's time, or up to twice as many
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


class Usual:
    """How long answers of one model take from first text to end: mean and mean deviation in seconds, the newest
    counting most, as TCP estimates its round trips (RFC 6298). `mean` is 0 before the first has ended.
    """

    def __init__(self) -> None:
        self.mean = self.deviation = 0.0

    def note(self, seconds: float) -> None:
        if not self.mean:
            self.mean, self.deviation = seconds, seconds / 2
            return
        self.deviation += NEWEST * (abs(seconds - self.mean) - self.deviation)
        self.mean += NEWEST * (seconds - self.mean)

    @property
    def tick(self) -> float:
        return 2.0 ** math.floor(math.log2(min(self.mean / TICKS, LONGEST_TICK)))


class Waiting:
    """For the end of one answer whose first text has come. Times are a loop's."""

    def __init__(self, usual: Usual, begun: float) -> None:
        self._usual, self._begun = usual, begun
        self._looked, self._expected = begun, 0.0

    def rest(self, now: float, watched: float) -> float:
        """Seconds until the next look. `watched`: where somebody reads along.

        Else until the answer might end, or for half of what is usually left, or for a small part of its time so far,
        to the nearest tick. Ticks are the same for all streams, so that many are read in one turn of the loop. Before
        the first answer has ended, an eighth of its time so far.
        """
        usual, spent = self._usual, now - self._begun
        self._looked, self._expected = now, usual.mean
        if not _unwatched.get():
            return watched
        if not usual.mean:
            return _worth(max(watched, min(LONGEST_UNWATCHED, spent / 8)))
        left, tick = usual.mean - spent, usual.tick
        rest = min(LONGEST_UNWATCHED, max(left - usual.deviation, left / 2, spent / TICKS))
        return _worth(max(round((now + rest) / tick), math.ceil(now / tick + 0.5)) * tick - now)

    def ended(self, now: float) -> None:
        """It is known only that the end came after the last look. If that was long ago, the end came no later than
        expected, and a little earlier is assumed: else it would never be looked for earlier.
        """
        at_least, at_most = self._looked - self._begun, now - self._begun
        took = (at_least + at_most) / 2
        if self._expected and at_most - at_least > 2 * self._usual.tick:
            took = max(at_least, min(at_most, self._expected) - self._usual.tick)
        self._usual.note(took)


def _worth(rest: float) -> float:
    return rest if rest >= LEAST else 0.0
