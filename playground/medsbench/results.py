"""Results files in the official format (`task_id,input,GT,output`), scored over all cores; knows no database.

Several models are several files; a file's model is the last `_` piece of its name, as the official scripts have it.
Rows are read as a stream and scored in chunks, so that memory does not grow with the file.
"""

import csv
import io
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from adapters.recordings import COLUMNS, LARGEST_CELL, model_name
from playground.errors import BadFile, BadInput
from playground.medsbench.board import COLUMNS as TABLE
from playground.medsbench.board import OVERLAP, average, categories, column_of
from playground.medsbench.official import official_id
from playground.medsbench.tally import LANGUAGE, Row, Tally, tally
from playground.scorers.official_text import tokeniser

CHUNK = 500  # rows of one job
ALONE = 2 * CHUNK  # files up to this many rows are scored without further processes
Seen = Callable[[Path, int, float], object]  # file, rows scored, share of the file


@dataclass
class ModelResults:
    """What the rows of one model gave. `left_out`: reason -> rows that are in no task."""

    model: str
    tallies: dict[str, Tally] = field(default_factory=dict)  # by official task id
    left_out: Counter[str] = field(default_factory=Counter)
    rows: int = 0

    def tasks(self) -> dict[str, dict[str, float]]:
        """Official task id -> metrics in 0..100, `n`, `unscored`; in the order of the paper's tables."""
        order = [t for column in TABLE for t in column.tasks if t in self.tallies]
        return {t: _figures(self.tallies[t], (t,)) for t in order if self.tallies[t].n}

    def columns(self) -> dict[tuple[str, str], dict[str, float]]:
        """(category, column) -> the same, CT and MRI pooled over the rows of their six tasks."""
        found = {}
        for column in TABLE:
            pooled = Tally()
            for task in column.tasks:
                pooled.add(self.tallies.get(task, Tally()))
            if pooled.n:
                found[column.category, column.name] = _figures(pooled, column.tasks)
        return found

    def averages(self) -> dict[str, dict[str, Any]]:
        """Category -> its average as the paper forms it, and `missing`: the columns this file has no rows of.

        Fact verification and natural language inference have none. A mean with missing columns is not the paper's.
        """
        columns, found = self.columns(), {}
        for category in categories():
            counted = [c for c in TABLE if c.category == category and c.averaged]
            here = [c for c in counted if (category, c.name) in columns]
            mean = average(here, {c.name: columns[category, c.name] for c in here})
            if mean is not None:
                found[category] = {**mean, "missing": [c.name for c in counted if c not in here]}
        return found

    def tokenisers(self) -> dict[str, str]:
        """Which tokens BLEU-1 was counted on, by task: without Punkt's data it is close, not the paper's."""
        overlap = [t for t in self.tasks() if (c := column_of(t)) and c.metrics == OVERLAP]
        return {t: tokeniser(LANGUAGE.get(t, "en")) for t in overlap}

    def as_json(self) -> dict[str, Any]:
        return {**self.tasks(), "averages": self.averages(), "bleu1_tokeniser": self.tokenisers()}


def _figures(rows: Tally, tasks: Sequence[str]) -> dict[str, float]:
    column = column_of(tasks[0])
    assert column is not None
    return {**rows.values(column), "n": rows.n, "unscored": rows.unscored}


def score_files(
    paths: Sequence[Path], *, seen: Seen = lambda path, rows, share: None, workers: int | None = None
) -> dict[str, ModelResults]:
    """Score every row of every file, by model; `workers` 1 scores in this process, None takes every core.

    Raises `BadFile` with line and reason, `BadInput` when two files give rows of one task for one model.
    """
    found: dict[str, ModelResults] = {}
    where: dict[tuple[str, str], Path] = {}
    with _pool(workers or len(os.sched_getaffinity(0))) as submit:
        for path in paths:
            result = _score_file(path, submit, seen)
            for task in result.tallies:
                if other := where.get((result.model, task)):
                    raise BadInput(
                        f"{other} and {path} both hold {task} of the model '{result.model}' (the last _ piece of the "
                        "name). Give one of them, or rename one."
                    )
                where[result.model, task] = path
            into = found.setdefault(result.model, ModelResults(result.model))
            into.tallies.update(result.tallies)
            into.left_out.update(result.left_out)
            into.rows += result.rows
    return found


