"""OpenAI's chat completions, `openai/NAME`; knows nothing of other servers that speak the same API.

Options in models.yaml (all optional): model, api_key_env (OPENAI_API_KEY), base_url, max_tokens_field (max_tokens),
reasoning_room, temperature (a number, or omit), seed (omit), stop, extra (further body fields),
timeout_first_token (60 s), timeout_stall (30 s), max_retries (2).
"""

import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from adapters._endpoint import Kind, open_endpoint, receiver, why_not
from adapters._http import Client, HttpAdapter, Seen
from adapters.base import Adapter, Example, GenerateConfig, Message, StopReason
from adapters.errors import ServerFailed

PROVIDER = "openai"
KIND = Kind(
    provider=PROVIDER,
    who="OpenAI",
    sdk="openai",
    needs="'openai>=3,<4' 'aiohttp>=3.14'",
    base_url="https://api.openai.com/v1",  # OPENAI_BASE_URL is not read: the page promises "sends data to OpenAI"
    key_env="OPENAI_API_KEY",
    without=frozenset({"api_version"}),
)
STOPPED: Mapping[str, StopReason] = {"length": "length", "content_filter": "refusal"}
FAILED = {"error", "abort"}  # OpenRouter, vLLM


def unavailable(name: str, options: Mapping[str, Any]) -> str | None:
    return why_not(KIND, name, options, os.environ)


def sends_to(name: str, options: Mapping[str, Any]) -> str | None:
    return receiver(KIND, name, options, os.environ)


def warm() -> None:
    OpenAIChat.warm()


def create(name: str, options: Mapping[str, Any], examples: Sequence[Example]) -> Adapter:
    return OpenAIChat(open_endpoint(KIND, name, options, os.environ))


class OpenAIChat(HttpAdapter):
    sdk = "openai"
    path = "/chat/completions"

    def body(self, messages: Sequence[Message], config: GenerateConfig) -> dict[str, Any]:
        at = self.endpoint
        temperature = config.temperature if at.temperature is None else at.temperature
        given = {
            "temperature": None if temperature == "omit" else temperature,
            "top_p": config.top_p,
            "seed": None if at.seed == "omit" else config.seed,
            "stop": list(dict.fromkeys((*at.stop, *config.stop))) or None,
        }
        return {
            "model": at.party.model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            at.max_tokens_field: config.max_tokens + at.reasoning_room,
            **{k: v for k, v in given.items() if v is not None},
            **at.extra,
        }

    def connect(self, sdk: ModuleType, http: Any) -> Client:
        key = self.endpoint.party.key or "none"  # the SDK wants one; `headers` leaves it out
        return sdk.AsyncOpenAI(
            base_url=self.endpoint.base_url,
            api_key=key,
            default_headers=self.unsaid(sdk),
            http_client=http,
            max_retries=0,
        )

    def read(self, event: dict[str, Any], seen: Seen) -> None:
        seen.model = event.get("model") or seen.model
        if usage := event.get("usage"):
            seen.input_tokens, seen.output_tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
        for choice in event.get("choices") or ():
            if choice.get("index"):  # a second answer, asked for by `extra`
                continue
            delta = choice.get("delta") or {}
            if text := delta.get("content"):
                seen.pieces.append(text if isinstance(text, str) else _parts(text))
                seen.alive = True
            elif refusal := delta.get("refusal"):
                seen.pieces.append(refusal)
                seen.alive, seen.stop_reason = True, "refusal"
            elif delta.get("reasoning_content") or delta.get("reasoning"):
                seen.alive = True
            if reason := choice.get("finish_reason"):
                self._finish(reason, seen)

    def _finish(self, reason: str, seen: Seen) -> None:
        if reason in FAILED:
            raise ServerFailed(f"{self.endpoint.party.who} broke the answer off ({reason}).")
        if seen.stop_reason != "refusal":
            seen.stop_reason = STOPPED.get(reason, "stop")


def _parts(content: list[dict[str, Any]]) -> str:
    """Content as a list of parts, as some servers send it; thinking parts are left out."""
    return "".join(part["text"] for part in content if part.get("type") == "text")
