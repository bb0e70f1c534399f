"""A real little model server on 127.0.0.1, in a thread of its own: OpenAI chat completions and Anthropic messages.

    with HttpProvider() as server:
        server.script("slow", Plan("one two three", tokens_per_second=5))
        server.script("busy", Plan(status=429, retry_after=1), Plan("now it works"))     # one after the other
        ...  base_url=server.openai_url (…/v1) or server.anthropic_url
        assert server.asked("busy")[0].headers["authorization"] == "Bearer k"
        await server.until(lambda: server.asked("slow")[0].closed_by_client)     # or server.wait(...)

A model that is not scripted gets `HttpProvider(default=...)`. The last plan of a script repeats.
In a process of its own: `python -m tests.http_provider --tokens-per-second 50 --tokens 250`, which prints its address;
`GET /requests` then gives what `asked()` gives, as JSON.
"""

import argparse
import asyncio
import re
import sys
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

from tests.http_formats import Anthropic, Format, OpenAI, Plan

__all__ = ["Asked", "HttpProvider", "Plan"]


@dataclass
class Asked:
    """One request as it came. Times are seconds of `time.monotonic()`."""

    path: str
    model: str
    body: dict[str, Any]
    headers: dict[str, str]
    started: float
    ended: float | None = None
    sent: int = 0  # tokens
    closed_by_client: float | None = None  # when the client left before the end


class HttpProvider:
    """The server. `port` 0: any free one. Everything is thread-safe."""

    def __init__(self, default: Plan | None = None, *, port: int = 0) -> None:
        self.default, self._port = default or Plan(), port
        self._plans: dict[str, list[Plan]] = {}
        self._asked: list[Asked] = []
        self._used: dict[str, int] = defaultdict(int)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http provider", daemon=True)

    def __enter__(self) -> "HttpProvider":
        self._thread.start()
        assert self._ready.wait(10), "the test server did not start"
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        return self.url

    def script(self, model: str, *plans: Plan) -> None:
        """What the next requests for `model` get, one plan each; the last one repeats."""
        self._plans[model], self._used[model] = list(plans), 0

    def asked(self, model: str | None = None) -> list[Asked]:
        """The requests so far, oldest first."""
        return [a for a in list(self._asked) if model in (None, a.model)]

    def wait(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        """Wait until `condition()` is true; fails after `timeout` seconds. In an async test: `await until(...)`."""
        end = time.monotonic() + timeout
        while not condition():
            last = [(a.model, a.sent, a.closed_by_client) for a in self.asked()[-3:]]
            assert time.monotonic() < end, f"still not so after {timeout:g} s; the last requests: {last}"
            time.sleep(0.01)

    async def until(self, condition: Callable[[], object], timeout: float = 5.0) -> None:
        """As `wait`, while the caller's own loop goes on: only then does a client's closing reach the server."""
        await asyncio.to_thread(self.wait, condition, timeout)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_post("/v1/messages", self._answer)
        app.router.add_get("/requests", self._requests)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _requests(self, request: web.Request) -> web.Response:
        return web.json_response([asdict(a) for a in self._asked])

    def _plan(self, model: str) -> Plan:
        plans = self._plans.get(model) or [self.default]
        number = min(self._used[model], len(plans) - 1)
        self._used[model] += 1
        return plans[number]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        api = Anthropic() if request.path == "/v1/messages" else OpenAI()
        body = await request.json()
        headers = {k.lower(): v for k, v in request.headers.items()}
        asked = Asked(request.path, body["model"], body, headers, time.monotonic())
        self._asked.append(asked)
        try:
            return await _play(request, self._plan(asked.model), api, asked)
        except (asyncio.CancelledError, ConnectionError):
            asked.closed_by_client = time.monotonic()
            raise
        finally:
            asked.ended = time.monotonic()


async def _play(request: web.Request, plan: Plan, api: Format, asked: Asked) -> web.StreamResponse:
    if plan.drop:
        return _disconnect(request)
    if plan.hang:
        await asyncio.sleep(3600)
    if plan.status != 200:
        after = {} if plan.retry_after is None else {"Retry-After": f"{plan.retry_after:g}"}
        return web.json_response(api.refused(plan), status=plan.status, headers=after)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    text = asked.body["messages"][-1]["content"] if plan.text is None else plan.text
    words = re.findall(r"\s*\S+\s*", text)
    await response.write(api.begin(asked.model, plan))
    ready = time.monotonic() + plan.first_token_s
    while plan.pings and time.monotonic() < ready:
        await response.write(b': still there\n\ndata: {"type": "ping"}\n\n')
        await asyncio.sleep(0.05)
    async for word in _paced(words, plan, ready):
        if (fault := _fault(asked.sent, plan, api)) is not None:
            await response.write(fault)
            return _disconnect(request)
        if asked.sent == plan.stall_after:
            await asyncio.sleep(3600)
        await response.write(api.token(word))
        asked.sent += 1
    if (fault := _fault(asked.sent, plan, api)) is not None:
        await response.write(fault)
        return _disconnect(request)
    await response.write(api.end(plan, len(words)))
    await response.write_eof()
    return response


async def _paced(words: list[str], plan: Plan, start: float) -> AsyncIterator[str]:
    """The words by an absolute timetable, so that a busy machine does not slow the stream down for good."""
    for number, word in enumerate(words):
        due = start + (number / plan.tokens_per_second if plan.tokens_per_second else 0)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        yield word


def _fault(sent: int, plan: Plan, api: Format) -> bytes | None:
    """What is written in place of token number `sent`, before the connection goes; None: no fault here."""
    if sent == plan.cut_after:
        return b""
    if sent == plan.malformed_after:
        return b'data: {"choices": [{"del\n\n'
    return api.error(plan) if sent == plan.error_after else None


def _disconnect(request: web.Request) -> web.StreamResponse:
    if request.transport:
        request.transport.close()
    return web.Response()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--tokens-per-second", type=float, default=None)
    parser.add_argument("--first-token", type=float, default=0.0)
    args = parser.parse_args()
    text = "".join(f"word{n} " for n in range(args.tokens))
    plan = Plan(text, tokens_per_second=args.tokens_per_second, first_token_s=args.first_token)
    with HttpProvider(plan, port=args.port) as server:
        print(server.url, flush=True)
        sys.stdin.read()  # until whoever started it closes its end


if __name__ == "__main__":
    main()
