"""The official MedS-Bench functions for everything but text overlap, one row at a time, every quirk kept.

Plain strings in, `Marks` out; None stands for a cell that pandas reads as NaN (`official.as_read`). Checked against
the official functions row by row. Knows no case, no task file and no page.
"""

from collections.abc import Sequence
from typing import NamedTuple

from playground.scorers.official import NOT_TEXT, Marks, as_str

YES_NO_TASK = "task123"  # PubMedQA: y/n instead of a letter; `maybe` can never be right
NO_ENTITY = "there is no related enetity"  # so spelt
HALLMARKS = (
    "sustaining proliferative signaling",
    "evading growth suppressors",
    "resisting cell death",
    "enabling replicative immortality",
    "inducing angiogenesis",
    "activating invasion and metastasis",
    "genomic instability and mutation",
    "tumor promoting inflammation",
    "cellular energetics",
    "avoiding immune destruction",
)


def first_letter(text: str | None) -> str:
    """What is left after `the right answer is`, first character alone; "" where nothing is left."""
    return as_str(text).lower().replace("the right answer is", "").strip()[:1]


def mcqa(task_id: str, output: str | None, gold: str | None) -> Marks:
    """1 where both first characters are the same of a-d (y/n for task123): "Based on ..." counts as B."""
    allowed = "yn" if task_id == YES_NO_TASK else "abcd"
    given, right = first_letter(output), first_letter(gold)
    if not given:
        return Marks(0.0, crash="nothing is left of the answer, and the official script asks for its first character")
    if given not in allowed:
        return Marks(0.0)
    if not right:
        return Marks(0.0, crash="the reference is empty, and the official script asks for its first character")
    return Marks(float(given == right))


def _flat(text: str | None) -> str:
    stripped = as_str(text).lower().strip()
    return stripped.replace('"', "").replace("'", "").replace("\n", "")


def extraction(output: str | None, gold: str | None) -> Marks:
    """1 where the reference occurs in the answer, both without quotes and newlines: "5 mg" is found in "25 mg"."""
    return Marks(float(_flat(gold) in _flat(output)))


class Counts(NamedTuple):
    """True positives, false positives, false negatives of one row; `crash` and `skipped` as in `Marks`."""

    tp: int
    fp: int
    fn: int
    crash: str = ""
    skipped: str = ""


def _entities(text: str) -> set[str]:
    plain = text.replace(".", "").strip().lower()
    return set() if plain == NO_ENTITY else set(plain[:-1].split(", "))  # eats the last letter, not a period


def ner_counts(output: str | None, gold: str | None) -> Counts:
    """Entities as sets split on ", ", the list's last letter cut off on both sides."""
    if output is None:
        return Counts(0, 0, 0, skipped="the cell is read as NaN, and the official script leaves it out")
    if gold is None:
        return Counts(0, 0, 0, crash=NOT_TEXT)
    given, right = _entities(output), _entities(gold)
    return Counts(len(given & right), len(given - right), len(right - given))


def f1(counts: Sequence[Counts]) -> float:
    """Micro-F1 over rows, 0..1; 0 where nothing was found or to be found, as the official script has it."""
    tp, fp, fn = (sum(c[i] for c in counts) for i in range(3))
    precision, recall = tp / (tp + fp) if tp + fp else 0.0, tp / (tp + fn) if tp + fn else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _contains(output: str | None, gold: str | None, prefix: str) -> Marks:
    if output is None or gold is None:
        return Marks(0.0, crash=NOT_TEXT)
    right = gold.replace(".", "").replace(prefix, "").strip().lower()
    return Marks(float(right in output.lower()))


def diagnosis(output: str | None, gold: str | None) -> Marks:
    """1 where the label occurs anywhere in the answer: "unstable angina" passes for stable angina."""
    return _contains(output, gold, "The diagnosis result is")


def treatment(output: str | None, gold: str | None) -> Marks:
    """1 where the label occurs anywhere in the answer; listing every option passes."""
    return _contains(output, gold, "The treatment planning is:")


def outcome(output: str | None, gold: str | None) -> Marks:
    """1 where the right one of `true` and `false` occurs and the other does not."""
    text, right = as_str(output).lower().strip(), as_str(gold).lower().strip()
    if right not in ("true", "false"):
        return Marks(0.0)
    wrong = "false" if right == "true" else "true"
    return Marks(float(right in text and wrong not in text))


def classification(text: str | None, labels: Sequence[str] = HALLMARKS) -> tuple[str, ...]:
    """The labels whose lower-case string occurs in the text, in the order of the list."""
    plain = as_str(text).lower().strip()
    return tuple(label for label in labels if label in plain)


class Macro(NamedTuple):
    """Macro precision, recall and F1 over all labels, 0..1."""

    precision: float
    recall: float
    f1: float


def macro(rows: Sequence[tuple[Sequence[str], Sequence[str]]], labels: Sequence[str] = HALLMARKS) -> Macro:
    """Over rows of (labels found in the answer, labels of the reference).

    As scikit-learn's `average="macro", zero_division=0`: a label that never occurs counts as 0.
    """
    tp, given, right = (dict.fromkeys(labels, 0) for _ in range(3))
    for found, wanted in rows:
        for label in found:
            given[label] += 1
            tp[label] += label in wanted
        for label in wanted:
            right[label] += 1
    n = len(labels)
    precision = sum(tp[k] / given[k] for k in labels if given[k]) / n
    recall = sum(tp[k] / right[k] for k in labels if right[k]) / n
    f1_sum = sum(2 * tp[k] / (given[k] + right[k]) for k in labels if given[k] + right[k])
    return Macro(precision, recall, f1_sum / n)


def fact(output: str | None, gold: str | None) -> Marks:
    """1 where the label occurs in the answer's first line: "I do not know" passes for no, "2" inside any number."""
    if output is None or gold is None:
        return Marks(0.0, crash=NOT_TEXT)
    right = gold.replace(".", "").strip().lower()
    return Marks(float(right in output.split("\n")[0].strip().lower()))


def nli(output: str | None, gold: str | None) -> Marks:
    """1 where the label occurs anywhere in the answer: "neutral, not entailment" passes for entailment."""
    return Marks(float(as_str(gold).replace(".", "").strip().lower() in as_str(output).lower().strip()))