def _score_file(path: Path, submit: "Submit", seen: Seen) -> ModelResults:
    result = ModelResults(model_name(path))
    waiting: deque[tuple[Future[dict[str, Tally]], int, float]] = deque()

    def take() -> None:
        future, rows, share = waiting.popleft()
        for task, part in future.result().items():
            result.tallies.setdefault(task, Tally()).add(part)
        result.rows += rows
        seen(path, result.rows, share)

    with _opened(path) as (reader, share):
        rows = _known(reader, result.left_out)
        while chunk := list(islice(rows, CHUNK)):
            small = result.rows + CHUNK * len(waiting) < ALONE
            waiting.append((submit(chunk, small), len(chunk), share()))
            while len(waiting) > (1 if small else submit.ahead):
                take()
    while waiting:
        take()
    for task, part in result.tallies.items():
        if part.no_reference:
            result.left_out[f"{task}: no GT"] += part.no_reference
    if not any(part.n for part in result.tallies.values()):
        reasons = "; ".join(result.left_out) or "it has no rows"
        raise BadFile(path, f"no row is of a MedS-Bench task ({reasons}).")
    seen(path, result.rows, 1.0)
    return result


class Submit:
    """Hands chunks to other processes, which are only started for a file that is worth it."""

    def __init__(self, workers: int) -> None:
        self.workers, self.ahead = workers, 3 * workers
        self.pool: Executor | None = None

    def __call__(self, chunk: list[Row], small: bool) -> Future[dict[str, Tally]]:
        if self.workers == 1 or (small and self.pool is None):
            done: Future[dict[str, Tally]] = Future()
            done.set_result(tally(chunk))
            return done
        if self.pool is None:  # spawned, not forked: the playground has threads
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor

            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(self.workers, mp_context=context)
        return self.pool.submit(tally, chunk)


@contextmanager
def _pool(workers: int) -> Iterator[Submit]:
    submit = Submit(workers)
    try:
        yield submit
    finally:
        if submit.pool is not None:
            submit.pool.shutdown(cancel_futures=True)


def _known(rows: Iterator[Row], left_out: Counter[str]) -> Iterator[Row]:
    for task, gold, output in rows:
        official = official_id(task)
        if column_of(official) is None:
            left_out[f"{task.strip() or 'an empty task_id'}: not a task of MedS-Bench"] += 1
        else:
            yield official, gold, output


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Iterator[Row], Callable[[], float]]]:
    """The rows, and how much of the file has been read so far (0..1)."""
    try:
        with path.open("rb") as raw:
            size = max(1, os.fstat(raw.fileno()).st_size)
            text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
            yield _rows(path, text), lambda: raw.tell() / size
    except OSError as error:
        raise BadFile(path, f"{error.strerror or error}.") from error


def _rows(path: Path, text: io.TextIOWrapper) -> Iterator[Row]:
    csv.field_size_limit(min(sys.maxsize, LARGEST_CELL))
    reader = csv.reader(text, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if missing := [c for c in COLUMNS if c not in header]:
            reason = f"no column {', '.join(missing)}. The first line must hold {','.join(COLUMNS)}."
            raise BadFile(path, reason, position="line 1")
        task, gold, output = (header.index(c) for c in ("task_id", "GT", "output"))
        for cells in reader:
            if cells and len(cells) != len(header):
                reason = f"{len(cells)} cells in place of {len(header)}. Put texts that hold a comma in quotes."
                raise BadFile(path, reason, position=f"line {reader.line_num}")
            if cells:
                yield cells[task], cells[gold], cells[output]
    except csv.Error as error:
        raise BadFile(path, f"{error}.", position=f"line {reader.line_num}") from error
    except UnicodeDecodeError as error:
        raise BadFile(path, f"is not UTF-8 ({error.reason}).", position=f"after line {reader.line_num}") from error
