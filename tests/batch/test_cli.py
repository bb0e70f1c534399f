"""The command line as a person uses it: kills, Ctrl-C, two at once, a full disk, bad input, results."""

import csv
import json
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from playground.cli import main
from playground.errors import StoreFailed
from tests.batch.helpers import KEY, SECRET_WORDS, Bench, on_server, times_asked
from tests.http_provider import HttpProvider, Plan

Make = Callable[..., Bench]
Said = tuple[int, str, str]  # exit code, standard output, standard error
A, B = "compatible/a", "compatible/b"
SLOW = Plan("neutral", first_token_s=0.15)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """`here(bench, WORDS...)`: `playground batch WORDS...` in this process."""

    def call(ran: Bench, *words: object, **env: str) -> Said:
        for name, value in {**ran.env, **env}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["playground", "batch", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


def words_of(ran: Bench, *more: object) -> list[object]:
    return ["run", "--task", "pairs", "--model", A, "--model", B, "--concurrency", 4, "--out", ran.out, *more]


def test_sigkill_in_mid_run_and_the_same_command_asks_no_acknowledged_case_again(
    make: Make, server: HttpProvider
) -> None:
    server.default = SLOW
    ran = make("a", "b", cases=30)
    with ran.start(*words_of(ran)) as process:
        server.wait(lambda: len(ran.answered()) >= 16, timeout=60)
        process.send_signal(signal.SIGKILL)
    kept = ran.answered()
    done = ran.cli(*words_of(ran))
    assert done.returncode == 0, done.stderr
    assert f"{A}: 30 of 30 answered" in done.stderr
    asked = times_asked(server)
    assert len(asked) == 60
    again = {at for at, times in asked.items() if times > 1}
    assert len(again) <= 8, "only what was under way at the kill"
    assert again.isdisjoint((model, case) for model, case, _ in kept)
    assert sorted(ran.answered()) == sorted((m, f"c{n}", 0) for m in (A, B) for n in range(30))


def test_two_runs_into_one_folder_refuse_and_ctrl_c_lets_answers_finish(
    make: Make, server: HttpProvider, here: Callable[..., Said]
) -> None:
    server.default = Plan("neutral", first_token_s=0.4)
    ran = make("a", "b", cases=40)
    with ran.start(*words_of(ran)) as process:
        server.wait(lambda: len(ran.answered()) >= 4, timeout=60)
        code, _, err = here(ran, *words_of(ran))
        assert (code, "Another run writes into" in err) == (2, True)
        assert here(ran, "score", ran.out, "--json")[0] == 0, "scores can be looked at while it runs"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "running answers may finish" in err
    asked = len(server.asked())
    assert len(ran.answered()) == asked < 80, "every answer under way came in and was written"
    assert not any(r.closed_by_client for r in server.asked())
    line = next(line for line in err.splitlines() if line.startswith("To go on: "))
    words = shlex.split(line.removeprefix("To go on: "))
    assert words[:3] == ["playground", "batch", "run"]
    server.default = Plan("neutral")
    done = ran.cli(*words[2:])
    assert done.returncode == 0, "the printed command goes on"
    assert len(server.asked()) == 80


def test_a_second_ctrl_c_stops_at_once(make: Make, server: HttpProvider) -> None:
    server.script("b", Plan(hang=True))
    ran = make("a", "b", cases=4)
    with ran.start(*words_of(ran)) as process:
        server.wait(lambda: len(ran.answered()) == 4 and len(server.asked("b")) == 4, timeout=60)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None, "answers under way are waited for"
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert time.monotonic() - begun < 20, "well before the answer, which never comes"
    assert process.returncode == 130
    assert "Stopped at once; what was under way is asked again. To go on: playground batch run" in err
    assert "Traceback" not in err
    assert len(ran.answered()) == 4


def test_ctrl_c_does_not_wait_for_a_provider_that_wants_rest(make: Make, server: HttpProvider) -> None:
    server.default = Plan(status=429, retry_after=60)
    ran = make("a", "b", cases=4)
    with ran.start(*words_of(ran)) as process:
        server.wait(lambda: server.asked(), timeout=60)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 1
    assert ran.answered() == []


def test_a_full_disk_ends_with_a_line_and_every_answer_stays(
    make: Make,
    server: HttpProvider,
    small_disk: Path,
    here: Callable[..., Said],
) -> None:
    server.default = Plan("neutral " * 200)
    ran = make("a", cases=60)
    words = ["run", "--task", "pairs", "--model", A, "--out", small_disk / "run"]
    code, _, err = here(ran, *words)
    assert code == 1
    assert "No space left on device. Free some space, then give the same command again." in err
    assert "To go on: playground batch run" in err
    assert "Traceback" not in err
    kept = ran.answered(small_disk / "run")
    assert len(kept) >= 10
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert here(ran, *words)[0] == 0
    asked = times_asked(server)
    assert len(asked) == 60
    assert [asked[model, case] for model, case, _ in kept] == [1] * len(kept), "none of them was asked again"


@pytest.mark.parametrize(
    ("plan", "more", "words"),
    [
        ("tasks: [pairs\nmodels: x", [], "line 2: not readable as YAML"),
        ("- pairs", [], "must hold one mapping"),
        ("tasks: [pairs]", [], "models: Field required"),
        ("tasks: pairs\nmodels: compatible/a\nshotz: 1", [], "shotz: Extra inputs are not permitted"),
        ("tasks: pairs\nmodels: compatible/a\nrepeats: many", [], "repeats: Input should be a valid integer"),
        ("tasks: pairs\nmodels: compatible/a", ["--max-tokens", 9_000_000], "max_tokens: Input should be less than"),
        ("tasks: pairs\nmodels: compatible/a", ["--rate", "compatible/a=fast"], "--rate compatible/a=fast is not"),
        ("tasks: pairz\nmodels: compatible/a", [], "There is no task 'pairz'. Did you mean pairs"),
        ("tasks: pairs\nmodels: compatibel/a", [], "There is no model 'compatibel/a'. Did you mean compatible/a"),
        (None, [], "there is no such file"),
    ],
)
def test_a_bad_plan_is_one_clear_line(
    make: Make, server: HttpProvider, here: Callable[..., Said], plan: str | None, more: list[Any], words: str
) -> None:
    ran = make("a", cases=1)
    path = ran.folder / "plan.yaml"
    if plan is not None:
        path.write_text(plan)
    code, _, err = here(ran, "run", path, "--out", ran.out, *more)
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert not server.asked()
    assert not ran.out.exists()


@pytest.mark.parametrize("rate", ["5", "5/s"])
def test_a_rate_on_the_command_line_is_kept(
    make: Make, server: HttpProvider, here: Callable[..., Said], rate: str
) -> None:
    ran = make("a", cases=4)
    words = ["--task", "pairs", "--model", A, "--concurrency", 4, "--rate", f"{A}={rate}", "--out", ran.out]
    assert here(ran, "run", *words)[0] == 0
    begun = sorted(request.started for request in server.asked("a"))
    assert begun[-1] - begun[0] > 0.55, "four requests at five a second"


def test_bad_folders_are_one_clear_line(make: Make, here: Callable[..., Said]) -> None:
    ran = make("a", "b", cases=2)
    assert here(ran, *words_of(ran))[0] == 0
    code, _, err = here(ran, *words_of(ran, "--shots", 1))
    assert (code, "holds another plan: shots was 0, now 1" in err) == (2, True)
    (ran.folder / "file").write_text("")
    code, _, err = here(ran, "run", "--task", "pairs", "--model", A, "--out", ran.folder / "file")
    assert (code, "is a file, not a folder" in err) == (2, True)
    code, _, err = here(ran, "run", ran.folder, "--out", ran.out)
    assert (code, "Is a directory" in err) == (2, True)
    for command in ("status", "score", "import"):
        code, _, err = here(ran, command, ran.folder / "nowhere")
        assert (code, "holds no batch run. Start one with" in err) == (2, True)
    task = ran.folder / "library" / "tasks" / "pairs.yaml"
    task.write_text(task.read_text().replace("Answer with one label", "Give one label"))
    code, _, err = here(ran, *words_of(ran))
    assert (code, "holds another plan: task pairs was" in err) == (2, True), "another prompt is another run"


def test_text_leaves_the_machine_only_when_agreed(make: Make, server: HttpProvider, here: Callable[..., Said]) -> None:
    ran = make("a", "b", cases=2, spec_sends_to="a lab in [Bern]")
    code, _, err = here(ran, *words_of(ran))
    assert code == 2
    assert "would leave this machine for a lab in [Bern]. Add --yes to agree." in err
    assert not server.asked()
    assert "unknown" in err, "an unknown price is not 0"
    assert here(ran, *words_of(ran, "--yes"))[0] == 0


def test_a_plan_file_and_flags_make_one_plan_that_is_told_before(
    make: Make, server: HttpProvider, here: Callable[..., Said]
) -> None:
    ran = make("a", cases=9, spec_price={"input": 2.0, "output": 8.0, "date": "2026-02-03"})
    path = ran.folder / "plan.yaml"
    path.write_text("tasks: [pairs]\nmodels: [compatible/a]\nrepeats: 2\nlimit: 5\nshots: 1\n")
    code, _, err = here(ran, "run", path, "--limit", 3, "--out", ran.out)
    assert code == 0
    assert "3 cases x 1 models x 2 = 6 requests" in err
    assert "USD (price of 2026-02-03)" in err
    assert f"{A}: done 6, failed 0, left 0" in err, "plain lines without a terminal"
    assert "spent 0.00 USD of ~0.00" in err
    assert len(server.asked()) == 6
    assert "Input:" in server.asked()[0].body["messages"][0]["content"], "the demonstration"


def test_status_score_csv_parquet_table_and_import(
    make: Make, server: HttpProvider, here: Callable[..., Said], tmp_path: Path
) -> None:
    server.script("b", Plan(status=400), Plan("neutral"))
    ran = make("a", "b", cases=6)
    assert here(ran, *words_of(ran, "--concurrency", 1))[0] == 1, "one case failed"
    status = json.loads(here(ran, "status", ran.out, "--json")[1])
    assert [(s["model"], s["done"], s["left"], s["failed_attempts"]) for s in status] == [(A, 6, 0, 0), (B, 5, 1, 1)]
    asked = len(server.asked())
    sheet, table = tmp_path / "out.csv", tmp_path / "out.parquet"
    code, out, _ = here(ran, "score", ran.out, "--json", "--csv", sheet, "--parquet", table)
    found = json.loads(out)
    assert code == 0
    assert found["models"][A]["tasks"]["pairs"]["label"] == {"mean": pytest.approx(1 / 3), "n": 6, "without": {}}
    assert found["models"][B]["tasks"]["pairs"]["label"]["n"] == 5
    assert found["models"][B]["left_out"] == {"failed: bad request": 1}
    assert found["medsbench"][f"own: {A}"]["task41"]["accuracy"] == pytest.approx(100 / 3)
    with (tmp_path / "out_compatible-a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["task_id"], r["GT"], r["output"]) for r in rows][:2] == [
        ("task41", "entailment", "neutral"), ("task41", "contradiction", "neutral"),
    ]  # fmt: skip
    import pyarrow.parquet as pq

    stored = pq.read_table(table).to_pylist()
    assert len(stored) == 11
    assert sum(r["score_label"] for r in stored) == 4, "c2 and c5 of both models"
    assert {"input", "reference", "text", "score_medsbench_nli", "total_s"} <= stored[0].keys()
    _, out, err = here(ran, "score", ran.out)
    assert "MedNLI" in out
    assert "33.33" in out
    assert f"{B}: 1 requests have no score: failed: bad request" in err
    assert len(server.asked()) == asked, "scoring asks nobody"
    assert "11 answers added, 0 were there" in here(ran, "import", ran.out)[2]
    assert "0 answers added, 11 were there" in here(ran, "import", ran.out)[2]
    with ran.open() as playground:
        cells = [c for c in playground.medsbench.table() if c.source == "own"]
    assert {(c.model, c.value) for c in cells} >= {(A, "33.33")}


def test_restricted_texts_leave_no_parquet_unless_asked_for(
    make: Make, here: Callable[..., Said], tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    ran = make("a", cases=1)
    path = ran.folder / "library" / "examples" / "pairs" / "c0.yaml"
    path.write_text(path.read_text().replace("restricted: false", "restricted: true"))
    assert here(ran, "run", "--task", "pairs", "--model", A, "--out", ran.out)[0] == 0
    here(ran, "score", ran.out, "--parquet", tmp_path / "a.parquet")
    here(ran, "score", ran.out, "--parquet", tmp_path / "b.parquet", "--include-restricted")
    (hidden,), (shown,) = (pq.read_table(tmp_path / f"{n}.parquet").to_pylist() for n in "ab")
    assert hidden["input"].startswith("sha256:")
    assert hidden["reference"].startswith("sha256:")
    assert SECRET_WORDS in shown["input"]


def test_a_database_that_is_gone_at_import_is_a_line_and_the_folder_stays(
    make: Make, here: Callable[..., Said]
) -> None:
    ran = make("a", cases=2)
    assert here(ran, "run", "--task", "pairs", "--model", A, "--out", ran.out)[0] == 0
    kept = (ran.out / "log.jsonl").read_bytes()
    code, _, err = here(ran, "import", ran.out, PLAYGROUND_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert code == 1
    assert "The database cannot be opened" in err
    assert "Traceback" not in err
    with ran.open() as playground:
        with sqlite3.connect(ran.folder / "data" / "playground.db") as database:
            database.execute("DROP TABLE run_row")
        with pytest.raises(StoreFailed, match=r"Nothing was imported; .* is untouched.* Give the same command again"):
            playground.batch.import_run(ran.out)
    assert (ran.out / "log.jsonl").read_bytes() == kept


def test_answers_whose_case_is_gone_or_changed_are_left_out_with_the_reason(
    make: Make, here: Callable[..., Said]
) -> None:
    ran = make("a", cases=3)
    assert here(ran, "run", "--task", "pairs", "--model", A, "--out", ran.out)[0] == 0
    cases = ran.folder / "library" / "examples" / "pairs"
    (cases / "c0.yaml").unlink()
    (cases / "c1.yaml").write_text((cases / "c1.yaml").read_text().replace("A man", "A woman"))
    left_out = json.loads(here(ran, "score", ran.out, "--json")[1])["models"][A]["left_out"]
    assert left_out == {
        "its case is not here (import it again)": 1, "its case has changed since it was asked": 1,
    }  # fmt: skip
    _, _, err = here(ran, "import", ran.out)
    assert "1 answers added" in err
    assert "1 answers left out: its case has changed" in err
    (cases / "c2.yaml").unlink()
    code, _, err = here(ran, "import", ran.out)
    assert (code, "Give first: playground medsbench import FILE" in err) == (2, True)


def test_no_key_and_no_case_text_is_printed(make: Make, server: HttpProvider, here: Callable[..., Said]) -> None:
    echo = {"type": "invalid_request_error", "message": f"Cannot read 'A man of 40 has had {SECRET_WORDS} for' {KEY}"}
    server.script("a", Plan("x", error_after=0, error=echo))
    server.script("b", Plan(status=401))
    ran = make("a", "b", cases=3, api_key_env="SECRET_KEY")
    code, out, err = here(ran, *words_of(ran))
    assert code == 1
    assert "did not accept the key. Check SECRET_KEY" in err
    assert KEY not in out + err
    assert SECRET_WORDS not in out + err


def test_a_model_elsewhere_in_the_list_does_not_matter(
    make: Make, server: HttpProvider, here: Callable[..., Said]
) -> None:
    ran = make("a", "b", cases=2)
    assert here(ran, *words_of(ran))[0] == 0
    entries = on_server(server.openai_url, "z", "b", "a", timeout_stall=5)
    (ran.folder / "models.yaml").write_text(json.dumps({"models": entries}))
    assert here(ran, *words_of(ran))[0] == 0
    assert len(server.asked()) == 4, "another order, label or time limit makes no other answer"
