"""Everything that was written down -> CSV and JSON Lines with a data dictionary; memory stays flat.

Columns, their types, units and meanings stand once, in TABLES; the dictionary and the files come from it. Cells that
a spreadsheet would run as a formula get an apostrophe in front, in the CSV only. Restricted texts become their SHA-256
unless they are asked for.
"""

import csv
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from playground import __version__
from playground.errors import BadInput
from playground.records import Comparison, Rating, Response
from playground.store import Store

MARK = "README.txt"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
RESTRICTED = "sha256:"


class Column(NamedTuple):
    name: str
    type: str
    unit: str
    meaning: str


def _c(name: str, type: str, meaning: str, unit: str = "") -> Column:
    return Column(name, type, unit, meaning)


TABLES: Mapping[str, tuple[Column, ...]] = {
    "comparisons": (
        _c("comparison", "text", "Random id of the run"),
        _c("owner", "text", "Visitor who started it"),
        _c("task", "text", "Task id"),
        _c("case", "text", "Case id"),
        _c("case_sha256", "text", "Hash of task, inputs and target"),
        _c("case_inputs", "JSON object", "Texts of the case; SHA-256 of them where restricted"),
        _c("case_target", "JSON list or empty", "Reference answers; empty: no reference"),
        _c("source", "text", "Where the case comes from"),
        _c("licence", "text", "Licence of the case"),
        _c("restricted", "true/false", "Whether its text may not leave without being asked for"),
        _c("instrument", "text", "Rating form"),
        _c("instrument_version", "integer", "Version of the form"),
        _c("blinded", "true/false", "Whether names were hidden until the vote"),
        _c("shots", "integer", "Demonstrations asked for", "demonstrations"),
        _c("seed", "integer", "Seed of the demonstrations and of the generation"),
        _c("prompt_sha256", "text", "Hash of the messages as asked for"),
        _c("app_version", "text", "Version of the playground"),
        _c("created", "timestamp", "When the run began", "ISO 8601, UTC"),
    ),
    "responses": (
        _c("response", "text", "Random id of the answer"),
        _c("comparison", "text", "Run it belongs to"),
        _c("side", "text", "Place in the shown order, A to D"),
        _c("attempt", "integer", "1, or more after Try this side again"),
        _c("model", "text", "Model as asked for, provider/name"),
        _c("label", "text", "Its name in the list"),
        _c("model_returned", "text", "Model name that the provider returned"),
        _c("state", "text", "done, failed or stopped; only done is scored"),
        _c("text", "text", "The answer; its SHA-256 where the case is restricted"),
        _c("text_sha256", "text", "Hash of the answer"),
        _c("error", "text", "What went wrong, for the researcher"),
        _c("error_kind", "text", "Kind of the error"),
        _c("stop_reason", "text", "stop, length (cut off) or refusal"),
        _c("input_tokens", "integer", "As the provider counted", "tokens"),
        _c("output_tokens", "integer", "As the provider counted", "tokens"),
        _c("first_token_s", "number", "From the request to the first text", "seconds"),
        _c("total_s", "number", "From the request to the end", "seconds"),
        _c("cost", "number", "Tokens times the listed price; empty: unknown", "see currency"),
        _c("currency", "text", "Currency of the cost"),
        _c("parameters", "JSON object", "Parameters as sent"),
        _c("shots", "integer", "Demonstrations that fitted", "demonstrations"),
        _c("prompt_sha256", "text", "Hash of the messages as sent to this model"),
        _c("messages", "JSON list", "[role, content] as sent; SHA-256 where the case is restricted"),
        _c("created", "timestamp", "When the answer was stored", "ISO 8601, UTC"),
    ),
    "scores": (
        _c("response", "text", "Answer that was scored"),
        _c("metric", "text", "Scorer id"),
        _c("version", "integer", "Version of the scorer"),
        _c("value", "number", "Score; empty: none, see explanation", "0 to 1"),
        _c("answer", "text", "What was parsed from the answer; its SHA-256 where the case is restricted"),
        _c("explanation", "text", "One sentence on why, which may quote; its SHA-256 where the case is restricted"),
        _c("variant", "text", "Variant of the metric, e.g. the BLEU tokeniser"),
    ),
    "ratings": (
        _c("rating", "integer", "Number of the event; r-1042 on the page"),
        _c("uuid", "text", "Made by the page; one event each"),
        _c("comparison", "text", "Run that was rated"),
        _c("rater", "text", "Visitor who rated"),
        _c("comment", "text", "Free text"),
        _c("seconds", "number", "From the answers' appearance to the save", "seconds"),
        _c("instrument", "text", "Rating form"),
        _c("instrument_version", "integer", "Version of the form"),
        _c("shown", "JSON list", "Sides in shown order"),
        _c("app_version", "text", "Version of the playground"),
        _c("created", "timestamp", "When it was stored", "ISO 8601, UTC"),
    ),
    "rating_answers": (
        _c("rating", "integer", "Event it belongs to"),
        _c("item", "text", "Line of the form"),
        _c("side", "text", "Side that was rated; empty for the preference"),
        _c("value", "text", "Answer; na = cannot judge; preference: a side, tie or none"),
    ),
}


