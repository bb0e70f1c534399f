"""The paper's tables: which column is which task, how averages are formed, and what was published.

Averages as the official scripts form them (MAGIC-AI4Med/MedS-Ins, commit 185cfc0): the unweighted mean of the
category's columns, except that text summarisation leaves CT and MRI out; CT and MRI pool the rows of six tasks each.
Fact verification and natural language inference mix metrics and have none. Published values: leaderboard of
henrychur.github.io/MedS-Bench, commits 322ab40 (final) and 815645b (arXiv v1).
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

Board = Literal["final", "v1"]
Metrics = tuple[str, ...]
ACCURACY, OVERLAP, F1, PRF = ("accuracy",), ("bleu1", "rouge_l"), ("f1",), ("precision", "recall", "f1")


@dataclass(frozen=True)
class Column:
    """One column of a table: its printed name, the official task ids whose rows it pools, its metrics (0..100)."""

    category: str
    name: str
    tasks: tuple[str, ...]
    metrics: Metrics
    averaged: bool = True  # counts in the category's average


def _columns(category: str, metrics: Metrics, *columns: tuple[str, str], averaged: bool = True) -> list[Column]:
    return [Column(category, name, (task,), metrics, averaged) for name, task in columns]


SUMMARY = "Text summarisation"
COLUMNS: tuple[Column, ...] = (
    *_columns(
        "Multiple-choice QA", ACCURACY, ("MedQA", "task57"), ("MedMCQA", "task122"), ("PubMedQA", "task123"),
        ("MMedBench(ZH)", "task58"), ("MMedBench(JA)", "task59"), ("MMedBench(FR)", "task60"),
        ("MMedBench(RU)", "task61"), ("MMedBench(ES)", "task129"),
    ),
    *_columns(
        SUMMARY, OVERLAP, ("MedQSum", "task114"), ("RCT-Text", "task110"), ("MIMIC-CXR", "task112"),
        ("MIMICIV(Ultrasound)", "task78"),
    ),
    Column(SUMMARY, "MIMICIV(CT)", tuple(f"task{n}" for n in range(83, 89)), OVERLAP, averaged=False),
    Column(SUMMARY, "MIMICIV(MRI)", tuple(f"task{n}" for n in range(89, 95)), OVERLAP, averaged=False),
    *_columns(
        "Information extraction", ACCURACY, ("PICO Participant Ext.", "task1"), ("PICO Intervention Ext.", "task2"),
        ("PICO Outcome Ext.", "task3"), ("ADE Drug Dose Ext.", "task29"), ("PMC-patient Basic Info. Ext.", "task74"),
    ),
    *_columns(
        "Concept explanation", OVERLAP, ("Health Fact Exp.", "task18"), ("Do Entity Exp.", "task46"),
        ("BioLORD Concept Exp.", "task50"),
    ),
    *_columns(
        "Rationale", OVERLAP, ("MMedBench(ZH)", "task51"), ("MMedBench(EN)", "task52"), ("MMedBench(FR)", "task53"),
        ("MMedBench(JA)", "task54"), ("MMedBench(RU)", "task55"), ("MMedBench(ES)", "task56"),
    ),
    *_columns(
        "Named entity recognition", F1, ("BC4Chem", "task125"), ("BC5Chem", "task126"), ("BC5Disease", "task127"),
        ("Species800", "task128"),
    ),
    *_columns("Diagnosis", ACCURACY, ("DDXPlus", "task130")),
    *_columns("Treatment planning", ACCURACY, ("SEER", "task131")),
    *_columns(
        "Clinical outcome prediction", ACCURACY, ("MIMIC4ED(Hospitalization)", "task117"),
        ("MIMIC4ED(72h ED Revisit)", "task118"), ("MIMIC4ED(Critical Triage)", "task119"),
    ),
    *_columns("Text classification", PRF, ("HoC", "task106")),
    *_columns(
        "Fact verification", ACCURACY, ("PubMedQA Answer Ver.", "task12"),
        ("PUBLICHEALTH Health Fact Ver.", "task16"), averaged=False,
    ),
    Column("Fact verification", "EMBS Justification Ver.", ("task100",), OVERLAP, averaged=False),
    Column("Natural language inference", "MedNLI Discriminative Task", ("task41",), ACCURACY, averaged=False),
    Column("Natural language inference", "MedNLI Generative Task", ("task42",), OVERLAP, averaged=False),
)  # fmt: skip

METRIC_NAMES: Mapping[str, str] = {
    "accuracy": "Accuracy", "bleu1": "BLEU-1", "rouge_l": "ROUGE-L F1", "f1": "F1", "precision": "Precision",
    "recall": "Recall",
}  # fmt: skip


def categories() -> tuple[str, ...]:
    """In the order of the paper's tables."""
    return tuple(dict.fromkeys(c.category for c in COLUMNS))


def column_of(task: str) -> Column | None:
    """The column that an official task id belongs to; None for one that is not in MedS-Bench."""
    return next((c for c in COLUMNS if task in c.tasks), None)


def column_named(category: str, name: str) -> Column | None:
    """The column that a printed name belongs to (`HoC Recall` to `HoC`); None for an average."""
    found = [c for c in COLUMNS if c.category == category and name.startswith(c.name)]
    return max(found, key=lambda c: len(c.name), default=None)


