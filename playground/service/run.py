"""`playground run`: cases x models on the command line, every answer scored; knows no page and no database."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any

from adapters.errors import AdapterError
from playground.answering import Fitted, Question, response, score_records, side_for
from playground.errors import BadInput
from playground.library import Library
from playground.models import Models, ModelSpec
from playground.presenting import state_of
from playground.records import Response
from playground.runner import Background, Limits, Run, Side
from playground.task import Case, Task


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What to run. `cases` empty: every case of the task. `blind`: models are written as slots `m1`, `m2`, ..."""

    task: str
    cases: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    shots: int = 0
    temperature: float = 0.0
    max_tokens: int | None = None
    seed: int = 0
    blind: bool = False


class Runs:
    def __init__(self, *, library: Library, models: Models, background: Background, limits: Limits) -> None:
        self._library, self._models = library, models
        self._background, self._limits = background, limits

    def check(self, request: RunRequest) -> tuple[Task, tuple[Case, ...], tuple[ModelSpec, ...]]:
        """Look everything up before the first request; raises `BadInput` with near misses or a fix."""
        task = self._library.task(request.task)
        named = tuple(self._library.case(task.id, name) for name in dict.fromkeys(request.cases))
        cases = named or self._library.cases(task.id)
        if not cases:
            raise BadInput(f"Task '{task.id}' has no cases. Add some with --cases FILE.")
        if not request.models:
            raise BadInput("Name at least one model, for example --model baseline/nearest.")
        specs = tuple(self._models.spec(name) for name in dict.fromkeys(request.models))
        for spec in specs:
            if reason := self._models.unavailable(spec):
                raise BadInput(f"{spec.model} is unavailable: {reason}")
        return task, cases, specs

    async def answers(self, request: RunRequest) -> AsyncGenerator[dict[str, Any], None]:
        """Yield one row for each case and model, the models of a case side by side.

        A failed answer has `error` and no scores. Raises as `check` does.
        """
        task, cases, specs = self.check(request)
        slots, heat = self.slots(request, specs), request.temperature
        for case in cases:
            made = {
                str(i): side_for(str(i), spec, self._models, self._question(request, task, case), temperature=heat)
                for i, spec in enumerate(specs)
            }
            sides = [side for side, _ in made.values()]
            run = Run(self._background, sides, limits=self._limits)
            async with aclosing(run.updates()) as updates:
                async for _ in updates:
                    pass
            rows = list(zip(specs, made.values(), strict=True))
            if request.blind:  # the order of the command line would say which is which
                rows.sort(key=lambda row: slots[row[0].model])
            for spec, (side, fitted) in rows:
                yield await asyncio.to_thread(self._row, side, spec, slots[spec.model], task, case, fitted)

    def _question(self, request: RunRequest, task: Task, case: Case) -> Question:
        return Question(
            task=task,
            case=case,
            pool=self._library.cases(task.id),
            shots=request.shots,
            seed=request.seed,
            max_tokens=request.max_tokens or task.max_tokens,
        )

    def slots(self, request: RunRequest, specs: Sequence[ModelSpec]) -> dict[str, str]:
        """Model -> what stands in its place in the file; of a blind run the key to it."""
        if not request.blind:
            return {spec.model: spec.model for spec in specs}
        order = random.Random(request.seed).sample(list(specs), len(specs))
        return {spec.model: f"m{i}" for i, spec in enumerate(order, 1)}

    def _row(self, side: Side, spec: ModelSpec, slot: str, task: Task, case: Case, fitted: Fitted) -> dict[str, Any]:
        completion = side.completion()
        state = side.outcome
        scores = score_records(completion.text, case, task) if state == "done" else ()
        record = response(
            comparison="", side=side.key, attempt=1, spec=spec, state=state,
            completion=completion, error=side.error, prompt=fitted.prompt, scores=scores,
        )  # fmt: skip
        return row_of(record, slot, task, case, notice=fitted.notice, blind=slot != spec.model)


def row_of(record: Response, slot: str, task: Task, case: Case, *, notice: str, blind: bool) -> dict[str, Any]:
    """One line of the run file. A blinded row holds nothing that names the model."""
    row: dict[str, Any] = {
        "model": slot,
        "task": task.id,
        "case": case.id,
        "input": task.text(case),
        "reference": task.reference(case),
        "text": record.text,
        "error": record.error,
        "stop_reason": record.stop_reason,
        "state": state_of(record.state, record.stop_reason),
        "scores": {s.metric: s.value for s in record.scores},
        "parsed": {s.metric: s.answer for s in record.scores},
        "score_details": [asdict(s) for s in record.scores],
        "usage": {"input_tokens": record.input_tokens, "output_tokens": record.output_tokens},
        "first_token_s": record.first_token_s,
        "total_s": record.total_s,
        "cost": record.cost,
        "currency": record.currency,
        "model_returned": record.model_returned,
        "parameters": dict(record.parameters),
        "shots": record.shots,
        "notice": notice,
        "prompt_sha256": record.prompt_sha256,
        "case_sha256": case.sha256(),
        "restricted": case.restricted,
        "created": record.created.isoformat(),
    }
    if blind:
        row |= {"error": AdapterError.public if record.error else None, "model_returned": None, "parameters": {}}
        row |= {"notice": "", "shots": None}  # not every model's context holds every demonstration
        row |= {"usage": {}, "first_token_s": None, "total_s": None, "cost": None, "currency": None}
    return row
