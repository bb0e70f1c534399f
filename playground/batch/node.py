"""What runs on a node of a cluster: one model's adapters behind one async method; knows no plan, log, pace or Ray.

Only data travels: messages and settings there, text or an error, as a value, back. Times are measured here, so that
neither waiting for a turn nor the way to the node counts as the model's.
"""

import asyncio
import socket
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from adapters._breath import unwatched
from adapters.base import Adapter, Chunk, Drain, Example, GenerateConfig, Message
from adapters.errors import AdapterError, Unavailable
from adapters.registry import create, warm
from playground import __version__
from playground.batch.collector import everything_stays
from playground.models import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What the starting machine knows of a model. `identities`: what answers, by task; '' where the task is no matter.

    `examples`: by task, for models that answer from them. `version`: of the playground.
    """

    spec: ModelSpec
    identities: Mapping[str, str]
    examples: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)
    version: str = __version__


@dataclass(frozen=True, kw_only=True)
class Request:
    task: str  # a key of `identities`
    messages: tuple[Message, ...]
    config: GenerateConfig


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came of one request; with an `error`, text is what came before it. Times are seconds on the node."""

    text: str = ""
    last: Chunk = field(default_factory=Chunk)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    first_token_s: float | None = None
    total_s: float | None = None
    error: AdapterError | None = None


class Asker:
    """One model on one node. Many requests are under way at once; a failure of the model is a value, a bug raises."""

    def __init__(self, opening: Opening) -> None:
        self._opening, self._node = opening, socket.gethostname()
        self._open: dict[str, Adapter] = {}
        self._opened_once = asyncio.Lock()

    async def start(self) -> Unavailable | None:
        """Open and load everything; what is in the way comes back as a value."""
        try:
            for task in self._opening.identities:
                await self._adapter(task)
        except AdapterError as error:
            return Unavailable(f"Node {self._node}: {error.args[0]}", fix=error.fix)
        # else the first requests wait, and then go all at once
        await asyncio.to_thread(warm, [self._opening.spec.model])
        everything_stays()
        return None

    async def ask(self, request: Request) -> Reply:
        """After `start`."""
        adapter = await self._adapter(request.task)
        drain, failed = Drain(time.monotonic()), None
        try:
            with unwatched():
                async with aclosing(adapter.stream(request.messages, request.config)) as chunks:
                    async for chunk in chunks:
                        drain.add(chunk, time.monotonic())
        except AdapterError as error:
            failed = error
        return Reply(
            text="".join(drain.text),
            last=replace(drain.last, text=""),
            parameters=dict(drain.parameters),
            first_token_s=drain.first_token_s,
            total_s=time.monotonic() - drain.started,
            error=failed,
        )

    async def _adapter(self, task: str) -> Adapter:
        async with self._opened_once:
            if task not in self._open:
                self._open[task] = await asyncio.to_thread(self._make, task)  # weights are hashed there
        return self._open[task]

    def _make(self, task: str) -> Adapter:
        """Raises `Unavailable` where this node would answer as something else than the key of the answer says."""
        wanted = self._opening
        if wanted.version != __version__:
            words = f"the playground is of version {__version__} here, {wanted.version} where the run was started."
            raise Unavailable(words, fix="Install the same version on every node.")
        adapter = create(wanted.spec.model, wanted.spec.options, examples=wanted.examples.get(task, ()))
        if (found := getattr(adapter, "identity", "")) != wanted.identities[task]:
            words = f"{wanted.spec.model} is another one here ({found}, not {wanted.identities[task]})."
            raise Unavailable(words, fix="Give every node the same addresses, weights and cases.")
        return adapter
