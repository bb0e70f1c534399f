"""The published boards beside own runs: what is wrong is marked, what cannot be compared is told apart."""

import json
from pathlib import Path

from playground.store import Store
from tests.medsbench.helpers import playground, released


def test_known_errors_of_the_board_are_marked(tmp_path: Path) -> None:
    done = playground(tmp_path, "medsbench", "table", "--category", "multiple-choice qa")
    assert done.returncode == 0, done.stderr
    (line,) = [x for x in done.stdout.splitlines() if x.strip().startswith("Mistral") and "!" in x]
    assert "49.1 !1" in line
    assert "!1 The mean of its eight cells is 59.6." in done.stdout
    assert "fine-tuned on the training set" in done.stdout


def test_no_value_is_cut_off_where_the_output_is_no_terminal(tmp_path: Path) -> None:
    done = playground(tmp_path, "medsbench", "table", "--category", "Rationale")
    assert "35.53/28.91" in done.stdout
    assert "…" not in done.stdout


def test_json_has_n_metric_and_error_of_every_cell(tmp_path: Path) -> None:
    cells = json.loads(playground(tmp_path, "medsbench", "table", "--json").stdout)
    at = {(c["category"], c["source"], c["model"], c["column"]): c for c in cells}
    medqa = at["Multiple-choice QA", "published, final board", "Mistral", "MedQA"]
    assert (medqa["value"], medqa["n"], medqa["error"]) == ("50.8", "1273", "")
    copied = at["Clinical outcome prediction", "published, final board", "MEDITRON", "MIMIC4ED(Hospitalization)"]
    assert "copy" in copied["error"]
    assert {c["source"] for c in cells} == {"published, final board", "published, arXiv v1"}
    assert all(c["metric"] for c in cells if c["category"] == "Rationale")


def test_an_unknown_category_is_bad_usage(tmp_path: Path) -> None:
    done = playground(tmp_path, "medsbench", "table", "--category", "Diagnose")
    assert done.returncode == 2
    assert "Did you mean Diagnosis?" in done.stderr


def test_own_runs_stand_beside_with_their_n(tmp_path: Path) -> None:
    path = released(tmp_path / "task130_x.json", [("Cough?", "The diagnosis result is URTI."), ("Pale?", "Anemia.")])
    assert playground(tmp_path, "medsbench", "import", path).returncode == 0
    with Store.open(f"sqlite:///{tmp_path / 'playground.db'}") as store:
        (task,) = store.imported_tasks()
        rows = [
            {"key": c.id, "case": c.id, "run": "r", "task": task.id, "model": "a/b", "text": text, "error": None}
            | {"reference": task.reference(c)}
            for c, text in zip(store.imported_cases(task.id), ("It is a URTI", ""), strict=True)
        ]
        rows.append({**rows[0], "key": "own", "case": "cough-in-a-nurse"})
        assert store.add_run_rows(rows) == (3, 0)
    cells = json.loads(playground(tmp_path, "medsbench", "table", "--category", "Diagnosis", "--json").stdout)
    own = {c["source"]: (c["column"], c["value"], c["n"], c["error"]) for c in cells if c["model"] == "a/b"}
    assert own["own run, released rows"] == ("DDXPlus", "50.00", "2", "1 answers empty, counted as 0")
    assert own["own run, own cases"] == ("DDXPlus", "100.00", "1", ""), "synthetic cases are no released rows"
