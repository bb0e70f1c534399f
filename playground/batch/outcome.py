"""What a run's answers are worth: means with n and what is left out, and the paper's columns; asks nobody."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playground.library import Library
from playground.scorers import all_scorers
from playground.task import Case, Task

if TYPE_CHECKING:  # a run's start would wait for it
    from playground.medsbench.results import ModelResults

GONE, CHANGED = "its case is not here (import it again)", "its case has changed since it was asked"
NO_REFERENCE, WHOLE_SET = "no reference", "a figure of the whole set, see the paper's table"
At = tuple[str, str]


class CaseIndex:
    """Tasks and cases of logged rows; each task's cases are read once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.tasks = {task.id: task for task in library.tasks()}
        self._cases: dict[str, dict[str, Case]] = {}

    def find(self, row: Mapping[str, Any]) -> tuple[Task, Case] | str:
        """The row's task and case, or why they cannot be used."""
        task = self.tasks.get(row["task"])
        if task is None:
            return GONE
        if task.id not in self._cases:
            self._cases[task.id] = {case.id: case for case in self._library.cases(task.id)}
        case = self._cases[task.id].get(row["case"])
        if case is None:
            return GONE
        return CHANGED if row.get("case_sha256") not in (None, case.sha256()) else (task, case)


@dataclass
class Figure:
    """The mean of one metric over a model's answers to one task, 0..1. `without`: answers with no value, and why."""

    n: int = 0
    sum: float = 0.0
    without: Counter[str] = field(default_factory=Counter)

    @property
    def mean(self) -> float | None:
        return self.sum / self.n if self.n else None

    def add(self, value: float | None, *, case: Case, metric: str) -> None:
        if value is None:
            self.without[NO_REFERENCE if case.target is None else _why(metric)] += 1
        else:
            self.n, self.sum = self.n + 1, self.sum + value

    def as_json(self) -> dict[str, Any]:
        return {"mean": self.mean, "n": self.n, "without": dict(self.without)}


def _why(metric: str) -> str:
    return "no value" if all_scorers()[metric].per_case else WHOLE_SET


@dataclass
class Outcome:
    """Figures by model, task and metric. `left_out`: model -> reason -> rows; `scored`: answers scored just now."""

    figures: dict[str, dict[str, dict[str, Figure]]] = field(default_factory=dict)
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    paper: "tuple[ModelResults, ...]" = ()  # one for each model and source, by the official rules, 0 to 100
    scored: int = 0

    def leave_out(self, model: str, reason: str, rows: int = 1) -> None:
        if rows:
            self.left_out.setdefault(model, Counter())[reason] += rows

    def figure(self, model: str, task: str, metric: str) -> Figure:
        return self.figures.setdefault(model, {}).setdefault(task, {}).setdefault(metric, Figure())

    def as_json(self) -> dict[str, Any]:
        return {
            "models": {
                model: {
                    "tasks": {
                        t: {m: f.as_json() for m, f in of.items()} for t, of in self.figures.get(model, {}).items()
                    },
                    "left_out": dict(self.left_out.get(model, {})),
                }
                for model in dict.fromkeys((*self.figures, *self.left_out))
            },
            "medsbench": {result.model: result.as_json() for result in self.paper},
        }


def unanswered(rows: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Model -> why -> requests whose every attempt failed so far."""
    failed: dict[At, tuple[str, str]] = {}
    for row in rows:
        at = (row["case"], row["key"])
        if row.get("error") is None:
            failed.pop(at, None)
        else:
            failed[at] = row["model"], f"failed: {row.get('error_kind') or 'error'}"
    found: dict[str, Counter[str]] = {}
    for model, reason in failed.values():
        found.setdefault(model, Counter())[reason] += 1
    return found
