"""The endpoints for programs, `/compare` and `/rate`, offered where the setting allows it; knows no page."""

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import gradio as gr
from gradio.events import api

from playground.errors import BadInput, NotAllowed, PlaygroundError, StoreFailed
from playground.service import Playground
from playground.service.line import Line
from playground.ui.door import visitor
from playground.views import ComparisonView

LOOK = 1.0


def endpoints(playground: Playground, line: Line) -> None:
    """Add `/compare` and `/rate` to the open `gr.Blocks`."""

    async def compare(request_json: dict, request: gr.Request) -> dict:
        """Run one: {task, case or own, sides: [{model, temperature}], max_tokens, shots, seed, blind, confirmed}."""
        try:
            return await _compare(playground, line, request_json, visitor(request))
        except PlaygroundError as error:
            raise gr.Error(str(error), print_exception=False) from error

    async def rate(rating: dict, request: gr.Request) -> dict:
        """Save one rating: {comparison, answers, comment, uuid, seconds}; the same uuid again is the same rating."""
        payload = {"uuid": uuid.uuid4().hex, **rating} if isinstance(rating, Mapping) else rating
        try:
            return await asyncio.to_thread(playground.rate.save, payload, rater=visitor(request))
        except (BadInput, NotAllowed) as error:
            raise gr.Error(str(error), print_exception=False) from error
        except StoreFailed as error:
            raise gr.Error("Not saved: the database did not confirm. Send it again.", print_exception=False) from error

    together = playground.settings.max_running + playground.settings.max_waiting
    api(compare, api_name="compare", concurrency_limit=together)
    api(rate, api_name="rate", queue=False)


async def _compare(playground: Playground, line: Line, asked: Mapping[str, Any], owner: str) -> dict[str, Any]:
    checked = await asyncio.to_thread(playground.compare.check, asked)
    if receivers := playground.compare.leaving(checked):
        raise BadInput(
            f"This text would leave the machine for {', '.join(receivers)}. Send `confirmed` with these names."
        )
    ticket = line.join()
    view: ComparisonView | None = None
    try:
        while not await ticket.wait(LOOK):
            continue
        async with aclosing(playground.compare.run(checked, owner=owner)) as views:
            async for latest in views:
                view = latest
    finally:
        ticket.done()
    assert view is not None
    sides = []
    for side in view.sides:
        told = asdict(side)
        told["scores"] = {s.metric: s.value for s in side.scores}
        told["error"] = side.error.what if side.error else None
        sides.append(told)
    return {"comparison": view.id, "blind": view.blind, "rateable": list(view.rateable), "sides": sides}
