"""How fast a model may be asked: one pace for all lanes of a provider; knows no request.

A rate spaces the starts of one model. A 429's Retry-After holds every lane of the same provider and key, not only the
one that got it.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from playground.models import ModelSpec


class Pace(Protocol):
    """What a lane asks before each request."""

    async def turn(self, model: str) -> None:
        """Return when the next request to `model` may start."""
        ...

    async def hold(self, model: str, seconds: float) -> None:
        """Let no request to `model`'s provider start for so long."""
        ...


class Halted(Exception):
    """Nothing more is to be asked; whoever still waited for a turn gives up."""


def account_of(spec: ModelSpec) -> str:
    """Whose limits a model shares: provider, address, and the name of the key's variable."""
    options = spec.options
    address = options.get("base_url") or options.get("base_url_env") or ""
    return f"{spec.model.partition('/')[0]} {address} {options.get('api_key_env') or ''}"


class LocalPace:
    """The pace inside one process. `rates`: requests per second by model; `accounts`: whose limits a model shares."""

    def __init__(
        self,
        rates: Mapping[str, float],
        *,
        accounts: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._rates, self._accounts, self._clock, self._spread = rates, accounts or {}, clock, spread
        self._next: dict[str, float] = {}  # by model: the next free start
        self._held: dict[str, tuple[float, float]] = {}  # by account: until when, and how far lanes then spread
        self._halted: dict[str, asyncio.Event] = {}
        self._all_halted = False

    async def turn(self, model: str) -> None:
        """Raises `Halted` once the model, or everything, was halted."""
        while True:
            await self._pass_hold(model)
            if not (rate := self._rates.get(model)):
                return await self.rest(model, 0)
            start = max(self._clock(), self._next.get(model, 0.0))
            self._next[model] = start + 1.0 / rate
            await self.rest(model, start - self._clock())
            if self._clock() >= self._held.get(self._account(model), (0.0, 0.0))[0]:
                return None  # else a hold has come meanwhile: wait for it, then for another place

    async def _pass_hold(self, model: str) -> None:
        account, late = self._account(model), self._spread()
        while account in self._held:
            until, width = self._held[account]
            wait = until + late * width - self._clock()
            if wait <= 0:
                return
            await self.rest(model, wait)

    async def hold(self, model: str, seconds: float) -> None:
        until = self._clock() + seconds
        if until > self._held.get(self._account(model), (0.0, 0.0))[0]:
            self._held[self._account(model)] = until, min(1.0, seconds / 4)  # not all in the same instant

    async def rest(self, model: str, seconds: float) -> None:
        """Sleep, unless `model` is halted before or meanwhile: then raise `Halted`."""
        event = self._event(model)
        if seconds > 0 and not event.is_set():
            try:
                await asyncio.wait_for(event.wait(), seconds)
            except TimeoutError:
                return
        if event.is_set():
            raise Halted

    def halt(self, model: str | None = None) -> None:
        """Send those away who wait for a turn; None: for every model."""
        self._all_halted = self._all_halted or model is None
        for event in self._halted.values() if model is None else (self._event(model),):
            event.set()

    def _event(self, model: str) -> asyncio.Event:
        if model not in self._halted:
            self._halted[model] = asyncio.Event()
            if self._all_halted:
                self._halted[model].set()
        return self._halted[model]

    def _account(self, model: str) -> str:
        return self._accounts.get(model, model)
