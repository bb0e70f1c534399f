"""Anthropic's messages as they come over the wire, through the real SDK."""

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
from tests.wire import ASK, CONFIG, about_this_machine, chunks, failed, opened, recorded, refused, text_of

MODEL = "anthropic/claude-test"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test-123")


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_an_answer_arrives_whole_however_the_network_cuts_it(size: int) -> None:
    found = await chunks(opened(MODEL, recorded("anthropic_normal", size=size)))
    assert text_of(found) == "Acute myocarditis – 心筋炎."
    last = found[-1]
    assert (last.stop_reason, last.model) == ("stop", "claude-test-20260102")
    assert last.usage == Usage(input_tokens=21, output_tokens=5)  # 12 new and 9 cached


async def test_only_what_the_api_takes_is_sent_and_told() -> None:
    wire = recorded("anthropic_normal")
    found = await chunks(opened(MODEL, wire, extra={"thinking": {"type": "adaptive"}}, reasoning_room=1000))
    assert wire.body["system"] == "Be brief."
    assert wire.body["messages"] == [{"role": "user", "content": "Input:\nchest pain\nOutput:"}]
    sent = {k: v for k, v in wire.body.items() if k not in ("messages", "system", "stream")}
    assert found[0].parameters == sent
    assert sent == {
        "model": "claude-test", "max_tokens": 1064, "stop_sequences": ["\n\n"], "thinking": {"type": "adaptive"},
    }  # fmt: skip
    assert wire.requests[0].headers["anthropic-version"] == "2026-10-21"
    assert wire.requests[0].headers["authorization"] == "Bearer sk-ant-test-123"
    assert "sk-ant" not in str(found)


async def test_no_header_tells_about_this_machine() -> None:
    wire = recorded("anthropic_normal")
    await chunks(opened(MODEL, wire))
    assert not about_this_machine(wire.requests[0])


async def test_the_older_api_version_gets_temperature() -> None:
    wire = recorded("anthropic_normal")
    found = await chunks(opened(MODEL, wire, api_version="2023-06-01"))
    assert wire.requests[0].headers["anthropic-version"] == "2023-06-01"
    assert (wire.body["temperature"], wire.body["top_p"]) == (0.2, 0.9)
    assert (found[0].parameters or {})["temperature"] == 0.2
    assert "seed" not in wire.body


@pytest.mark.parametrize(
    ("name", "reason", "text"),
    [
        ("length", "length", "The patient"),
        ("refusal", "refusal", "I can't help."),
        ("reasoning", "stop", "C"),
        ("silent", "stop", ""),
        ("unknown_event", "stop", "B"),
    ],
)
async def test_an_answer_that_ends_is_an_answer(name: str, reason: str, text: str) -> None:
    found = await chunks(opened(MODEL, recorded(f"anthropic_{name}")))
    assert (text_of(found), found[-1].stop_reason) == (text, reason)


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("cut_off", ConnectionBroken, "The pat"),
        ("error_before", RateLimited, ""),
        ("error_after", ServerFailed, "The pat"),
        ("malformed", Malformed, "The pat"),
        ("strange", Malformed, ""),
    ],
)
async def test_a_broken_stream_ends_with_its_own_error_and_keeps_its_text(
    name: str, kind: type[AdapterError], text: str
) -> None:
    said, error = await failed(opened(MODEL, recorded(f"anthropic_{name}")))
    assert (type(error), said) == (kind, text)


async def test_a_disconnect_in_mid_answer_is_a_broken_connection() -> None:
    said, error = await failed(opened(MODEL, recorded("anthropic_cut_off", then=httpx2.ReadError("gone"))))
    assert (type(error), said) == (ConnectionBroken, "The pat")


async def test_a_disconnect_after_the_answers_end_is_no_failure() -> None:
    found = await chunks(opened(MODEL, recorded("anthropic_normal", then=httpx2.ReadError("gone"))))
    assert found[-1].stop_reason == "stop"


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected", "says"),
    [
        (401, "authentication_error", "invalid x-api-key", AuthenticationFailed,
         "Anthropic did not accept the key. Check ANTHROPIC_API_KEY and restart."),
        (403, "permission_error", "not yours", AuthenticationFailed, "Anthropic does not allow this: not yours"),
        (404, "not_found_error", "model: claude-test", UnknownModel, "Check the model's name"),
        (413, "request_too_large", "too large", PromptTooLong, "Use fewer demonstrations"),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", PromptTooLong, "210000"),
        (400, "invalid_request_error", "temperature: Extra inputs are not permitted", BadRequest, "temperature: omit"),
        (400, "invalid_request_error", "Your credit balance is too low", Unavailable, "billing"),
        (402, "billing_error", "pay", Unavailable, "billing"),
        (429, "rate_limit_error", "slow", RateLimited, "too many requests"),
        (529, "overloaded_error", "Overloaded", RateLimited, "too many requests"),
        (500, "api_error", "oops", ServerFailed, "Anthropic failed (status 500): oops"),
    ],
)  # fmt: skip
async def test_a_refused_request_names_what_happened_and_the_fix(
    status: int, kind: str, message: str, expected: type[AdapterError], says: str
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    _, error = await failed(opened(MODEL, refused(status, body)))
    assert type(error) is expected
    assert says in str(error)


async def test_closing_the_stream_lets_the_request_go_at_once() -> None:
    wire = recorded("anthropic_normal", size=60)
    async with aclosing(opened(MODEL, wire).stream(ASK, CONFIG)) as stream:
        async for chunk in stream:
            if chunk.text:
                break
    assert wire.stream.closed


async def test_the_text_goes_where_the_page_says_even_if_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1/elsewhere")
    wire = recorded("anthropic_normal")
    await chunks(opened(MODEL, wire))
    assert wire.requests[0].url.host == "api.anthropic.com"
