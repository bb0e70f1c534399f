"""What the test server says: the plan of one request, and the bytes of two APIs; knows no socket."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True, kw_only=True)
class _Faults:
    status: int = 200  # another status: no stream, an error body
    retry_after: float | None = None  # seconds, with a status
    drop: bool = False  # disconnect before any header
    hang: bool = False  # accept, then nothing until the client leaves
    cut_after: int | None = None  # disconnect after so many tokens
    stall_after: int | None = None  # send nothing more after so many tokens, until the client leaves
    malformed_after: int | None = None  # an event that is not JSON
    error_after: int | None = None  # an error event
    error: Mapping[str, Any] = field(default_factory=lambda: {"type": "server_error", "message": "It broke."})


@dataclass(frozen=True)
class Plan(_Faults):
    """What one request gets. `text` None repeats the last message; a token is a word with the space after it."""

    text: str | None = None
    tokens_per_second: float | None = None  # None: at once
    first_token_s: float = 0.0
    pings: bool = False  # comments and pings while the first token is awaited
    thinking: str = ""  # sent before the text as reasoning
    stop: Literal["stop", "length", "refusal"] = "stop"
    returned: str = ""  # the model's name in the answer; empty: NAME-0001
    counted: bool = True  # whether OpenAI's API gives token counts


def _event(data: Mapping[str, Any], name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


class Format(Protocol):
    """How one API writes an answer down."""

    def refused(self, plan: Plan) -> dict[str, Any]: ...
    def begin(self, model: str, plan: Plan) -> bytes: ...
    def token(self, text: str) -> bytes: ...
    def error(self, plan: Plan) -> bytes: ...
    def end(self, plan: Plan, tokens: int) -> bytes: ...


class OpenAI:
    """Chat completion chunks."""

    def refused(self, plan: Plan) -> dict[str, Any]:
        return {"error": {"message": f"status {plan.status}", "type": "test", "code": None}}

    def begin(self, model: str, plan: Plan) -> bytes:
        self.model = plan.returned or f"{model}-0001"
        thinking = self._chunk({"reasoning_content": plan.thinking}) if plan.thinking else b""
        return self._chunk({"role": "assistant", "content": ""}) + thinking

    def token(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def error(self, plan: Plan) -> bytes:
        return _event({"error": plan.error})

    def end(self, plan: Plan, tokens: int) -> bytes:
        reason = {"refusal": "content_filter"}.get(plan.stop, plan.stop)
        usage = {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}
        counted = _event({"model": self.model, "choices": [], "usage": usage}) if plan.counted else b""
        return self._chunk({}, reason) + counted + b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return _event({"model": self.model, "object": "chat.completion.chunk", "choices": [choice]})


class Anthropic:
    """Named message events."""

    def refused(self, plan: Plan) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "test", "message": f"status {plan.status}"}}

    def begin(self, model: str, plan: Plan) -> bytes:
        message = {"model": f"{model}-0001", "role": "assistant", "content": [], "usage": {"input_tokens": 7}}
        return self._named("message_start", message=message) + (
            self._delta(type="thinking_delta", thinking=plan.thinking) if plan.thinking else b""
        )

    def token(self, text: str) -> bytes:
        return self._delta(type="text_delta", text=text)

    def error(self, plan: Plan) -> bytes:
        return self._named("error", error=plan.error)

    def end(self, plan: Plan, tokens: int) -> bytes:
        reason = {"stop": "end_turn", "length": "max_tokens"}.get(plan.stop, plan.stop)
        delta = self._named("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": tokens})
        return delta + self._named("message_stop")

    def _delta(self, **delta: str) -> bytes:
        return self._named("content_block_delta", index=0, delta=delta)

    def _named(self, name: str, **data: Any) -> bytes:
        return _event({"type": name, **data}, name)
