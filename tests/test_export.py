"""The export: everything that was stored comes out, explained; restricted text does not, unless asked for."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from playground.errors import BadInput
from playground.export import TABLES, cell, export
from playground.records import ScoreRecord
from playground.store import Store
from tests import samples

SECRET = "A man of 60 with a rare disease."


def filled(store: Store, *, restricted: bool = False) -> str:
    """One comparison of two answers with its rating."""
    run = samples.comparison(restricted=restricted, case_inputs={"premise": SECRET}, case_target=("neutral",))
    store.add_comparison(run)
    for side in "AB":
        text = f"=SUM({side}) {SECRET}"
        why = f"missed {SECRET}"  # as the scorer of entities says it
        score = ScoreRecord(metric="entities", version=1, value=0.0, answer=SECRET, explanation=why)
        store.add_response(samples.response(run.id, side, text=text, messages=(("user", SECRET),), scores=(score,)))
    store.save_rating(samples.rating(run, comment="+ good"))
    return run.id


def sheet(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lines(folder: Path, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{table}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_both_forms_hold_every_row_and_every_explained_column(store: Store, tmp_path: Path) -> None:
    run = filled(store)
    export(store, tmp_path / "out")
    for table, rows in (("comparisons", 1), ("responses", 2), ("scores", 2), ("ratings", 1), ("rating_answers", 9)):
        assert len(sheet(tmp_path / "out", table)) == rows, table
        assert len(lines(tmp_path / "out", table)) == rows, table
        assert list(lines(tmp_path / "out", table)[0]) == [c.name for c in TABLES[table]]
    assert sheet(tmp_path / "out", "ratings")[0]["comparison"] == run
    assert {r["value"] for r in lines(tmp_path / "out", "rating_answers") if r["item"] == "preference"} == {"A"}


def test_a_spreadsheet_runs_no_cell_and_the_lines_keep_the_text_as_it_was(store: Store, tmp_path: Path) -> None:
    filled(store)
    export(store, tmp_path / "out")
    assert sheet(tmp_path / "out", "responses")[0]["text"].startswith("'=SUM(")
    assert sheet(tmp_path / "out", "ratings")[0]["comment"] == "'+ good"
    assert lines(tmp_path / "out", "responses")[0]["text"].startswith("=SUM(")
    assert [cell(v) for v in (None, True, -1.5, "-1", {"a": 1})] == ["", "true", "-1.5", "'-1", '{"a": 1}']


def test_restricted_text_leaves_only_when_asked_for(store: Store, tmp_path: Path) -> None:
    filled(store, restricted=True)
    export(store, tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        assert SECRET not in path.read_text(encoding="utf-8"), path.name
    hidden = lines(tmp_path / "out", "comparisons")[0]["case_inputs"]["premise"]
    assert hidden == "sha256:" + hashlib.sha256(SECRET.encode()).hexdigest()
    export(store, tmp_path / "out", include_restricted=True)
    assert lines(tmp_path / "out", "comparisons")[0]["case_inputs"]["premise"] == SECRET


def test_a_folder_with_other_files_is_left_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="Name a new or empty folder"):
        export(store, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".export")] == []
