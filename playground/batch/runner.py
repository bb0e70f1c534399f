"""Lanes that ask: a bounded window over the items of each model, one row an attempt; knows no terminal.

The seam is one awaitable `ask(item)`. Here it is the adapter; on a cluster it is an actor's method, and nothing else
changes.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

from adapters.errors import AdapterError
from playground.batch.asking import Answer, Ask, ask_adapter
from playground.batch.log import LogFailed, RunLog
from playground.batch.pace import Halted
from playground.batch.plan import Item, TooLong, Work
from playground.batch.rows import row_of, score_rows, too_long_row
from playground.batch.tally import Budget, Tally
from playground.models import ModelSpec

__all__ = ["Answer", "Ask", "BatchRun", "Tally", "ask_adapter", "score_rows"]
BREATH = 20  # items passed over at once, before the requests under way are looked at again
TICK = 1.0  # seconds between two looks when nothing comes
LANE_APART = 0.002  # seconds between the first requests of two lanes, so that their answers do not all end at once
Earlier = Callable[[str, str], dict[str, Any] | None]  # case and key -> row of another run


class BatchRun:
    """One run over a plan. `ask_for(spec)` gives the way to ask; `earlier` finds an answer of another run.

    `seen` is told of every change, `say` of what a person should read at once; `halt(model)` sends those away who
    wait for their turn (None: of every model).
    """

    def __init__(
        self,
        work: Work,
        log: RunLog,
        *,
        ask_for: Callable[[ModelSpec], Ask],
        earlier: Earlier = lambda case, key: None,
        seen: Callable[["BatchRun"], object] = lambda run: None,
        say: Callable[[str], object] = lambda words: None,
        halt: Callable[[str | None], object] = lambda model: None,
    ) -> None:
        self.work, self.log, self._ask_for, self._earlier = work, log, ask_for, earlier
        self._seen, self._say, self._halt = seen, say, halt
        share = work.size() // len(work.specs)
        self.tallies = {s.model: Tally.after(s, share, log.past.of(s.model)) for s in work.specs}
        self.budget = Budget(work.plan.max_cost, sum(t.money or 0.0 for t in self.tallies.values()))
        self.started = time.monotonic()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Start nothing more; what runs may finish. Call it in the run's own thread."""
        self._stopping.set()
        self._halt(None)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    async def run(self) -> None:
        """Ask everything that is not done yet; the models side by side. Raises `LogFailed` when the disk is full."""
        ticker = asyncio.create_task(self._tick())
        try:
            async with asyncio.TaskGroup() as group:
                for spec in self.work.specs:
                    group.create_task(self._model(spec))
        except BaseExceptionGroup as group:
            if (full := group.subgroup(LogFailed)) is not None:
                raise LogFailed(str(_first(full))) from group
            raise
        finally:
            ticker.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._seen(self)

    async def _model(self, spec: ModelSpec) -> None:
        tally = self.tallies[spec.model]
        try:
            ask = self._ask_for(spec)
            todo = self._todo(spec, tally)
            async with asyncio.TaskGroup() as group:
                clock = asyncio.get_running_loop().time
                begun = clock()
                for number in range(self.work.lanes(spec)):
                    lane = group.create_task(self._lane(spec, tally, ask, todo))
                    await asyncio.sleep(max(0.0, begun + (number + 1) * LANE_APART - clock()))
                    if lane.done():  # nothing is left to be asked
                        break
        except* AdapterError as group:  # it could not be opened: one clear line, the others go on
            self._stop_model(tally, str(_first(group)))

    def _todo(self, spec: ModelSpec, tally: Tally) -> Iterator[Item | None]:
        """What is to be asked; None in between lets the requests under way go on."""
        passed = 0
        for item in self.work.items(spec):
            if self._is_settled(item, spec, tally):
                passed += 1
                if passed % BREATH == 0:
                    yield None
            elif isinstance(item, Item):
                yield item

    def _is_settled(self, item: Item | TooLong, spec: ModelSpec, tally: Tally) -> bool:
        if isinstance(item, TooLong):
            at = (item.item.case.id, item.item.key)
            if at not in self.log.past.of(spec.model).too_long:
                self.log.add(too_long_row(item, spec))
                tally.too_long += 1
            return True
        if (item.case.id, item.key) in self.log.done:
            return True
        if (row := self._earlier(item.case.id, item.key)) is None:
            return False
        self.log.add({**row, "task": item.task.id, "repeat": item.repeat})
        self.log.add_scores(score_rows(item.key, item, row["text"]))
        tally.reused += 1
        return True

    async def _lane(self, spec: ModelSpec, tally: Tally, ask: Ask, todo: Iterator[Item | None]) -> None:
        for item in todo:
            if self.stopping or tally.stopped or self.budget.used_up:
                return
            if item is not None:
                try:
                    answer = await ask(item)
                except Halted:
                    return
                self._write(item, spec, tally, answer)
            await asyncio.sleep(0)

    def _write(self, item: Item, spec: ModelSpec, tally: Tally, answer: Answer) -> None:
        cost = spec.cost(answer.input_tokens, answer.output_tokens) if answer.error is None else None
        self.log.add(row_of(item, spec, answer, cost))
        tally.retries += answer.retries
        if answer.error is not None:
            tally.failed += 1
            if answer.fatal:
                self._stop_model(tally, answer.error)
        else:
            if new := tally.note(answer, cost):
                self._say(f"{spec.model}: the provider changed the model in mid-run: {new}")
            self._pay(tally, cost)
            # in the loop, right after the row: a millisecond, so that no request waits for it
            self.log.add_scores(score_rows(item.key, item, answer.text))
        self._seen(self)

    def _pay(self, tally: Tally, cost: float | None) -> None:
        self.budget.add(cost)
        if cost is None and self.budget.limit is not None:
            self._stop_model(tally, "It returned no token counts, so that max_cost cannot be kept.")
        if self.budget.used_up:
            self._halt(None)

    def _stop_model(self, tally: Tally, reason: str) -> None:
        if not tally.stopped:
            tally.stopped = reason
            self._halt(tally.model)
            self._say(f"{tally.model} stopped: {reason}")
        self._seen(self)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
