"""Options of the HTTP adapters in models.yaml: what is wrong or missing is said with the fix, before any request."""

from typing import Any

import pytest

from adapters import registry
from adapters.errors import BadRequest, Unavailable
from playground.models import Models, ModelSpec

HERE = {"base_url": "http://127.0.0.1:9/v1"}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        ("openai/gpt-test", {}, "No key. Set OPENAI_API_KEY, then restart."),
        ("anthropic/claude-test", {}, "No key. Set ANTHROPIC_API_KEY, then restart."),
        ("openai/gpt-test", {"api_key_env": "MY_KEY"}, "No key. Set MY_KEY, then restart."),
        ("compatible/m", {"base_url_env": "MY_URL"}, "Its address is not set. Set MY_URL, then restart."),
        ("compatible/m", {**HERE, "model_env": "MY_MODEL"}, "The model's name is not set. Set MY_MODEL, then restart."),
        ("compatible/m", HERE, None),
    ],
)
def test_what_is_missing_is_said_with_the_fix(model: str, options: dict[str, Any], reason: str | None) -> None:
    assert registry.unavailable(model, options) == reason


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "Write `base_url`"),
        ({"base_url": "localhost:11434"}, "http:// or https://"),
        ({"base_url": "http://127.0.0.1:port/v1"}, "http:// or https://"),
        ({"base_url": "http://gpu..hospital.example/v1"}, "http:// or https://"),
        ({"base_url": f"http://{'a' * 70}.example/v1"}, "http:// or https://"),
        ({"base_url": "http://my server/v1"}, "http:// or https://"),
        ({"base_url": "http://127.0.0.1:9/v\t1"}, "http:// or https://"),
        ({"base_url": "http://127.0.0.1:9/v1\x7f/"}, "http:// or https://"),
        ({**HERE, "tempreature": 0}, "Did you mean 'temperature'?"),
        ({**HERE, "api_version": "2023-06-01"}, "does not exist"),
        ({**HERE, "temperature": "cold"}, "temperature: omit"),
        ({**HERE, "seed": 7}, "seed: omit"),
        ({**HERE, "timeout_stall": 0}, "Write a number such as 30"),
        ({**HERE, "max_retries": True}, "Write a number such as 2"),
        ({**HERE, "stop": 3}, "not a list of texts"),
        ({**HERE, "extra": {"messages": []}}, "may not set messages"),
    ],
)
def test_a_wrong_option_is_named_with_the_fix(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest) as error:
        registry.create("compatible/m", options)
    assert says in str(error.value)
    assert says in (registry.unavailable("compatible/m", options) or "")


@pytest.mark.parametrize(
    ("model", "options", "who"),
    [
        ("openai/gpt-test", {}, "OpenAI"),
        ("openai/gpt-test", {"base_url": "https://proxy.example.org/v1"}, "proxy.example.org"),
        ("openai/gpt-test", HERE, None),
        ("anthropic/claude-test", {}, "Anthropic"),
        ("compatible/m", HERE, None),
        ("compatible/m", {"base_url": "http://[::1]:8000/v1"}, None),
        ("compatible/m", {"base_url": "http://localhost:8000/v1"}, None),
        ("compatible/m", {"base_url": "http://127.0.0.1.example.org/v1"}, "127.0.0.1.example.org"),
        ("compatible/m", {"base_url": "http://10.0.0.7:8000/v1"}, "10.0.0.7"),
        ("compatible/m", {"base_url_env": "MY_URL"}, "gpu.example.org"),
        ("compatible/m", {"base_url_env": "NOT_SET"}, "a server that is not named yet"),
        ("baseline/lead", {}, None),
    ],
)
def test_who_receives_the_text_follows_from_the_address(
    monkeypatch: pytest.MonkeyPatch, model: str, options: dict[str, Any], who: str | None
) -> None:
    monkeypatch.setenv("MY_URL", "https://gpu.example.org/v1")
    assert registry.sends_to(model, options) == who
    spec = ModelSpec(model=model, label="M", options=options)
    listed = Models([spec], examples=lambda task: ()).spec(model)
    assert (listed.sends_to, listed.local) == (who, who is None), "also where models.yaml does not say it"
    assert listed.cost(1, 1) == (0.0 if who is None else None), "what leaves is not free, only unknown"
    named = Models([spec.model_copy(update={"sends_to": "Our cloud"})], examples=lambda task: ()).spec(model)
    assert named.sends_to == "Our cloud"


def test_a_key_with_foreign_characters_is_told_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-“copied”")
    with pytest.raises(Unavailable, match="Copy it again into OPENAI_API_KEY"):
        registry.create("openai/gpt-test", {})


def test_a_model_without_its_key_does_not_open() -> None:
    with pytest.raises(Unavailable, match="Set OPENAI_API_KEY"):
        registry.create("openai/gpt-test", {})


def test_identity_follows_the_environment_and_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_URL", "https://me:secret@lab.example/v1?token=secret")
    first = registry.create("compatible/m", {"base_url_env": "MY_URL"})
    assert getattr(first, "identity", None) == "https://lab.example/v1 m"


@pytest.mark.parametrize("model", ["openai/m", "anthropic/m"])
def test_a_query_that_an_sdk_would_lose_is_refused(model: str) -> None:
    reason = registry.unavailable(model, {"base_url": "https://gateway.example/v1?tenant=ward"})
    assert reason == f"{model}: the query of its address would be lost. Leave it out of `base_url`."
    assert registry.unavailable("compatible/m", {"base_url": "https://gateway.example/v1?tenant=ward"}) is None
