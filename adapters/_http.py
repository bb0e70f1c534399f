"""One streamed answer over HTTP: clients, server-sent events, limits and retries; knows no API's fields.

Measured on 2 cores (400 streams): an SDK's chunk objects cost 77 microseconds a token, raw events read through the
same SDK 24; aiohttp costs 1 ms a request where the default transport costs 3 to 7. So the SDK's client makes the
request through `_transport`, and the events are read here. It is asked by its `post`: the verbs of its resources walk
the types of whatever they are given (0.1 ms a request without the messages, 0.4 with them).
"""

import asyncio
import importlib
import json
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, nullcontext
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson

from adapters._breath import UNREAD, Breath, Usual, Waiting
from adapters._endpoint import Endpoint
from adapters._faults import fault
from adapters._sse import Batch, Lines
from adapters._text import split_half, whole
from adapters.base import Chunk, GenerateConfig, Message, StopReason, Usage
from adapters.errors import AdapterError, ConnectionBroken, Malformed, TooSlow
from adapters.retry import retrying

WARMING, WARM = threading.Lock(), set[str]()  # SDKs that are loaded
BREATH = Breath()  # of all streams of this process
CONNECTIONS = 1000
CONNECT_LIMIT = 10.0  # seconds
KEPT_ALIVE = 30.0  # seconds that an idle connection is kept
AFTER_STOP = 5.0  # seconds that token counts may come after the answer has ended
AFTER_END = 0.2  # seconds that the server may take to close after it said it is done
MACHINE = (
    "X-Stainless-Lang", "X-Stainless-Package-Version", "X-Stainless-OS", "X-Stainless-Arch", "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version", "X-Stainless-Async",
)  # fmt: skip
HIDDEN = {"messages", "system", "stream", "stream_options"}  # body fields that are not generation parameters
Client = Any  # AsyncOpenAI or AsyncAnthropic, not imported here


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
    """Base of the adapters on an SDK whose client has `post`. A subclass gives the three methods."""

    sdk: str  # module
    path: str  # of the API, after the base address

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.model, self.identity = endpoint, endpoint.reference, endpoint.identity
        self._usual = Usual()
        self._clients: dict[asyncio.AbstractEventLoop, tuple[AsyncGenerator[Client, None], Client]] = {}

    @abstractmethod
    def body(self, messages: Sequence[Message], config: GenerateConfig) -> dict[str, Any]:
        """The request's body; everything but the messages is told as `parameters`."""

    @abstractmethod
    def connect(self, sdk: ModuleType, http: Any) -> Client:
        """The SDK's client on this httpx2 client."""

    def unsaid(self, sdk: ModuleType) -> dict[str, Any]:
        """For a client's default headers: what the SDK would tell the receiver about this machine is left out."""
        return dict.fromkeys(MACHINE, sdk.omit)

    def headers(self, sdk: ModuleType) -> dict[str, Any]:
        """Headers of every request beside the client's own."""
        return {}

    @abstractmethod
    def read(self, event: dict[str, Any], seen: Seen) -> None:
        """Note what one event says."""

    @classmethod
    def warm(cls) -> None:
        """Import what the first request would wait for. Opens no connection.

        Of many requests that come at once one does the work: a client costs 27 ms, 200 of them 5 s of CPU.
        """
        with WARMING:
            if cls.sdk not in WARM:
                importlib.import_module(cls.sdk)
                importlib.import_module("adapters._transport")
                WARM.add(cls.sdk)

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
        seen, client = Seen(), await self._client()
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
        sdk = sys.modules[self.sdk]
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._post(sdk, client, body)
                stack.push_async_callback(response.aclose)
                kind = response.headers.get("content-type", "")
                text = (await response.aread()).decode(errors="replace") if "html" in kind or "json" in kind else None
        except TimeoutError as error:
            raise self._too_slow(False) from error
        except sdk.APIStatusError as error:
            raise fault(
                self.endpoint.party, error.body, status=error.status_code, headers=error.response.headers
            ) from error
        except (*_broken(), sdk.APIConnectionError) as error:
            fix = (
                "Start the server, or correct `base_url` in models.yaml." if self.endpoint.on_loopback else "Try again."
            )
            raise ConnectionBroken(f"No connection to {self._who}.", fix=fix) from error
        if text is not None:
            raise self._no_stream(text)
        return response

    async def _post(self, sdk: ModuleType, client: Client, body: dict[str, Any]) -> Any:
        """The SDK's request, as the httpx2 response with its body unread."""
        options = {"headers": {"Content-Type": "application/json", **self.headers(sdk)}}
        stream = await client.post(
            self.path, cast_to=object, content=_encoded(body), options=options, stream=True,
            stream_cls=sdk.AsyncStream[object],
        )  # fmt: skip
        return stream.response

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
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        if isinstance(body, dict) and body.get("error"):
            return fault(self.endpoint.party, body)
        what = f"{self._who} did not answer with a stream of events."
        return Malformed(what, fix="Check `base_url` in models.yaml.")

    async def _client(self) -> Client:
        """This loop's client. Its keeper is an async generator: a loop closes those when it ends."""
        loop = asyncio.get_running_loop()
        if self.sdk not in WARM:
            await asyncio.to_thread(self.warm)  # a second; other streams go on
        if loop not in self._clients:
            keeper = self._keep(loop)
            self._clients[loop] = keeper, await anext(keeper)
        return self._clients[loop][1]

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Client, None]:
        sdk = sys.modules[self.sdk]
        client = self.connect(sdk, self._http(sdk))
        try:
            yield client
        finally:
            self._clients.pop(loop, None)
            await client.close()

    def _http(self, sdk: ModuleType) -> Any:
        import httpx2

        from adapters._transport import Transport

        transport, secure = self.endpoint.transport, self.endpoint.base_url.startswith("https:")
        if transport is None and not self._by_proxy():
            certificates = httpx2.create_ssl_context() if secure else None
            transport = Transport(limit=CONNECTIONS, connect=CONNECT_LIMIT, kept_alive=KEPT_ALIVE, secure=certificates)
        return sdk.DefaultAioHttpClient(
            timeout=httpx2.Timeout(None, connect=CONNECT_LIMIT),
            limits=httpx2.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEPT_ALIVE
            ),
            transport=transport,  # None: the SDK's own, which knows proxies
        )

    def _by_proxy(self) -> bool:
        """Whether the environment sends this request through a proxy; none can reach this machine's own servers."""
        at = urlsplit(self.endpoint.base_url)
        known = getproxies()
        named = at.scheme in known or "all" in known
        return named and not self.endpoint.on_loopback and not proxy_bypass(at.hostname or "")


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # half a character, a whole number of more than 64 bits
        return json.dumps(body).encode()


def _broken() -> tuple[type[BaseException], ...]:
    """What a connection raises when it breaks; both packages are loaded by then."""
    return sys.modules["httpx2"].HTTPError, sys.modules["aiohttp"].ClientError, OSError