def average(columns: Sequence[Column], values: Mapping[str, Mapping[str, float]]) -> dict[str, float] | None:
    """Mean of a category's averaged columns, by metric. None where there is none, or a column is missing."""
    counted = [c for c in columns if c.averaged]
    if not counted or any(c.name not in values for c in counted):
        return None
    metrics = counted[0].metrics if counted[0].metrics != PRF else F1
    return {m: sum(values[c.name][m] for c in counted) / len(counted) for m in metrics}


@dataclass(frozen=True)
class Published:
    """One printed cell. `value` as printed (`24.46/25.66`, `-`); `error` says what is wrong with it."""

    board: Board
    category: str  # "Overview" for the first table
    model: str
    column: str
    value: str
    error: str = ""


ERRORS: Mapping[tuple[str, str, str], str] = {  # found by recomputing the board; medians and means are ours
    ("Multiple-choice QA", "Mistral", "Avg."): "The mean of its eight cells is 59.6.",
    ("Overview", "Mistral", "MCQA"): "The mean of its eight cells is 59.6.",
    ("Overview", "Baichuan 2", "Clinical Outcome Prediction"): "A copy of Med42-v2; its own cells average 10.98.",
    ("Overview", "Med42-v2", "Rationale"): "A copy of Qwen 2; its own row says 28.06/23.36.",
    ("Overview", "Llama3.1-Aloe-Beta-70B", "Concept Explanation"): "A copy of Aloe-8B; its row says 16.48/19.58.",
    ("Overview", "Llama3.1-Aloe-Beta-8B", "Diagnosis"): "The table says 63.67; only 60.67 is a multiple of 1/150.",
    ("Diagnosis", "Llama3.1-Aloe-Beta-8B", "DDXPlus"): "The overview says 60.67; only 60.67 is a multiple of 1/150.",
    ("Clinical outcome prediction", "MEDITRON", "*"): "Identical to Mistral's row: a copy in one of the two.",
    ("Clinical outcome prediction", "Mistral", "*"): "Identical to MEDITRON's row: a copy in one of the two.",
    ("Overview", "MEDITRON", "Text Summarization"): "A BLEU is printed although the table has none.",
}

CAVEATS: Mapping[str, str] = {
    "PubMedQA Answer Ver.": "All 650 released references are 'no': a constant 'no' scores 100. Do not rank on it.",
    "PICO Participant Ext.": "About two thirds of the references are empty: a constant 'not found' scores 67.44.",
    "EMBS Justification Ver.": "304 rows over only 110 different inputs.",
    "SEER": "Half of the rows share one label, and the input holds the radiation record that decides it.",
    "MIMIC4ED(72h ED Revisit)": "The test set was evidently balanced again between v1 and the final board.",
    "MMedBench(ZH)": "Multiple choice: open models were fine-tuned on the training set first; not comparable.",
    "HoC": "Macro-F1 over ten labels: small samples cannot reach 100.",
}


SIZES: Mapping[str, int] = {  # rows scored for the final board, by official task id; most from the supplement
    "task57": 1273, "task122": 4183, "task123": 1000, "task58": 3426, "task59": 199, "task60": 622, "task61": 256,
    "task129": 2742, "task114": 100, "task110": 100, "task112": 100, "task1": 43, "task2": 43, "task3": 43,
    "task29": 23, "task74": 1500, "task18": 1235, "task46": 1115, "task50": 1115, "task51": 200, "task52": 195,
    "task53": 189, "task54": 190, "task55": 173, "task56": 189, "task125": 1500, "task126": 1500, "task127": 1500,
    "task128": 1500, "task130": 1500, "task131": 1500, "task117": 1500, "task118": 1500, "task119": 1500,
    "task106": 158, "task12": 650, "task16": 1188, "task100": 304, "task41": 1422,
}  # fmt: skip
V1_RATIONALE = "50"  # a language, on the v1 board
ALOE = "about 150"  # the rows added in January 2025: every value is a multiple of 1/150


def size(board: Board, model: str, column: Column) -> str:
    """How many rows stand behind a published cell; empty where it is not known."""
    if board == "v1":
        return V1_RATIONALE if column.category == "Rationale" else ""
    known = sum(SIZES.get(t, 0) for t in column.tasks)
    return ALOE if "Aloe" in model else str(known) if known else ""


def caveat(column: Column) -> str:
    """What must be known before two values of this column are compared; empty where nothing is."""
    if column.name.startswith("MMedBench"):
        return CAVEATS["MMedBench(ZH)"] if column.category == "Multiple-choice QA" else ""
    return CAVEATS.get(column.name, "")


@lru_cache
def published(board: Board) -> tuple[Published, ...]:
    """Every printed cell of one board, in its order."""
    path = Path(__file__).parent / "published" / f"{board}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(Published(board, r["category"], r["model"], r["column"], r["value"], _error(board, r)) for r in rows)


def _error(board: Board, row: Mapping[str, str]) -> str:
    if board != "final":
        return ""
    exact = ERRORS.get((row["category"], row["model"], row["column"]))
    return exact or ERRORS.get((row["category"], row["model"], "*"), "")