class Sources(NamedTuple):
    restricted: set[str]
    include: bool

    def hides(self, comparison: str) -> bool:
        return not self.include and comparison in self.restricted


def export(store: Store, directory: Path, *, include_restricted: bool = False) -> list[Path]:
    """Write every table into `directory`; returns the files. An earlier export there is replaced.

    Raises `BadInput` for a folder that holds something else.
    """
    directory = directory.expanduser()
    if directory.exists() and (not directory.is_dir() or (any(directory.iterdir()) and not _ours(directory))):
        raise BadInput(f"{directory} holds other files. Name a new or empty folder.")
    directory.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".export-", dir=directory.parent))
    try:
        sources = Sources({c.id for c in store.iterate_comparisons() if c.restricted}, include_restricted)
        counts = {name: _write(made, name, rows) for name, rows in _rows(store, sources).items()}
        _write_dictionary(made)
        _write_readme(made, counts, sources)
        made.chmod(0o755)
        if directory.exists():
            shutil.rmtree(directory)
        made.rename(directory)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return sorted(directory.iterdir())


def _ours(directory: Path) -> bool:
    mark = directory / MARK
    return mark.is_file() and mark.read_text(encoding="utf-8").startswith("Export of the clinical task playground")


def _rows(store: Store, sources: Sources) -> dict[str, Iterator[dict[str, Any]]]:
    return {
        "comparisons": (comparison_row(c, sources) for c in store.iterate_comparisons()),
        "responses": (response_row(r, sources) for r in store.iterate_responses()),
        "scores": (row for r in store.iterate_responses() for row in score_rows(r, sources)),
        "ratings": (rating_row(r) for r in store.iterate_ratings()),
        "rating_answers": (row for r in store.iterate_ratings() for row in answer_rows(r)),
    }


def comparison_row(record: Comparison, sources: Sources) -> dict[str, Any]:
    hide = _hash if sources.hides(record.id) else _same
    target = None if record.case_target is None else [hide(t) for t in record.case_target]
    inputs = {name: hide(text) for name, text in record.case_inputs.items()}
    return {**_values(record, "comparisons", comparison=record.id), "case_inputs": inputs, "case_target": target}


def response_row(record: Response, sources: Sources) -> dict[str, Any]:
    hide = _hash if sources.hides(record.comparison) else _same
    messages = [[role, hide(content)] for role, content in record.messages]
    return {**_values(record, "responses", response=record.id), "text": hide(record.text), "messages": messages}


def score_rows(record: Response, sources: Sources) -> Iterator[dict[str, Any]]:
    hide = _hash if sources.hides(record.comparison) else _same
    for score in record.scores:
        told = {"answer": hide(score.answer), "explanation": hide(score.explanation)}
        yield {**_values(score, "scores", response=record.id), **told}


def rating_row(record: Rating) -> dict[str, Any]:
    return {**_values(record, "ratings", rating=record.number), "shown": list(record.shown)}


def answer_rows(record: Rating) -> Iterator[dict[str, Any]]:
    for key, value in record.answers.items():
        item, _, side = key.partition(".")
        yield {"rating": record.number, "item": item, "side": side or None, "value": value}


def _values(record: Any, table: str, **renamed: Any) -> dict[str, Any]:
    row = {}
    for column in TABLES[table]:
        value = renamed[column.name] if column.name in renamed else getattr(record, column.name)
        value = dict(value) if isinstance(value, Mapping) else value
        row[column.name] = value.isoformat() if isinstance(value, datetime) else value
    return row


def _hash(text: str) -> str:
    return RESTRICTED + hashlib.sha256(text.encode()).hexdigest() if text else text


def _same(text: str) -> str:
    return text


def _write(folder: Path, table: str, rows: Iterable[dict[str, Any]]) -> int:
    names, count = [c.name for c in TABLES[table]], 0
    with (
        (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as sheet,
        (folder / f"{table}.jsonl").open("w", encoding="utf-8") as lines,
    ):
        writer = csv.writer(sheet)
        writer.writerow(names)
        for row in rows:
            writer.writerow([cell(row[name]) for name in names])
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def cell(value: Any) -> str:
    """A value as a CSV cell that no spreadsheet runs."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return "'" + text if isinstance(value, str) and text.startswith(FORMULA) else text


def _write_dictionary(folder: Path) -> None:
    with (folder / "data_dictionary.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["table", "column", "type", "unit", "meaning"])
        for table, columns in TABLES.items():
            writer.writerows([table, c.name, c.type, c.unit, c.meaning] for c in columns)


def _write_readme(folder: Path, counts: Mapping[str, int], sources: Sources) -> None:
    kept = "included" if sources.include else "replaced by their SHA-256 (sha256:...)"
    lines = [
        "Export of the clinical task playground. Research only, not for clinical use.",
        f"Made {datetime.now(UTC).isoformat(timespec='seconds')} by version {__version__}.",
        *(f"{name}: {count} rows" for name, count in counts.items()),
        f"Texts of {len(sources.restricted)} restricted comparisons are {kept}.",
        "In the CSV files an apostrophe stands before cells that a spreadsheet would run as a formula.",
        "Columns are explained in data_dictionary.csv.",
    ]
    (folder / MARK).write_text("\n".join(lines) + "\n", encoding="utf-8")
