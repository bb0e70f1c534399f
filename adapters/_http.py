"""One streamed answer over HTTP: request, server-sent events, limits and retries; knows no API's fields and no SDK.

Measured on 2 cores (400 streams): raw events read here cost 24 microseconds a token, an SDK's chunk objects 77; aiohttp
costs 1 ms a request where the default transport costs 3 to 7. So httpx2 makes the request through `_transport`, and the
events are read here. A provider's SDK may make it instead (`_sdk.py`).
"""

import asyncio
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from adapters._breath import UNREAD, Breath, Usual, Waiting
from adapters._clients import Client, Clients, http_client, load
from adapters._endpoint import Endpoint
from adapters._faults import fault
from adapters._sse import Batch, Lines
from adapters._text import split_half, whole
from adapters.base import Chunk, GenerateConfig, Message, StopReason, Usage
from adapters.errors import AdapterError, ConnectionBroken, Malformed, TooSlow, Unavailable
from adapters.retry import retrying

BREATH = Breath()  # of all streams of this process
JSON = {"Content-Type": "application/json", "Accept": "application/json"}  # of the request, as the SDKs say it
AFTER_STOP = 5.0  # seconds that token counts may come after the answer has ended
AFTER_END = 0.2  # seconds that the server may take to close after it said it is done
HIDDEN = {"messages", "system", "stream", "stream_options"}  # body fields that are not generation parameters


@dataclass
class Seen:
    """What has come of one answer. An adapter's `read` fills it, event by event."""

    pieces: list[str] = field(default_factory=list)  # text since the last look
    alive: bool = False  # the model made something since the last look, shown or not
    stop_reason: StopReason | None = None
    done: bool = False  # the API said that nothing more comes
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def complete(self) -> bool:
        return self.done or self.stop_reason is not None

    def take(self) -> str:
        """The text since the last look; the first half of a character waits for its second."""
        text, half = split_half("".join(self.pieces))
        self.pieces[:] = [half] if half else []
        return whole(text)

    def last(self) -> Chunk:
        usage = Usage(input_tokens=self.input_tokens, output_tokens=self.output_tokens)
        return Chunk(stop_reason=self.stop_reason or "stop", usage=usage, model=self.model)


