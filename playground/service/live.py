"""One run as the server knows it while a page may still ask for it; knows no database and no page."""

import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adapters.base import Adapter
from adapters.errors import AdapterError
from playground import __version__
from playground.answering import Question, Refused, response, score_records, side_for
from playground.library import Library
from playground.models import Models, ModelSpec
from playground.presenting import running_comparison, running_side, stored_side
from playground.prompt import Prompt, build
from playground.records import Comparison, Response
from playground.requests import CompareRequest
from playground.runner import Run, Side
from playground.task import Case, Task
from playground.views import ComparisonView

KEYS = ("A", "B", "C", "D")


@dataclass(eq=False)
class Live:
    """Who asked, what, and how far each side is."""

    record: Comparison
    task: Task
    case: Case
    specs: Mapping[str, ModelSpec]
    sides: dict[str, Side]
    prompts: Mapping[str, Prompt]
    notices: Mapping[str, str]
    responses: dict[str, Response] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    run: Run | None = None
    reference: str | None = None
    busy: bool = True  # it runs, or a side of it is being tried again

    @classmethod
    def prepared(cls, request: CompareRequest, *, owner: str, library: Library, models: Models) -> "Live":
        """A run that can begin, its sides in a drawn order where it is blind; blocks while models are opened."""
        requested = list(request.sides)
        if request.blind:
            random.SystemRandom().shuffle(requested)
        task, case, keys = request.task, request.case, KEYS[: len(requested)]
        pool, (shots, seed) = library.cases(task.id), (request.shots, request.seed)
        specs = {key: models.spec(side.model) for key, side in zip(keys, requested, strict=True)}
        question = Question(task=task, case=case, pool=pool, shots=shots, seed=seed, max_tokens=request.max_tokens)
        made = {
            key: side_for(key, specs[key], models, question, temperature=side.temperature)
            for key, side in zip(keys, requested, strict=True)
        }
        prompt = build(task, case, pool, shots=shots, seed=seed)
        return cls(
            record=_record(request, owner=owner, library=library, prompt_sha256=prompt.sha256),
            task=task,
            case=case,
            specs=specs,
            sides={k: side for k, (side, _) in made.items()},
            prompts={k: fitted.prompt for k, (_, fitted) in made.items()},
            notices={k: fitted.notice for k, (_, fitted) in made.items()},
            reference=task.reference(case),
        )

    def renew(self, key: str, models: Models) -> None:
        """A fresh side for another attempt; the adapter is opened again, since its trouble may be gone."""
        try:
            adapter: Adapter = models.adapter(self.specs[key], task=self.task.id)
        except AdapterError as error:
            adapter = Refused(self.specs[key].model, error)
        self.sides[key] = Side(key, adapter, self.prompts[key].messages, self.sides[key].config)
        del self.responses[key]

    def scored(self, side: Side) -> Response:
        """What is to be stored of a side that is over. Only one that ended by itself is scored."""
        state, completion = side.outcome, side.completion()
        return response(
            comparison=self.record.id,
            side=side.key,
            attempt=self.attempts.get(side.key, 0) + 1,
            spec=self.specs[side.key],
            state=state,
            completion=completion,
            error=side.error,
            prompt=self.prompts[side.key],
            scores=score_records(completion.text, self.case, self.task) if state == "done" else (),
        )

    def keep(self, stored: Response) -> None:
        """Note what has been stored."""
        self.responses[stored.side], self.attempts[stored.side] = stored, stored.attempt

    def view(self) -> ComparisonView:
        """What the visitor may see of it now."""
        blind, views = self.record.blinded, []
        for key, side in self.sides.items():
            spec, notice = self.specs[key], self.notices[key]
            if done := self.responses.get(key):
                view = stored_side(done, blind=blind, sends_to=spec.sends_to, notice=notice)
            else:
                view = running_side(side, label=spec.label, blind=blind, sends_to=spec.sends_to, notice=notice)
            views.append(view)
        return running_comparison(self.record, views, reference=self.reference)


def _record(request: CompareRequest, *, owner: str, library: Library, prompt_sha256: str) -> Comparison:
    task, case = request.task, request.case
    instrument = library.instrument(task.instrument)
    return Comparison(
        id=secrets.token_hex(16),
        owner=owner,
        task=task.id,
        case=case.id,
        case_sha256=case.sha256(),
        case_inputs=case.inputs,
        case_target=case.target,
        source=case.source,
        licence=case.licence,
        restricted=case.restricted,
        instrument=instrument.id,
        instrument_version=instrument.version,
        blinded=request.blind,
        shots=request.shots,
        seed=request.seed,
        prompt_sha256=prompt_sha256,
        app_version=__version__,
        created=datetime.now(UTC),
    )
