"""Anthropic's messages, `anthropic/NAME`.

Options as in openai_chat, with ANTHROPIC_API_KEY, and `api_version`. The API version that the SDK speaks (2026-10-21)
refuses temperature, top_p and top_k for every model, so they are not sent. `api_version: "2023-06-01"` sends them to
the older models that still take them. There is no seed.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from adapters._clients import Client
from adapters._endpoint import Kind, open_endpoint, receiver, why_not
from adapters._http import Seen
from adapters._sdk import SdkAdapter
from adapters.base import Adapter, Example, GenerateConfig, Message, StopReason

PROVIDER = "anthropic"
KIND = Kind(
    provider=PROVIDER,
    who="Anthropic",
    package="anthropic",
    needs="'anthropic>=2,<3' 'aiohttp>=3.14'",
    base_url="https://api.anthropic.com",  # ANTHROPIC_BASE_URL is not read: the page promises where the text goes
    key_env="ANTHROPIC_API_KEY",
    without=frozenset({"max_tokens_field", "seed"}),
)
WITH_SAMPLING = "2023-06-01"  # the last API version that takes temperature
STOPPED: Mapping[str, StopReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


def unavailable(name: str, options: Mapping[str, Any]) -> str | None:
    return why_not(KIND, name, options, os.environ)


def sends_to(name: str, options: Mapping[str, Any]) -> str | None:
    return receiver(KIND, name, options, os.environ)


def warm() -> None:
    AnthropicMessages.warm()


def create(name: str, options: Mapping[str, Any], examples: Sequence[Example]) -> Adapter:
    return AnthropicMessages(open_endpoint(KIND, name, options, os.environ))


class AnthropicMessages(SdkAdapter):
    package = "anthropic"
    path = "/v1/messages"

    def body(self, messages: Sequence[Message], config: GenerateConfig) -> dict[str, Any]:
        at = self.endpoint
        given: dict[str, Any] = {
            "system": "\n\n".join(m.content for m in messages if m.role == "system") or None,
            "stop_sequences": list(dict.fromkeys((*at.stop, *config.stop))) or None,
        }
        if at.api_version == WITH_SAMPLING:
            temperature = config.temperature if at.temperature is None else at.temperature
            given |= {"temperature": None if temperature == "omit" else temperature, "top_p": config.top_p}
        return {
            "model": at.party.model,
            "messages": [{"role": m.role, "content": m.content} for m in messages if m.role != "system"],
            "stream": True,
            "max_tokens": config.max_tokens + at.reasoning_room,
            **{k: v for k, v in given.items() if v is not None},
            **at.extra,
        }

    def connect(self, http: Any) -> Client:
        at = self.endpoint
        version = {"anthropic-version": at.api_version} if at.api_version else {}
        return self.sdk.AsyncAnthropic(
            base_url=at.base_url,
            api_key=at.party.key,
            default_headers={**self.unsaid(), **version},
            http_client=http,
            max_retries=0,
            open_telemetry=False,  # nothing about a case leaves by another way
        )

    def read(self, event: dict[str, Any], seen: Seen) -> None:
        match event.get("type"):
            case "content_block_delta":
                delta = event["delta"]
                if delta.get("type") == "text_delta":
                    seen.pieces.append(delta["text"])
                seen.alive = True  # thinking is a sign of life, too
            case "message_start":
                message = event["message"]
                seen.model = message.get("model")
                self._count(message.get("usage") or {}, seen)
            case "message_delta":
                self._count(event.get("usage") or {}, seen)
                if reason := event["delta"].get("stop_reason"):
                    seen.stop_reason = STOPPED.get(reason, "stop")
            case "message_stop":
                seen.done = True

    def _count(self, usage: Mapping[str, Any], seen: Seen) -> None:
        """All input tokens, cached ones included; the last count of the output is the whole."""
        if usage.get("input_tokens") is not None:
            cached = (usage.get("cache_creation_input_tokens") or 0) + (usage.get("cache_read_input_tokens") or 0)
            seen.input_tokens = usage["input_tokens"] + cached
        if usage.get("output_tokens") is not None:
            seen.output_tokens = usage["output_tokens"]
