"""How fast a model may be asked: one pace for all lanes of a provider; knows no request.

A rate spaces the starts. A 429's Retry-After holds every lane, not only the one that got it.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Pace(Protocol):
    """What a lane asks before each request."""

    async def turn(self, model: str) -> None:
        """Return when the next request to `model` may start."""
        ...

    async def hold(self, model: str, seconds: float) -> None:
        """Let no request to `model` start for so long."""
        ...


class LocalPace:
    """The pace inside one process. `rates`: requests per second by model; none: as fast as the lanes go."""

    def __init__(self, rates: dict[str, float], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates, self._clock = rates, clock
        self._next: dict[str, float] = {}

    async def turn(self, model: str) -> None:
        now, rate = self._clock(), self._rates.get(model)
        start = max(now, self._next.get(model, 0.0))
        if rate:
            self._next[model] = start + 1.0 / rate
        while (wait := start - self._clock()) > 0:
            await asyncio.sleep(wait)
            start = max(start, self._held(model))

    async def hold(self, model: str, seconds: float) -> None:
        self._next[model] = max(self._next.get(model, 0.0), self._clock() + seconds)

    def _held(self, model: str) -> float:
        return self._next.get(model, 0.0) if not self._rates.get(model) else 0.0
