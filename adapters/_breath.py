"""How long a stream may rest between two network reads; knows no API.

Every read costs the same, whether it brings one token or ten. A page looks at an answer every 50 ms at most, every
350 ms when a hundred runs go on, so reading each token by itself is work for nobody. A batch run shows no text at all:
there a stream rests for half of what an answer of this model usually still takes. The first text of an answer never
rests. Figures stand in tests/benchmarks/streaming.md and batch.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

UNREAD = "unread"  # of a response's extensions: a context manager; inside, nothing is taken from the socket
EACH, LONGEST, LEAST = 0.0005, 0.12, 0.005  # seconds: for each stream, at most, and what is not worth a timer
LONGEST_UNWATCHED = 0.5  # seconds
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
        rest = min(LONGEST, EACH * self._streams)
        return rest if rest >= LEAST else 0.0


class Usual:
    """How long answers of one model take from first text to end, in seconds, the newest counting most."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def note(self, seconds: float) -> None:
        self._seconds += NEWEST * (seconds - self._seconds) if self._seconds else seconds

    def rest(self, elapsed: float) -> float | None:
        """For an answer whose first text came `elapsed` seconds ago: half of what is usually left of it, at least a
        twelfth of the whole. None where somebody may read along, and before the first answer has ended.
        """
        if not self._seconds or not _unwatched.get():
            return None
        rest = min(LONGEST_UNWATCHED, max((self._seconds - elapsed) / 2, self._seconds / 12))
        return rest if rest >= LEAST else 0.0
