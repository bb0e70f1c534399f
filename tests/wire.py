"""Recorded streams from `tests/replay` through the real SDKs, without a network: what the wire tests share."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx2

from adapters import registry
from adapters.base import Adapter, Chunk, GenerateConfig, Message
from adapters.errors import AdapterError

REPLAY = Path(__file__).parent / "replay"
ASK = (Message("system", "Be brief."), Message("user", "Input:\nchest pain\nOutput:"))
CONFIG = GenerateConfig(max_tokens=64, temperature=0.2, top_p=0.9, seed=3, stop=("\n\n",))


class Blocks(httpx2.AsyncByteStream):
    """Bytes in network reads of `size`, then an error if one is given. `closed` tells when it was let go."""

    def __init__(self, data: bytes, *, size: int, then: Exception | None) -> None:
        self.data, self.size, self.then, self.closed = data, size, then, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), self.size):
            yield self.data[start : start + self.size]
        if self.then is not None:
            raise self.then

    async def aclose(self) -> None:
        self.closed = True


class Wire:
    """A transport that answers every request alike, and keeps the requests."""

    def __init__(
        self,
        data: bytes,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        size: int = 4096,
        then: Exception | None = None,
    ) -> None:
        self.requests: list[httpx2.Request] = []
        self.stream = Blocks(data, size=size, then=then)
        self._status, self.headers = status, headers or {"content-type": "text/event-stream"}
        self.transport = httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        self.stream = Blocks(self.stream.data, size=self.stream.size, then=self.stream.then)
        return httpx2.Response(self._status, headers=self.headers, stream=self.stream)

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.requests[-1].content)


def recorded(name: str, *, size: int = 4096, then: Exception | None = None) -> Wire:
    """The stream in `tests/replay/NAME.sse`."""
    return Wire((REPLAY / f"{name}.sse").read_bytes(), size=size, then=then)


def about_this_machine(request: httpx2.Request) -> list[str]:
    """Headers by which an SDK tells the system, processor and Python it runs on."""
    told = ("-os", "-arch", "-runtime", "-runtime-version", "-lang", "-package-version", "-async")
    return [name for name in request.headers if name.lower().startswith("x-") and name.lower().endswith(told)]


def refused(status: int, body: object, **headers: str) -> Wire:
    """A request that is refused with a JSON body."""
    return Wire(json.dumps(body).encode(), status=status, headers={"content-type": "application/json", **headers})


def opened(reference: str, wire: Wire, **options: Any) -> Adapter:
    return registry.create(reference, {"transport": wire.transport, "max_retries": 0, **options})


async def chunks(adapter: Adapter, config: GenerateConfig = CONFIG) -> list[Chunk]:
    async with aclosing(adapter.stream(ASK, config)) as stream:
        return [chunk async for chunk in stream]


async def failed(adapter: Adapter) -> tuple[str, AdapterError]:
    """The text that came, and the error that ended it."""
    text = ""
    try:
        async with aclosing(adapter.stream(ASK, CONFIG)) as stream:
            async for chunk in stream:
                text += chunk.text
    except AdapterError as error:
        return text, error
    raise AssertionError(f"it did not fail; it said {text!r}")


def text_of(found: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in found)
