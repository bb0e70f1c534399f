"""Rows of a run -> the official submission CSV, one file a model; knows no database.

Failed answers are left out (a failure is not an answer), as are rows without a reference or an official task id, and
rows of restricted cases unless they are asked for: input, reference and answer may all hold the restricted text.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.recordings import COLUMNS
from playground.errors import BadInput


@dataclass
class Written:
    """The files by model, rows in each, rows left out by reason; `own`: rows of cases that are not the release's."""

    files: dict[str, Path] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    own: int = 0


def path_for(out: Path, model: str, *, several: bool) -> Path:
    """`out` itself for one model; else `<out>_<model>.csv`, so that the last `_` piece is the model."""
    if not several:
        return out
    return out.with_name(f"{out.stem}_{re.sub(r'[^A-Za-z0-9.+-]+', '-', model)}{out.suffix or '.csv'}")


def write(
    rows: Iterable[Mapping[str, Any]], out: Path, *, models: int, include_restricted: bool, released: bool = False
) -> Written:
    """Write rows with `official`, `model`, `input`, `reference`, `text`, `error`, `restricted`, `released`.

    `released`: only rows of released cases, as a leaderboard expects them; ours are synthetic.

    Raises `BadInput` when nothing can be written.
    """
    done, writers = Written(), dict[str, Any]()
    out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for row in rows:
            if reason := _why_not(row, include_restricted=include_restricted, released=released):
                done.left_out[reason] += 1
                continue
            model = str(row["model"])
            if model not in writers:
                done.files[model] = path_for(out, model, several=models > 1)
                opened = done.files[model].open("w", encoding="utf-8", errors="replace", newline="")
                writers[model] = csv.writer(stack.enter_context(opened))  # its line ends have a lone \\r quoted, too
                writers[model].writerow(COLUMNS)
            writers[model].writerow((row["official"], row.get("input") or "", row["reference"], row["text"] or ""))
            done.rows[model] += 1
            done.own += not row.get("released")
    if not done.files:
        reasons = "; ".join(f"{n} rows: {reason}" for reason, n in done.left_out.items()) or "it holds no rows"
        raise BadInput(f"There is nothing to write: {reasons}.")
    return done


def _why_not(row: Mapping[str, Any], *, include_restricted: bool, released: bool) -> str:
    if row.get("error") is not None:
        return "no answer (it failed)"
    if row.get("reference") is None:
        return "no reference"
    if row.get("restricted") and not include_restricted:
        return "the case is restricted (--include-restricted writes its texts)"
    if released and not row.get("released"):
        return "a case of our own"
    return "" if row.get("official") else f"{row.get('task')} has no official task id"
