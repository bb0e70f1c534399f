"""What happens on the Compare page: parse, call the service, render. Decides nothing itself."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.requests import own_case
from playground.service import Playground
from playground.service.line import Line
from playground.ui import board, picker, render
from playground.ui.board import Value, Writer
from playground.ui.compare_page import ComparePage, own_boxes
from playground.ui.door import visitor
from playground.views import ComparisonView

log = logging.getLogger(__name__)
LOOK = 1.0  # seconds between two looks at the line; each is a yield, so that a closed page is noticed
QUIET: Mapping[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
SUMMARY = """(temperature, tokens, seed, shots) => ({ __type__: 'update', label: 'Settings: ' + [
  `temperature ${temperature ?? 0}`, ...(tokens ? [`${tokens} tokens at most`] : []),
  shots === '0' ? 'no examples' : `${shots} example${shots === '1' ? '' : 's'}, seed ${seed ?? 0}`].join(', ') })"""
UNFORESEEN = "Something went wrong on the server. Run the case again; if it comes back, tell who runs this playground."

Data = Mapping[Any, Any]  # component -> its value
Views = AsyncGenerator[ComparisonView, None]


class Events:
    def __init__(self, playground: Playground, page: ComparePage, line: Line) -> None:
        self._playground, self._page, self._line = playground, page, line
        self._compare, self._library = playground.compare, playground.library

    def connect(self, demo: gr.Blocks) -> None:
        """Wire the page. One generator event for all sides; everything quick stays outside the queue."""
        page = self._page
        case = {page.pick, page.own_on, *page.own, page.own_reference, page.shots, page.seed}
        ask = {*case, page.models, page.blind, page.temperature, page.max_tokens}
        looks = [page.case, page.prompt]
        quick: dict[str, Any] = {"queue": False, **QUIET}
        latest: dict[str, Any] = {"trigger_mode": "always_last", **quick}
        for event in (page.own_on.change, page.shots.change, page.seed.change, *(box.blur for box in page.own)):
            event(self.look, case, looks, **latest)
        page.pick.input(self.pick, case, [*looks, page.own_on, *page.own], **latest)
        settings = self._playground.settings
        streams: dict[str, Any] = {"concurrency_limit": settings.max_running + settings.max_waiting, **QUIET}
        page.run.click(self.run, ask, page.board, postprocess=False, **streams)
        page.board.agree(self.agreed, ask, page.board, postprocess=False, **streams)
        page.board.retry(self.retry, None, page.board, postprocess=False, **streams)
        numbers: list[Any] = [page.temperature, page.max_tokens, page.seed, page.shots]
        gr.on([part.change for part in numbers], None, numbers, page.settings, js=SUMMARY, **QUIET)
        page.stop.click(None, js="() => window.cp.say('stop')", **QUIET)
        demo.load(self.load, None, [page.pick, *looks, *page.own, page.board], **quick)

    # -- the case

    def load(self, request: gr.Request) -> list[Any]:
        """A page that was opened or loaded again: this visitor's last run with its draft, else the first case."""
        owner = visitor(request)
        view = self._compare.latest(owner=owner)
        value, at = board.empty(), picker.first(self._library)
        if view is not None:
            value = Writer(self._library).value(view, form=self._playground.rate.restore(view.id, owner))
            ids = {case.id for case in self._library.cases(view.task)}
            at = picker.place(self._library, view.task, view.case) if view.case in ids else at
        return [at, *self._looks({"task": at.get("task"), "case": at.get("case")}), *self._boxes(at), value]

    def look(self, data: Data) -> list[str]:
        return self._looks(self._payload(data))

    def pick(self, data: Data) -> list[Any]:
        """Another example was chosen: it is what Run means now."""
        at = data[self._page.pick] or {}
        return [*self._looks({**self._payload(data), "own": None}), False, *self._boxes(at)]

    def _boxes(self, at: Mapping[str, Any]) -> list[Any]:
        name = at.get("task")
        return own_boxes(self._library.task(name)) if name else [gr.skip()] * len(self._page.own)

    def _looks(self, payload: Mapping[str, Any]) -> list[str]:
        """The case and the prompt as markup; what is missing is said in their place."""
        if not payload.get("case"):
            return [render.note("off", "No case chosen.", "Choose a task and a case above, or paste your own.")] * 2
        try:
            task = self._library.task(payload["task"])
            own = payload.get("own")
            case = own_case(task, own) if own else self._library.case(task.id, payload["case"])
            shown = render.case(task, case, example=not own)
            prompt = self._compare.preview(task, case, shots=payload.get("shots"), seed=payload.get("seed"))
        except PlaygroundError as error:
            return [render.plain_note(str(error), kind="off")] * 2
        return [shown, render.prompt(prompt)]

    def _payload(self, data: Data) -> dict[str, Any]:
        """What the case's components hold, as the service reads it."""
        page = self._page
        at = data[page.pick] or {}
        own = None
        if data[page.own_on] is True and at.get("task"):
            inputs = dict(zip(self._library.task(at["task"]).inputs, (data[box] for box in page.own), strict=False))
            own = {"inputs": inputs, "reference": data[page.own_reference]}
        shots = data[page.shots]
        return {
            "task": at.get("task"),
            "case": at.get("case"),
            "own": own,
            "shots": int(shots) if isinstance(shots, str) and shots.isdigit() else shots,
            "seed": data[page.seed],
        }

    # -- a run

    async def run(self, data: Data, request: gr.Request) -> AsyncGenerator[Value, None]:
        async with aclosing(self._go(data, request, confirmed=())) as values:
            async for value in values:
                yield value

    async def agreed(self, data: Data, event: gr.EventData, request: gr.Request) -> AsyncGenerator[Value, None]:
        """The visitor agreed that this text goes to the named receivers."""
        receivers = tuple(r for r in (event._data or {}).get("receivers", ()) if isinstance(r, str))
        async with aclosing(self._go(data, request, confirmed=receivers)) as values:
            async for value in values:
                yield value

    async def retry(self, event: gr.EventData, request: gr.Request) -> AsyncGenerator[Value, None]:
        """One failed side of a run is asked again."""
        given = event._data or {}
        run, side, owner = str(given.get("run")), str(given.get("side")), visitor(request)

        def before() -> Value:
            view = self._compare.view(run, owner=owner)
            return Writer(self._library).value(view, form=self._playground.rate.restore(run, owner)) if view else {}

        state = await asyncio.to_thread(before)
        views = self._stream(lambda: self._compare.retry(run, side, owner=owner), owner=owner, before=state)
        async with aclosing(views) as values:
            async for value in values:
                yield value

    async def _go(self, data: Data, request: gr.Request, *, confirmed: tuple[str, ...]) -> AsyncGenerator[Value, None]:
        page, owner = self._page, visitor(request)
        try:
            asked = {
                **self._payload(data),
                "sides": data[page.models],
                "blind": data[page.blind] is True,
                "temperature": data[page.temperature],
                "max_tokens": data[page.max_tokens] or None,  # 0: the task's own limit
                "confirmed": confirmed,
            }
            checked = await asyncio.to_thread(self._compare.check, asked)
        except PlaygroundError as error:
            yield board.problem(str(error))
            return
        if receivers := self._compare.leaving(checked):
            yield board.ask(receivers)
            return
        async with aclosing(self._stream(lambda: self._compare.run(checked, owner=owner), owner=owner)) as values:
            async for value in values:
                yield value

    async def _stream(
        self, start: Callable[[], Views], *, owner: str, before: Value | None = None
    ) -> AsyncGenerator[Value, None]:
        """Wait for a place, then draw every view. The one boundary that turns any failure into a sentence."""
        writer = Writer(self._library)
        ticket = None
        try:
            ticket = self._line.join()
            while not await ticket.wait(LOOK):
                if ticket.left:
                    yield board.empty()
                    return
                yield board.line(ticket.id, ticket.ahead)
            known = owner if before is not None else None  # a new run has no draft and no rating yet
            async with aclosing(start()) as views:
                async for view in views:
                    quick = not view.finished and writer.has(view)
                    yield writer.value(view) if quick else await asyncio.to_thread(self._drawn, writer, view, known)
        except PlaygroundError as error:
            yield board.problem(str(error), before=before)
        except Exception:  # the named boundary: a visitor reads a sentence, the log has the rest
            log.exception("a run failed in an unforeseen way")
            yield board.problem(UNFORESEEN, before=before)
        finally:
            if ticket:
                ticket.done()

    def _drawn(self, writer: Writer, view: ComparisonView, owner: str | None) -> Value:
        state = self._playground.rate.restore(view.id, owner) if owner and view.finished else None
        return writer.value(view, form=state)
