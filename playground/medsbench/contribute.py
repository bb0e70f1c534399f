"""Own cases -> the contributors' JSON format of MedS-Ins; refuses text that is not a site's own to give."""

from collections.abc import Sequence
from typing import Any

from playground.errors import BadInput
from playground.task import Case, Task

LANGUAGES = {"en": "English", "zh": "Chinese", "ja": "Japanese", "fr": "French", "ru": "Russian", "es": "Spanish"}
FIELDS = (
    "Contributors", "Source", "URL", "Categories", "Definition", "Reasoning", "Input_language", "Output_language",
    "Instruction_language", "Domains", "Positive Examples", "Negative Examples", "Instances",
)  # fmt: skip
OPEN = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0")
MOST_EXAMPLES = 2


def contribution(
    task: Task, cases: Sequence[Case], *, contributors: Sequence[str], url: str, domains: Sequence[str]
) -> dict[str, Any]:
    """The file's content: every field of the guideline, the first two cases as positive examples.

    Raises `BadInput` when a case is imported, restricted, not openly licensed or without a reference.
    """
    if not contributors:
        raise BadInput("Name who contributes, for example --contributor 'Department of Radiology'.")
    if not task.own:
        raise BadInput(f"{task.id} was imported from MedS-Ins; only own tasks can be given back.")
    for case in cases:
        _refuse_foreign(case)
    if len(cases) <= MOST_EXAMPLES:
        raise BadInput(f"{task.id} has {len(cases)} own cases; at least {MOST_EXAMPLES + 1} are needed.")
    pairs = [{"input": task.text(case), "output": task.reference(case)} for case in cases]
    language = LANGUAGES[task.language]
    return {
        "Contributors": list(contributors),
        "Source": sorted({case.source for case in cases}),
        "URL": [url] if url else [],
        "Categories": [task.category],
        "Definition": [" ".join(task.instruction.split())],
        "Reasoning": [],
        "Input_language": [language],
        "Output_language": [language],
        "Instruction_language": ["English"],
        "Domains": list(domains) or ["Medicine"],
        "Positive Examples": [{**pair, "explanation": ""} for pair in pairs[:MOST_EXAMPLES]],
        "Negative Examples": [],
        "Instances": [{"input": p["input"], "output": [p["output"]]} for p in pairs[MOST_EXAMPLES:]],
    }


def _refuse_foreign(case: Case) -> None:
    if case.restricted:
        raise BadInput(f"Case {case.id} is restricted ({case.source}) and cannot be given back. Leave it out.")
    if case.licence not in OPEN:
        raise BadInput(f"Case {case.id} has the licence '{case.licence}'; contributions need one of {', '.join(OPEN)}.")
    if case.target is None:
        raise BadInput(f"Case {case.id} has no reference answer. Write one, or leave it out.")
