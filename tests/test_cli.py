"""The command line as a person or a script meets it: output, exit codes, and what a wrong word is answered with."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from playground.cli import main
from tests import samples

Command = Callable[..., tuple[int, str, str]]
ROW_KEYS = {
    "model", "task", "case", "text", "error", "stop_reason", "scores", "parsed", "usage", "first_token_s", "total_s",
    "parameters", "prompt_sha256",
}  # fmt: skip
CSV = "task_id,input,GT,output\ntask41,Sentence1: He coughs.,Neutral,Neutral\ntask999,What?,This,That\n"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `playground WORDS` in a folder of its own; gives exit code, standard output, standard error."""
    found = samples.settings(tmp_path)
    monkeypatch.setenv("PLAYGROUND_DATA", str(found.data))
    monkeypatch.setenv("PLAYGROUND_MODELS", str(found.models))
    monkeypatch.setenv("PLAYGROUND_LIBRARY", str(found.library))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: Any) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["playground", *map(str, words)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_tasks_and_models_are_lists_of_objects(command: Command) -> None:
    code, out, _ = command("tasks", "--json")
    tasks = json.loads(out)
    assert code == 0
    assert {"id", "category", "title", "cases", "scorers"} <= set(tasks[0])
    assert {"id": "pairs", "cases": 3}.items() <= next(t for t in tasks if t["id"] == "pairs").items()
    code, out, _ = command("models", "--json")
    models = {m["model"]: m for m in json.loads(out)}
    assert {"model", "label", "available", "reason", "local"} <= set(models["fake/echo"])
    assert models["fake/off"]["available"] is False
    assert models["fake/off"]["reason"] == "set FAKE_KEY, then restart"
    assert (models["fake/away"]["local"], models["fake/echo"]["local"]) == (False, True)


def test_the_plain_lists_hold_what_one_types_next(command: Command) -> None:
    assert "summary_chest_xray" in command("tasks")[1]
    out = command("models")[1]
    assert "fake/off" in out
    assert "unavailable: set FAKE_KEY, then restart" in out


def test_a_run_writes_a_line_an_answer_with_scores(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "answers.jsonl"
    code, printed, said = command(
        "run", "--task", "pairs", "--model", "fake/right", "--model", "fake/echo", "--out", out
    )
    assert (code, printed) == (0, "")
    assert "6 answers" in said
    rows = lines(out)
    assert len(rows) == 6
    assert set(rows[0]) >= ROW_KEYS
    one = next(r for r in rows if (r["model"], r["case"]) == ("fake/right", "one"))
    assert one["scores"] == {"medsbench_nli": 1.0, "label": 1.0}
    assert one["error"] is None


def test_a_failed_answer_has_no_scores_and_the_exit_code_says_so(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    code, _, said = command("run", "--task", "pairs", "--case", "one", "--model", "fake/broken", "--out", out)
    assert code == 1
    assert "1 failed" in said
    (row,) = lines(out)
    assert row["error"]
    assert row["scores"] == {}


def test_a_blind_run_names_models_in_its_key_alone(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    models = ("--model", "fake/right", "--model", "fake/broken")
    command("run", "--task", "pairs", *models, "--blind", "--out", out)
    text = out.read_text(encoding="utf-8")
    assert "fake" not in text.replace("fake-", "")
    assert [r["model"] for r in lines(out)] == ["m1", "m2"] * 3, "not in the order of the command line"
    assert {(r["notice"], r["shots"], r["total_s"], r["cost"]) for r in lines(out)} == {("", None, None, None)}
    key = json.loads((tmp_path / "a.key.json").read_text())
    assert set(key) == {"m1", "m2"}
    assert set(key.values()) == {"fake/right", "fake/broken"}


def test_rows_of_a_results_file_become_cases_and_a_recorded_model(command: Command, tmp_path: Path) -> None:
    recorded, out = tmp_path / "results_Some model.csv", tmp_path / "a.jsonl"
    recorded.write_text(CSV, encoding="utf-8")
    words = ("run", "--task", "nli", "--cases", recorded, "--model", f"replay/{recorded}", "--out", out)
    code, _, said = command(*words)
    assert "1 of nli" in said
    assert "1 rows left out: task999: no such task here" in said
    assert code == 1, "the shipped cases have no recorded answer"
    mine = [r for r in lines(out) if r["case"].startswith("row-")]
    assert [r["scores"]["medsbench_nli"] for r in mine] == [1.0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--task", "pears", "--model", "fake/echo", "--out", "a"), "Did you mean pairs?"),
        (("run", "--task", "pairs", "--case", "on", "--model", "fake/echo", "--out", "a"), "Did you mean one?"),
        (("run", "--task", "pairs", "--model", "fake/off", "--out", "a"), "set FAKE_KEY, then restart"),
        (("run", "--task", "pairs", "--model", "what", "--out", "a"), "There is no model 'what'."),
        (("run", "--task", "pairs", "--model", "replay/none.csv", "--out", "a"), "none.csv"),
        (("run", "--task", "pairs", "--cases", "none.csv", "--model", "fake/echo", "--out", "a"), "none.csv"),
        (("run", "--task", "pairs", "--model", "fake/echo", "--shots", "9", "--out", "a"), "--shots"),
        (("run", "--task", "pairs"), "--model"),
        (("models", "--models", "none.yaml"), "none.yaml: there is no such file."),
        (("models", "--models", "/"), "cannot be read: Is a directory."),
        (("sing",), "sing"),
    ],
)  # fmt: skip
def test_bad_usage_is_exit_code_2_and_says_what_to_type(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*words)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert out == ""


def test_a_database_that_is_not_there_is_exit_code_1(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYGROUND_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, _, err = command("tasks")
    assert code == 1
    assert "Traceback" not in err
    assert "PLAYGROUND_DATABASE_URL" in err


def test_an_export_of_nothing_has_every_table_and_its_dictionary(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("export", tmp_path / "out")
    assert code == 0
    assert str(tmp_path / "out" / "ratings.csv") in out
    with (tmp_path / "out" / "data_dictionary.csv").open(newline="", encoding="utf-8") as file:
        told = {(row["table"], row["column"]) for row in csv.DictReader(file)}
    for sheet in (tmp_path / "out").glob("*.csv"):
        if sheet.stem != "data_dictionary":
            head = sheet.read_text(encoding="utf-8").splitlines()[0].split(",")
            assert {(sheet.stem, name) for name in head} <= told
