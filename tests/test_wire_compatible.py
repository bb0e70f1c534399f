"""Other servers that speak OpenAI's chat completions, as they are asked: without an SDK, at their own address."""

import json
from collections.abc import Callable

import aiohttp
import httpx2
import pytest

from adapters.errors import (
    AdapterError,
    AuthenticationFailed,
    BadRequest,
    ConnectionBroken,
    Malformed,
    PromptTooLong,
    RateLimited,
    ServerFailed,
    Unavailable,
    UnknownModel,
)
from tests.wire import Wire, about_this_machine, chunks, failed, opened, recorded, refused, text_of

MODEL, HERE = "compatible/m", "http://127.0.0.1:9/v1"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_an_answer_arrives_whole_however_the_network_cuts_it(size: int) -> None:
    wire = recorded("openai_normal", size=size)
    found = await chunks(opened(MODEL, wire, base_url=HERE))
    assert text_of(found) == "Acute myocarditis – 心筋炎."
    request = wire.requests[0]
    assert (request.method, str(request.url)) == ("POST", f"{HERE}/chat/completions")
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content)["messages"][1]["content"] == "Input:\nchest pain\nOutput:"


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (401, b'{"error": "no"}', AuthenticationFailed, "wants a key. Name the variable that holds the key"),
        (404, b'{"error": {"message": "model \'m\' not found"}}', UnknownModel, "not found"),
        (429, b'{"error": {"message": "slow down"}}', RateLimited, "too many requests: slow down"),
        (400, b'{"error": {"n_prompt_tokens": 900, "n_ctx": 512, "type": "exceed_context_size_error"}}',
         PromptTooLong, "too long for 'm'. Use fewer demonstrations"),
        (400, b'{"detail": "no such field: seed"}', BadRequest, "`seed: omit`"),
        (422, b'["a list"]', BadRequest, "refused the request"),
        (500, b'{"error": {"message": "out of memory"}}', ServerFailed, "(status 500): out of memory"),
        (502, b"<html><body>Bad Gateway</body></html>", ServerFailed, "(status 502)."),
        (503, b"", ServerFailed, "(status 503)."),
        (500, b"\xff\xfe no UTF-8", ServerFailed, "no UTF-8"),
        (500, b"[" * 200_000, ServerFailed, "(status 500): [[["),
    ],
)  # fmt: skip
async def test_a_refused_request_names_what_happened_and_the_fix(
    status: int, body: bytes, kind: type[AdapterError], says: str
) -> None:
    wire = Wire(body, status=status, headers=JSON)
    said, error = await failed(opened(MODEL, wire, base_url=HERE))
    assert (type(error), said) == (kind, "")
    assert says in str(error)
    assert "<html" not in str(error)
    assert wire.stream.closed, "the connection is free again"


async def test_retry_after_is_told() -> None:
    wire = refused(429, {"error": {"message": "x"}}, **{"retry-after": "90"})
    _, error = await failed(opened(MODEL, wire, base_url=HERE))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 90


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 529])
async def test_with_an_sdk_and_without_one_a_status_means_the_same(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    body = {"error": {"message": "it says why", "type": "some_error", "code": None}}
    _, with_sdk = await failed(opened("openai/m", refused(status, body)))
    _, without = await failed(opened(MODEL, refused(status, body), base_url=HERE, api_key_env="OPENAI_API_KEY"))
    assert type(without) is type(with_sdk)
    assert str(without) == str(with_sdk).replace("OpenAI ", f"{HERE} ")


def gone(request: httpx2.Request) -> httpx2.Response:
    raise aiohttp.ClientOSError(111, "Connect call failed")


def deaf(request: httpx2.Request) -> httpx2.Response:
    raise aiohttp.ConnectionTimeoutError("Connection timeout to host")


@pytest.mark.parametrize("answer", [gone, deaf])
@pytest.mark.parametrize("model", [MODEL, "openai/m", "anthropic/m"])
async def test_a_connection_that_does_not_open_is_no_slow_model(
    model: str, answer: Callable[[httpx2.Request], httpx2.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "k")
    wire = Wire(b"")
    wire.transport = httpx2.MockTransport(answer)
    _, error = await failed(opened(model, wire, base_url=HERE, api_key_env="A_KEY"))
    assert type(error) is ConnectionBroken
    assert str(error).startswith("No connection to ")
    assert str(error).endswith("Start the server, or correct `base_url` in models.yaml.")


@pytest.mark.parametrize("error", [httpx2.InvalidURL("no such address"), UnicodeError("label too long")])
async def test_an_address_that_only_the_request_finds_wrong_fails_its_own_model(error: Exception) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise error

    wire = Wire(b"")
    wire.transport = httpx2.MockTransport(answer)
    _, found = await failed(opened(MODEL, wire, base_url=HERE))
    assert type(found) is Unavailable
    assert str(found) == f"{HERE} cannot be asked at this address. Check `base_url` in models.yaml."


async def test_something_else_than_a_stream_is_told_as_such() -> None:
    _, error = await failed(opened(MODEL, Wire(b'{"choices": []}', headers=JSON), base_url=HERE))
    assert type(error) is Malformed


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1/chat/completions"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/chat/completions"),
        ("http://127.0.0.1:9/v1?tenant=ward", "http://127.0.0.1:9/v1/chat/completions?tenant=ward"),
        ("http://[::1]:9/v1/", "http://[::1]:9/v1/chat/completions"),
    ],
)
async def test_the_path_comes_behind_the_base_address(base: str, url: str) -> None:
    wire = recorded("openai_normal")
    await chunks(opened(MODEL, wire, base_url=base))
    assert str(wire.requests[0].url) == url


