"""What a model writes does nothing, and what a blind rater must not know is in no byte that arrives."""

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest
from aiohttp import ClientSession, web
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server
from tests.browser.pages import ComparePage
from tests.browser.test_main_job import NLI, RATE_ALL, TASK

pytestmark = pytest.mark.browser
SECRETS = ("zebrafinch", "quokka", "wombat", "zebra house", "fake/", "openai/", "compatible/")


def test_nothing_that_a_model_writes_runs_or_is_requested(compare: ComparePage, page: Page) -> None:
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url) if "127.0.0.1" not in request.url else None)
    compare.choose_task(NLI, TASK)
    compare.choose_models("Axolotl Hostile", "Wombat Echo")
    compare.run()
    compare.wait_done()
    page.locator("#cp-reference").check()
    page.wait_for_timeout(500)
    body = compare.body("A")
    expect(body).to_contain_text("stands at the end of 1 < 2 && 3 > 2")
    expect(body).to_contain_text("${window.hacked = 'template'}")
    assert page.evaluate("window.hacked") is None
    hostile = "img, a, script, style, link, iframe, form, input, svg, meta, details, math, [style], [onerror], [onload]"
    for part in (body, page.locator(".cp-scores"), page.locator(".cp-reference")):
        assert part.locator(hostile).count() == 0
    assert outside == []
    assert page.url.startswith("http://127.0.0.1")


class Wire:
    """A plain proxy that keeps every byte the browser receives."""

    def __init__(self, target: str) -> None:
        self.target, self.received, self.url = target, bytearray(), ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**22)
        app.router.add_route("*", "/{rest:.*}", self._pass)
        self._session = ClientSession(auto_decompress=True)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() != "accept-encoding"}
        url = self.target + request.path_qs
        async with self._session.request(
            request.method, url, headers=headers, data=await request.read(), allow_redirects=False
        ) as answer:
            dropped = {"content-length", "transfer-encoding", "content-encoding", "connection"}
            out = web.StreamResponse(status=answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in dropped:
                    out.headers.add(name, value)
                    self.received += f"{name}: {value}\n".encode()
            await out.prepare(request)
            async for piece in answer.content.iter_any():
                if "/assets/" not in request.path:
                    self.received += piece
                await out.write(piece)
            await out.write_eof()
            return out

    def __enter__(self) -> "Wire":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        async def close() -> None:
            await self._session.close()
            await self._runner.cleanup()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with Wire(server.url) as opened:
        yield opened


def test_no_byte_of_a_blind_run_names_a_model_before_the_vote(browser: Browser, server: Server, wire: Wire) -> None:
    context = browser.new_context()
    context.set_default_timeout(15_000)
    compare = ComparePage(context.new_page(), wire.url)
    compare.open()
    compare.choose_task(NLI, TASK)
    compare.choose_models("Zebrafinch Nine", "Quokka Large", "Wombat Echo")
    compare.blind()
    compare.page.wait_for_timeout(500)
    del wire.received[:]  # the model list named them: that is what a researcher chooses from
    compare.run()
    compare.wait_done("ABC")
    compare.press("t")
    expect(compare.saved).to_contain_text("Draft kept")
    before = wire.received.decode("utf-8", "replace").lower()
    assert "answer a" in before, "the run passed through the wire"
    assert [s for s in SECRETS if s in before] == []
    numbers = [word for word in ("first_token", "seconds", "output_tokens", "cost") if f'"{word}"' in before]
    assert numbers == [], "no side may carry its times or tokens"
    compare.press("4 4 4 3 3 3 5 5 5 1 1 1 Enter")
    expect(compare.page.locator(".cp-reveal")).to_contain_text("Quokka Large")
    assert "quokka" in wire.received.decode("utf-8", "replace").lower()
    context.close()


def test_a_failure_in_a_blind_run_names_nobody(browser: Browser, server: Server, wire: Wire) -> None:
    from tests.http_provider import Plan

    server.models.script("zebrafinch-9", Plan(status=401))
    context = browser.new_context()
    context.set_default_timeout(15_000)
    compare = ComparePage(context.new_page(), wire.url)
    compare.open()
    compare.choose_task(NLI, TASK)
    compare.choose_models("Zebrafinch Nine", "Quokka Large", "Wombat Echo")
    compare.blind()
    compare.page.wait_for_timeout(500)
    del wire.received[:]
    compare.run()
    expect(compare.page.locator(".cp-side[data-state=failed]")).to_have_count(1)
    expect(compare.page.locator(".cp-side[data-state=failed]")).to_contain_text("No answer on this side.")
    before = wire.received.decode("utf-8", "replace").lower()
    assert [s for s in (*SECRETS, "test_model_key", "status 401") if s in before] == []
    server.models.script("zebrafinch-9")
    context.close()


def test_a_form_that_nobody_showed_is_refused(compare: ComparePage) -> None:
    """The page's own calls are open to anyone: rights are checked behind them."""
    page = compare.page
    compare.choose_task(NLI, TASK)
    compare.choose_models("Wombat Echo", "Quokka Large")
    compare.run()
    compare.wait_done()
    with page.expect_request(lambda r: "component_server" in r.url) as caught:
        compare.press("a")
    sent = json.loads(caught.value.post_data or "{}")
    assert page.context.browser
    other = page.context.browser.new_context()
    stranger = other.new_page()
    stranger.goto(compare.url)
    told = stranger.evaluate(
        """async (body) => { const r = await fetch('/gradio_api/component_server', {method: 'POST', headers:
        {'content-type': 'application/json'}, body: JSON.stringify(body)}); return [r.status, await r.text()] }""",
        {**sent, "session_hash": "stranger01"},
    )
    assert told[0] == 200
    assert "belongs to somebody else" in told[1]
    stolen = stranger.evaluate(
        """async (body) => (await fetch('/gradio_api/component_server', {method: 'POST',
        headers: {'content-type': 'application/json'}, body: JSON.stringify(body)})).status""",
        sent,
    )
    assert stolen == 403, "a session belongs to whoever used it first"
    other.close()


def test_rating_everything_takes_nine_keys_and_enter(compare: ComparePage) -> None:
    compare.choose_task(NLI, TASK)
    compare.choose_models("Wombat Echo", "Quokka Large")
    compare.run()
    compare.wait_done()
    keys = "a " + RATE_ALL
    assert len(keys.split()) == 9
    compare.press(keys + " Enter")
    expect(compare.saved).to_contain_text("Saved")
