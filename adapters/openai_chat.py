"""OpenAI's chat completions, `openai/NAME`; knows nothing of other servers that speak the same API.

Options in models.yaml (all optional): model, api_key_env (OPENAI_API_KEY), base_url, max_tokens_field (max_tokens),
reasoning_room, temperature (a number, or omit), seed (omit), stop, extra (further body fields),
timeout_first_token (60 s), timeout_stall (30 s), max_retries (2).
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from adapters._chat import ChatCompletions
from adapters._clients import Client
from adapters._endpoint import Kind, open_endpoint, receiver, why_not
from adapters._sdk import SdkAdapter
from adapters.base import Adapter, Example

PROVIDER = "openai"
KIND = Kind(
    provider=PROVIDER,
    who="OpenAI",
    package="openai",
    needs="'openai>=3,<4' 'aiohttp>=3.14'",
    base_url="https://api.openai.com/v1",  # OPENAI_BASE_URL is not read: the page promises "sends data to OpenAI"
    key_env="OPENAI_API_KEY",
    without=frozenset({"api_version"}),
)


def unavailable(name: str, options: Mapping[str, Any]) -> str | None:
    return why_not(KIND, name, options, os.environ)


def sends_to(name: str, options: Mapping[str, Any]) -> str | None:
    return receiver(KIND, name, options, os.environ)


def warm() -> None:
    OpenAIChat.warm()


def create(name: str, options: Mapping[str, Any], examples: Sequence[Example]) -> Adapter:
    return OpenAIChat(open_endpoint(KIND, name, options, os.environ))


class OpenAIChat(ChatCompletions, SdkAdapter):
    package = "openai"

    def connect(self, http: Any) -> Client:
        return self.sdk.AsyncOpenAI(
            base_url=self.endpoint.base_url,
            api_key=self.endpoint.party.key,
            default_headers=self.unsaid(),
            http_client=http,
            max_retries=0,
        )
