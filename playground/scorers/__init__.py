"""All scorers: every module in this folder that holds `SCORERS` adds its own. Knows no model, page or database."""

import importlib
import pkgutil
from functools import lru_cache

from playground.errors import UnknownName
from playground.scorer import Score, Scorer
from playground.task import Case, Task


@lru_cache(maxsize=1)
def all_scorers() -> dict[str, Scorer]:
    """Scorer id -> scorer, found by looking into this folder. Raises `ValueError` for an id used twice."""
    found: dict[str, Scorer] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for scorer in getattr(module, "SCORERS", ()):
            if scorer.id in found:
                raise ValueError(f"Two scorers are called '{scorer.id}'. Rename the one in {module.__name__}.")
            found[scorer.id] = scorer
    return found


def score_all(text: str, case: Case, task: Task) -> tuple[Score, ...]:
    """Score an answer by each of the task's scorers, in their order; a case without a reference gets None.

    Raises `UnknownName` when the task names a scorer that is not here.
    """
    known = all_scorers()
    for name in task.scorers:
        if name not in known:
            raise UnknownName("scorer", name, known)
    return tuple(known[name].score(text, case, task) for name in task.scorers)
