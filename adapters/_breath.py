"""How long a stream may rest between two network reads, by how many streams this process reads; knows no API.

Every read costs the same, whether it brings one token or ten. A page looks at an answer every 50 ms at most, every
350 ms when a hundred runs go on, so reading each token by itself is work for nobody. Figures with 400 streams
of 50 tokens a second stand in tests/benchmarks/streaming.md. The first text of an answer never rests.
"""

from types import TracebackType

UNREAD = "unread"  # of a response's extensions: a context manager; inside, nothing is taken from the socket
EACH, LONGEST, LEAST = 0.0005, 0.12, 0.005  # seconds: for each stream, at most, and what is not worth a timer


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
