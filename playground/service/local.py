"""Local models from the command line: pull one, check one; knows no page."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from adapters.base import Completion, Drain, GenerateConfig
from adapters.errors import Unavailable
from adapters.local.available import why_not
from adapters.local.engine import Engine
from adapters.local.loading import resident_bytes
from adapters.local.pull import pull
from adapters.local.spec import LocalSpec, read_spec
from adapters.local.weights import Weights
from adapters.local_transformers import LocalTransformers
from playground.errors import BadInput
from playground.library import Library
from playground.models import Models
from playground.prompt import build

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What one answer on this machine took. Bytes (weights; growth of the process), seconds, tokens per second."""

    weights: int
    memory: int
    device: str
    load_s: float
    first_token_s: float | None
    tokens_per_s: float | None
    answer: Completion


class Local:
    def __init__(self, *, library: Library, models: Models) -> None:
        self._library, self._models = library, models

    def spec(self, name: str, *, quantisation: str | None = None) -> LocalSpec:
        """The listed model with its options, or any hub id or folder with the default ones."""
        reference = name if name.startswith("local/") else f"local/{name}"
        options = dict(self._models.spec(reference).options)
        if quantisation:
            options["quantisation"] = quantisation
        return read_spec(reference.removeprefix("local/"), options)

    def pull(self, name: str, *, quantisation: str | None, again: bool, say: Say) -> Weights:
        return pull(self.spec(name, quantisation=quantisation), say=say, again=again)

    def check(self, name: str, *, task: str, say: Say) -> Checked:
        """Load the model, answer the first case of `task`, measure. Raises an `AdapterError` with a fix."""
        spec = self.spec(name)
        cases = self._library.cases(task)
        if not cases:
            raise BadInput(f"Task '{task}' has no cases. Choose another with --task.")
        if reason := why_not(spec):
            raise Unavailable(reason[0].upper() + reason[1:], fix="")
        engine = Engine()
        adapter = LocalTransformers(spec.name, spec, engine)
        prompt = build(self._library.task(task), cases[0], cases, shots=0, seed=0)
        before = resident_bytes()
        try:
            answer, began = asyncio.run(_ask(adapter, prompt.messages, self._library.task(task).max_tokens, say))
            loaded = engine.resident()[0]
            memory = resident_bytes() - before
        finally:
            engine.close()
        tokens, first = answer.usage.output_tokens or 0, answer.first_token_s
        writing = answer.total_s - first if first is not None else 0.0
        return Checked(
            weights=loaded.size,
            memory=memory,
            device=loaded.device,
            load_s=loaded.load_s,
            first_token_s=None if first is None else first - began,
            tokens_per_s=(tokens - 1) / writing if writing > 0 and tokens > 1 else None,
            answer=answer,
        )


async def _ask(adapter: LocalTransformers, messages: tuple, max_tokens: int, say: Say) -> tuple[Completion, float]:
    """The answer, and the seconds until generation began (waiting and loading)."""
    drain, began = Drain(time.monotonic()), 0.0
    async for chunk in adapter.stream(messages, GenerateConfig(max_tokens=max_tokens)):
        now = time.monotonic()
        if chunk.status:
            say(chunk.status)
        if chunk.parameters is not None:
            began = now - drain.started
        drain.add(chunk, now)
    return drain.completion(time.monotonic()), began
