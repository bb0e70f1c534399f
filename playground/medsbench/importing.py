"""A released file -> a task type with its own Definition; knows no database.

A file of one of our tasks lays its Definition over that task; where several files are one task (CT and MRI by body
region), each becomes a task beside it. Any other MedS-Ins file becomes a task of its own, scored by the scorer that
its category maps to, or only by text overlap where none does: its caveat says which. The names of the categories are
those that the project's builders write (MAGIC-AI4Med/MedS-Ins, `data_preparing/`): they say what kind of task it is,
but not what its outputs look like, so that is looked at too.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from playground.medsbench.released import Released
from playground.task import Category, Language, Task

LANGUAGES: dict[str, Language] = {
    "english": "en", "chinese": "zh", "japanese": "ja", "french": "fr", "russian": "ru", "spanish": "es",
}  # fmt: skip
OTHER: Category = "Other MedS-Ins tasks"
OVERLAP = ("medsbench_bleu1", "medsbench_rouge_l", "token_f1")
CREDENTIALED = frozenset(  # derived from MIMIC, MedNLI or SEER, which no licence of a copy makes free
    f"task{n}" for n in (41, 42, 78, *range(83, 95), 112, 117, 118, 119, 131)
)
LICENCE = "as the data set's owner states"
CREDENTIALED_SOURCE = re.compile(r"(?<![a-z])(?:mimic|mednli|seer(?![a-z])|physionet|i2b2|n2c2|eicu)", re.IGNORECASE)


class Fit(NamedTuple):
    """A category of ours with its scorers, and what a task needs for them."""

    category: Category
    scorers: tuple[str, ...]
    needs: Mapping[str, Any] = {}


NER = Fit(
    "Named entity recognition",
    ("medsbench_ner", "entities"),
    {"target": "set", "answer": "$target.", "empty": "There is no related enetity."},
)
CHOICE = Fit("Multiple-choice QA", ("medsbench_mcqa", "choice"))
CLOSED: Mapping[str, Fit] = {  # words in `Categories`, where the outputs are a closed set
    "entailment": Fit("Natural language inference", ("medsbench_nli", "label")),
    "natural language inference": Fit("Natural language inference", ("medsbench_nli", "label")),
    "fact verification": Fit("Fact verification", ("medsbench_fact", "label")),
    "diagnosis": Fit("Diagnosis", ("medsbench_diagnosis", "label")),
    "treatment": Fit("Treatment planning", ("medsbench_treatment", "label")),
    "outcome": Fit("Clinical outcome prediction", ("medsbench_outcome", "label")),
}
FREE: Mapping[str, Fit] = {  # where they are not
    "information extraction": Fit("Information extraction", ("medsbench_extraction", "extraction")),
    "summar": Fit("Text summarisation", OVERLAP),
    "rationale": Fit("Rationale", OVERLAP),
    "explanation": Fit("Concept explanation", OVERLAP),
    "entailment": Fit("Natural language inference", OVERLAP),
}


def task_for(released: Released, shipped: Task | None) -> Task:
    """The task type that a file's cases belong to; `shipped`: our own task of its official id, where there is one."""
    if shipped is None:
        return new_task(released)
    if len(shipped.medsbench) > 1:
        return _part(shipped, released)
    return shipped.model_copy(update={"instruction": released.definition})


def _part(task: Task, released: Released) -> Task:
    """One of several files of a task: its Definition names its own part (a body region), not the others'."""
    return task.model_copy(
        update={
            "id": f"{task.id}_{released.official}",
            "medsbench": (released.official,),
            "title": f"{task.title} ({', '.join(n for n in (released.official, released.name) if n)})",
            "instruction": released.definition,
            "prompt": "$input",
            "inputs": ("input",),
            "own": False,
        }
    )


def new_task(released: Released) -> Task:
    """A task type for a MedS-Ins file that is not among ours."""
    fit, why = _fit(released)
    return Task(
        id=f"medsins_{released.official}",
        medsbench=(released.official,),
        category=fit.category,
        title=(released.name or released.official).capitalize(),
        language=LANGUAGES.get(released.language.lower(), "en"),
        instruction=released.definition,
        prompt="$input",
        inputs=("input",),
        labels=released.outputs if "label" in fit.scorers else (),
        scorers=fit.scorers,
        max_tokens=512,
        caveat=f"Imported from MedS-Ins ({released.official}). {why}",
        own=False,
        **fit.needs,
    )


def _fit(released: Released) -> tuple[Fit, str]:
    words, closed = " ".join(released.categories).lower(), len(released.outputs) > 1
    named = f"Scored as {{}}, which its category names ({', '.join(released.categories)})."
    if "named entity" in words and "relation" not in words and not released.structured:
        return NER, named.format(NER.category.lower())
    if released.lettered is not None and ("question" in words or "choice" in words):
        frame = {"answer": released.lettered.replace("$", "$$") + "$target"}
        return CHOICE._replace(needs=frame), "Scored as multiple-choice QA: its answers are lettered options."
    for word, fit in (CLOSED if closed else FREE).items():
        if word in words:
            how = " by text overlap only" if fit.scorers == OVERLAP else ""
            return fit, named.format(f"{fit.category.lower()}{how}")
    if closed:
        return Fit(OTHER, ("label",)), "Scored by its closed set of outputs; the paper has no scorer for it."
    return Fit(OTHER, OVERLAP), "No scorer fits its category: scored by text overlap only."


def credentialed(released: Released) -> bool:
    """Whether the data come from a source that asks for a signature, whatever licence a copy of them names."""
    told = " ".join((released.path.name, released.source, released.url))
    return released.official in CREDENTIALED or bool(CREDENTIALED_SOURCE.search(told))
