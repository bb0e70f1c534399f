"""Compare: one case, two to four models, answers side by side, stored with their scores; knows no page.

Identity lives here and in the database under a random comparison id: a page gets views, which hold no more than the
visitor may see. Whatever a page sends is checked again.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from playground.errors import BadInput, NotAllowed
from playground.library import Library
from playground.models import Models
from playground.presenting import stored_comparison
from playground.prompt import build
from playground.records import Comparison, Response
from playground.requests import CompareRequest, read_request, read_sampling
from playground.runner import Background, Limits, Run, Side
from playground.service.live import Live
from playground.store import Store
from playground.task import Case, Task
from playground.views import ComparisonView, ModelView, PromptView

log = logging.getLogger(__name__)
WRITERS = 16  # threads that score and wait for a commit; those that wait at once share one
KEPT = 500  # finished runs whose failed sides can still be tried again
BLIND_TICK = 0.5  # seconds between two views of a blind run: its rhythm tells nothing of how fast a side is


class Compare:
    """The verbs of the Compare page. One object serves every visitor; `owner` is the visitor's id."""

    def __init__(
        self, *, library: Library, models: Models, store: Store, background: Background, limits: Limits
    ) -> None:
        self.library, self._models, self._store = library, models, store
        self._background, self._limits = background, limits
        self._live: OrderedDict[str, Live] = OrderedDict()
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="score-and-store")

    def close(self) -> None:
        """Stop every run and wait until what was answered is stored."""
        for live in list(self._live.values()):
            if live.run:
                live.run.stop()
        self._writers.shutdown(wait=True)

    def models(self) -> tuple[ModelView, ...]:
        """The listed models; those that cannot run here say why and how to change that."""
        return tuple(
            ModelView(
                model=spec.model,
                label=spec.label,
                note=spec.note,
                sends_to=spec.sends_to,
                baseline=spec.baseline,
                unavailable=self._models.unavailable(spec),
            )
            for spec in self._models.listed()
        )

    def check(self, payload: Mapping[str, Any]) -> CompareRequest:
        """Read what a page or a program sent; raises `BadInput` with what to change. Only listed models."""
        request = read_request(payload, self.library)
        listed = {spec.model: spec for spec in self._models.listed()}
        for side in request.sides:
            if side.model not in listed:
                raise BadInput("A chosen model is not on the list of this playground. Choose from the list.")
            if reason := self._models.unavailable(listed[side.model]):
                raise BadInput(f"{listed[side.model].label} is unavailable: {reason}")
        return request

    def leaving(self, request: CompareRequest) -> tuple[str, ...]:
        """Who would receive text that must not leave unasked: the visitor's own, or a restricted case."""
        if not request.case.restricted:
            return ()
        receivers = (self._models.spec(side.model).sends_to for side in request.sides)
        return tuple(dict.fromkeys(r for r in receivers if r and r not in request.confirmed))

    def preview(self, task: Task, case: Case, *, shots: Any, seed: Any) -> PromptView:
        """The exact messages, before any model drops a demonstration that does not fit; raises `BadInput`."""
        many, start = read_sampling({"shots": shots, "seed": seed})
        prompt = build(task, case, self.library.cases(task.id), shots=many, seed=start)
        messages = tuple((m.role, m.content) for m in prompt.messages)
        return PromptView(messages=messages, sha256=prompt.sha256, demonstrations=prompt.demonstrations)

    async def run(self, request: CompareRequest, *, owner: str) -> AsyncGenerator[ComparisonView, None]:
        """Ask every side at once; yield a view when one has changed, at least once a second.

        Closing it stops every request. Every side that ended, failed or was stopped is stored.
        Raises `BadInput` when the visitor has not agreed that the text leaves, `StoreFailed` without a database.
        """
        if receivers := self.leaving(request):
            raise BadInput(f"This text would leave the machine for {', '.join(receivers)}. Agree first.")
        loop = asyncio.get_running_loop()
        live = await loop.run_in_executor(self._writers, self._prepare, request, owner)
        async with aclosing(self._answer(live, tuple(live.sides))) as views:
            async for view in views:
                yield view

    async def retry(self, comparison: str, side: str, *, owner: str) -> AsyncGenerator[ComparisonView, None]:
        """Ask one failed or stopped side again with the same prompt; the others stay as they are."""
        live = self._mine(comparison, owner)
        before = live.responses.get(side)
        if before is None or before.state == "done" or live.busy:
            raise BadInput("Only a side that failed or was stopped can be tried again, after the run has ended.")
        live.busy = True
        try:
            if await asyncio.to_thread(self._store.ratings, comparison=comparison):
                raise BadInput("This run is rated, so it can no longer change. Run the case again.")
            await asyncio.to_thread(live.renew, side, self._models)
        except BaseException:
            live.busy = False
            raise
        async with aclosing(self._answer(live, (side,))) as views:
            async for view in views:
                yield view

    def stop(self, comparison: str, *, owner: str) -> None:
        """End the live sides as stopped; the running generator yields them once more and ends."""
        live = self._mine(comparison, owner)
        if live.run:
            live.run.stop()

    def view(self, comparison: str, *, owner: str) -> ComparisonView | None:
        """A stored comparison of this visitor, with its names once it is rated; None if there is none."""
        record = self._store.comparison(comparison)
        if record is None or record.owner != owner or not record.responses:
            return None
        ratings = self._store.ratings(comparison=comparison, rater=owner)
        return self._stored_view(record, number=ratings[-1].number if ratings else None)

    def latest(self, *, owner: str) -> ComparisonView | None:
        """The visitor's last run, for a page that was loaded again."""
        record = self._store.latest_comparison(owner, unrated_first=False)
        return self.view(record.id, owner=owner) if record else None

    # -- how a run goes

    def _mine(self, comparison: str, owner: str) -> Live:
        live = self._live.get(comparison)
        if live is None or live.record.owner != owner:
            raise NotAllowed("This run is no longer open here. Run the case again.")
        return live

    def _prepare(self, request: CompareRequest, owner: str) -> Live:
        live = Live.prepared(request, owner=owner, library=self.library, models=self._models)
        self._store.add_comparison(live.record)
        self._live[live.record.id] = live
        for name in [n for n, kept in self._live.copy().items() if not kept.busy][: max(0, len(self._live) - KEPT)]:
            self._live.pop(name, None)
        return live

    async def _answer(self, live: Live, keys: tuple[str, ...]) -> AsyncGenerator[ComparisonView, None]:
        sides = [live.sides[key] for key in keys]
        live.run = Run(self._background, sides, limits=self._limits)
        written: dict[str, Future[Response]] = {}
        shown = time.monotonic()
        try:
            yield live.view()
            async with aclosing(live.run.updates()) as updates:
                async for _ in updates:
                    for side in sides:
                        if not side.live and side.key not in written:
                            written[side.key] = self._writers.submit(self._finish, live, side)
                    due = not live.record.blinded or time.monotonic() - shown >= BLIND_TICK
                    if due and any(side.live for side in sides):
                        shown = time.monotonic()
                        yield live.view()
            await asyncio.gather(*(asyncio.wrap_future(f) for f in written.values()))
        finally:
            live.run.stop()
            live.busy = False
            for side in sides:
                if side.key not in written:  # the page has gone: what has arrived is stored as stopped
                    self._writers.submit(self._finish, live, side).add_done_callback(_tell)
        yield await asyncio.to_thread(self._ended_view, live)

    def _ended_view(self, live: Live) -> ComparisonView:
        record = replace(live.record, responses=tuple(live.responses[k] for k in live.sides))
        again = any(number > 1 for number in live.attempts.values())
        # given while a side was tried again; of a new run there are none, and a hundred runs would ask at once
        ratings = self._store.ratings(comparison=record.id, rater=record.owner) if again else ()
        return self._stored_view(record, number=ratings[-1].number if ratings else None, notices=live.notices)

    def _finish(self, live: Live, side: Side) -> Response:
        """Score and store one side, in a thread."""
        record = live.scored(side)
        self._store.add_response(record)
        live.keep(record)
        return record

    def _stored_view(
        self, record: Comparison, *, number: int | None, notices: Mapping[str, str] | None = None
    ) -> ComparisonView:
        sends = {spec.model: spec.sends_to for spec in self._models.listed()}
        task = self.library.task(record.task)
        return stored_comparison(record, task, number=number, sends=sends, notices=notices or {})


def _tell(stored: Future[Response]) -> None:
    """Nobody waits for what was stored after a page had gone, so the log has to say that it failed."""
    if error := stored.exception():
        log.error("an answer was not stored: %s", error, exc_info=error)
