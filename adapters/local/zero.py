"""Hugging Face ZeroGPU: where the package `spaces` lends a GPU by the second, a batch is answered inside `spaces.GPU`.

The decorated function runs in a forked worker process: plain values go in, events come out, and a mapped file carries
the stops, since closing the generator does not reach the worker. This process never touches torch then. See decision
0020. Off ZeroGPU the decorator returns the function as it is, and the engine's own thread answers.
"""

import importlib
import importlib.util
import logging
import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

from adapters.errors import AdapterError
from adapters.local.job import Ask, Event, Job
from adapters.local.loading import as_error
from adapters.local.prompt import Encoder
from adapters.local.residents import Residents
from adapters.local.work import answer

log = logging.getLogger(__name__)
LOADING, TOKENS_PER_SECOND, LONGEST = 30, 20, 120  # seconds for the first load; slower than any GPU; seconds


@dataclass(frozen=True, kw_only=True)
class Work:
    """A batch in values that can be pickled. `flags`: the file of one byte a row that is 1 once the row is to end."""

    asks: tuple[Ask, ...]
    folder: Path
    flags: Path


class Flags:
    """The file of stops, in the process that writes it."""

    def __init__(self, rows: int) -> None:
        self._file, name = tempfile.mkstemp(prefix="playground-stops-")
        self.path = Path(name)
        os.write(self._file, bytes(rows))

    def set(self, row: int) -> None:
        os.pwrite(self._file, b"\1", row)

    def __enter__(self) -> "Flags":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)
        self.path.unlink()


@dataclass(frozen=True)
class FlagThere:
    """One row's stop, as the worker sees it: about 50 ns to look."""

    board: mmap.mmap
    row: int

    def is_set(self) -> bool:
        return self.board[self.row] != 0


@dataclass(frozen=True)
class JobThere:
    """A row in the worker process."""

    ask: Ask
    encoder: Encoder
    stop: FlagThere
    events: "SimpleQueue[tuple[int, Event] | None]"

    def send(self, event: Event) -> None:
        self.events.put((self.stop.row, event))


@lru_cache(maxsize=1)
def _models() -> Residents:
    """What this worker process keeps loaded from one call to the next."""
    return Residents(1)


def seconds(work: Work) -> int:
    """How long the GPU is asked for; a visitor whose quota is smaller is refused, so no longer than is likely."""
    return min(LONGEST, LOADING + max(ask.max_tokens for ask in work.asks) // TOKENS_PER_SECOND)


def there(work: Work) -> Iterator[tuple[int, Event]]:
    """Answer a batch and yield (row, event). Runs in the worker; raises what went wrong."""
    events: SimpleQueue[tuple[int, Event] | None] = SimpleQueue()
    failed: list[AdapterError] = []
    with work.flags.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as board:
        encoder = Encoder(work.folder)
        rows = [JobThere(ask, encoder, FlagThere(board, i), events) for i, ask in enumerate(work.asks)]

        def run() -> None:
            try:
                answer(_models(), rows)
            except AdapterError as error:
                failed.append(error)
            except Exception as error:  # the worker must outlive any failure of torch
                log.exception("the local model failed on a request")
                failed.append(as_error(error))
            finally:
                events.put(None)

        thread = threading.Thread(target=run, name="local-model", daemon=True)
        thread.start()
        while (item := events.get()) is not None:
            yield item
        thread.join()
    if failed:
        raise failed[0]


def _lend() -> Callable[[Work], Iterator[tuple[int, Event]]] | None:
    """`there` inside `spaces.GPU`; None where no GPU is lent. Done at import: a Space looks for it at its start."""
    if importlib.util.find_spec("spaces") is None:
        return None
    decorate = getattr(importlib.import_module("spaces"), "GPU", None)  # a mere folder of that name has none
    made = decorate(duration=seconds)(there) if decorate else there
    return None if made is there else made


lent = _lend()


def answer_there(batch: Sequence[Job], flags: Flags, *, beat: Callable[[], object]) -> None:
    """Answer a batch on the lent GPU, on the quota of the visitor who waits longest. Raises what went wrong."""
    assert lent is not None
    events = lent(Work(asks=tuple(job.ask for job in batch), folder=batch[0].encoder.folder, flags=flags.path))
    context = batch[0].context
    while (item := context.run(next, events, None)) is not None:
        beat()
        row, event = item
        batch[row].send(event)
        if batch[row].stop.is_set():
            flags.set(row)
