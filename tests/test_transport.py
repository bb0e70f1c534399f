"""Our transport under the SDKs: resting sockets, connections kept and let go, proxies, compressed answers, the loop."""

import asyncio
import gzip
import importlib.util
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from adapters import _clients, registry
from adapters._breath import UNREAD, Breath
from adapters._endpoint import read_endpoint
from adapters._transport import Transport
from adapters.base import GenerateConfig, Message, complete
from adapters.errors import ServerFailed, Unavailable
from adapters.loop import new_loop
from adapters.openai_compatible import KIND
from tests.http_provider import HttpProvider, Plan
from tests.wire import opened, recorded

ASK = (Message("user", "chest pain"),)
CONFIG = GenerateConfig(max_tokens=32)


@pytest.fixture
def server() -> Iterator[HttpProvider]:
    with HttpProvider() as running:
        yield running


async def posted(transport: Transport, server: HttpProvider, model: str) -> httpx2.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "?"}]}
    request = httpx2.Request("POST", f"{server.openai_url}/chat/completions", json=body)
    return await transport.handle_async_request(request)


async def test_while_a_socket_rests_its_text_waits_and_nothing_is_lost(server: HttpProvider) -> None:
    words = "".join(f"word{n} " for n in range(60))
    server.script("m", Plan(words, tokens_per_second=200))
    transport, reads, body = Transport(limit=4, connect=5, kept_alive=5, secure=None), 0, b""
    response = await posted(transport, server, "m")
    async for block in response.aiter_raw():
        reads, body = reads + 1, body + block
        with response.extensions[UNREAD]():
            await asyncio.sleep(0.1)
    assert [f"word{n} ".encode() in body for n in range(60)] == [True] * 60
    assert reads < 15  # 0.3 s of text: one read each would be 60
    await response.aclose()
    await transport.aclose()


async def test_a_socket_that_rests_is_not_read(server: HttpProvider) -> None:
    server.script("m", Plan("one two three four five six seven eight", tokens_per_second=40))
    transport = Transport(limit=4, connect=5, kept_alive=5, secure=None)
    response = await posted(transport, server, "m")
    blocks = response.aiter_raw()
    await anext(blocks)
    with response.extensions[UNREAD](), pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(blocks), 0.15)  # six words would come
    await response.aclose()
    await transport.aclose()


async def test_an_answer_let_go_while_it_rests_is_closed_at_the_server(
    server: HttpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Breath, "seconds", 0.5)
    server.script("m", Plan("word " * 200, tokens_per_second=100))
    adapter = registry.create("compatible/m", {"base_url": server.openai_url})
    async with aclosing(adapter.stream(ASK, CONFIG)) as chunks:
        async for chunk in chunks:
            if chunk.text:
                break
        task = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0.1)  # it rests now
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await server.until(lambda: server.asked("m")[0].closed_by_client, timeout=1)


async def test_name_and_password_of_an_address_are_told_to_its_server_and_nobody_else(server: HttpProvider) -> None:
    server.script("m", Plan("fine"), Plan(status=500))
    url = server.openai_url.replace("http://", "http://ward:secret%21@")
    adapter = registry.create("compatible/m", {"base_url": url, "max_retries": 0})
    assert (await complete(adapter, ASK, CONFIG)).text == "fine"
    assert server.asked("m")[0].headers["authorization"] == "Basic d2FyZDpzZWNyZXQh"
    with pytest.raises(ServerFailed) as failed:
        await complete(adapter, ASK, CONFIG)
    assert "secret" not in str(failed.value) + adapter.identity


async def test_a_connection_serves_one_answer_after_another(server: HttpProvider) -> None:
    server.script("m", Plan("a b c"))
    transport = Transport(limit=1, connect=5, kept_alive=5, secure=None)
    for _ in range(3):
        response = await posted(transport, server, "m")
        await response.aread()
        await response.aclose()
    async with asyncio.timeout(2):  # the only place is free again, also after an answer that was not read
        await (await posted(transport, server, "m")).aclose()
        await (await posted(transport, server, "m")).aclose()
    await transport.aclose()


