"""Tasks and cases -> the picker's markup and the lists it asks for; knows no Gradio.

Twelve categories in four families, then the tasks of one category, then its cases by page: a task may hold thousands.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from playground.errors import BadInput
from playground.library import Library
from playground.task import Case, Task
from playground.ui.render import esc

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Answer a question": ("Multiple-choice QA", "Concept explanation", "Rationale"),
    "Read a document": ("Text summarisation", "Information extraction", "Named entity recognition"),
    "Decide for a patient": ("Diagnosis", "Treatment planning", "Clinical outcome prediction"),
    "Check a statement": ("Text classification", "Fact verification", "Natural language inference"),
    "Further tasks": ("Other MedS-Ins tasks",),
}
LANGUAGES = {"en": "English", "zh": "Chinese", "ja": "Japanese", "fr": "French", "ru": "Russian", "es": "Spanish"}
PAGE = 60  # cases of one page of the list


def markup(library: Library) -> str:
    """The bar, and the drawer with categories and tasks; the cases are filled in by the script."""
    by_category: dict[str, list[Task]] = {}
    for task in library.tasks():
        by_category.setdefault(task.category, []).append(task)
    families = "".join(
        f'<div class="cp-family" role="group" aria-label="{esc(name)}"><b class="cp-label" aria-hidden="true">'
        f"{esc(name)}</b>{''.join(_category(c, by_category[c]) for c in categories if c in by_category)}</div>"
        for name, categories in FAMILIES.items()
        if any(c in by_category for c in categories)
    )
    tasks = "".join(_task(task, library.count(task.id)) for task in library.tasks())
    return (
        '<div class="cp-picker"><div class="cp-pickbar"><button type="button" class="cp-crumb" data-cp="open" '
        'aria-expanded="false" aria-controls="cp-drawer"><span class="cp-label">Task and case</span>'
        '<span class="cp-chosen"></span><span class="cp-change">Change</span></button><span class="cp-step">'
        '<button type="button" data-cp="prev" aria-label="Previous case">‹</button>'
        '<button type="button" data-cp="next" aria-label="Next case">›</button></span></div>'
        '<div id="cp-drawer" hidden><fieldset><legend class="cp-label">Category</legend>'
        f'<div class="cp-grid">{families}</div></fieldset><fieldset class="cp-tasks"><legend class="cp-label">Task'
        f'</legend><div class="cp-tasklist">{tasks}</div></fieldset><p class="cp-caveat" hidden></p>'
        '<fieldset class="cp-casebox">'
        '<legend class="cp-label">Case</legend><label class="cp-find" hidden>'
        "<span>Find a case by its words or number</span>"
        '<input type="search" maxlength="100"></label><div class="cp-cases"></div>'
        '<p class="cp-more" hidden><button type="button" class="cp-link" data-cp="more">Show more</button> '
        '<span role="status"></span></p></fieldset></div></div>'
    )


def _category(name: str, tasks: Sequence[Task]) -> str:
    words = tasks[0].title if len(tasks) == 1 else f"{len(tasks)} tasks"
    return (
        f'<label class="cp-task"><input type="radio" name="cp-category" value="{esc(name)}">'
        f"<span><b>{esc(name)}</b><small>{esc(words)}</small></span></label>"
    )


def _task(task: Task, cases: int) -> str:
    official = f"MedS-Bench {', '.join(task.medsbench)}" if task.medsbench else ""
    facts = ", ".join(f for f in (task.column, LANGUAGES.get(task.language, ""), f"{cases} cases", official) if f)
    return (
        f'<label class="cp-task" data-category="{esc(task.category)}" hidden><input type="radio" name="cp-task" '
        f'value="{esc(task.id)}" data-title="{esc(task.title)}" data-caveat="{esc(task.caveat)}">'
        f"<span><b>{esc(task.title)}</b><small>{esc(facts)}</small></span></label>"
    )


def listed(library: Library, query: Mapping[str, Any]) -> dict[str, Any]:
    """A page of cases: {task, find, start} -> {total, start, cases: [{id, n, title, difficulty}]}; n counts from 1."""
    task, find, start = query.get("task"), query.get("find") or "", query.get("start") or 0
    if not isinstance(task, str) or not isinstance(find, str) or not isinstance(start, int) or start < 0:
        raise BadInput("Choose a task first.")
    numbered = list(enumerate(library.cases(task), 1))
    if words := find.lower().split()[:10]:
        numbered = [(n, case) for n, case in numbered if _has(case, n, words)]
    page = [{"n": n, **_line(case)} for n, case in numbered[start : start + PAGE]]
    return {"total": len(numbered), "start": start, "cases": page}


def _has(case: Case, number: int, words: Sequence[str]) -> bool:
    text = f"{case.id} {case.title} {' '.join(case.inputs.values())}".lower()
    return words == [str(number)] or all(w in text for w in words)


def _line(case: Case) -> dict[str, str]:
    return {"id": case.id, "title": case.title or case.id, "difficulty": case.difficulty or ""}


def place(library: Library, task: str, case: str) -> dict[str, Any]:
    """Where a case stands: {task, case, n, total, title, previous, next}; raises `UnknownName`."""
    cases = library.cases(task)
    ids = [c.id for c in cases]
    if case not in ids:
        library.case(task, case)  # raises with the nearest names
    at = ids.index(case)
    return {
        "task": task,
        "case": case,
        "category": library.task(task).category,
        "n": at + 1,
        "total": len(ids),
        "title": cases[at].title or case,
        "previous": ids[at - 1] if at else None,
        "next": ids[at + 1] if at + 1 < len(ids) else None,
    }


def first(library: Library) -> dict[str, Any]:
    """The case a new visitor sees; an empty place where there is none."""
    for task in library.tasks():
        if cases := library.cases(task.id):
            return place(library, task.id, cases[0].id)
    return {}
