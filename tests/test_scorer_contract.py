"""What every scorer promises, checked for each because its file is there, on every shipped case.

That the reference answer gets full marks is rule 2 of `case_rules.py`, with the named exceptions of `never_full`.
"""

import importlib
import math
import pkgutil
from collections import Counter

import pytest

from playground import scorers
from playground.library import read_library
from playground.scorer import NO_REFERENCE, Scorer
from playground.scorers import all_scorers, score_all
from playground.task import Case, Task
from tests.case_rules import never_full

LIBRARY = read_library()
PAIRS = [
    pytest.param(task, case, id=f"{task.id}/{case.id}") for task in LIBRARY.tasks() for case in LIBRARY.cases(task.id)
]
SILENCE = ("", " ", "\n\n", "\t\u3000")
ODD = (
    "nan",
    "None",
    "0",
    ".",
    ",",
    ", , ,",
    "**",
    "```\n```",
    "\ufffd",
    "a" * 3000,
    "\U0001f912",
    "<b>x</b>",
    "A B C D E",
)


def test_every_module_of_the_folder_adds_scorers_and_no_two_share_a_name() -> None:
    modules = [importlib.import_module(f"{scorers.__name__}.{m.name}") for m in pkgutil.iter_modules(scorers.__path__)]
    named = [scorer.id for module in modules for scorer in getattr(module, "SCORERS", ())]
    assert Counter(named).most_common(1)[0][1] == 1
    assert set(named) == set(all_scorers())


def test_every_scorer_is_used_by_a_shipped_task_and_every_task_names_known_ones() -> None:
    used = {name for task in LIBRARY.tasks() for name in task.scorers}
    assert used == set(all_scorers()), "a scorer that no task uses is tested by no case"


@pytest.mark.parametrize("task", LIBRARY.tasks(), ids=lambda t: t.id)
def test_a_task_has_the_official_score_first_and_a_stricter_one(task: Task) -> None:
    kinds = [all_scorers()[name].kind for name in task.scorers]
    assert kinds[0] == "official"
    assert "strict" in kinds
    assert kinds == sorted(kinds), "official ones stand first"


@pytest.mark.parametrize("scorer", all_scorers().values(), ids=lambda s: s.id)
def test_a_scorer_tells_its_name_its_source_and_its_caveat(scorer: Scorer) -> None:
    assert scorer.title.strip()
    assert scorer.source.strip()
    assert len(scorer.caveat) > 20
    assert scorer.version >= 1


@pytest.mark.parametrize(("task", "case"), PAIRS)
def test_silence_scores_0_and_without_a_reference_there_is_no_score(task: Task, case: Case) -> None:
    for text in SILENCE:
        for score in score_all(text, case, task):
            assert score.value == (0.0 if all_scorers()[score.metric].per_case else None), (score, text)
    for text in ("", "anything", task.reference(case) or ""):
        for score in score_all(text, case.model_copy(update={"target": None}), task):
            assert (score.value, score.explanation) == (None, NO_REFERENCE)


@pytest.mark.parametrize(("task", "case"), PAIRS)
def test_whatever_is_said_a_score_is_between_0_and_1_with_a_sentence(task: Task, case: Case) -> None:
    for text in (*ODD, task.reference(case) or ""):
        for score in score_all(text, case, task):
            assert score.explanation.strip(), (score.metric, text)
            assert score.value is None or (math.isfinite(score.value) and 0 <= score.value <= 1), (score, text)


@pytest.mark.parametrize(("task", "case"), PAIRS)
def test_the_reference_answer_gets_full_marks_from_every_scorer_that_can_give_them(task: Task, case: Case) -> None:
    reference = task.reference(case)
    assert reference is not None
    for score in score_all(reference, case, task):
        if all_scorers()[score.metric].per_case and not never_full(score.metric, case, task):
            assert score.value == pytest.approx(1.0), (score.metric, reference, score.explanation)
