"""The log of a run: acknowledged rows stay, torn lines are passed over, one writer, one plan."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from playground.batch.lines import Lines, LogFailed, read_lines
from playground.batch.log import Earlier, RunLog, answers, history_of, manifest_of
from playground.errors import BadInput

MANIFEST = {"identity": {"plan": {"tasks": ["pairs"]}}, "requests": 3, "models": [{"model": "m"}]}


def row(case: str = "c1", key: str = "k1", **changes: Any) -> dict[str, Any]:
    values = {
        "key": key, "case": case, "model": "m", "text": "neutral", "error": None, "cost": 0.5, "model_returned": "m-1",
        "usage": {"input_tokens": 2, "output_tokens": 1},
    }  # fmt: skip
    return {**values, **changes}


def test_an_answer_is_done_and_an_error_is_not(tmp_path: Path) -> None:
    log = RunLog(tmp_path, MANIFEST)
    log.add(row())
    log.add(row("c2", "k2", error="broke", error_kind="connection"))
    log.close()
    again = RunLog(tmp_path, MANIFEST)
    assert again.done == {("c1", "k1")}
    past = again.past.of("m")
    assert (past.answered, past.failed, past.money, past.input_tokens) == (1, 1, 0.5, 2)
    again.close()


def test_a_torn_last_line_is_closed_counted_and_passed_over(tmp_path: Path) -> None:
    log = RunLog(tmp_path, MANIFEST)
    log.add(row())
    log.close()
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"type":"row","key":"k2","case":"c2","te')
    again = RunLog(tmp_path, MANIFEST)
    assert again.torn == 1
    again.add(row("c3", "k3"))
    again.close()
    assert [r["case"] for r in answers(tmp_path)] == ["c1", "c3"], "the next good row is not glued to the torn one"


def test_a_manifest_torn_by_a_kill_does_not_close_the_folder_for_ever(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b'{"type":"manifest","identi')
    log = RunLog(tmp_path, MANIFEST)
    log.add(row())
    log.close()
    assert manifest_of(tmp_path)["requests"] == 3
    assert history_of(tmp_path).done == {("c1", "k1")}


def test_an_empty_folder_and_a_strange_log_are_no_run(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no batch run. Start one with"):
        manifest_of(tmp_path)
    (tmp_path / "log.jsonl").write_text('{"message": "of another program"}\n')
    with pytest.raises(BadInput, match="not the log of a batch run"):
        RunLog(tmp_path, MANIFEST)
    assert (tmp_path / "log.jsonl").read_text().count("\n") == 1, "nothing was added to a foreign file"


def test_two_writers_refuse_each_other_and_the_first_goes_on(tmp_path: Path) -> None:
    log = RunLog(tmp_path, MANIFEST)
    with pytest.raises(BadInput, match="Another run writes into"):
        RunLog(tmp_path, MANIFEST)
    log.add(row())
    log.close()
    RunLog(tmp_path, MANIFEST).close()
    assert history_of(tmp_path).done == {("c1", "k1")}


def test_another_plan_is_refused_by_what_differs(tmp_path: Path) -> None:
    RunLog(tmp_path, MANIFEST).close()
    with pytest.raises(BadInput, match=r"another plan: tasks was \['pairs'\], now \['nli'\]"):
        RunLog(tmp_path, {**MANIFEST, "identity": {"plan": {"tasks": ["nli"]}}})


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(BadInput, match="is a file"):
        RunLog(tmp_path / "x", MANIFEST)


def test_an_earlier_answer_is_found_by_case_and_key_and_errors_never(tmp_path: Path) -> None:
    log = RunLog(tmp_path, MANIFEST)
    log.add(row("c1", "k1", error="broke", total_s=2.0))
    log.add(row("c2", "k2", total_s=2.0))
    log.close()
    earlier = Earlier(tmp_path)
    assert earlier.find("c1", "k1") is None
    assert earlier.find("c3", "k2") is None, "another case with the same prompt has no answer yet"
    found = earlier.find("c2", "k2")
    assert found is not None
    assert (found["reused_from"], found["cost"], found["total_s"]) == (str(tmp_path), 0.0, None)


WRITER = """
import sys
from pathlib import Path
from playground.batch.log import RunLog
from tests.batch.test_log import MANIFEST, row
log = RunLog(Path(sys.argv[1]), MANIFEST)
for n in range(10**9):
    log.add(row(f"c{n}", f"k{n}", text="x" * 700))
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
"""


def test_sigkill_loses_no_acknowledged_row(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(2000)]
        process.kill()
        said += process.stdout.readlines()
    acknowledged = {f"c{line.strip()}" for line in said if line.endswith("\n")}
    kept = {r["case"] for r in answers(tmp_path)}
    assert len(acknowledged) >= 2000
    assert acknowledged <= kept


def test_a_full_disk_refuses_a_row_and_keeps_the_others(small_disk: Path) -> None:
    log = RunLog(small_disk, MANIFEST)
    written = 0

    def fill() -> None:
        nonlocal written
        while True:
            log.add(row(f"c{written}", f"k{written}", text="x" * 700))
            written += 1

    with pytest.raises(LogFailed, match=r"No space left on device\. Free some space, then give the same command again"):
        fill()
    log.close()
    assert 20 < written < 100
    assert len(list(answers(small_disk))) == written
    data = (small_disk / "log.jsonl").read_bytes()
    assert data.endswith(b"\n"), "no half row was left"
    assert all(json.loads(line) for line in data.splitlines())


def test_several_rows_are_written_together(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "s.jsonl")
    lines.append({"a": 1}, {"a": 2})
    lines.close()
    assert [line["a"] for line in read_lines(tmp_path / "s.jsonl")] == [1, 2]


def test_a_slow_disk_holds_no_row_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, really = threading.Event(), threading.Event(), os.fsync

    def slow(file: int) -> None:
        begun.set()
        assert go_on.wait(30)
        really(file)

    monkeypatch.setattr("playground.batch.lines.os.fsync", slow)
    lines = Lines(tmp_path / "log.jsonl")
    lines.append(row())
    syncing = threading.Thread(target=lines.sync)
    syncing.start()
    assert begun.wait(30)
    writing = threading.Thread(target=lines.append, args=(row("c2", "k2"),))
    writing.start()
    writing.join(10)
    assert not writing.is_alive(), "a row waits for the disk"
    go_on.set()
    syncing.join(30)
    lines.close()
    assert [r["case"] for r in read_lines(tmp_path / "log.jsonl")] == ["c1", "c2"]


def test_a_disk_that_refuses_to_sync_is_told_at_the_next_row_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("playground.batch.lines.os.fsync", broken)
    lines = Lines(tmp_path / "log.jsonl")
    lines.append(row())
    lines.sync()
    with pytest.raises(LogFailed, match="Input/output error"):
        lines.append(row("c2", "k2"))
    with pytest.raises(LogFailed, match="Input/output error"):
        lines.close()


def test_rows_are_brought_to_the_disk_on_a_timer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, really = threading.Event(), os.fsync

    def fsync(file: int) -> None:
        really(file)
        synced.set()

    monkeypatch.setattr("playground.batch.lines.os.fsync", fsync)
    log = RunLog(tmp_path, MANIFEST)
    assert synced.wait(30), "the manifest"
    synced.clear()
    log.add(row())
    assert synced.wait(30), "and a row, while the run goes on"
    log.close()
