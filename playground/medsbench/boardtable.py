"""Published cells and our own runs as lines of one table, each with n, metric variant, errors and caveats.

Knows no database and no page: own runs come in as rows, what goes out is printed elsewhere.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from playground.errors import UnknownName
from playground.medsbench import board
from playground.medsbench.board import Column
from playground.medsbench.results import ModelResults
from playground.medsbench.tally import Row, Tally, tally
from playground.scorers.official_text import tokeniser
from playground.task import Task

RELEASED = re.compile(r"(task\d+)-[0-9a-f]{12}(?:-\d+)?")  # the ids that the import gives
OVERVIEW = "Overview"
SOURCES = {
    "final": "published, final board", "v1": "published, arXiv v1",
    "released": "own run, released rows", "own": "own run, own cases",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One value. Only cells of one source, column and n may be compared."""

    category: str
    source: str  # a key of SOURCES
    model: str
    column: str
    value: str  # as printed: `24.46/25.66`
    n: str
    metric: str  # with its variant
    error: str = ""  # what is wrong with a published value
    caveat: str = ""


def named(category: str) -> str:
    """The category of that name, case aside; raises `UnknownName`."""
    known = (OVERVIEW, *board.categories())
    found = next((k for k in known if k.lower() == category.strip().lower()), None)
    if found is None:
        raise UnknownName("category", category, known)
    return found


def is_released(case: str) -> bool:
    """Whether a case came out of a released file; every other is our own."""
    return RELEASED.fullmatch(case) is not None


def official_of(task: Task | None, case: str) -> str | None:
    """The official task id of a row: its file's for a released row, else the task's first."""
    official = task.medsbench if task else ()
    match = RELEASED.fullmatch(case)
    if match and match.group(1) in official:
        return match.group(1)
    return official[0] if official else None


def published(category: str | None) -> list[Cell]:
    """Both boards, in their order."""
    cells = []
    for name in ("final", "v1"):
        for p in board.published(name):
            if category in (None, p.category):
                column = board.column_named(p.category, p.column)
                cells.append(
                    Cell(
                        category=p.category, source=name, model=p.model, column=p.column, value=p.value,
                        n=board.size(name, p.model, column) if column else "", metric=_published_metric(p, column),
                        error=p.error, caveat=board.caveat(column) if column else "",
                    )
                )  # fmt: skip
    return cells


def _published_metric(cell: board.Published, column: Column | None) -> str:
    if column is not None and column.metrics == board.PRF:
        return "macro " + cell.column.removeprefix(column.name).strip()
    if "/" in cell.value:
        return "BLEU-1/ROUGE-L F1 (nltk-punkt_tab-en, jieba, janome; rouge 1.0.1)"
    metrics = column.metrics if column else ()
    return "/".join(_metric_name(m) for m in metrics)


def _metric_name(metric: str) -> str:
    return {"accuracy": "Accuracy, official parsing", "f1": "F1, micro over the set"}.get(
        metric, board.METRIC_NAMES[metric]
    )


def own_runs(rows: Iterable[Mapping[str, Any]], tasks: Mapping[str, Task]) -> list[ModelResults]:
    """Stored rows, scored again by the official rules: one result for each model and source (`source: model`)."""
    found: dict[tuple[str, str], ModelResults] = {}
    every = iter(_rows(rows, tasks))
    while some := list(islice(every, 500)):
        for at in dict.fromkeys(where for where, _ in some):
            result = found.setdefault(at, ModelResults(f"{at[0]}: {at[1]}"))
            for task, part in tally(row for where, row in some if where == at).items():
                result.tallies.setdefault(task, Tally()).add(part)
    return list(found.values())


def _rows(rows: Iterable[Mapping[str, Any]], tasks: Mapping[str, Task]) -> Iterable[tuple[tuple[str, str], Row]]:
    for row in rows:
        official = official_of(tasks.get(row["task"]), row["case"])
        if row.get("error") is None and row.get("reference") and official and board.column_of(official):
            source = "released" if is_released(row["case"]) else "own"
            yield (source, row["model"]), (official, row["reference"], row["text"] or "")


def own_cells(result: ModelResults, category: str | None) -> list[Cell]:
    """The columns of one model's runs, and the average where every column is there."""
    source, _, model = result.model.partition(": ")
    columns, averages, cells = result.columns(), result.averages(), []
    for column in board.COLUMNS:
        values = columns.get((column.category, column.name))
        if values is None or category not in (None, column.category):
            continue
        cells.append(
            Cell(
                category=column.category, source=source, model=model, column=column.name,
                value="/".join(f"{values[m]:.2f}" for m in column.metrics), n=f"{values['n']:.0f}",
                metric=own_metric(column), caveat=board.caveat(column),
                error=f"{values['unscored']:.0f} answers empty, counted as 0" if values["unscored"] else "",
            )
        )  # fmt: skip
        beside = [c for c in board.COLUMNS if c.category == column.category]
        mean = averages.get(column.category)
        if len(beside) > 1 and column is beside[-1] and mean and not mean["missing"]:
            value = "/".join(f"{v:.2f}" for k, v in mean.items() if k != "missing")
            cells.append(
                Cell(category=column.category, source=source, model=model, column="Avg.", value=value, n="", metric="")
            )
    return cells


def own_metric(column: Column) -> str:
    """The column's metrics with the tokeniser that this machine has."""
    names = "/".join(board.METRIC_NAMES[m] for m in column.metrics)
    if column.metrics != board.OVERLAP:
        return f"macro {names}" if column.metrics == board.PRF else "/".join(_metric_name(m) for m in column.metrics)
    language = {"task51": "zh", "task54": "ja"}.get(column.tasks[0], "en")
    return f"{names} ({tokeniser(language)}; rouge 1.0.1)"
