"""Any server that speaks OpenAI's chat completions, `compatible/NAME`: vLLM, Ollama, llama.cpp, TGI, LM Studio.

Every entry of models.yaml has an address of its own, so several servers can be offered at once. Options:
base_url or base_url_env (one is needed, with its /v1), model or model_env (the name to send; default NAME),
api_key_env (default: no key is sent); the rest as in openai_chat.
"""

import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from adapters._endpoint import Kind, open_endpoint, receiver, why_not
from adapters.base import Adapter, Example
from adapters.openai_chat import OpenAIChat

PROVIDER = "compatible"
KIND = Kind(
    provider=PROVIDER,
    who="The server",
    sdk="openai",
    needs="'openai>=3,<4' 'aiohttp>=3.14'",
    without=frozenset({"api_version"}),
)


def unavailable(name: str, options: Mapping[str, Any]) -> str | None:
    return why_not(KIND, name, options, os.environ)


def sends_to(name: str, options: Mapping[str, Any]) -> str | None:
    return receiver(KIND, name, options, os.environ)


def warm() -> None:
    OpenAICompatible.warm()


def create(name: str, options: Mapping[str, Any], examples: Sequence[Example]) -> Adapter:
    return OpenAICompatible(open_endpoint(KIND, name, options, os.environ))


class OpenAICompatible(OpenAIChat):
    """The SDK adds organisation, project and further headers for OpenAI from the environment: nobody else gets them."""

    def headers(self, sdk: ModuleType) -> dict[str, Any]:
        key, foreign = self.endpoint.party.key, ("OpenAI-Organization", "OpenAI-Project", *_own_headers())
        return {name: sdk.omit for name in foreign} | {"Authorization": f"Bearer {key}" if key else sdk.omit}


def _own_headers() -> list[str]:
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    return [line.partition(":")[0].strip().title() for line in lines if ":" in line]
