"""One row of a results file -> the official score; many rows -> the figures of a task. Knows no file and no process.

As `Metrics/*.py` of MAGIC-AI4Med/MedS-Ins (commit 185cfc0) reads a CSV with pandas: an empty cell and words such as
`nan` or `None` are no text. What those scripts crash on or skip counts as 0 here, and as unscored (decision 70).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from playground.medsbench.board import F1, OVERLAP, PRF, Column, column_of
from playground.scorers import official_labels as labels
from playground.scorers import official_text as text

NOT_A_TEXT = frozenset((  # what pandas.read_csv takes for a missing value
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
))  # fmt: skip
LANGUAGE = {"task51": "zh", "task53": "fr", "task54": "ja", "task55": "ru", "task56": "es"}
CHECKS = {
    "Information extraction": labels.extraction,
    "Diagnosis": labels.diagnosis,
    "Treatment planning": labels.treatment,
    "Clinical outcome prediction": labels.outcome,
    "Fact verification": labels.fact,
    "Natural language inference": labels.nli,
}
JUSTIFICATION = "task100"
Row = tuple[str, str, str]  # official task id, GT, output


@dataclass
class Tally:
    """Counts and sums of some rows of one metric group; two of them add up. Sums are in 0..1 a row."""

    n: int = 0
    unscored: int = 0
    no_reference: int = 0  # rows without GT: not in n
    sums: dict[str, float] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)  # tp, fp, fn; of a label as `tp label`

    def add(self, other: "Tally") -> None:
        self.n += other.n
        self.unscored += other.unscored
        self.no_reference += other.no_reference
        for metric, value in other.sums.items():
            self.count(metric, value)
        self.hits.update(other.hits)

    def count(self, metric: str, value: float) -> None:
        self.sums[metric] = self.sums.get(metric, 0.0) + value

    def values(self, column: Column) -> dict[str, float]:
        """The column's metrics in 0..100; empty without a row."""
        if not self.n:
            return {}
        if column.metrics == PRF:
            each = [
                labels.f1_of(*(self.hits[f"{k} {label}"] for k in ("tp", "fp", "fn"))) for label in labels.HALLMARKS
            ]
            means = (sum(values) / len(labels.HALLMARKS) for values in zip(*each, strict=True))
            return {m: 100 * mean for m, mean in zip(PRF, means, strict=True)}
        if column.metrics == F1:
            return {"f1": 100 * labels.f1_of(*(self.hits[k] for k in ("tp", "fp", "fn")))[2]}
        return {m: 100 * self.sums.get(m, 0.0) / self.n for m in column.metrics}


def tally(rows: Iterable[Row]) -> dict[str, Tally]:
    """Score rows of MedS-Bench tasks, by task id. Raises `KeyError` for another task id."""
    found: dict[str, Tally] = {}
    for task, gold, output in rows:
        column = column_of(task)
        if column is None:
            raise KeyError(task)
        _count(found.setdefault(task, Tally()), column, task, gold, output)
    return found


def _count(into: Tally, column: Column, task: str, gold: str, output: str) -> None:
    if gold in NOT_A_TEXT:
        if column.category not in ("Multiple-choice QA", "Information extraction"):
            into.no_reference += 1
            return
        gold = "nan"  # these two scripts write the missing value out
    into.n += 1
    missing = output in NOT_A_TEXT
    silent = missing or not output.strip()
    if column.metrics == OVERLAP:
        into.unscored += not _overlap(into, column, task, gold, "" if silent else output)
        return
    into.unscored += silent  # reported; a blank text is still scored as the official scripts score it
    if column.metrics == PRF:
        _labels(into, frozenset() if missing else labels.hallmarks(output), labels.hallmarks(gold))
    elif column.metrics == F1:
        tp, fp, fn = (0, 0, len(labels.ner_entities(gold))) if missing else labels.ner(output, gold)
        into.hits.update(tp=tp, fp=fp, fn=fn)
    elif not missing:
        into.count("accuracy", _right(column, task, gold, output))


def _right(column: Column, task: str, gold: str, output: str) -> int:
    if column.category == "Multiple-choice QA":
        return labels.mcqa(task, output, gold)
    return CHECKS[column.category](output, gold)


def _overlap(into: Tally, column: Column, task: str, gold: str, output: str) -> bool:
    """False where the official script would end with an error."""
    if task == JUSTIFICATION:
        gold, output = labels.justification_reference(gold), labels.justification_output(output)
    elif column.category == "Rationale":  # the only script that strips
        gold, output = gold.strip(), output.strip()
    if text.crash_reason(output) or text.crash_reason(gold):
        return False
    language = LANGUAGE.get(task, "en")
    into.count("bleu1", text.bleu1(output, gold, language))
    into.count("rouge_l", text.rouge_l(output, gold, language))
    return True


def _labels(into: Tally, said: frozenset[str], gold: frozenset[str]) -> None:
    for kind, found in (("tp", said & gold), ("fp", said - gold), ("fn", gold - said)):
        into.hits.update(f"{kind} {label}" for label in found)
