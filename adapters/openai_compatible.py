"""Any server that speaks OpenAI's chat completions, `compatible/NAME`: vLLM, Ollama, llama.cpp, TGI, LM Studio.

It is asked without OpenAI's SDK, which would send OpenAI's headers and read OpenAI's variables. Every entry of
models.yaml has an address of its own, so several servers can be offered at once. Options:
base_url or base_url_env (one is needed, with its /v1), model or model_env (the name to send; default NAME),
api_key_env (default: no key is sent); the rest as in openai_chat.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from adapters._chat import ChatCompletions
from adapters._endpoint import Kind, open_endpoint, receiver, why_not
from adapters.base import Adapter, Example

PROVIDER = "compatible"
KIND = Kind(
    provider=PROVIDER,
    who="a server that is not named yet",  # until `base_url` says where it is
    package="httpx2",
    needs="'httpx2>=2.16,<3' 'aiohttp>=3.14'",
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


class OpenAICompatible(ChatCompletions):
    """The key of its own entry is all it gets besides the case."""
