"""Models on this machine through transformers and bitsandbytes: `local/<hub id or folder>`. No text leaves the house.

Imports neither torch nor transformers: the engine's thread does, when the first request comes.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, lru_cache
from typing import Any

from adapters.base import Adapter, Chunk, Example, GenerateConfig, Message, Usage
from adapters.errors import Unavailable
from adapters.local.available import why_not
from adapters.local.engine import MOST_ROWS, Engine, residents_setting
from adapters.local.job import Ask, Ended, Event, Job, Running, Sampling, Status
from adapters.local.prompt import Encoder, check_length, encode
from adapters.local.spec import LocalSpec, read_spec
from adapters.local.weights import find, most_tokens, stamp_of, weights_hash

PROVIDER = "local"
AT_ONCE = MOST_ROWS  # requests of a batch run: one full batch, so that a page's question waits for one at most
DTYPE = "bfloat16"  # of what is not quantised, on every device
SIGN, STUCK = 5.0, 60.0  # seconds: between two signs of life; until a silent engine counts as hung


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The one engine of this process; its thread starts with the first request."""
    return Engine(residents=residents_setting())


def unavailable(name: str, options: Mapping[str, Any]) -> str | None:
    return _why_not(read_spec(name, options))


def _why_not(spec: LocalSpec) -> str | None:
    return why_not(spec, loaded=engine().holds(spec), gives_back=engine().gives_back)


def create(name: str, options: Mapping[str, Any], examples: Sequence[Example]) -> Adapter:
    """Raises `Unavailable` with the command to type when packages, weights or memory are missing."""
    spec = read_spec(name, options)
    if reason := _why_not(spec):
        raise Unavailable(reason[0].upper() + reason[1:], fix="")
    return LocalTransformers(name, spec, engine())


class LocalTransformers:
    """One local model. Many requests may be under way; the engine batches them."""

    def __init__(self, name: str, spec: LocalSpec, engine: Engine) -> None:
        self.model = f"{PROVIDER}/{name}"
        self._engine = engine
        self._weights = find(spec)
        most = most_tokens(self._weights.folder) or spec.context
        self._spec = replace(spec, context=min(spec.context, most))
        self._encoder = Encoder(self._weights.folder)

    @cached_property
    def identity(self) -> str:
        """Weights, how they are loaded, template and ends: what makes another answer; in the key of batch runs."""
        folder, spec = self._weights.folder, self._spec
        loaded = [weights_hash(folder, stamp_of(folder)), spec.revision, self._weights.quantised or spec.quantisation]
        asked = [self._encoder.template_sha256, spec.reference_prompt, self._encoder.stops(spec)]
        return hashlib.sha256(json.dumps([DTYPE, *loaded, *asked]).encode()).hexdigest()

    def sent(self, messages: Sequence[Message], config: GenerateConfig) -> dict[str, Any]:
        """The parameters that reach the model; in the key of batch runs."""
        return {"max_tokens": config.max_tokens, "stop": config.stop, **asdict(sampling_of(config))}

    def check(self, messages: Sequence[Message], config: GenerateConfig) -> None:
        """Raise `PromptTooLong` before anything is asked; counts tokens without torch."""
        check_length(encode(self._encoder, self._spec, messages), self._spec, config.max_tokens)

    async def stream(self, messages: Sequence[Message], config: GenerateConfig) -> AsyncGenerator[Chunk, None]:
        ids = encode(self._encoder, self._spec, messages)
        check_length(ids, self._spec, config.max_tokens)
        sampling = sampling_of(config)
        yield Chunk(parameters={"max_tokens": config.max_tokens, "temperature": sampling.temperature})
        ask = Ask(
            spec=self._spec,
            ids=tuple(ids),
            max_tokens=config.max_tokens,
            sampling=sampling,
            stops=self._encoder.stops(self._spec),
            ends=config.stop,
        )
        job = Job(ask, self._encoder, asyncio.get_running_loop())
        self._engine.submit(job)
        try:
            while not isinstance(event := await self._event(job), Ended):
                if isinstance(event, BaseException):
                    raise event
                if isinstance(event, str):
                    yield Chunk(event)
                elif isinstance(event, Status):
                    yield Chunk(status=event.words)
                elif isinstance(event, Running):
                    yield Chunk(parameters=event.parameters)
            usage = Usage(input_tokens=len(ids), output_tokens=event.tokens)
            yield Chunk(stop_reason=event.reason, usage=usage, model=self._spec.name)
        finally:
            self._engine.forget(job)

    async def _event(self, job: Job) -> Event:
        """The next event, or a sign of life while the engine gets on: a long line or prompt is no hung model."""
        while True:
            try:
                async with asyncio.timeout(SIGN):
                    return await job.events.get()
            except TimeoutError:
                if self._engine.quiet < STUCK:
                    return Status(job.said)


def sampling_of(config: GenerateConfig) -> Sampling:
    """Greedy unless asked otherwise; a seed and top_p then change nothing, so that greedy requests share a batch."""
    if not config.temperature or config.temperature <= 0:
        return Sampling(0.0, None, None)
    return Sampling(config.temperature, config.top_p, config.seed)
