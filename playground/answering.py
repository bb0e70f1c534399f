"""What every way of asking shares: messages that fit the model, and a finished side as a record with its scores.

Used by the page, by `playground run` and by batch runs; knows no page and no database.
"""

import hashlib
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Protocol, cast, runtime_checkable

from adapters.base import Adapter, Chunk, Completion, Example, GenerateConfig, Message
from adapters.errors import AdapterError, PromptTooLong
from playground.models import Models, ModelSpec
from playground.prompt import Prompt, build
from playground.records import Response, ScoreRecord, SideState
from playground.runner import Side
from playground.scorer import Score
from playground.scorers import all_scorers, score_all
from playground.task import Case, Task


@runtime_checkable
class Fitting(Protocol):
    """An adapter that can tell before it is asked whether messages fit its context."""

    def check(self, messages: Sequence[Message], config: GenerateConfig) -> None:
        """Raise `PromptTooLong` with need and limit in tokens."""
        ...


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A prompt for one model; `notice` says what was left out to make it fit."""

    prompt: Prompt
    notice: str = ""


@cache
def _fitting(kind: type) -> bool:
    """Asked once for each class: for an object Python looks through the protocol each time (10 us)."""
    return issubclass(kind, Fitting)


def examples_of(task: Task, cases: Sequence[Case]) -> tuple[Example, ...]:
    """The cases with a reference, as input and answer, for adapters that answer from examples."""
    pairs = ((task.text(case), task.reference(case)) for case in cases)
    return tuple(Example(text, answer) for text, answer in pairs if answer is not None)


def fit(
    adapter: Adapter, task: Task, case: Case, pool: Sequence[Case], *, shots: int, seed: int, config: GenerateConfig
) -> Fitted:
    """Build the prompt; drop demonstrations until it fits. Raises `PromptTooLong` if the case alone does not."""
    for left in range(shots, -1, -1):
        prompt = build(task, case, pool, shots=left, seed=seed)
        try:
            if _fitting(type(adapter)):
                cast(Fitting, adapter).check(prompt.messages, config)
        except PromptTooLong:
            if left == 0:
                raise
            continue
        dropped = f"{prompt.shots} of {shots} demonstrations fitted into this model's prompt." if left < shots else ""
        return Fitted(prompt=prompt, notice=dropped)
    raise AssertionError("shots is at least 0")


class Refused:
    """Stands in for a model that could not be opened or asked: its side fails, the others go on."""

    def __init__(self, model: str, error: AdapterError) -> None:
        self.model, self.error = model, error

    async def stream(self, messages: Sequence[Message], config: GenerateConfig) -> AsyncGenerator[Chunk, None]:
        raise self.error
        yield Chunk()  # makes it an async generator, as every adapter's stream is


@dataclass(frozen=True, kw_only=True)
class Question:
    """What every side of one comparison shares."""

    task: Task
    case: Case
    pool: Sequence[Case]
    shots: int
    seed: int
    max_tokens: int


def side_for(
    key: str, spec: ModelSpec, models: Models, question: Question, *, temperature: float
) -> tuple[Side, Fitted]:
    """One side, ready to run. A model that cannot be opened, or whose prompt does not fit, fails on its own side."""
    q = question
    config = GenerateConfig(max_tokens=q.max_tokens, temperature=temperature, seed=q.seed)
    try:
        adapter: Adapter = models.adapter(spec, task=q.task.id)
        fitted = fit(adapter, q.task, q.case, q.pool, shots=q.shots, seed=q.seed, config=config)
    except AdapterError as error:
        adapter = Refused(spec.model, error)
        fitted = Fitted(prompt=build(q.task, q.case, q.pool, shots=q.shots, seed=q.seed))
    return Side(key, adapter, fitted.prompt.messages, config), fitted


def score_records(text: str, case: Case, task: Task) -> tuple[ScoreRecord, ...]:
    """Score one answer with every scorer of its task."""
    return tuple(to_record(score) for score in score_all(text, case, task))


def to_record(score: Score) -> ScoreRecord:
    return ScoreRecord(
        metric=score.metric,
        version=all_scorers()[score.metric].version,
        value=score.value,
        answer=score.answer,
        explanation=score.explanation,
        variant=score.variant,
    )


def response(
    *,
    comparison: str,
    side: str,
    attempt: int,
    spec: ModelSpec,
    state: SideState,
    completion: Completion,
    error: AdapterError | None,
    prompt: Prompt,
    scores: tuple[ScoreRecord, ...],
) -> Response:
    """A finished side as it is stored. Only a side that ended by itself ("done") is scored."""
    usage = completion.usage
    return Response(
        id=uuid.uuid4().hex,
        comparison=comparison,
        side=side,
        attempt=attempt,
        model=spec.model,
        label=spec.label,
        model_returned=completion.model,
        state=state,
        text=completion.text,
        text_sha256=hashlib.sha256(completion.text.encode()).hexdigest(),
        error=str(error) if error else None,
        error_kind=error.kind if error else None,
        stop_reason=completion.stop_reason,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        first_token_s=completion.first_token_s,
        total_s=completion.total_s,
        cost=spec.cost(usage.input_tokens, usage.output_tokens),
        currency=spec.price.currency if spec.price else None,
        parameters=dict(completion.parameters),
        shots=prompt.shots,
        prompt_sha256=prompt.sha256,
        messages=tuple((m.role, m.content) for m in prompt.messages),
        scores=scores,
        created=datetime.now(UTC),
    )
