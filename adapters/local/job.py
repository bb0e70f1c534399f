"""One request to the engine, and what comes back of it; knows no torch.

The engine's thread writes, an event loop reads: events cross by `call_soon_threadsafe`, so that nothing can hang.
"""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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


@dataclass(eq=False)
class Job:
    """A prompt in ids, its limits, and the way back. `stop` ends it from any thread."""

    spec: LocalSpec
    encoder: Encoder
    ids: list[int]
    max_tokens: int
    sampling: Sampling
    stops: tuple[int, ...]
    loop: asyncio.AbstractEventLoop
    events: "asyncio.Queue[Event]" = field(default_factory=asyncio.Queue)
    stop: threading.Event = field(default_factory=threading.Event)
    said: str = ""

    def send(self, event: Event) -> None:
        """Hand one event to the waiting stream; a loop that is closed has nobody waiting."""
        try:
            self.loop.call_soon_threadsafe(self.events.put_nowait, event)
        except RuntimeError:
            self.stop.set()

    def say(self, words: str) -> None:
        if words != self.said:
            self.said = words
            self.send(Status(words))
