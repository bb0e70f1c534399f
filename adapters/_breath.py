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
    """When answers of one model end, in seconds after their first text: mean and mean deviation, the newest counting
    most, as TCP estimates its round trips (RFC 6298).
    """

    def __init__(self) -> None:
        self._mean = self._deviation = 0.0

    def note(self, seconds: float, *, late: float = 0.0) -> None:
        """An answer has ended; that was noticed after `seconds`, and may have been true up to `late` seconds before."""
        took = seconds - late / 2
        if not self._mean:
            self._mean, self._deviation = took, took / 2
            return
        self._deviation += NEWEST * (abs(took - self._mean) - self._deviation)
        self._mean += NEWEST * (took - self._mean)

    def rest(self, now: float, begun: float, watched: float) -> float:
        """Seconds for an answer whose first text came at `begun`, a loop's time. `watched`: where somebody reads along.

        Else until it might end (three deviations before the mean), or for half of what is left, to the nearest tick.
        Ticks are the same for all streams, so that many are read in one turn of the loop. Before the first answer has
        ended, an eighth of its time so far.
        """
        if not _unwatched.get():
            return watched
        if not self._mean:
            return _worth(max(watched, min(LONGEST_UNWATCHED, (now - begun) / 8)))
        left = self._mean - (now - begun)
        tick = 2.0 ** math.floor(math.log2(self._mean / TICKS))
        rest = min(LONGEST_UNWATCHED, max(left - 3 * self._deviation, left / 2))
        rest = max(round((now + rest) / tick), math.ceil(now / tick + 0.5)) * tick - now
        return _worth(rest)


def _worth(rest: float) -> float:
    return rest if rest >= LEAST else 0.0
