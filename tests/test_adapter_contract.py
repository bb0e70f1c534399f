"""What every provider promises, checked for each because its file is there.

A new provider that runs without options is covered as it is; one that needs some gets a line in `recipe`. An adapter
of an HTTP API is driven against the server of `http_provider.py`.
"""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import adapters
from adapters import errors, registry
from adapters.base import Adapter, Chunk, Example, GenerateConfig, Message
from tests.http_provider import HttpProvider, Plan

PROVIDERS = sorted(registry.providers())
SDKS = ("openai", "anthropic", "torch", "transformers", "httpx2", "aiohttp")
ASK = (Message("system", "Answer."), Message("user", "Input:\nA man of 61 has chest pain. It is severe.\nOutput:"))
CONFIG = GenerateConfig(max_tokens=32)
EXAMPLES = (Example("A woman of 30 has a cough.", "Acute bronchitis it is."), Example("A boy fell.", "Fracture."))


@pytest.fixture(scope="module")
def server() -> Iterator[HttpProvider]:
    with HttpProvider(Plan("one two three", tokens_per_second=100)) as running:
        yield running


def recipe(provider: str, server: HttpProvider, folder: Path) -> tuple[str, dict[str, Any]]:
    """Name and options with which a provider answers here."""
    if provider == "replay":
        file = folder / "EN_Test_Recorded.csv"
        file.write_text(f'task_id,input,GT,output\ntask52,"{ASK[1].content}",x,A recorded answer\n', encoding="utf-8")
        return str(file), {}
    at = {"openai": server.openai_url, "compatible": server.openai_url, "anthropic": server.anthropic_url}
    if provider in at:
        return "test", {"base_url": at[provider], "api_key_env": "CONTRACT_KEY"}
    if provider == "fake":
        return "test", {"chunks": ["one ", "two"]}
    return {"baseline": "nearest"}.get(provider, "test"), {}


@pytest.fixture(params=PROVIDERS)
def adapter(
    request: pytest.FixtureRequest, server: HttpProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Adapter:
    monkeypatch.setenv("CONTRACT_KEY", "sk-contract")
    name, options = recipe(request.param, server, tmp_path)
    reference = f"{request.param}/{name}"
    if reason := registry.unavailable(reference, options):
        pytest.skip(f"{reference}: {reason} Its own tests cover it, or give it a recipe here.")
    return registry.create(reference, options, examples=EXAMPLES)


@pytest.fixture
async def answer(adapter: Adapter) -> AsyncIterator[list[Chunk]]:
    async with aclosing(adapter.stream(ASK, CONFIG)) as stream:
        yield [chunk async for chunk in stream]


def test_there_are_providers_to_check() -> None:
    assert {"anthropic", "baseline", "compatible", "fake", "openai", "replay"} <= set(PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_unavailable_says_why_in_words_or_nothing(provider: str) -> None:
    reason = registry.unavailable(f"{provider}/some-name-that-is-not-there", {})
    assert reason is None or (isinstance(reason, str) and len(reason.split()) > 3)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_tells_who_receives_the_text_or_that_nobody_does(provider: str) -> None:
    told = registry.sends_to(f"{provider}/some-name", {})
    assert told is None or told.strip()
    network = provider in ("openai", "compatible", "anthropic")
    assert (told is not None) == network


def test_listing_and_asking_what_is_available_loads_no_sdk() -> None:
    code = (
        "import sys; from adapters import registry\n"
        "for p in registry.providers(): registry.unavailable(p + '/x', {})\n"
        "registry.create('compatible/x', {'base_url': 'http://127.0.0.1:1/v1'})\n"
        f"print([m for m in {SDKS!r} if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "[]"


def test_adapters_is_this_repository_and_not_the_library_of_that_name() -> None:
    assert Path(adapters.__file__).parent.parent == Path(__file__).parent.parent


def test_the_model_is_named_by_its_reference(adapter: Adapter) -> None:
    assert registry.split(adapter.model)[0] in PROVIDERS


async def test_the_first_chunk_tells_the_parameters_and_no_text(answer: list[Chunk]) -> None:
    assert answer[0].parameters is not None
    assert not answer[0].text
    assert "sk-contract" not in str(answer)
    assert all(chunk.parameters is None for chunk in answer[1:])


async def test_the_last_chunk_and_no_other_tells_how_it_ended(answer: list[Chunk]) -> None:
    assert answer[-1].stop_reason in ("stop", "length", "refusal")
    assert answer[-1].usage is not None
    assert answer[-1].model
    assert all(chunk.stop_reason is None for chunk in answer[:-1])


async def test_the_text_comes_in_pieces_and_is_not_empty(answer: list[Chunk]) -> None:
    texts = [chunk.text for chunk in answer if chunk.text]
    assert "".join(texts).strip()
    assert len(texts) > 1


async def test_closing_early_closes(adapter: Adapter) -> None:
    async with aclosing(adapter.stream(ASK, CONFIG)) as stream:
        async for chunk in stream:
            if chunk.text:
                break
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_closing_before_the_first_text_closes(adapter: Adapter) -> None:
    stream = adapter.stream(ASK, CONFIG)
    await anext(stream)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


def _error_classes() -> list[type[errors.AdapterError]]:
    found, todo = [], [errors.AdapterError]
    while todo:
        found.append(kind := todo.pop())
        todo += kind.__subclasses__()
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", _error_classes())
def test_what_raters_see_of_an_error_names_no_provider_and_no_model(kind: type[errors.AdapterError]) -> None:
    error = kind("OpenAI did not accept the key of gpt-test.", fix="Check OPENAI_API_KEY.")
    words = [*PROVIDERS, "gpt", "claude", "llama", "api", "key", "http", "model"]
    assert [w for w in words if w in error.public.lower()] == []
    assert "OPENAI_API_KEY" in str(error)
