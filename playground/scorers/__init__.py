"""The scorers. The folder is the registry: every module here with `SCORERS` adds what stands in it."""

import importlib
import pkgutil
from functools import lru_cache

from playground.errors import UnknownName
from playground.scorer import NO_REFERENCE, Score, Scorer
from playground.task import Case, Task


@lru_cache(maxsize=1)
def all_scorers() -> dict[str, Scorer]:
    """Scorer id -> scorer, found by looking into this folder."""
    found: dict[str, Scorer] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for scorer in getattr(module, "SCORERS", ()):
            found[scorer.id] = scorer
    return found


def scorer_named(name: str) -> Scorer:
    if name not in all_scorers():
        raise UnknownName("scorer", name, all_scorers())
    return all_scorers()[name]


def score_all(text: str, case: Case, task: Task) -> tuple[Score, ...]:
    """Score one answer with every scorer of its task, in the task's order."""
    return tuple(_score(scorer_named(name), text, case, task) for name in task.scorers)


def _score(scorer: Scorer, text: str, case: Case, task: Task) -> Score:
    if case.target is None:
        return Score(metric=scorer.id, value=None, explanation=NO_REFERENCE)
    return scorer.score(text, case, task)
