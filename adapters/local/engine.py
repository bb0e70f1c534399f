"""One thread owns torch: import, load, warm-up, generate, unload. Everyone else puts jobs into its queue.

Jobs are taken in the order they came; those for the same model with the same sampling that wait at that moment run as
one batch. One model is resident by default; the least recently used goes before another comes.
"""

import logging
import os
import threading
import time
from collections import deque
from typing import Any

from adapters.errors import AdapterError, RateLimited
from adapters.local.decode import Cancelled, Row, Rows, criteria
from adapters.local.job import Job, Running
from adapters.local.loading import Loaded, as_error, load, start_torch, unload

log = logging.getLogger(__name__)
MOST_WAITING, MOST_ROWS = 64, 8
GATHER = 0.02  # seconds in which requests that belong together arrive


class Engine:
    """The queue and the thread. `residents`: models kept in memory at once."""

    def __init__(self, *, residents: int = 1, rows: int = MOST_ROWS, waiting: int = MOST_WAITING) -> None:
        self.residents, self.rows, self.waiting = residents, rows, waiting
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._loaded: dict[str, Loaded] = {}
        self._running: Rows | None = None
        self._closing = False

    def submit(self, job: Job) -> None:
        """Queue a job; raises `RateLimited` when too many wait already."""
        with self._changed:
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

    def resident(self) -> tuple[Loaded, ...]:
        return tuple(self._loaded.values())

    def evict_all(self) -> None:
        """Free every model that no request uses; for whoever needs the memory."""
        if self._running is None:
            for key in list(self._loaded):
                unload(self._loaded.pop(key))

    def close(self, timeout: float = 10.0) -> None:
        """End the thread and free every model."""
        with self._changed:
            self._closing = True
            for job in self._queue:
                job.stop.set()
            self._changed.notify()
        if self._running:
            for row in self._running.rows:
                row.job.stop.set()
        if self._thread:
            self._thread.join(timeout)

    def _tell_places(self) -> None:
        busy = 1 if self._running else 0
        for place, job in enumerate(self._queue):
            ahead = place + busy
            job.say(f"Waiting for the local model, {ahead} ahead" if ahead else "Waiting for the local model")

    # -- the thread

    def _work(self) -> None:
        torch: Any = None
        while batch := self._next():
            try:
                torch = torch or start_torch()
                with torch.random.fork_rng(devices=range(torch.cuda.device_count())):  # loading draws numbers too
                    loaded = self._resident(batch)
                    self._generate(torch, loaded, batch)
            except AdapterError as error:
                self._fail(batch, error)
            except Exception as error:  # the one boundary: the engine must outlive any failure of torch
                log.exception("the local engine failed on a request")
                self._fail(batch, as_error(error))
            finally:
                self._running = None
        for key in list(self._loaded):
            unload(self._loaded.pop(key))

    def _next(self) -> list[Job]:
        """The next jobs that can run as one batch; empty at the end."""
        while True:
            with self._changed:
                while not self._queue and not self._closing:
                    self._changed.wait()
            time.sleep(GATHER)
            with self._changed:
                self._queue = deque(job for job in self._queue if not job.stop.is_set())
                if self._closing:
                    return []
                if self._queue:
                    return self._take()

    def _take(self) -> list[Job]:
        first = self._queue[0]
        batch = [job for job in self._queue if self._together(first, job)][: self.rows]
        for job in batch:
            self._queue.remove(job)
        self._running = Rows([Row(job) for job in batch])
        self._tell_places()
        return batch

    def _together(self, first: Job, job: Job) -> bool:
        if job is first:
            return True
        same = job.spec.key == first.spec.key and job.sampling == first.sampling
        return same and not first.sampling.alone

    def _resident(self, batch: list[Job]) -> Loaded:
        spec = batch[0].spec
        if spec.key not in self._loaded:
            freed = 0
            while len(self._loaded) >= self.residents:
                oldest = min(self._loaded, key=lambda key: self._loaded[key].used)
                unload(self._loaded.pop(oldest))

            def say(words: str) -> None:
                for job in batch:
                    job.say(words)

            loaded = load(spec, say=say, freed=freed)
            self._hook(loaded)
            self._loaded[spec.key] = loaded
        loaded = self._loaded[spec.key]
        loaded.used = time.monotonic()
        return loaded

    def _hook(self, loaded: Loaded) -> None:
        """Look between two layers whether anybody still waits: a long prefill ends within a layer."""

        def look(module: Any, inputs: Any) -> None:
            if self._running:
                self._running.check()

        for layer in loaded.model.model.layers:
            layer.register_forward_pre_hook(look)

    def _generate(self, torch: Any, loaded: Loaded, batch: list[Job]) -> None:
        rows = self._running
        assert rows is not None
        first = batch[0]
        for job in batch:
            job.say("")
            job.send(Running(parameters(loaded, job, len(batch))))
        width, pad = max(len(job.ids) for job in batch), first.encoder.pad
        ids = torch.tensor([[pad] * (width - len(j.ids)) + j.ids for j in batch], device=loaded.model.device)
        mask = torch.tensor([[0] * (width - len(j.ids)) + [1] * len(j.ids) for j in batch], device=ids.device)
        sampling = first.sampling
        options: dict[str, Any] = {"do_sample": not sampling.greedy}
        if not sampling.greedy:
            options |= {"temperature": sampling.temperature, "top_p": sampling.top_p or 1.0, "top_k": 0}
        try:
            with torch.inference_mode():
                if sampling.seed is not None:
                    torch.manual_seed(sampling.seed)
                loaded.model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    streamer=rows,
                    stopping_criteria=criteria(rows),
                    eos_token_id=sorted({i for job in batch for i in job.stops}),
                    pad_token_id=pad,
                    max_new_tokens=max(job.max_tokens for job in batch),
                    **options,
                )
        except Cancelled:
            return
        finally:
            loaded.used = time.monotonic()

    def _fail(self, batch: list[Job], error: BaseException) -> None:
        error.__traceback__ = None  # it would keep the model alive
        for row in self._running.rows if self._running else [Row(job) for job in batch]:
            row.fail(error)


def parameters(loaded: Loaded, job: Job, batch_size: int) -> dict[str, Any]:
    """Everything that a repetition needs to know, as it was used."""
    sampling = job.sampling
    return {
        "max_tokens": job.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "greedy": sampling.greedy,
        "stop_token_ids": list(job.stops),
        "quantisation": loaded.weights.quantised or loaded.spec.quantisation,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "revision": loaded.spec.revision,
        "weights_sha256": loaded.sha256,
        "batch_size": batch_size,
        "context": job.spec.context,
        "reference_prompt": job.spec.reference_prompt,
    }


def residents_setting() -> int:
    """How many models stay in memory: PLAYGROUND_LOCAL_RESIDENT, 1 by default."""
    text = os.environ.get("PLAYGROUND_LOCAL_RESIDENT", "1")
    return int(text) if text.isdigit() and int(text) > 0 else 1