class Canned(BaseHTTPRequestHandler):
    """Answers every POST with one compressed stream of events, and notes the address that was asked for."""

    asked: list[str]

    def do_POST(self) -> None:
        self.asked.append(self.path)
        self.rfile.read(int(self.headers["content-length"]))
        event = b'data: {"choices":[{"index":0,"delta":{"content":"pneumonia"},"finish_reason":"stop"}]}\n\n'
        body = gzip.compress(event + b"data: [DONE]\n\n")
        self.send_response(200)
        for name, value in (("type", "text/event-stream"), ("encoding", "gzip"), ("length", str(len(body)))):
            self.send_header(f"content-{name}", value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def canned() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Canned,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


async def test_a_compressed_answer_is_read(canned: tuple[str, list[str]]) -> None:
    adapter = registry.create("compatible/m", {"base_url": f"{canned[0]}/v1"})
    assert (await complete(adapter, ASK, CONFIG)).text == "pneumonia"


async def test_a_proxy_of_the_environment_is_used(
    canned: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", canned[0])
    adapter = registry.create("compatible/m", {"base_url": "http://models.hospital.example/v1"})
    assert (await complete(adapter, ASK, CONFIG)).text == "pneumonia"
    assert canned[1] == ["http://models.hospital.example/v1/chat/completions"]


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "ALL_PROXY"])
async def test_this_machines_own_server_is_asked_past_the_proxy(
    server: HttpProvider, canned: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv(proxy, canned[0])
    server.script("m", Plan("directly"))
    adapter = registry.create("compatible/m", {"base_url": server.openai_url})
    assert (await complete(adapter, ASK, CONFIG)).text == "directly"
    assert canned[1] == []


def proxy_of(url: str) -> str | None:
    return _clients.proxy_of(read_endpoint(KIND, "m", {"base_url": url}, {}))


def test_no_proxy_names_hosts_that_are_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "gpu.hospital.example")
    assert proxy_of("https://api.example/v1") == "http://proxy.example:3128"
    assert proxy_of("https://gpu.hospital.example/v1") is None
    assert proxy_of("http://api.example/v1") is None  # the proxy is for https alone


def test_the_proxy_of_the_scheme_counts_whatever_stands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example:1080")
    assert proxy_of("https://api.example/v1") == "http://proxy.example:3128"
    with pytest.raises(Unavailable, match=r"no HTTP proxy\. Set HTTPS_PROXY to http://HOST:PORT"):
        proxy_of("http://api.example/v1")
    assert proxy_of("http://127.0.0.1:9/v1") is None


@pytest.mark.parametrize("model", ["compatible/m", "openai/m"])
async def test_a_proxy_that_cannot_be_used_fails_its_own_model_with_the_fix(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:secret@proxy.example:1080")
    monkeypatch.setenv("A_KEY", "k")
    adapter = registry.create(model, {"base_url": "https://api.example/v1", "api_key_env": "A_KEY"})
    with pytest.raises(Unavailable, match="or name the model's host in NO_PROXY") as failed:
        await complete(adapter, ASK, CONFIG)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize("model", ["compatible/m", "openai/m"])
async def test_a_cookie_of_a_server_is_not_sent_back(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "k")
    wire = recorded("openai_normal")
    wire.headers = {"content-type": "text/event-stream", "set-cookie": "backend=7; Path=/"}
    adapter = opened(model, wire, base_url="http://127.0.0.1:9/v1", api_key_env="A_KEY")
    for _ in range(2):
        await complete(adapter, ASK, CONFIG)
    assert ["cookie" in request.headers for request in wire.requests] == [False, False]


def test_the_loop_is_uvloop_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec("uvloop") is not None
    loop = new_loop()
    assert type(loop).__module__.startswith("uvloop") is there
    loop.close()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    loop = new_loop()
    assert type(loop).__module__.startswith("asyncio")
    loop.close()


def test_streams_are_read_alike_in_that_loop(server: HttpProvider) -> None:
    server.script("m", Plan("one two three", tokens_per_second=100))
    adapter = registry.create("compatible/m", {"base_url": server.openai_url})
    started = time.monotonic()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(complete(adapter, ASK, CONFIG)).text == "one two three"
    assert time.monotonic() - started < 5
