"""A scripted model: for tests, and the template to copy for a new adapter.

`fake/echo` repeats the case's text. Options: `text`, `chunks` (list of str), `delay` (seconds before each chunk),
`fail_after` (chunks, then a `ServerFailed`), `stop_reason`. Offered only where models.yaml or a test lists it.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, cast

from adapters.base import Adapter, Chunk, Example, GenerateConfig, Message, StopReason, Usage, user_text
from adapters.errors import ServerFailed

PROVIDER = "fake"


def unavailable(name: str, options: Mapping[str, Any]) -> str | None:
    return options.get("unavailable")


def create(name: str, options: Mapping[str, Any], examples: Sequence[Example]) -> Adapter:
    return Fake(name, options)


class Fake:
    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.model = f"{PROVIDER}/{name}"
        self.options = options

    async def stream(self, messages: Sequence[Message], config: GenerateConfig) -> AsyncGenerator[Chunk, None]:
        yield Chunk(parameters={"max_tokens": config.max_tokens, "temperature": config.temperature})
        pieces: list[str] = self.options.get("chunks") or [self.options.get("text", user_text(messages))]
        for sent, piece in enumerate(pieces):
            if sent == self.options.get("fail_after"):
                raise ServerFailed(f"{self.model} was told to fail.")
            await asyncio.sleep(self.options.get("delay", 0))
            yield Chunk(piece)
        reason = cast(StopReason, self.options.get("stop_reason", "stop"))
        yield Chunk(stop_reason=reason, usage=Usage(output_tokens=len(pieces)), model=self.model)
