"""Own cases -> the contributors' JSON format of MedS-Ins; refuses text that is not a site's own to give.

After `DATA_Contributor/Data_Uploading_Guideline.md` of MAGIC-AI4Med/MedS-Ins (commit 3842d3c), and the three empty
lists that its released files hold besides.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from playground.errors import BadInput
from playground.task import Case, Task

Split = Literal["Train", "Test", "Train/Test"]
LANGUAGES = {"en": "English", "zh": "Chinese", "ja": "Japanese", "fr": "French", "ru": "Russian", "es": "Spanish"}
TEXTS = (  # each a list of texts; the guideline's own, in its order
    "Contributors", "Source", "URL", "Categories", "Definition", "Input_language", "Output_language",
    "Instruction_language", "Domains",
)  # fmt: skip
EMPTY = ("Reasoning", "Positive Examples", "Negative Examples")  # in every released file, not in the guideline
FIELDS = (*TEXTS, "Split Type", *EMPTY, "Instances")
MAY_BE_EMPTY = ("URL",)
OPEN = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0")
CATEGORIES: Mapping[str, str] = {  # ours -> as MedS-Ins' own builders name them
    "Multiple-choice QA": "Question Answering", "Text summarisation": "Text Summarization",
    "Information extraction": "Information Extraction", "Concept explanation": "Explanation",
    "Rationale": "Explanation", "Named entity recognition": "Named Entity Recognition",
    "Diagnosis": "Text Classification", "Treatment planning": "Text Classification",
    "Clinical outcome prediction": "Data to Text", "Text classification": "Text Classification",
    "Fact verification": "Fact Verification", "Natural language inference": "Textual Entailment",
}  # fmt: skip


def contribution(
    task: Task,
    cases: Sequence[Case],
    *,
    contributors: Sequence[str],
    url: str,
    domains: Sequence[str],
    split: str = "Test",
) -> dict[str, Any]:
    """The file's content: every field of the guideline, every case an instance with its id.

    Raises `BadInput` when a case is imported, restricted, not openly licensed or without a reference.
    """
    if not task.own:
        raise BadInput(f"{task.id} was imported from MedS-Ins; only own tasks can be given back.")
    for case in cases:
        _refuse_foreign(case)
    language = LANGUAGES[task.language]
    content = {
        "Contributors": [name.strip() for name in contributors],
        "Source": sorted({case.source for case in cases}),
        "URL": [url] if url else [],
        "Categories": [CATEGORIES.get(task.category, task.category)],
        "Definition": [" ".join(task.instruction.split())],
        "Input_language": [language],
        "Output_language": [language],
        "Instruction_language": ["English"],
        "Domains": list(domains) or ["Medicine"],
        "Split Type": split,
        **{name: [] for name in EMPTY},
        "Instances": [{"id": c.id, "input": task.text(c), "output": [task.reference(c)]} for c in cases],
    }
    if wrong := problems(content):
        raise BadInput(f"Not a contribution yet: {'; '.join(wrong)}.")
    return content


def problems(content: Mapping[str, Any]) -> list[str]:
    """What the guideline would not take, in words; empty when every field is there and filled."""
    wrong = [f"the field {name} is missing" for name in FIELDS if name not in content]
    for name in TEXTS:
        values = content.get(name, [])
        if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
            wrong.append(f"{name} must be a list of texts")
        elif not values and name in content and name not in MAY_BE_EMPTY:
            wrong.append(f"{name} is empty{HINTS.get(name, '')}")
    if content.get("Split Type") not in get_args(Split):
        wrong.append(f"Split Type must be one of {', '.join(get_args(Split))}")
    return wrong + _of_instances(content.get("Instances", []))


HINTS = {"Contributors": ": say who contributes with --contributor 'Department of Radiology'"}


def _of_instances(instances: Sequence[Mapping[str, Any]]) -> list[str]:
    wrong = [] if instances else ["there are no instances"]
    if len({i.get("id") for i in instances}) < len(instances):
        wrong.append("two instances share an id")
    for i in instances:
        if not str(i.get("input") or "").strip() or not any(str(o or "").strip() for o in i.get("output") or []):
            wrong.append(f"instance {i.get('id')} has no input or no output")
    return wrong


def _refuse_foreign(case: Case) -> None:
    if case.restricted:
        raise BadInput(f"Case {case.id} is restricted ({case.source}) and cannot be given back. Leave it out.")
    if case.licence not in OPEN:
        raise BadInput(f"Case {case.id} has the licence '{case.licence}'; contributions need one of {', '.join(OPEN)}.")
    if case.target is None:
        raise BadInput(f"Case {case.id} has no reference answer. Write one, or leave it out.")
