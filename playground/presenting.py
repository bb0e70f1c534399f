"""Stored or running sides -> views, with the blinding done here and nowhere else; knows no page and no database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapters.base import Completion
from adapters.errors import AdapterError
from playground.records import Comparison, Response, ScoreRecord
from playground.runner import Side, SideState
from playground.scorer import Score
from playground.task import Case, Task
from playground.views import ComparisonView, ErrorView, SideView, State

ENDS: Mapping[str | None, State] = {"length": "cut off", "refusal": "refused"}
PUBLIC = ErrorView(what=AdapterError.public, fix="", retry=True)


def state_of(state: SideState, stop_reason: str | None) -> State:
    """The word for a side: an answer that was cut off or declined is still an answer."""
    return ENDS.get(stop_reason, "done") if state == "done" else state


def rateable(responses: Sequence[Response]) -> tuple[str, ...]:
    """Sides that can be rated: answers, also empty ones, and what a stop left over; never a failure."""
    return tuple(r.side for r in responses if r.state == "done" or (r.state == "stopped" and r.text))


def score_view(record: ScoreRecord) -> Score:
    return Score(
        metric=record.metric,
        value=record.value,
        answer=record.answer,
        explanation=record.explanation,
        variant=record.variant,
    )


def stored_side(response: Response, *, blind: bool, sends_to: str | None, notice: str = "") -> SideView:
    """A finished side."""
    state = state_of(response.state, response.stop_reason)
    if blind:
        error = PUBLIC if response.state == "failed" else None
        return SideView(key=response.side, name=f"Answer {response.side}", state=state, text=response.text, error=error)
    error = None
    if response.state == "failed":
        error = ErrorView(what=response.error or "The side failed.", fix="", retry=response.error_kind != "unavailable")
    return SideView(
        key=response.side,
        name=response.label,
        state=state,
        text=response.text,
        notice=notice,
        seconds=response.total_s,
        first_token_s=response.first_token_s,
        input_tokens=response.input_tokens,
        output_tokens=response.output_tokens,
        cost=response.cost,
        currency=response.currency,
        sends_to=sends_to,
        error=error,
        scores=tuple(score_view(s) for s in response.scores),
    )


def running_side(side: Side, *, label: str, blind: bool, sends_to: str | None, notice: str = "") -> SideView:
    """A side of a run that still goes on. Blinded sides all look alike until the last one has ended."""
    if blind:
        return SideView(key=side.key, name=f"Answer {side.key}", state="answering")
    done: Completion | None = None if side.live else side.completion()
    error = None
    if side.error is not None:
        error = ErrorView(what=str(side.error.args[0]), fix=side.error.fix, retry=side.error.kind != "unavailable")
    return SideView(
        key=side.key,
        name=label,
        state=state_of(side.state, done.stop_reason if done else None),
        text=side.text,
        status=side.status if side.live else "",
        notice=notice,
        seconds=side.seconds,
        first_token_s=side.drain.first_token_s,
        output_tokens=done.usage.output_tokens if done else None,
        sends_to=sends_to,
        error=error,
    )


def running_comparison(record: Comparison, sides: Sequence[SideView], *, reference: str | None) -> ComparisonView:
    """A run that goes on. Of a blind one, a side that has ended (or is not tried again) looks like the others."""
    if record.blinded:
        sides = [replace(side, text="", error=None, state="answering") for side in sides]
    return ComparisonView(
        id=record.id,
        task=record.task,
        case=record.case,
        blind=record.blinded,
        was_blinded=record.blinded,
        sides=tuple(sides),
        reference=reference,
        instrument=record.instrument,
    )


def stored_comparison(
    record: Comparison,
    task: Task,
    *,
    number: int | None,
    sends: Mapping[str, str | None],
    notices: Mapping[str, str],
) -> ComparisonView:
    """A run that has ended. `number`: of the visitor's last rating, which opens a blind one and closes its vote."""
    blind = sealed(record, rated=number is not None)
    case = Case(
        id=record.case,
        task=record.task,
        inputs=dict(record.case_inputs),
        target=record.case_target,
        source=record.source,
        licence=record.licence,
    )
    return ComparisonView(
        id=record.id,
        task=record.task,
        case=record.case,
        blind=blind,
        was_blinded=record.blinded,
        sides=tuple(
            stored_side(r, blind=blind, sends_to=sends.get(r.model), notice=notices.get(r.side, ""))
            for r in record.responses
        ),
        reference=task.reference(case),
        rateable=rateable(record.responses),
        instrument=record.instrument,
        voting_closed=record.blinded and number is not None,
        rating=f"r-{number}" if number is not None else None,
    )


def sealed(comparison: Comparison, *, rated: bool) -> bool:
    """Whether names, numbers and scores of this comparison are still hidden."""
    return comparison.blinded and not rated
