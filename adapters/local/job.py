"""One request to the engine, and what comes back of it; knows no torch.

The engine's thread writes, an event loop reads: events cross by `call_soon_threadsafe`, so that nothing can hang.
"""

import asyncio
import contextvars
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from adapters.local.prompt import Encoder
from adapters.local.spec import LocalSpec


@dataclass(frozen=True)
class Sampling:
    """Settings that rows of one batch share. Temperature 0 is greedy; a seed then changes nothing."""

    temperature: float
    top_p: float | None
    seed: int | None

    @property
    def greedy(self) -> bool:
        return self.temperature <= 0

    @property
    def alone(self) -> bool:
        """A seeded sample is repeatable only in a batch of one."""
        return not self.greedy and self.seed is not None


@dataclass(frozen=True)
class Status:
    """A sentence for whoever waits."""

    words: str


@dataclass(frozen=True)
class Running:
    """Generation has begun; how the model was loaded and what is used."""

    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """The answer is whole. `tokens`: generated ones, a stop token included."""

    reason: Literal["stop", "length"]
    tokens: int


Event = str | Status | Running | Ended | BaseException


class Flag(Protocol):
    """Whether a row is to end; set elsewhere."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is asked, in plain values that may cross to another process. `ends`: texts before which an answer ends."""

    spec: LocalSpec
    ids: tuple[int, ...]
    max_tokens: int
    sampling: Sampling
    stops: tuple[int, ...]
    ends: tuple[str, ...] = ()


class Asked(Protocol):
    """What answering needs of a request: the question, a way back and a way to be stopped."""

    @property
    def ask(self) -> Ask: ...
    @property
    def encoder(self) -> Encoder: ...
    @property
    def stop(self) -> Flag: ...
    def send(self, event: Event) -> None: ...


@dataclass(eq=False)
class Job:
    """A question and the way back to the loop that asked. `stop` ends it from any thread.

    `context` is the asker's: a hosted GPU is counted on the visitor whose request is in it.
    """

    ask: Ask
    encoder: Encoder
    loop: asyncio.AbstractEventLoop
    events: "asyncio.Queue[Event]" = field(default_factory=asyncio.Queue)
    stop: threading.Event = field(default_factory=threading.Event)
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    asked: float = field(default_factory=time.monotonic)
    said: str = ""
    begun: bool = False  # text has been sent
    over: bool = False
    alone: bool = False  # to be run by itself: it did not fit into memory beside others

    def send(self, event: Event) -> None:
        """Hand one event to the waiting stream; a loop that is closed has nobody waiting. Nothing follows an end."""
        if self.over:
            return
        self.over = isinstance(event, Ended | BaseException)
        self.begun = self.begun or isinstance(event, str)
        if isinstance(event, Status):
            self.said = event.words
        try:
            self.loop.call_soon_threadsafe(self.events.put_nowait, event)
        except RuntimeError:
            self.stop.set()

    def say(self, words: str) -> None:
        if words != self.said:
            self.send(Status(words))
