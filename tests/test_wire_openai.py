"""OpenAI's chat completions as they come over the wire, through the real SDK."""

from contextlib import aclosing

import httpx2
import pytest

from adapters.base import Usage
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
from tests.wire import ASK, CONFIG, Wire, about_this_machine, chunks, failed, opened, recorded, refused, text_of

MODEL = "openai/gpt-test"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-123")


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_an_answer_arrives_whole_however_the_network_cuts_it(size: int) -> None:
    found = await chunks(opened(MODEL, recorded("openai_normal", size=size)))
    assert text_of(found) == "Acute myocarditis – 心筋炎."
    last = found[-1]
    assert (last.stop_reason, last.model) == ("stop", "gpt-test-2026-01-02")
    assert last.usage == Usage(input_tokens=21, output_tokens=5)


async def test_the_first_chunk_tells_what_was_really_sent_and_no_key() -> None:
    wire = recorded("openai_normal")
    found = await chunks(opened(MODEL, wire, extra={"reasoning_effort": "low"}))
    sent = {k: v for k, v in wire.body.items() if k not in ("messages", "stream", "stream_options")}
    assert found[0].parameters == sent
    assert sent == {
        "model": "gpt-test", "max_tokens": 64, "temperature": 0.2, "top_p": 0.9, "seed": 3, "stop": ["\n\n"],
        "reasoning_effort": "low",
    }  # fmt: skip
    assert wire.requests[0].headers["authorization"] == "Bearer sk-test-123"
    assert "sk-test" not in str(found)
    assert str(wire.requests[0].url) == "https://api.openai.com/v1/chat/completions"


async def test_options_fit_a_model_that_refuses_temperature_and_wants_another_field() -> None:
    wire = recorded("openai_normal")
    options = {"max_tokens_field": "max_completion_tokens", "temperature": "omit", "reasoning_room": 1000}
    found = await chunks(opened(MODEL, wire, model="gpt-real", **options))
    assert wire.body["max_completion_tokens"] == 1064
    assert wire.body["model"] == "gpt-real"
    assert not {"temperature", "max_tokens"} & set(wire.body) | {"temperature"} & set(found[0].parameters or {})


async def test_a_model_that_refuses_a_seed_gets_none_and_none_is_told() -> None:
    wire = recorded("openai_normal")
    found = await chunks(opened(MODEL, wire, seed="omit"))
    assert "seed" not in wire.body
    assert "seed" not in (found[0].parameters or {})


@pytest.mark.parametrize("size", [40, 4096])
async def test_a_character_whose_halves_come_apart_is_one_and_a_lonely_half_breaks_nothing(size: int) -> None:
    said = ["fine \\ud83e", "\\udd12", " and \\ud83e", " lost\\u0000"]
    events = [f'data: {{"choices": [{{"index": 0, "delta": {{"content": "{piece}"}}}}]}}\n\n' for piece in said]
    end = 'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    found = await chunks(opened(MODEL, Wire("".join([*events, end]).encode(), size=size)))
    assert text_of(found) == "fine \U0001f912 and \ufffd lost\ufffd"
    for chunk in found:
        chunk.text.encode()


async def test_a_fixed_temperature_wins_over_the_runs() -> None:
    wire = recorded("openai_normal")
    await chunks(opened(MODEL, wire, temperature=1))
    assert wire.body["temperature"] == 1.0


@pytest.mark.parametrize(
    ("name", "reason", "text"),
    [
        ("length", "length", "The patient"),
        ("refusal", "refusal", "I can't help with that."),
        ("filtered", "refusal", "To make"),
        ("reasoning", "stop", "C"),
        ("parts", "stop", "B"),
        ("done_only", "stop", "B"),
        ("silent", "stop", ""),
    ],
)
async def test_an_answer_that_ends_is_an_answer(name: str, reason: str, text: str) -> None:
    found = await chunks(opened(MODEL, recorded(f"openai_{name}")))
    assert (text_of(found), found[-1].stop_reason) == (text, reason)


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("cut_off", ConnectionBroken, "The pat"),
        ("error_before", RateLimited, ""),
        ("error_after", ServerFailed, "The pat"),
        ("malformed", Malformed, "The pat"),
        ("strange", Malformed, ""),
        ("llamacpp_error", ServerFailed, "a"),
    ],
)
async def test_a_broken_stream_ends_with_its_own_error_and_keeps_its_text(
    name: str, kind: type[AdapterError], text: str
) -> None:
    said, error = await failed(opened(MODEL, recorded(f"openai_{name}")))
    assert (type(error), said) == (kind, text)


async def test_a_disconnect_in_mid_answer_is_a_broken_connection() -> None:
    said, error = await failed(opened(MODEL, recorded("openai_cut_off", then=httpx2.ReadError("gone"))))
    assert (type(error), said) == (ConnectionBroken, "The pat")


