"""After a start the first request finds its packages loaded; a list loads nothing, and torch is never loaded by it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters import registry
from adapters._http import HttpAdapter
from tests.http_provider import HttpProvider, Plan

ROOT = Path(__file__).parents[1]
HEAVY = ("openai", "anthropic", "httpx2", "aiohttp", "torch", "transformers")
WARM_THEN_ASK = """
import asyncio, json, sys
from adapters import registry
from adapters.base import GenerateConfig, Message, complete
reference, options, heavy = json.loads(sys.argv[1])
registry.warm(["baseline/lead", "local/some/model", reference])
loaded = [name for name in heavy if name in sys.modules]
before = set(sys.modules)
adapter = registry.create(reference, options)
asyncio.run(complete(adapter, (Message("user", "Hello"),), GenerateConfig(max_tokens=5)))
print(json.dumps([loaded, sorted(set(sys.modules) - before)]))
"""
START = """
import json, sys
from pathlib import Path
from playground.library import read_library
from playground.models import Models, read_models
models = Models(read_models(Path(sys.argv[1])), examples=lambda task: ())
listed = [m for m in ("openai", "anthropic") if m in sys.modules]
models.warm().join(60)
print(json.dumps([listed, [m for m in ("openai", "anthropic", "torch") if m in sys.modules]]))
"""


def run(code: str, *words: str, **environment: str) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT, timeout=90,
        env={"PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("provider", sorted(p for p, module in registry.providers().items() if hasattr(module, "warm")))
def test_after_warming_the_first_request_imports_no_package(provider: str) -> None:
    with HttpProvider(Plan("fine")) as server:
        url = server.anthropic_url if provider == "anthropic" else server.openai_url
        options = {"base_url": url, "api_key_env": "WARM_KEY"}
        loaded, late = run(WARM_THEN_ASK, json.dumps([f"{provider}/m", options, HEAVY]), WARM_KEY="k")
    sdk = {provider} & {"openai", "anthropic"}  # a server that only speaks OpenAI's language needs no SDK
    assert set(loaded) == {"httpx2", "aiohttp"} | sdk
    assert [m for m in late if m.split(".")[0] in (*HEAVY, "httpcore2", "jiter", "pydantic", "truststore")] == []


def test_every_http_provider_can_be_warmed() -> None:
    modules_of_kinds = {kind.__module__ for kind in _below(HttpAdapter)}
    kinds = {name for name in modules_of_kinds if not name.startswith("adapters._")}
    assert kinds, "they are found by what they inherit"
    modules = {module.__name__ for module in registry.providers().values() if hasattr(module, "warm")}
    assert kinds == modules


def test_only_what_can_run_here_is_warmed(tmp_path: Path) -> None:
    listed = tmp_path / "models.yaml"
    listed.write_text(
        "models:\n"
        "  - {model: openai/m, label: M}\n  - {model: anthropic/c, label: C}\n  - {model: local/a/b, label: L}\n"
    )
    before, after = run(START, str(listed), OPENAI_API_KEY="k")
    assert (before, after) == ([], ["openai"])


def test_an_http_adapter_that_lacks_a_method_cannot_be_made() -> None:
    class Half(HttpAdapter):
        path = "/chat/completions"

    half: Any = Half
    with pytest.raises(TypeError, match="abstract"):
        half(None)


def _below(kind: type) -> list[type]:
    return [k for sub in kind.__subclasses__() for k in (sub, *_below(sub)) if k.__module__.startswith("adapters.")]
