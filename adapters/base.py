"""The one seam between the playground and a model: small enough to read before writing an adapter.

An adapter can only `stream`. It yields `Chunk`s and raises an `AdapterError` on failure:

- the first chunk has no text and carries `parameters`: what is really sent, without secrets;
- chunks in between carry text, or a `status` sentence for the researcher ("2 ahead of you");
- the last chunk carries `stop_reason`, `usage` and the `model` name that the API returned.
"""

import hashlib
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from adapters._text import whole

Role = Literal["system", "user", "assistant"]
StopReason = Literal["stop", "length", "refusal"]


@dataclass(frozen=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """How to generate. `temperature` None or `seed` None: the API's own default is used."""

    max_tokens: int
    temperature: float | None = 0.0
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Token counts as the API reported them; None where it did not."""

    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True)
class Chunk:
    """A piece of a stream; see the module's docstring for which chunk carries what."""

    text: str = ""
    stop_reason: StopReason | None = None
    usage: Usage | None = None
    model: str | None = None
    parameters: Mapping[str, Any] | None = None
    status: str | None = None


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A whole answer. Times are seconds since the request; `first_token_s` is None for an empty answer."""

    text: str
    stop_reason: StopReason | None
    usage: Usage
    model: str | None
    parameters: Mapping[str, Any]
    first_token_s: float | None
    total_s: float


@dataclass(frozen=True)
class Example:
    """Another case of the same task with its reference answer, for adapters that answer from examples."""

    input: str
    answer: str


class Adapter(Protocol):
    """A model that can be asked one thing: stream an answer to these messages."""

    @property
    def model(self) -> str:
        """The reference `provider/name` under which it was opened."""
        ...

    def stream(self, messages: Sequence[Message], config: GenerateConfig) -> AsyncGenerator[Chunk, None]:
        """Yield chunks as they arrive; raise an `AdapterError` on failure. Closing it closes the request."""
        ...


@dataclass
class Drain:
    """Collects chunks into a `Completion`; `clock` gives seconds."""

    started: float
    text: list[str] = field(default_factory=list)
    last: Chunk = field(default_factory=Chunk)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    first_token_s: float | None = None

    def add(self, chunk: Chunk, now: float) -> None:
        if chunk.text:
            self.text.append(chunk.text)
            if self.first_token_s is None:
                self.first_token_s = now - self.started
        if chunk.parameters is not None:
            self.parameters = chunk.parameters
        if chunk.stop_reason or chunk.usage or chunk.model:
            self.last = chunk

    def completion(self, now: float) -> Completion:
        return Completion(
            text=whole("".join(self.text)),
            stop_reason=self.last.stop_reason,
            usage=self.last.usage or Usage(),
            model=self.last.model,
            parameters=self.parameters,
            first_token_s=self.first_token_s,
            total_s=now - self.started,
        )


async def complete(adapter: Adapter, messages: Sequence[Message], config: GenerateConfig) -> Completion:
    """Drain the stream of `adapter`; raises its `AdapterError`."""
    drain = Drain(time.monotonic())
    async with aclosing(adapter.stream(messages, config)) as chunks:
        async for chunk in chunks:
            drain.add(chunk, time.monotonic())
    return drain.completion(time.monotonic())


def messages_sha256(messages: Sequence[Message]) -> str:
    """Hash of the exact messages: SHA-256 over canonical JSON, hex."""
    plain = [{"role": m.role, "content": m.content} for m in messages]
    text = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def user_text(messages: Sequence[Message]) -> str:
    """The case's own text: the last user message without the MedS-Bench frame `Input:` ... `Output:`."""
    text = next((m.content for m in reversed(messages) if m.role == "user"), "")
    return text.strip().removeprefix("Input:").removesuffix("Output:").strip()
