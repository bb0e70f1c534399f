"""Lanes that ask: a bounded window over the items of each model, one row an attempt; knows no terminal.

The seam is one awaitable `ask(item)`. Here it is the adapter; on a cluster it is an actor's method, and nothing else
changes. Answers and errors are both values; only a bug raises.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.base import Adapter, Drain
from adapters.errors import AdapterError, ConnectionBroken, RateLimited, ServerFailed
from playground.answering import score_records
from playground.batch.log import RunLog
from playground.batch.pace import Pace
from playground.batch.plan import Item, TooLong, Work
from playground.models import ModelSpec
from playground.presenting import state_of

TRIES, FIRST_WAIT, LONGEST_WAIT = 5, 1.0, 60.0  # attempts of one item; seconds
AGAIN = (RateLimited, ConnectionBroken, ServerFailed)

Ask = Callable[[Item], Awaitable["Answer"]]


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


async def ask_adapter(adapter: Adapter, item: Item, *, pace: Pace) -> Answer:
    """Ask one adapter, again for rate limits, 5xx and broken connections; never raises an `AdapterError`."""
    retries = 0
    while True:
        await pace.turn(item.model)
        drain = Drain(time.monotonic())
        try:
            async with aclosing(adapter.stream(item.prompt.messages, item.config)) as chunks:
                async for chunk in chunks:
                    drain.add(chunk, time.monotonic())
            return _answer(drain, retries)
        except AGAIN as error:
            if retries + 1 >= TRIES:
                return _failure(error, drain, retries)
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2**retries)
            if isinstance(error, RateLimited):
                wait = min(LONGEST_WAIT, error.retry_after or wait)
                await pace.hold(item.model, wait)
            else:
                await asyncio.sleep(wait)
            retries += 1
        except AdapterError as error:
            return _failure(error, drain, retries)


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


def _failure(error: AdapterError, drain: Drain, retries: int) -> Answer:
    return Answer(
        text="".join(drain.text),
        error=str(error),
        error_kind=error.kind,
        fatal=error.fatal,
        parameters=dict(drain.parameters),
        retries=retries,
    )


@dataclass
class Tally:
    """How far one model is. `money` None: the price is unknown."""

    model: str
    total: int
    done: int = 0
    failed: int = 0
    before: int = 0  # answered in an earlier run of this folder
    reused: int = 0
    too_long: int = 0
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    money: float | None = 0.0
    returned: set[str] = field(default_factory=set)
    stopped: str = ""  # why no more is asked of it

    @property
    def left(self) -> int:
        return max(0, self.total - self.before - self.reused - self.done - self.failed - self.too_long)


class Budget:
    """Money that may be spent in all; None: no limit. Stops starting, ends nothing that runs."""

    def __init__(self, limit: float | None) -> None:
        self.limit, self.spent = limit, 0.0

    def add(self, cost: float | None) -> None:
        self.spent += cost or 0.0

    @property
    def used_up(self) -> bool:
        return self.limit is not None and self.spent >= self.limit


class BatchRun:
    """One run over a plan. `ask_for(spec)` gives the way to ask; `earlier` finds an answer of another run by key."""

    def __init__(
        self,
        work: Work,
        log: RunLog,
        *,
        ask_for: Callable[[ModelSpec], Ask],
        earlier: Callable[[str], dict[str, Any] | None] = lambda key: None,
        seen: Callable[["BatchRun"], object] = lambda run: None,
    ) -> None:
        self.work, self.log, self._ask_for, self._earlier, self._seen = work, log, ask_for, earlier, seen
        share = work.size() // len(work.specs)
        self.tallies = {spec.model: Tally(spec.model, share) for spec in work.specs}
        self.budget = Budget(work.plan.max_cost)
        self.started = time.monotonic()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Start nothing more; what runs may finish."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    async def run(self) -> None:
        """Ask everything that is not done yet; the models side by side."""
        async with asyncio.TaskGroup() as group:
            for spec in self.work.specs:
                group.create_task(self._model(spec))

    async def _model(self, spec: ModelSpec) -> None:
        tally = self.tallies[spec.model]
        try:
            ask = self._ask_for(spec)
            todo = self._todo(spec, tally)
            async with asyncio.TaskGroup() as group:
                for _ in range(self.work.plan.concurrency):
                    group.create_task(self._lane(spec, tally, ask, todo))
        except* AdapterError as group:  # it could not be opened: one clear line, the others go on
            tally.stopped = str(group.exceptions[0])
            self._seen(self)

    def _todo(self, spec: ModelSpec, tally: Tally) -> Iterator[Item]:
        for item in self.work.items(spec):
            if isinstance(item, TooLong):
                tally.too_long += 1
                continue
            if (item.case.id, item.key) in self.log.done:
                tally.before += 1
            elif (row := self._earlier(item.key)) is not None:
                self.log.add({**row, "case": item.case.id, "task": item.task.id, "repeat": item.repeat})
                self._score(item, row["text"])
                tally.reused += 1
            else:
                yield item

    async def _lane(self, spec: ModelSpec, tally: Tally, ask: Ask, todo: Iterator[Item]) -> None:
        for item in todo:
            if self.stopping or tally.stopped or self.budget.used_up:
                return
            answer = await ask(item)
            self._write(item, spec, tally, answer)
            await asyncio.sleep(0)

    def _write(self, item: Item, spec: ModelSpec, tally: Tally, answer: Answer) -> None:
        cost = spec.cost(answer.input_tokens, answer.output_tokens) if answer.error is None else None
        self.log.add(row_of(item, spec, answer, cost))
        tally.retries += answer.retries
        if answer.error is not None:
            tally.failed += 1
            tally.stopped = tally.stopped or (answer.error if answer.fatal else "")
        else:
            tally.done += 1
            tally.input_tokens += answer.input_tokens or 0
            tally.output_tokens += answer.output_tokens or 0
            tally.money = None if cost is None or tally.money is None else tally.money + cost
            tally.returned |= {answer.model_returned} if answer.model_returned else set()
            self.budget.add(cost)
            self._score(item, answer.text)
        self._seen(self)

    def _score(self, item: Item, text: str) -> None:
        """In the loop, right after the row: a millisecond, so that no request waits for it."""
        for row in score_rows(item.key, item, text):
            self.log.add_score(row)


def score_rows(key: str, item: Item, text: str) -> Iterable[dict[str, Any]]:
    """The scores of one answer, kept apart from it by (key, case, metric, version)."""
    for s in score_records(text, item.case, item.task):
        yield {
            "key": key,
            "case": item.case.id,
            "metric": s.metric,
            "version": s.version,
            "value": s.value,
            "parsed": s.answer,
            "variant": s.variant,
        }


def row_of(item: Item, spec: ModelSpec, answer: Answer, cost: float | None) -> dict[str, Any]:
    """One attempt as logged: no key of an API, no text of a case."""
    return {
        "key": item.key,
        "task": item.task.id,
        "case": item.case.id,
        "case_sha256": item.case.sha256(),
        "model": item.model,
        "repeat": item.repeat,
        "state": "failed" if answer.error is not None else state_of("done", answer.stop_reason),
        "text": answer.text,
        "error": answer.error,
        "error_kind": answer.error_kind,
        "stop_reason": answer.stop_reason,
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
        "cost": cost,
        "currency": spec.price.currency if spec.price else None,
        "model_returned": answer.model_returned,
        "parameters": answer.parameters,
        "first_token_s": answer.first_token_s,
        "total_s": answer.total_s,
        "retries": answer.retries,
        "shots": item.prompt.shots,
        "notice": item.notice,
        "prompt_sha256": item.prompt.sha256,
        "created": datetime.now(UTC).isoformat(),
    }
