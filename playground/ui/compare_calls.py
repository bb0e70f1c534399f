"""What the Compare page's own components call outside the queue: lists of cases, drafts, saving, stopping.

A call that raises reaches the browser as `null`, like a lost one; so what the visitor can mend comes back as {error}.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from playground.errors import BadInput, NotAllowed, StoreFailed
from playground.service import Playground
from playground.service.line import Line
from playground.ui import picker
from playground.ui.board import Writer
from playground.ui.door import visitor

log = logging.getLogger(__name__)
Answer = dict[str, Any]


class Calls:
    """The functions of one playground; `line` is shared with the run event."""

    def __init__(self, playground: Playground, line: Line) -> None:
        library, compare, rate = playground.library, playground.compare, playground.rate

        async def cases(query: Mapping[str, Any]) -> Answer:
            return await _answer(lambda: picker.listed(library, _object(query)))

        async def place(query: Mapping[str, Any]) -> Answer:
            def find() -> Answer:
                asked = _object(query)
                if not isinstance(asked.get("task"), str) or not isinstance(asked.get("case"), str):
                    raise BadInput("Choose a task and a case.")
                return picker.place(library, asked["task"], asked["case"])

            return await _answer(find)

        async def draft(payload: Mapping[str, Any], request: gr.Request) -> Answer:
            return await _answer(lambda: rate.draft(payload, rater=visitor(request)))

        async def save(payload: Mapping[str, Any], request: gr.Request) -> Answer:
            rater = visitor(request)

            def store() -> Answer:
                saved = rate.save(payload, rater=rater)
                view = compare.view(str(payload["comparison"]), owner=rater)
                if view is None or not view.was_blinded:
                    return saved
                state = rate.restore(view.id, rater)  # the names come with the confirmation
                return {**saved, "board": Writer(library).value(view, form=state)}

            return await _answer(store)

        async def stop(run: str, request: gr.Request) -> Answer:
            if not isinstance(run, str):
                return {"error": "Nothing is running."}
            if line.leave(run):
                return {"stopped": run}
            try:
                compare.stop(run, owner=visitor(request))
            except NotAllowed as error:
                return {"error": str(error)}
            return {"stopped": run}

        self.cases, self.place, self.draft, self.save, self.stop = cases, place, draft, save, stop


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInput("Send an object. Reload the page.")
    return value


async def _answer(work: Callable[[], Answer]) -> Answer:
    try:
        return await asyncio.to_thread(work)
    except (BadInput, NotAllowed) as error:
        return {"error": str(error)}
    except StoreFailed:
        log.exception("the database did not confirm")
        return {}  # not confirmed: the page keeps its copy and tries again
