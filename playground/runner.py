"""Many adapters -> one stream of sides. Provider streams run in a thread and loop of their own; knows no task or page.

The page's loop looks at the sides on a tick: 50 ms plus 3 ms for every run that is going on. It wakes at once for the
first text of a side and for an end. At least once a second it yields, since only then is a closed page noticed.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from adapters._text import whole
from adapters.base import Adapter, Chunk, Completion, Drain, GenerateConfig, Message
from adapters.errors import AdapterError, TooSlow
from adapters.loop import new_loop

log = logging.getLogger(__name__)
TICK, TICK_PER_RUN, IDLE = 0.05, 0.003, 1.0  # seconds
SideState = Literal["waiting", "answering", "done", "failed", "stopped"]


class Background:
    """A thread with an event loop of its own, in which provider streams live. Close it at the end of the program."""

    def __init__(self) -> None:
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="providers", daemon=True)
        self._thread.start()

    def submit(self, job: Coroutine[Any, Any, None]) -> "Future[None]":
        """Run `job` there; cancelling the future from any thread cancels the job."""
        return asyncio.run_coroutine_threadsafe(job, self._loop)

    def close(self, timeout: float = 3.0) -> None:
        """Cancel every open stream and end the thread; `timeout` in seconds."""
        if self._loop.is_closed():
            return

        async def cancel_all() -> None:
            tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._loop.shutdown_asyncgens()

        with suppress(TimeoutError):
            self.submit(cancel_all()).result(timeout)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)
        if not self._thread.is_alive():
            self._loop.close()


@dataclass(frozen=True)
class Limits:
    """Seconds until the first sign of life of a side, and between two of them. Adapters may be stricter."""

    first: float = 120.0
    stall: float = 60.0


@dataclass(eq=False)
class Side:
    """One model's answer in the making. The provider's thread writes `queue` and `drain`; `text` is the page's."""

    key: str
    adapter: Adapter
    messages: Sequence[Message]
    config: GenerateConfig
    queue: deque[Chunk] = field(default_factory=deque)  # append and popleft are atomic
    state: SideState = "waiting"
    error: AdapterError | None = None
    status: str = ""
    text: str = ""
    started: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)
    ended: float | None = None
    drain: Drain = field(default_factory=lambda: Drain(time.monotonic()))
    job: "Future[None] | None" = None
    wake: Callable[[], object] = lambda: None

    @property
    def live(self) -> bool:
        return self.state in ("waiting", "answering")

    @property
    def outcome(self) -> Literal["done", "failed", "stopped"]:
        """How it ended; what still lives counts as stopped."""
        return "stopped" if self.state == "waiting" or self.state == "answering" else self.state

    @property
    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.started

    def put(self, chunk: Chunk) -> None:
        self.seen = time.monotonic()
        self.drain.add(chunk, self.seen)
        self.queue.append(chunk)
        if chunk.text and self.state == "waiting":
            self.state = "answering"
            self.wake()  # the first text does not wait for the tick

    def end(self, state: SideState, error: AdapterError | None = None) -> None:
        if self.live:
            self.ended, self.error, self.state = time.monotonic(), error, state
            self.wake()

    def abort(self, state: SideState, error: AdapterError | None = None) -> None:
        self.end(state, error)
        if self.job:
            self.job.cancel()

    def take(self) -> bool:
        """Move what has arrived into `text` and `status`; True if there was something."""
        chunks = [self.queue.popleft() for _ in range(len(self.queue))]
        self.text += whole("".join(c.text for c in chunks))
        for chunk in chunks:
            self.status = "" if chunk.text else (chunk.status or self.status)
        return bool(chunks)

    def completion(self) -> Completion:
        """What was answered, also after a failure or a stop."""
        return self.drain.completion(self.ended or time.monotonic())


async def pump(side: Side) -> None:
    """Move one adapter's stream into its side. A failure stays on its side."""
    try:
        async with aclosing(side.adapter.stream(side.messages, side.config)) as chunks:
            async for chunk in chunks:
                side.put(chunk)
        side.end("done")
    except AdapterError as error:
        side.end("failed", error)
    except asyncio.CancelledError:
        side.end("stopped")
        raise
    except Exception:  # the one boundary: a bug in an adapter must not leave a side hanging
        log.exception("an adapter failed in an unforeseen way")
        side.end("failed", AdapterError("The model's client failed in an unforeseen way; the log has the details."))


class Run:
    """Two to four sides that answer at the same time (one, for a retry)."""

    going = 0  # runs in this process, for the tick; changed only in the page's loop

    def __init__(self, background: Background, sides: Sequence[Side], *, limits: Limits) -> None:
        self.background, self.sides, self.limits = background, tuple(sides), limits
        self._changed = asyncio.Event()

    def stop(self) -> None:
        """End every live side as stopped; what has arrived is kept."""
        for side in self.sides:
            side.abort("stopped")

    def _start(self) -> None:
        wake = partial(asyncio.get_running_loop().call_soon_threadsafe, self._changed.set)
        for side in self.sides:
            side.started = side.seen = time.monotonic()
            side.drain = Drain(side.started)
            side.wake = wake
            side.job = self.background.submit(pump(side))

    def _end_late_ones(self, now: float) -> None:
        for side in self.sides:
            limit = self.limits.first if side.state == "waiting" else self.limits.stall
            if side.live and now - side.seen > limit:
                words = "No answer" if side.state == "waiting" else "No further text"
                side.abort("failed", TooSlow(f"{words} for {limit:g} seconds."))

    async def updates(self) -> AsyncGenerator[tuple[Side, ...], None]:
        """Yield the sides when one has changed, at least once a second. Closing this cancels every request."""
        Run.going += 1
        try:
            self._start()
            shown, live = time.monotonic(), True
            while live:
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK + TICK_PER_RUN * Run.going):
                        await self._changed.wait()
                self._changed.clear()
                now = time.monotonic()
                self._end_late_ones(now)
                live = any(side.live for side in self.sides)  # before taking, so that no last piece is missed
                if any([side.take() for side in self.sides]) or not live or now - shown >= IDLE:
                    shown = now
                    yield self.sides
        finally:
            Run.going -= 1
            self.stop()
