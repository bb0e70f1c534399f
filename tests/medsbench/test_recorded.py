"""A results file opened with --cases: its rows are cases, the file is a recorded model, what is not is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.errors import BadFile
from playground.service import Playground
from playground.service.run import RunRequest
from playground.settings import Settings, from_environment
from tests.medsbench.helpers import released, results

PICO = [
    ("task1", "adults", "adults with asthma"), ("task2", "not found", "nothing"), ("3", "", "pain"),
    ("task9", "a", "a"), ("", "a", "a"), ("task83", "Normal.", "Normal."),
]  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PLAYGROUND_DATA", str(tmp_path / "data"))
    return from_environment()


@pytest.fixture
def playground(settings: Settings) -> Iterator[Playground]:
    with Playground.open(settings) as opened:
        yield opened


def test_rows_become_cases_and_rows_of_an_unknown_task_are_told(playground: Playground, tmp_path: Path) -> None:
    added = playground.cases.add_file(results(tmp_path / "out_PICO_Alpha.csv", PICO))
    assert added.cases == {"extract_participants": 1, "extract_intervention": 1, "extract_outcome": 1, "summary_ct": 1}
    assert added.skipped == {"task9: no such task here": 1, "an empty task_id: no such task here": 1}
    (spec,) = (m for m in playground.models.listed() if m.model == added.model)
    assert spec.label == "Alpha (recorded)"
    (row,) = (c for c in playground.library.cases("extract_outcome") if c.id.startswith("row-"))
    assert (row.target, row.restricted) == (None, True), "an empty GT is no reference, not a reference to nothing"


async def test_a_recorded_model_answers_beside_a_live_one(playground: Playground, tmp_path: Path) -> None:
    path = results(tmp_path / "out_PICO_Alpha.csv", PICO)
    same = path.read_text().replace("Input 1", "Input 0").replace("Input 2", "Input 0")
    path.write_text(same)  # one sentence, asked in three tasks
    added = playground.cases.add_file(path)
    said = {}
    for task in ("extract_participants", "extract_intervention", "extract_outcome"):
        case = next(c.id for c in playground.library.cases(task) if c.id.startswith("row-"))
        request = RunRequest(task=task, cases=(case,), models=(added.model, "baseline/lead"))
        said[task] = {row["model"]: row async for row in playground.runs.answers(request)}
    assert [rows[added.model]["text"] for rows in said.values()] == ["adults with asthma", "nothing", "pain"]
    assert said["extract_participants"][added.model]["scores"]["medsbench_extraction"] == 1.0
    assert all(rows["baseline/lead"]["error"] is None for rows in said.values())
    assert set(said["extract_outcome"][added.model]["scores"].values()) == {None}, "no reference, no score"


async def test_rows_of_a_body_region_meet_its_imported_definition(playground: Playground, tmp_path: Path) -> None:
    path = released(tmp_path / "task83_mimic_ct_chest_summarization.json", [("Input 5", "Normal.")])
    playground.medsbench.import_files([path])
    added = playground.cases.add_file(results(tmp_path / "Alpha.csv", PICO))
    assert added.cases["summary_ct_task83"] == 1


def test_the_tokeniser_stands_beside_every_overlap_score(playground: Playground, tmp_path: Path) -> None:
    from playground.answering import score_records

    for task, variant in (("rationale_zh", "jieba"), ("rationale_ja", "janome"), ("rationale_fr", "nltk-punkt")):
        case = playground.library.cases(task)[0]
        found = {s.metric: s.variant for s in score_records("B", case, playground.library.task(task))}
        assert found["medsbench_bleu1"].startswith(variant)


def test_an_unreadable_results_file_is_named_at_the_start(settings: Settings, tmp_path: Path) -> None:
    from dataclasses import replace

    path = tmp_path / "broken.csv"
    path.write_text("task_id,input,GT,output\ntask1,a\n")
    with pytest.raises(BadFile, match=r"broken\.csv, line 2: 2 cells"):
        Playground.open(replace(settings, extra_cases=(path,)))
