"""The key of one request: the SHA-256 of everything that changes its answer and of nothing else.

In it: the model's reference, its address or weights, messages, parameters as sent, number of the repeat. Not in it:
time limits, retries, concurrency, prices, names of variables. Exactly 64 hexadecimal digits.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, cast

from adapters.base import Adapter, GenerateConfig, Message
from playground.models import ModelSpec
from playground.prompt import Prompt

NOT_IN_THE_KEY = {"timeout_first_token", "timeout_stall", "max_retries", "tokens_per_second", "api_key_env"}


class Keyed(Protocol):
    """An adapter that knows what makes another answer: what answers (`identity`), and what reaches it (`sent`)."""

    @property
    def identity(self) -> str: ...

    def sent(self, messages: Sequence[Message], config: GenerateConfig) -> Mapping[str, Any]:
        """The parameters that a request carries besides the messages."""
        ...


def item_key(spec: ModelSpec, adapter: Adapter, prompt: Prompt, config: GenerateConfig, repeat: int) -> str:
    """64 hex digits; see the module's docstring for what is in it."""
    messages = [[m.role, m.content] for m in prompt.messages]
    if hasattr(adapter, "sent") and hasattr(adapter, "identity"):  # isinstance would look through the protocol (20 us)
        keyed = cast(Keyed, adapter)
        who: Any = [spec.model, keyed.identity]
        sent: Any = keyed.sent(prompt.messages, config)
    else:
        who = [spec.model, answering_options(spec), getattr(adapter, "identity", "")]
        sent = asdict(config)
    text = json.dumps(
        [who, messages, sent, repeat], ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()


def answering_options(spec: ModelSpec) -> dict[str, Any]:
    """The options that may change an answer."""
    return {k: v for k, v in spec.options.items() if k not in NOT_IN_THE_KEY}
