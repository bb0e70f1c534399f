"""The real SDKs against a real server on 127.0.0.1: streams, limits, retries, and what the server sees of a stop."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing

import pytest

from adapters import registry
from adapters.base import Adapter, Chunk, GenerateConfig, Message, complete
from adapters.errors import (
    AdapterError,
    AuthenticationFailed,
    ConnectionBroken,
    Malformed,
    RateLimited,
    ServerFailed,
    TooSlow,
)
from tests.http_provider import HttpProvider, Plan

ASK = (Message("system", "Be brief."), Message("user", "Input:\nchest pain\nOutput:"))
CONFIG = GenerateConfig(max_tokens=32)
Open = Callable[..., Adapter]


@pytest.fixture(scope="module")
def server() -> Iterator[HttpProvider]:
    with HttpProvider() as running:
        yield running


@pytest.fixture(params=["compatible", "openai", "anthropic"])
def opened(request: pytest.FixtureRequest, server: HttpProvider, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open `name` at the server through one of the three adapters; the name is made unlike any other test's."""
    monkeypatch.setenv("LOCAL_KEY", "sk-local")
    url = server.anthropic_url if request.param == "anthropic" else server.openai_url

    def open_model(name: str, *plans: Plan, **options: object) -> Adapter:
        name = f"{request.param}-{request.node.name}-{name}"
        server.script(name, *plans)
        return registry.create(f"{request.param}/{name}", {"base_url": url, "api_key_env": "LOCAL_KEY", **options})

    return open_model


def asked(server: HttpProvider, adapter: Adapter) -> int:
    return len(server.asked(registry.split(adapter.model)[1]))


async def say(adapter: Adapter, text: list[str]) -> None:
    """Collect the text also of an answer that fails."""
    async for chunk in adapter.stream(ASK, CONFIG):
        text.append(chunk.text)


async def failure(adapter: Adapter) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        await complete(adapter, ASK, CONFIG)
    return caught.value


async def test_an_answer_streams_with_usage_and_the_servers_own_name_of_the_model(opened: Open) -> None:
    adapter = opened("m", Plan("Acute coronary syndrome is likely.", tokens_per_second=40, thinking="hm"))
    times, started = [], time.monotonic()
    async for chunk in adapter.stream(ASK, CONFIG):
        if chunk.text:
            times.append(time.monotonic() - started)
    done = await complete(adapter, ASK, CONFIG)
    assert done.text == "Acute coronary syndrome is likely."
    assert (done.usage.input_tokens, done.usage.output_tokens) == (7, 5)
    assert done.model == registry.split(adapter.model)[1] + "-0001"
    assert times[-1] - times[0] > 0.05  # pieces, not one lump at the end


async def test_many_answers_at_once_stay_apart(opened: Open, server: HttpProvider) -> None:
    adapters = [opened(f"m{n}", Plan(f"{n} " * 30, tokens_per_second=100)) for n in range(20)]
    started = time.monotonic()
    answers = await asyncio.gather(*(complete(a, ASK, CONFIG) for a in adapters))
    assert [a.text for a in answers] == [f"{n} " * 30 for n in range(20)]
    assert time.monotonic() - started < 5  # one after the other would take 6 s


async def test_too_many_requests_are_retried_after_the_time_asked_for(opened: Open, server: HttpProvider) -> None:
    adapter = opened("busy", Plan(status=429, retry_after=0.4), Plan("now it works"))
    started = time.monotonic()
    chunks = [chunk async for chunk in adapter.stream(ASK, CONFIG)]
    assert "".join(c.text for c in chunks) == "now it works"
    assert 0.4 <= time.monotonic() - started < 3
    assert asked(server, adapter) == 2
    assert [c.status for c in chunks if c.status] == ["Too many requests. Trying again in 0 s (1 of 2)."]


async def test_a_wait_that_is_too_long_is_left_to_the_person(opened: Open, server: HttpProvider) -> None:
    adapter = opened("busy", Plan(status=429, retry_after=3600))
    error = await failure(adapter)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 3600
    assert asked(server, adapter) == 1


async def test_a_disconnect_before_the_first_text_is_tried_again(opened: Open, server: HttpProvider) -> None:
    adapter = opened("shaky", Plan(drop=True), Plan("a b", cut_after=0), Plan("third time lucky"))
    assert (await complete(adapter, ASK, CONFIG)).text == "third time lucky"
    assert asked(server, adapter) == 3


async def test_a_disconnect_in_mid_answer_is_never_tried_again(opened: Open, server: HttpProvider) -> None:
    adapter = opened("cut", Plan("one two three", tokens_per_second=50, cut_after=2), Plan("another answer"))
    text = []
    with pytest.raises(ConnectionBroken):
        await say(adapter, text)
    assert "".join(text) == "one two "
    assert asked(server, adapter) == 1


async def test_max_retries_0_leaves_trying_again_to_the_caller(opened: Open, server: HttpProvider) -> None:
    adapter = opened("busy", Plan(status=429, retry_after=0.1), Plan("later"), max_retries=0)
    assert isinstance(await failure(adapter), RateLimited)
    assert asked(server, adapter) == 1