async def test_a_disconnect_after_the_answers_end_is_no_failure() -> None:
    wire = recorded("openai_normal", then=httpx2.ReadError("gone"))
    wire.stream.data = wire.stream.data.partition(
        b'data: {"id": "chatcmpl-9x", "object": "chat.completion.chunk", "model"'
    )[0]
    found = await chunks(opened(MODEL, wire))
    assert text_of(found) == "Acute myocarditis – 心筋炎."
    assert found[-1].usage == Usage()


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (401, {"message": "Incorrect API key provided: sk-test-123."}, AuthenticationFailed,
         "OpenAI did not accept the key. Check OPENAI_API_KEY and restart."),
        (403, {"message": "Country not supported"}, AuthenticationFailed, "Check what the key in OPENAI_API_KEY"),
        (404, {"message": "no such model", "code": "model_not_found"}, UnknownModel, "'gpt-test'"),
        (429, {"message": "slow down", "type": "requests"}, RateLimited, "too many requests: slow down"),
        (429, {"message": "quota", "code": "insufficient_quota"}, Unavailable, "Check plan and billing"),
        (400, {"message": "This model's maximum context length is 8192 tokens, you sent 9000.",
               "code": "context_length_exceeded"}, PromptTooLong, "Use fewer demonstrations"),
        (400, {"message": "'max_tokens' is not supported. Use 'max_completion_tokens' instead."}, BadRequest,
         "`max_tokens_field: max_completion_tokens`"),
        (400, {"message": "Unsupported value: 'temperature' does not support 0.2"}, BadRequest, "`temperature: omit`"),
        (422, {"message": "Extra inputs are not permitted: seed"}, BadRequest, "`seed: omit`"),
        (500, {"message": "oops"}, ServerFailed, "OpenAI failed (status 500): oops"),
        (503, {"message": "down"}, ServerFailed, "status 503"),
    ],
)  # fmt: skip
async def test_a_refused_request_names_what_happened_and_the_fix(
    status: int, body: dict[str, str], kind: type[AdapterError], says: str
) -> None:
    _, error = await failed(opened(MODEL, refused(status, {"error": body})))
    assert type(error) is kind
    assert says in str(error)
    assert "sk-test" not in str(error)


async def test_a_key_that_the_api_sends_back_is_struck_out() -> None:
    _, error = await failed(opened(MODEL, refused(400, {"error": {"message": "bad header: Bearer sk-test-123"}})))
    assert "Bearer ***" in str(error)


async def test_a_prompt_that_is_too_long_says_by_how_much() -> None:
    body = {"error": {"message": "maximum context length is 8192 tokens, you requested 9000", "code": "x"}}
    _, error = await failed(opened(MODEL, refused(400, body)))
    assert isinstance(error, PromptTooLong)
    assert (error.need, error.have) == (9000, 8192)


async def test_retry_after_is_told() -> None:
    _, error = await failed(opened(MODEL, refused(429, {"error": {"message": "x"}}, **{"retry-after": "90"})))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 90
    assert "Wait 90 s" in str(error)


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        ("text/html", b"<html><body>Sign in to the proxy</body></html>", Malformed),
        ("application/json", b'{"choices": [{"message": {"content": "all at once"}}]}', Malformed),
        ("application/json", b'{"error": {"message": "no", "type": "server_error"}}', ServerFailed),
    ],
)
async def test_something_else_than_a_stream_is_told_as_such(kind: str, body: bytes, error: type[AdapterError]) -> None:
    _, found = await failed(opened(MODEL, Wire(body, headers={"content-type": kind})))
    assert type(found) is error
    assert "<html" not in str(found)


async def test_an_endless_line_does_not_fill_the_memory() -> None:
    wire = Wire(b"data: " + b"x" * 5_000_000, size=1_000_000)
    _, error = await failed(opened(MODEL, wire))
    assert type(error) is Malformed


async def test_closing_the_stream_lets_the_request_go_at_once() -> None:
    wire = recorded("openai_normal", size=60)
    async with aclosing(opened(MODEL, wire).stream(ASK, CONFIG)) as stream:
        async for chunk in stream:
            if chunk.text:
                break
    assert wire.stream.closed


async def test_the_text_goes_where_the_page_says_even_if_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/elsewhere")
    wire = recorded("openai_normal")
    await chunks(opened(MODEL, wire))
    assert wire.requests[0].url.host == "api.openai.com"


async def test_no_header_tells_about_this_machine() -> None:
    wire = recorded("openai_normal")
    await chunks(opened(MODEL, wire))
    assert not about_this_machine(wire.requests[0])
