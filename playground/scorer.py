"""What a scorer is: `(text, case, task) -> Score`. The scorers themselves live in `scorers/`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from playground.task import Case, Task


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one answer. `value` is in 0..1, or None where it cannot be given and `explanation` says why."""

    metric: str
    value: float | None
    answer: str = ""
    explanation: str = ""
    variant: str = ""


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """A metric with what a reader must know about it. Raise `version` when a value could change."""

    id: str
    title: str
    kind: Literal["official", "strict"]
    score: Callable[[str, Case, Task], Score]
    caveat: str
    source: str  # paper and variant
    version: int = 1
    per_case: bool = True  # False: a figure of a whole set (macro-F1); a single case shows only what was parsed


NO_REFERENCE = "no reference"
