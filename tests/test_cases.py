"""Contract tests: every shipped task and synthetic case obeys the rules of case_rules, case_values and case_texts."""

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from playground.library import SHIPPED
from playground.task import Case, Task, read_case, read_task
from tests import case_rules, case_texts, case_values
from tests.case_words import OF_NUMBER, Group

TASK_FILES = sorted(SHIPPED["tasks"].glob("*.yaml"))
PER_TASK: tuple[Callable[[Sequence[Case], Task], list[str]], ...] = (
    *case_rules.PER_TASK, *case_values.PER_TASK, *case_texts.PER_TASK,
)  # fmt: skip
named = {"ids": lambda value: getattr(value, "stem", None) or getattr(value, "__name__", None)}


def cases_of(task: str) -> list[Case]:
    return [read_case(path) for path in sorted((SHIPPED["examples"] / task).glob("*.yaml"))]


def groups() -> list[Group]:
    return [(read_task(path), cases_of(path.stem)) for path in TASK_FILES]


@pytest.mark.parametrize("rule", PER_TASK, **named)
@pytest.mark.parametrize("path", TASK_FILES, **named)
def test_the_cases_of_a_task_obey_a_rule(path, rule):
    complaints = rule(cases_of(path.stem), read_task(path))
    assert not complaints, "\n" + "\n".join(complaints)


@pytest.mark.parametrize("rule", case_rules.POOLED, **named)
def test_all_cases_together_obey_a_rule(rule):
    complaints = rule(groups())
    assert not complaints, "\n" + "\n".join(complaints)


@pytest.mark.parametrize("path", TASK_FILES, **named)
def test_a_task_has_enough_cases_a_hard_one_and_a_trap_and_its_prompt_fills(path):
    task, cases = read_task(path), cases_of(path.stem)
    least = 6 if task.order == 1 else 4
    assert len(cases) >= least, f"examples/{task.id} holds {len(cases)} cases; write {least - len(cases)} more."
    assert {"hard", "trap"} <= {c.difficulty for c in cases}, f"examples/{task.id} needs a hard case and a trap."
    for case in cases:
        assert case.task == task.id, f"examples/{task.id}/{case.id}.yaml names the task '{case.task}'."
        assert set(case.inputs) == set(task.inputs), f"{task.id}/{case.id} has inputs {sorted(case.inputs)}."
        text = task.text(case)
        assert all(value.strip() in text for value in case.inputs.values())
        assert "$" not in task.prompt.replace("$" + "$", "") or task.prompt not in text


def test_titles_and_orders_differ_in_a_category_and_official_ids_over_all_tasks():
    tasks = [read_task(path) for path in TASK_FILES]
    for key in (lambda t: (t.category, t.title.lower()), lambda t: (t.category, t.order)):
        twice = [what for what, n in Counter(key(t) for t in tasks).items() if n > 1]
        assert not twice, f"give different titles and orders: {twice}"
    ids = [official for task in tasks for official in task.medsbench]
    assert not [i for i, n in Counter(ids).items() if n > 1], "an official id stands in two task files"
    assert set(ids) <= set(OF_NUMBER), f"not in MedS-Bench: {set(ids) - set(OF_NUMBER)}"


def test_every_folder_of_cases_has_its_task_file():
    folders = {p.name for p in SHIPPED["examples"].iterdir() if p.is_dir() and any(p.glob("*.yaml"))}
    assert folders <= {p.stem for p in TASK_FILES}


def test_the_tasks_cover_every_official_task_and_each_category_has_its_first():
    tasks = [read_task(path) for path in TASK_FILES]
    assert {official for task in tasks for official in task.medsbench} == set(OF_NUMBER)
    assert Counter(t.category for t in tasks if t.order == 1) == Counter({t.category for t in tasks})