@pytest.mark.parametrize(
    ("plan", "kind"),
    [
        (Plan(status=401), AuthenticationFailed),
        (Plan(status=500), ServerFailed),
        (Plan("a b", malformed_after=1), Malformed),
        (Plan("a b", error_after=1), ServerFailed),
    ],
)
async def test_other_failures_are_asked_once(
    plan: Plan, kind: type[AdapterError], opened: Open, server: HttpProvider
) -> None:
    adapter = opened("bad", plan, Plan("fine"))
    assert type(await failure(adapter)) is kind
    assert asked(server, adapter) == 1


async def test_a_hanging_model_is_given_up_and_its_request_closed(opened: Open, server: HttpProvider) -> None:
    adapter = opened("hang", Plan(hang=True), timeout_first_token=0.3)
    started = time.monotonic()
    error = await failure(adapter)
    assert isinstance(error, TooSlow)
    assert "no text within 0.3 s" in str(error)
    assert time.monotonic() - started < 2
    await server.until(lambda: server.asked(registry.split(adapter.model)[1])[0].closed_by_client)


async def test_a_stall_is_given_up_but_thinking_is_a_sign_of_life(opened: Open, server: HttpProvider) -> None:
    adapter = opened("stall", Plan("one two three", stall_after=1), timeout_first_token=5, timeout_stall=0.3)
    error = await failure(adapter)
    assert isinstance(error, TooSlow)
    assert "nothing more for 0.3 s" in str(error)
    thinker = opened("thinker", Plan("C", thinking="hm", first_token_s=0.6), timeout_first_token=0.4, timeout_stall=5)
    await complete(thinker, ASK, CONFIG)


async def test_comments_and_pings_are_no_sign_of_life(opened: Open) -> None:
    adapter = opened("pinging", Plan("late", first_token_s=2, pings=True), timeout_first_token=0.4)
    started = time.monotonic()
    assert isinstance(await failure(adapter), TooSlow)
    assert time.monotonic() - started < 1.5


async def test_a_slow_reader_is_not_taken_for_a_stalled_model(opened: Open) -> None:
    adapter = opened("m", Plan("one two three four", tokens_per_second=20), timeout_stall=0.3)
    text = ""
    async for chunk in adapter.stream(ASK, CONFIG):
        text += chunk.text
        await asyncio.sleep(0.4)
    assert text == "one two three four"


async def test_closing_the_stream_closes_the_request_at_once(opened: Open, server: HttpProvider) -> None:
    adapter = opened("long", Plan("word " * 500, tokens_per_second=20))
    async with aclosing(adapter.stream(ASK, CONFIG)) as stream:
        async for chunk in stream:
            if chunk.text:
                break
    left = time.monotonic()
    request = server.asked(registry.split(adapter.model)[1])[0]
    await server.until(lambda: request.closed_by_client)
    assert (request.closed_by_client or 0) - left < 0.5


async def test_cancelling_while_nothing_comes_closes_the_request(opened: Open, server: HttpProvider) -> None:
    adapter = opened("hang", Plan(hang=True))
    task = asyncio.create_task(complete(adapter, ASK, CONFIG))
    await server.until(lambda: asked(server, adapter))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.until(lambda: server.asked(registry.split(adapter.model)[1])[0].closed_by_client)


def test_one_adapter_serves_several_loops_and_leaves_nothing_open(
    opened: Open, recwarn: pytest.WarningsRecorder
) -> None:
    adapter = opened("m", Plan("fine"))
    gc.collect()  # what earlier tests left is not this adapter's
    recwarn.clear()
    for _ in range(3):
        assert asyncio.run(complete(adapter, ASK, CONFIG)).text == "fine"
    gc.collect()
    assert [str(w.message) for w in recwarn if issubclass(w.category, ResourceWarning)] == []


async def test_a_server_that_does_not_run_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpProvider() as gone:
        url = gone.openai_url
    error = await failure(registry.create("compatible/m", {"base_url": url, "max_retries": 0}))
    assert isinstance(error, ConnectionBroken)
    assert str(error) == f"No connection to {url}. Start the server, or correct `base_url` in models.yaml."


async def test_a_proxy_in_the_environment_does_not_stand_before_this_machines_servers(
    server: HttpProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    adapter = registry.create("compatible/behind-proxy", {"base_url": server.openai_url, "max_retries": 0})
    server.script("behind-proxy", Plan("fine"))
    assert (await complete(adapter, ASK, CONFIG)).text == "fine"


async def test_the_server_repeats_the_message_when_it_is_not_scripted(server: HttpProvider) -> None:
    adapter = registry.create("compatible/unscripted", {"base_url": server.openai_url})
    assert (await complete(adapter, ASK, CONFIG)).text == ASK[1].content
    assert server.asked("unscripted")[0].body["messages"][0]["content"] == "Be brief."
    first = await anext(adapter.stream(ASK, CONFIG))
    assert first == Chunk(parameters={"model": "unscripted", "max_tokens": 32, "temperature": 0.0})
