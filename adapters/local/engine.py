"""One thread owns torch: import, load, warm-up, generate, unload. Everyone else puts jobs into its queue.

Jobs are taken in the order they came; those for the same model with the same sampling that wait at that moment run as
one batch. Where Hugging Face lends a GPU by the second, the thread hands the batch to `zero` instead.
"""

import copy
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence

from adapters.errors import AdapterError, OutOfMemory, RateLimited, Unavailable
from adapters.local import zero
from adapters.local.job import Job
from adapters.local.loading import Loaded, as_error, tidy
from adapters.local.residents import Residents
from adapters.local.spec import LocalSpec
from adapters.local.work import answer

log = logging.getLogger(__name__)
MOST_WAITING, MOST_ROWS = 64, 8
GATHER = 0.02  # seconds in which requests that belong together arrive
CLOSED = "The local model has been shut down."


class Engine:
    """The queue and the thread. `residents`: models kept in memory at once."""

    def __init__(self, *, residents: int = 1, rows: int = MOST_ROWS, waiting: int = MOST_WAITING) -> None:
        self.rows, self.waiting = rows, waiting
        self._models = Residents(residents)
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._batch: Sequence[Job] = ()
        self._flags: zero.Flags | None = None
        self._closing = False
        self._progress = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether a batch is under way."""
        return bool(self._batch)

    @property
    def quiet(self) -> float:
        """Seconds since the thread last got on with something: a token, a layer, a second of loading."""
        return time.monotonic() - self._progress

    def submit(self, job: Job) -> None:
        """Queue a job. Raises `RateLimited` when too many wait already, `Unavailable` after `close`."""
        with self._changed:
            if self._closing:
                raise Unavailable(CLOSED, fix="Start the playground again.")
            if len(self._queue) >= self.waiting:
                words = f"The local model is busy: {len(self._queue)} requests are waiting."
                raise RateLimited(words, fix="Try again in a minute.")
            self._queue.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="local-model", daemon=True)
                self._thread.start()
            self._tell_places()
            self._changed.notify()

    def forget(self, job: Job) -> None:
        """The asker has gone: take the job out of the queue, or end its row."""
        job.stop.set()
        with self._changed:
            if job in self._queue:
                self._queue.remove(job)
                self._tell_places()
            if self._flags and job in self._batch:
                self._flags.set(self._batch.index(job))

    def resident(self) -> tuple[Loaded, ...]:
        return self._models.resident()

    def holds(self, spec: LocalSpec) -> bool:
        """Whether the model is in memory, so that asking it needs no more of it."""
        return self._models.holds(spec)

    def gives_back(self, device: str) -> int:
        """Bytes of memory that would be free there if every resident model went."""
        return self._models.gives_back(device)

    def evict_all(self) -> None:
        """Free every model unless one answers; for whoever needs the memory."""
        if not self.busy:
            self._models.clear()

    def close(self, timeout: float = 10.0) -> None:
        """End the thread and free every model. Whoever still waits gets an error."""
        with self._changed:
            self._closing = True
            for job in (*self._queue, *self._batch):
                job.send(Unavailable(CLOSED, fix="Start the playground again."))
                job.stop.set()
            self._queue.clear()
            self._changed.notify()
        if self._thread:
            self._thread.join(timeout)

    def _tell_places(self) -> None:
        running = sum(not job.over and not job.stop.is_set() for job in self._batch)
        for place, job in enumerate(self._queue):
            ahead = place + running
            job.say(f"Waiting for the local model, {ahead} ahead" if ahead else "Waiting for the local model")

    # -- the thread

    def _work(self) -> None:
        while batch := self._next():
            try:
                self._run(batch)
            except AdapterError as error:
                self._failed(batch, error)
            except Exception as error:  # the one boundary: the engine must outlive any failure of torch
                log.exception("the local engine failed on a request")
                self._failed(batch, as_error(error))
            finally:
                with self._changed:
                    self._batch = ()
                    for job in batch:  # whatever happened, nobody is left waiting
                        if job not in self._queue:
                            job.send(AdapterError("The local model ended without an answer."))
        self._models.clear()

    def _next(self) -> list[Job]:
        """The next jobs that can run as one batch; empty at the end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closing)
                self._progress = time.monotonic()
                early = GATHER - (self._progress - self._queue[0].asked) if self._queue else 0.0
            if early > 0:
                time.sleep(early)
            with self._changed:
                if self._closing:
                    return []
                self._queue = deque(job for job in self._queue if not job.stop.is_set())
                if self._queue:
                    return self._take()

    def _take(self) -> list[Job]:
        first = self._queue[0]
        batch = [job for job in self._queue if job is first or _together(first, job)][: self.rows]
        for job in batch:
            self._queue.remove(job)
        self._batch = batch
        self._tell_places()
        return batch

    def _beat(self) -> None:
        self._progress = time.monotonic()

    def _run(self, batch: Sequence[Job]) -> None:
        if zero.lent is None:
            answer(self._models, batch, beat=self._beat)
            return
        with zero.Flags(len(batch)) as flags:
            with self._changed:
                self._flags = flags
                for row, job in enumerate(batch):
                    if job.stop.is_set():
                        flags.set(row)
            try:
                zero.answer_there(batch, flags, beat=self._beat)
            finally:
                with self._changed:
                    self._flags = None

    def _failed(self, batch: Sequence[Job], error: AdapterError) -> None:
        """Tell each row, in an error of its own. Rows that only together were too big run again, one by one."""
        _forget_frames(error)
        if isinstance(error, OutOfMemory):
            tidy()
        waiting = [job for job in batch if not job.over and not job.stop.is_set()]
        again = [job for job in waiting if not job.begun] if isinstance(error, OutOfMemory) and len(batch) > 1 else []
        with self._changed:
            for job in waiting:
                if job not in again or self._closing:
                    job.send(copy.copy(error))
            for job in reversed(again):
                job.alone = True
                self._queue.appendleft(job)


def _together(first: Job, job: Job) -> bool:
    """Whether two jobs can be rows of one batch."""
    if first.alone or job.alone or first.ask.sampling.alone:
        return False
    return (job.ask.spec.key, job.ask.sampling, job.ask.stops) == (
        first.ask.spec.key,
        first.ask.sampling,
        first.ask.stops,
    )


def _forget_frames(error: BaseException | None) -> None:
    """The frames of a kept error would keep the model alive."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def residents_setting() -> int:
    """How many models stay in memory: PLAYGROUND_LOCAL_RESIDENT, 1 by default."""
    text = os.environ.get("PLAYGROUND_LOCAL_RESIDENT", "1")
    return int(text) if text.isdigit() and int(text) > 0 else 1