class HttpAdapter(ABC):
    """Base of the adapters whose answers are streams of events. A subclass gives `path`, `body` and `read`."""

    package = "httpx2"  # that makes the request
    path: str  # of the API, after the base address

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.model, self.identity = endpoint, endpoint.reference, endpoint.identity
        self._usual = Usual()
        self._clients = Clients(self.package, partial(http_client, endpoint), self.connect)

    @abstractmethod
    def body(self, messages: Sequence[Message], config: GenerateConfig) -> dict[str, Any]:
        """The request's body; everything but the messages is told as `parameters`."""

    @abstractmethod
    def read(self, event: dict[str, Any], seen: Seen) -> None:
        """Note what one event says."""

    def connect(self, http: Any) -> Client:
        """What asks, on this httpx2 client: by default that client itself."""
        key = self.endpoint.party.key
        http.headers.update({**JSON, **({"Authorization": f"Bearer {key}"} if key else {})})
        return http

    async def post(self, client: Client, body: bytes) -> Any:
        """The httpx2 response to this body, unread. Raises an `AdapterError`, or what a broken connection raises."""
        request = client.build_request("POST", self.endpoint.at(self.path), content=body)
        response = await client.send(request, stream=True)
        if not response.is_success:
            said = await _said(response)
            raise fault(self.endpoint.party, _parsed(said), status=response.status_code, headers=response.headers)
        return response

    @classmethod
    def warm(cls) -> None:
        """Import what the first request would wait for. Opens no connection."""
        load(cls.package)

    def sent(self, messages: Sequence[Message], config: GenerateConfig) -> dict[str, Any]:
        """The parameters as a request carries them; in the key of batch runs."""
        return {k: v for k, v in self.body(messages, config).items() if k not in HIDDEN}

    async def stream(self, messages: Sequence[Message], config: GenerateConfig) -> AsyncGenerator[Chunk, None]:
        body = self.body(messages, config)
        yield Chunk(parameters={k: v for k, v in body.items() if k not in HIDDEN})
        retries = self.endpoint.max_retries
        tries = retrying(lambda: self._attempt(body), retries=retries) if retries else self._attempt(body)
        async with aclosing(tries) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _attempt(self, body: dict[str, Any]) -> AsyncGenerator[Chunk, None]:
        """One request. Once the answer is complete, a broken or slow connection is no failure any more."""
        seen, client = Seen(), await self._clients.here()
        async with aclosing(self._events(client, body, seen)) as batches:
            try:
                async for batch in batches:
                    error = self._note(batch, seen)
                    if text := seen.take():
                        yield Chunk(text)  # also what came in the same read as the error
                    if error:
                        raise error
            except (ConnectionBroken, TooSlow):
                if not seen.complete:
                    raise
        if not seen.complete:
            raise ConnectionBroken(f"{self._who} ended the stream before the answer was complete.")
        yield seen.last()

    async def _events(self, client: Client, body: dict[str, Any], seen: Seen) -> AsyncGenerator[Batch, None]:
        """The events of each network read. `seen`, filled by the caller, tells how long the next one may take."""
        clock = asyncio.get_running_loop().time
        deadline, lines = clock() + self.endpoint.first_token_limit, Lines()
        waiting: Waiting | None = None  # for the end, once the first text has come
        async with AsyncExitStack() as stack:
            stack.enter_context(BREATH)
            response = await self._response(stack, client, body, deadline)
            blocks = response.aiter_bytes() if "content-encoding" in response.headers else response.aiter_raw()
            unread = response.extensions.get(UNREAD, nullcontext)
            while (block := await self._block(blocks, deadline, waiting is not None)) is not None:
                batch = lines.events(block)
                seen.done = seen.done or lines.done
                yield batch
                if lines.unreadable:
                    raise self._malformed("an event that is not JSON")
                if seen.complete:
                    if waiting is not None:
                        waiting.ended(clock())
                        waiting = None
                    deadline = clock() + (AFTER_END if seen.done else min(AFTER_STOP, self.endpoint.stall_limit))
                elif seen.alive:
                    if waiting is None:
                        waiting = Waiting(self._usual, clock())
                        stack.callback(waiting.leave)
                    if rest := waiting.rest(clock(), BREATH):
                        with unread():
                            await waiting.sleep(rest)
                    # counted from here, so that a slow reader is not taken for a slow model
                    seen.alive, deadline = False, clock() + self.endpoint.stall_limit

    async def _response(self, stack: AsyncExitStack, client: Client, body: dict[str, Any], deadline: float) -> Any:
        data = _encoded(body)
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._asked(client, data)
                stack.push_async_callback(response.aclose)
                kind = response.headers.get("content-type", "")
                text = (await response.aread()).decode(errors="replace") if "html" in kind or "json" in kind else None
        except TimeoutError as error:
            raise self._too_slow(False) from error
        except _broken() as error:
            raise self.no_connection() from error
        if text is not None:
            raise self._no_stream(text)
        return response

    async def _asked(self, client: Client, data: bytes) -> Any:
        """`post`, whose failures become errors of ours here: a connect that times out is no silent model."""
        try:
            return await self.post(client, data)
        except _broken() as error:
            raise self.no_connection() from error
        except (ValueError, sys.modules["httpx2"].InvalidURL) as error:  # what no check of the address foresaw
            fix = "Check `base_url` in models.yaml."
            raise Unavailable(f"{self._who} cannot be asked at this address.", fix=fix) from error

    def no_connection(self) -> ConnectionBroken:
        own = self.endpoint.on_loopback
        fix = "Start the server, or correct `base_url` in models.yaml." if own else "Try again."
        return ConnectionBroken(f"No connection to {self._who}.", fix=fix)

    async def _block(self, blocks: Any, deadline: float, begun: bool) -> bytes | None:
        """The next network read; None at the end. Raises `TooSlow` or `ConnectionBroken`."""
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(blocks, None)
        except TimeoutError as error:
            raise self._too_slow(begun) from error
        except _broken() as error:
            raise ConnectionBroken(f"The connection to {self._who} broke.") from error

    def _note(self, batch: Sequence[object], seen: Seen) -> AdapterError | None:
        """Read a batch up to the first event that is an error; that one is returned."""
        try:
            for event in batch:
                if not isinstance(event, dict):
                    return self._malformed("an event that is not an object")
                if event.get("error"):
                    return fault(self.endpoint.party, event)
                self.read(event, seen)
        except AdapterError as error:
            return error
        except (AttributeError, KeyError, IndexError, TypeError):
            return self._malformed("an event of an unknown shape")
        return None

    @property
    def _who(self) -> str:
        return self.endpoint.party.who

    def _malformed(self, what: str) -> Malformed:
        return Malformed(f"{self._who} sent {what}.")

    def _too_slow(self, begun: bool) -> TooSlow:
        if begun:
            return TooSlow(f"{self._who} sent nothing more for {self.endpoint.stall_limit:g} s.")
        return TooSlow(f"{self._who} sent no text within {self.endpoint.first_token_limit:g} s.")

    def _no_stream(self, text: str) -> AdapterError:
        """An answer in one piece: an error that came with status 200, or not the API that was meant."""
        body = _parsed(text)
        if isinstance(body, dict) and body.get("error"):
            return fault(self.endpoint.party, body)
        what = f"{self._who} did not answer with a stream of events."
        return Malformed(what, fix="Check `base_url` in models.yaml.")


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # half a character, a whole number of more than 64 bits
        return json.dumps(body).encode()


async def _said(response: Any) -> bytes:
    """The body of a refusal; nothing where it breaks or does not come, since the status says enough."""
    try:
        async with asyncio.timeout(AFTER_STOP):
            return await response.aread()
    except (TimeoutError, *_broken()):
        return b""
    finally:
        await response.aclose()


def _parsed(said: str | bytes) -> object:
    """The JSON in it; else the text."""
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return said if isinstance(said, str) else said.decode(errors="replace")


def _broken() -> tuple[type[BaseException], ...]:
    """What a connection raises when it breaks; both packages are loaded by then."""
    return sys.modules["httpx2"].HTTPError, sys.modules["aiohttp"].ClientError, OSError
