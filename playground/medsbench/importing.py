"""A released file -> a task type with its own Definition; knows no database.

A file of one of our tasks lays its Definition over that task. Any other MedS-Ins file becomes a task of its own,
scored by the scorer that its category maps to, or only by text overlap where none does: its caveat says which.
"""

from playground.medsbench.released import Released
from playground.task import Category, Language, Task

LANGUAGES: dict[str, Language] = {
    "english": "en", "chinese": "zh", "japanese": "ja", "french": "fr", "russian": "ru", "spanish": "es",
}  # fmt: skip
OVERLAP = ("medsbench_bleu1", "medsbench_rouge_l", "token_f1")
BY_CATEGORY: tuple[tuple[str, Category, tuple[str, ...]], ...] = (  # words in `Categories` -> category, scorers
    ("named entity", "Named entity recognition", ("medsbench_ner", "entities")),
    ("multiple-choice", "Multiple-choice QA", ("medsbench_mcqa", "choice")),
    ("multiple choice", "Multiple-choice QA", ("medsbench_mcqa", "choice")),
    ("information extraction", "Information extraction", ("medsbench_extraction", "extraction")),
    ("summar", "Text summarisation", OVERLAP),
    ("rationale", "Rationale", OVERLAP),
    ("explanation", "Concept explanation", OVERLAP),
)


def overlay(task: Task, released: Released) -> Task:
    """One of our tasks with the official Definition as its instruction."""
    return task.model_copy(update={"instruction": released.definition})


def new_task(released: Released) -> Task:
    """A task type for a MedS-Ins file that is not among ours."""
    words = " ".join(released.categories).lower()
    category, scorers, why = _scored(released, words)
    return Task(
        id=f"medsins_{released.official}",
        medsbench=(released.official,),
        category=category,
        title=(released.name or released.official).capitalize(),
        language=LANGUAGES.get(released.language.lower(), "en"),
        instruction=released.definition,
        prompt="$input",
        inputs=("input",),
        labels=released.outputs if scorers == ("label",) else (),
        scorers=scorers,
        max_tokens=512,
        caveat=f"Imported from MedS-Ins ({released.official}). {why}",
        own=False,
    )


def _scored(released: Released, words: str) -> tuple[Category, tuple[str, ...], str]:
    for word, category, scorers in BY_CATEGORY:
        if word in words:
            return category, scorers, f"Scored as {category.lower()}, which its category names."
    if len(released.outputs) > 1:
        return (
            "Other MedS-Ins tasks",
            ("label",),
            "Scored by its closed set of outputs; the paper has no scorer for it.",
        )
    return "Other MedS-Ins tasks", OVERLAP, "No scorer fits its category: scored by text overlap only."