@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("https://elsewhere.example:8/v2/chat?key=secret", " to https://elsewhere.example:8/v2/chat"),
        ("https://me:secret@elsewhere.example/v2", " to https://elsewhere.example/v2"),
        ("/v2/chat/completions", " to /v2/chat/completions"),
        ("http://[::1", ""),
        ("//elsewhere.example/v2", " to //elsewhere.example/v2"),
        (f"https://me:{'secret' * 90}@elsewhere.example/v2", " to https://elsewhere.example/v2"),
        ("https:/me:secret@elsewhere.example/v2", ""),
        (None, ""),
    ],
)
@pytest.mark.parametrize("model", [MODEL, "openai/m", "anthropic/m"])
async def test_a_text_is_not_sent_on_to_another_address(
    model: str, location: str | None, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "k")
    wire = Wire(b"", status=307, headers={"location": location} if location else {})
    _, error = await failed(opened(model, wire, base_url=HERE, api_key_env="A_KEY"))
    assert type(error) is Unavailable
    assert f" sends requests on{where}. If the text may go there, write the new address as `base_url`" in str(error)
    assert "secret" not in str(error)
    assert len(wire.requests) == 1


async def test_a_refusal_whose_body_breaks_is_still_that_refusal() -> None:
    headers = {"content-type": "application/json", "retry-after": "90"}
    wire = Wire(b'{"error": {"mess', status=429, headers=headers, then=httpx2.ReadError("gone"))
    _, error = await failed(opened(MODEL, wire, base_url=HERE))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 90
    assert wire.stream.closed


async def test_other_servers_get_nothing_that_was_meant_for_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: own-secret\nAuthorization: Bearer own-secret")
    wire = recorded("openai_normal")
    await chunks(opened("compatible/m", wire, base_url="http://127.0.0.1:9/v1"))
    headers = str(wire.requests[0].headers)
    assert "secret" not in headers
    assert "authorization" not in wire.requests[0].headers
    monkeypatch.setenv("LAB_KEY", "lab-1")
    await chunks(opened("compatible/m", wire, base_url="http://127.0.0.1:9/v1", api_key_env="LAB_KEY"))
    assert wire.requests[1].headers["authorization"] == "Bearer lab-1"


async def test_no_header_tells_about_this_machine() -> None:
    wire = recorded("openai_normal")
    await chunks(opened(MODEL, wire, base_url=HERE))
    assert not about_this_machine(wire.requests[0])


async def test_two_servers_are_asked_each_at_its_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECOND_URL", "http://127.0.0.2:7/v1/")
    one, two = recorded("openai_normal"), recorded("openai_normal")
    first = opened("compatible/llama", one, base_url="http://127.0.0.1:9/v1", stop=["\n\nInput:"])
    await chunks(first)
    await chunks(opened("compatible/qwen", two, base_url_env="SECOND_URL", model="qwen2.5:0.5b"))
    assert str(one.requests[0].url) == "http://127.0.0.1:9/v1/chat/completions"
    assert str(two.requests[0].url) == "http://127.0.0.2:7/v1/chat/completions"
    assert (one.body["model"], two.body["model"]) == ("llama", "qwen2.5:0.5b")
    assert one.body["stop"] == ["\n\nInput:", "\n\n"]
