"""The fields of OpenAI's chat completions, which many servers speak; knows no address and no key."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters._http import HttpAdapter, Seen
from adapters.base import GenerateConfig, Message, StopReason
from adapters.errors import ServerFailed

STOPPED: Mapping[str, StopReason] = {"length": "length", "content_filter": "refusal"}
FAILED = {"error", "abort"}  # OpenRouter, vLLM


class ChatCompletions(HttpAdapter):
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
