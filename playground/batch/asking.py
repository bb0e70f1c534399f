"""One item -> one Answer: the adapter is asked, again where that may help, in the provider's pace; knows no log.

Answers and errors are both values; only a bug raises. What an error says is kept without the case's text, which some
servers repeat.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from adapters.base import Adapter, Drain
from adapters.errors import AdapterError, ConnectionBroken, RateLimited, ServerFailed
from playground.batch.pace import Halted, Pace
from playground.batch.plan import Item

TRIES, LIMITED_TRIES = 5, 10  # of one item: after a failure; after "too many requests"
FIRST_WAIT, LONGEST_BACKOFF = 1.0, 30.0  # seconds, doubled each time
LONGEST_WAIT = 600.0  # seconds; a provider that asks for more is asked again another day
RUN, RUN_CJK = 16, 6  # characters in a row that the case has, too: hidden in error messages

Ask = Callable[[Item], Awaitable["Answer"]]
Rest = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one item: text, or an error. `fatal`: every further request to this model would fail alike."""

    text: str = ""
    error: str | None = None
    error_kind: str | None = None
    fatal: bool = False
    stop_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    model_returned: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    first_token_s: float | None = None
    total_s: float | None = None
    retries: int = 0


async def ask_adapter(adapter: Adapter, item: Item, *, pace: Pace, rest: Rest = asyncio.sleep) -> Answer:
    """Ask one adapter, again for rate limits, 5xx and broken connections; never raises an `AdapterError`.

    `rest` waits between tries. It and `pace` may raise `Halted`, which is handed on unless a try has failed already.
    """
    failed = limited = 0
    last: Answer | None = None
    try:
        while True:
            await pace.turn(item.model)
            drain = Drain(time.monotonic())
            try:
                async with aclosing(adapter.stream(item.prompt.messages, item.config)) as chunks:
                    async for chunk in chunks:
                        drain.add(chunk, time.monotonic())
                return _answer(drain, failed + limited)
            except RateLimited as error:
                last, limited = _failure(error, drain, item, failed + limited), limited + 1
                wait = error.retry_after or _backoff(limited)
                if wait > LONGEST_WAIT:
                    return _too_long_a_wait(last, wait)
                await pace.hold(item.model, wait)
                if limited >= LIMITED_TRIES:
                    return last
            except (ConnectionBroken, ServerFailed) as error:
                last, failed = _failure(error, drain, item, failed + limited), failed + 1
                if failed >= TRIES:
                    return last
                await rest(_backoff(failed))
            except AdapterError as error:
                return _failure(error, drain, item, failed + limited)
    except Halted:
        if last is None:
            raise
        return last


def _backoff(number: int) -> float:
    return min(LONGEST_BACKOFF, FIRST_WAIT * 2 ** (number - 1)) * (1 + random.random() / 4)


def _answer(drain: Drain, retries: int) -> Answer:
    done = drain.completion(time.monotonic())
    return Answer(
        text=done.text,
        stop_reason=done.stop_reason,
        input_tokens=done.usage.input_tokens,
        output_tokens=done.usage.output_tokens,
        model_returned=done.model,
        parameters=dict(done.parameters),
        first_token_s=done.first_token_s,
        total_s=done.total_s,
        retries=retries,
    )


def _failure(error: AdapterError, drain: Drain, item: Item, retries: int) -> Answer:
    return Answer(
        text="".join(drain.text),
        error=without_case_text(str(error), [m.content for m in item.prompt.messages]),
        error_kind=error.kind,
        fatal=error.fatal,
        parameters=dict(drain.parameters),
        retries=retries,
    )


def _too_long_a_wait(last: Answer, wait: float) -> Answer:
    words = f"{last.error} It asks for a wait of {wait / 60:.0f} minutes: give the same command again after that."
    return Answer(error=words, error_kind=last.error_kind, fatal=True, parameters=last.parameters, retries=last.retries)


def without_case_text(words: str, secrets: Sequence[str]) -> str:
    """An error message in which every longer passage of `secrets` is `[...]`."""
    plain = " ".join(" ".join(secrets).split())
    known = plain + json.dumps(plain)
    hidden = bytearray(len(words))
    for width in (RUN, RUN_CJK):
        for start in range(len(words) - width + 1):
            piece = words[start : start + width]
            if (width == RUN or min(piece) >= "\u2e80") and piece in known:
                hidden[start : start + width] = b"\1" * width
    shown = "".join("\0" if hide else letter for letter, hide in zip(words, hidden, strict=True))
    return "[...]".join(part for part in _split_on_runs(shown))


def _split_on_runs(text: str) -> list[str]:
    """The pieces between runs of hidden characters."""
    while "\0\0" in text:
        text = text.replace("\0\0", "\0")
    return text.split("\0")
