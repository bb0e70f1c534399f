"""Builds a `Scorer` from a function that judges one answer: no reference and silence are settled here, once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from playground.scorer import NO_REFERENCE, Score, Scorer
from playground.task import Case, Task

SILENCE = "The answer is empty."


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a judge found: value 0..1 (None for a figure of whole sets), the parsed answer, one sentence on why."""

    value: float | None
    answer: str = ""
    why: str
    variant: str = ""


@dataclass(frozen=True)
class Question:
    """What a judge may look at beside the answer: the reference in the official format, the case, its task."""

    reference: str
    case: Case
    task: Task

    @property
    def official(self) -> str:
        """The first official task id; "" for a task that is not in MedS-Bench."""
        return self.task.medsbench[0] if self.task.medsbench else ""

    @property
    def accepted(self) -> tuple[str, ...]:
        """Every accepted answer: the alternatives of the case, or the one reference of a set."""
        if self.task.target == "alternatives" and self.case.target:
            return self.case.target
        return (self.reference,)


Judge = Callable[[str, Question], Verdict]


def scorer(
    name: str,
    judge: Judge,
    *,
    title: str,
    kind: Literal["official", "strict"],
    caveat: str,
    source: str,
    version: int = 1,
    per_case: bool = True,
) -> Scorer:
    """A scorer that gives None without a reference and 0 for silence, and asks `judge` otherwise."""

    def score(text: str, case: Case, task: Task) -> Score:
        reference = task.reference(case)
        if reference is None:
            return Score(metric=name, value=None, explanation=NO_REFERENCE)
        if not text.strip() and per_case:
            return Score(metric=name, value=0.0, explanation=SILENCE)
        verdict = judge(text, Question(reference, case, task))
        return Score(
            metric=name, value=verdict.value, answer=verdict.answer, explanation=verdict.why, variant=verdict.variant
        )

    return Scorer(
        id=name, title=title, kind=kind, score=score, caveat=caveat, source=source, version=version, per_case=per_case
    )
