"""What is in a key and what is not."""

from pathlib import Path
from typing import Any

import pytest

from adapters import registry
from adapters.base import GenerateConfig, Message
from playground.batch.key import item_key
from playground.models import ModelSpec
from playground.prompt import Prompt

CONFIG: dict[str, Any] = {"max_tokens": 9, "temperature": 0.0, "seed": 1}
URL = "http://127.0.0.1:9/v1"


def key(
    model: str = "compatible/a", *, text: str = "Is he ill?", repeat: int = 0, config: dict[str, Any] = CONFIG,
    **options: Any,
) -> str:  # fmt: skip
    options = {"base_url": URL, **options} if model.startswith("compatible") else options
    adapter = registry.create(model, options)
    prompt = Prompt((Message("user", text),), ())
    return item_key(
        ModelSpec(model=model, label="x", options=options), adapter, prompt, GenerateConfig(**config), repeat
    )


def test_a_key_is_64_hex_digits_and_the_same_again() -> None:
    assert key() == key()
    assert len(key()) == 64
    assert set(key()) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "other",
    [
        {"model": "compatible/b"}, {"text": "Is she ill?"}, {"repeat": 1}, {"config": {**CONFIG, "temperature": 0.5}},
        {"config": {**CONFIG, "seed": 2}}, {"config": {**CONFIG, "max_tokens": 8}},
        {"base_url": "http://127.0.0.1:10/v1"}, {"extra": {"top_k": 3}}, {"stop": ["\n"]}, {"reasoning_room": 100},
    ],
)  # fmt: skip
def test_what_changes_an_answer_changes_the_key(other: dict[str, Any]) -> None:
    assert key(**other) != key()


@pytest.mark.parametrize(
    "other", [{"max_retries": 0}, {"timeout_first_token": 5}, {"timeout_stall": 5}, {"api_key_env": "SOME_KEY"}]
)
def test_what_changes_no_answer_is_not_in_the_key(other: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "k")
    assert key(**other) == key()


def test_an_address_from_the_environment_is_the_same_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_URL", URL)
    assert key(base_url="", base_url_env="SOME_URL") == key()


def test_a_parameter_that_is_not_sent_is_not_in_the_key() -> None:
    one, two = ({**CONFIG, "temperature": t} for t in (0.0, 1.0))
    assert key(temperature="omit", config=one) == key(temperature="omit", config=two)


def test_anthropic_gets_no_seed_and_its_version_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    assert key("anthropic/m", config={**CONFIG, "seed": 2}) == key("anthropic/m")
    assert key("anthropic/m", api_version="2030-01-01") != key("anthropic/m")


@pytest.mark.local
def test_local_weights_revision_quantisation_and_template_are_in_the_key(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="pip install -e '.[local]'")
    from tests.local.checkpoint import make

    folder = make(tmp_path / "nano", steps=0)
    options = {"quantisation": "none", "device": "cpu", "context": 400}
    name = f"local/{folder}"
    same = key(name, **options)
    assert key(name, config={**CONFIG, "seed": 2}, **options) == same, "a seed means nothing to a greedy answer"
    assert key(name, **{**options, "context": 300}) == same
    assert key(name, **{**options, "quantisation": "int8"}) != same
    assert key(name, revision="v2", **options) != same
    assert key(name, reference_prompt=True, **options) != same
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    other = key(name, **options)
    assert other != same
    make(folder, steps=0, seed=1)
    assert key(name, **options) not in (same, other)
