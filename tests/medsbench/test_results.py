"""Results files: exact scores, silence, averages, and the way back."""

import csv
import json
import math
from pathlib import Path

import pytest

from playground.errors import BadFile, BadInput
from playground.medsbench import submission
from playground.medsbench.official import official_id
from playground.medsbench.results import CHUNK, score_files
from playground.scorers.official_text import tokeniser
from playground.store import Store
from tests.medsbench.helpers import playground, released, results

DATA = Path(__file__).parents[3] / "shared" / "data"
LETTERS = [("task57", "The right answer is B: x", "The right answer is B: x"), ("57", "The right answer is A: x", "B")]


def tasks_of(path: Path) -> dict[str, dict[str, float]]:
    (result,) = score_files([path], workers=1).values()
    return result.tasks()


def test_the_command_prints_json_by_model_and_task(tmp_path: Path) -> None:
    one = results(tmp_path / "out_MCQA_Alpha.csv", LETTERS)
    two = results(tmp_path / "out_MCQA_Beta.csv", [*LETTERS[:1], ("task57", "B", ""), ("task4", "a", "a")])
    done = playground(tmp_path, "medsbench", "score", one, two, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["Alpha"]["task57"] == {"accuracy": 50.0, "n": 2, "unscored": 0}
    assert found["Beta"]["task57"] == {"accuracy": 50.0, "n": 2, "unscored": 1}
    assert found["Beta"].keys() == {"task57", "averages", "bleu1_tokeniser"}
    assert "task4: not a task of MedS-Bench" in done.stderr
    assert "Beta: 1 unscored" in done.stderr


def test_without_json_it_prints_the_paper_s_table(tmp_path: Path) -> None:
    path = results(tmp_path / "Alpha.csv", [("task46", "a fever", "a fever"), ("task130", "Anemia", "Anemia.")])
    done = playground(tmp_path, "medsbench", "score", path)
    assert done.returncode == 0
    assert "Concept explanation (BLEU-1/ROUGE-L F1)" in done.stdout
    assert "100.00/100.00 (n=1)" in done.stdout
    assert "(100.00/100.00: 2 columns missing)" in done.stdout, (
        "a mean over one of three columns is not the paper's average"
    )


@pytest.mark.parametrize("output", ["", "nan", "None", "  ", "...", "."])
@pytest.mark.parametrize("task", ["task52", "task46", "task110", "task42", "task100"])
def test_an_overlap_row_that_ends_the_official_script_counts_as_zero(tmp_path: Path, task: str, output: str) -> None:
    path = results(tmp_path / "m.csv", [(task, "no change", "no change"), (task, "no change", output)])
    assert tasks_of(path)[task] == {
        "bleu1": pytest.approx(50), "rouge_l": pytest.approx(50), "n": 2, "unscored": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("task", "gold"), [("task123", "no"), ("task1", "n"), ("task130", "an"), ("task12", "no"), ("task41", "a")]
)
def test_a_missing_output_is_never_right(tmp_path: Path, task: str, gold: str) -> None:
    path = results(tmp_path / "m.csv", [(task, gold, gold), (task, gold, "nan")])
    assert tasks_of(path)[task] == {"accuracy": 50.0, "n": 2, "unscored": 1}


def test_silence_misses_every_entity(tmp_path: Path) -> None:
    path = results(tmp_path / "m.csv", [("task125", "a b, c d.", "a b, c d."), ("task125", "e f, g h.", "")])
    assert tasks_of(path)["task125"] == {"f1": pytest.approx(100 * 2 / 3), "n": 2, "unscored": 1}


def test_entities_are_counted_over_the_whole_set(tmp_path: Path) -> None:
    rows = [("task126", "aspirin, warfarin.", "aspirin, warfarin."), ("task126", "iron.", "zinc.")]
    assert tasks_of(results(tmp_path / "m.csv", rows))["task126"]["f1"] == pytest.approx(100 * 2 / 3)


def test_classification_is_macro_over_ten_labels(tmp_path: Path) -> None:
    rows = [
        ("task106", "Resisting cell death, Inducing angiogenesis", "1. resisting cell death\n2. Inducing angiogenesis")
    ]
    found = tasks_of(results(tmp_path / "m.csv", rows))["task106"]
    assert found == {"precision": 20.0, "recall": 20.0, "f1": 20.0, "n": 1, "unscored": 0}


def test_the_summary_average_leaves_ct_and_mri_out_and_pools_their_rows(tmp_path: Path) -> None:
    good, bad = ("stable nodule", "stable nodule"), ("stable nodule", "nothing alike")
    four = [(t, *good) for t in ("task114", "task110", "task112", "task78")]
    ct = [("task83", *good), ("task84", *bad), ("task84", *bad), ("task88", *bad)]
    (result,) = score_files([results(tmp_path / "m.csv", four + ct)], workers=1).values()
    assert result.averages()["Text summarisation"]["rouge_l"] == pytest.approx(100)
    assert result.columns()["Text summarisation", "MIMICIV(CT)"]["rouge_l"] == pytest.approx(25), "rows, not tasks"
    assert result.averages()["Text summarisation"]["missing"] == []


@pytest.mark.parametrize(("task", "expected"), [("task52", 100), ("task46", 200 / 3), ("task110", 200 / 3)])
def test_only_rationales_are_stripped_before_they_are_compared(tmp_path: Path, task: str, expected: float) -> None:
    path = results(tmp_path / "m.csv", [(task, "abc.", "abc. ")])
    assert tasks_of(path)[task]["rouge_l"] == pytest.approx(expected, abs=1e-4)


def test_fact_verification_and_inference_have_no_average(tmp_path: Path) -> None:
    rows = [("task12", "no", "no"), ("task16", "1", "1"), ("task100", "a b", "a b"), ("task41", "Neutral", "Neutral")]
    (result,) = score_files([results(tmp_path / "m.csv", rows)], workers=1).values()
    assert result.averages() == {}
    assert set(result.tasks()) == {"task12", "task16", "task100", "task41"}


def test_rows_without_gt_are_left_out_and_said_so(tmp_path: Path) -> None:
    path = results(tmp_path / "m.csv", [("task46", "a fever", "a fever"), ("task46", "", "a fever")])
    (result,) = score_files([path], workers=1).values()
    assert result.tasks()["task46"]["n"] == 1
    assert result.left_out == {"task46: no GT": 1}


@pytest.mark.parametrize("text", ["52", "task52", "Task52", " task52 ", "52.0", "task52_mmedbench_english"])
def test_a_task_id_may_be_written_in_several_ways(text: str) -> None:
    assert official_id(text) == "task52"


def test_two_files_with_the_same_task_of_one_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    paths = [results(tmp_path / "x_m.csv", LETTERS), results(tmp_path / "again" / "y_m.csv", LETTERS)]
    with pytest.raises(BadInput, match="both hold task57"):
        score_files(paths, workers=1)


def test_an_unreadable_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("task_id,input,GT,output\n57,a,B,B\n57,a,B,B,too,much\n")
    with pytest.raises(BadFile, match=r"m\.csv, line 3: 6 cells in place of 4"):
        score_files([path], workers=1)
    path.write_text("task,input,GT,output\n57,a,B,B\n")
    with pytest.raises(BadFile, match="no column task_id"):
        score_files([path], workers=1)


def test_many_processes_give_what_one_gives(tmp_path: Path) -> None:
    rows = [("task46", f"word{i} is a rare fever", f"a fever word{i % 7}") for i in range(5 * CHUNK + 3)]
    path, told = results(tmp_path / "m.csv", rows), []
    many = score_files([path], workers=2, seen=lambda path, rows, share: told.append((rows, share)))
    assert many["m"].tasks() == tasks_of(path)
    assert told == sorted(told)
    assert told[-1] == (len(rows), 1.0)


def test_what_is_written_scores_the_same_when_read_back(tmp_path: Path) -> None:
    rows = [
        ("task52", "B is right.\r\nA is not.", 'It is "B", right. '),
        ("task46", "=a fever,", "a\tfever."),
        *LETTERS,
    ]
    first = results(tmp_path / "m.csv", rows)
    run = [
        {"model": "x/m", "official": official_id(t), "input": "i", "reference": g, "text": o, "error": None}
        for t, g, o in rows
    ]
    failed = {**run[0], "error": "Timeout"}
    written = submission.write([*run, failed], tmp_path / "back_m.csv", models=1, include_restricted=False)
    assert written.left_out == {"no answer (it failed)": 1}
    assert tasks_of(tmp_path / "back_m.csv") == tasks_of(first)


def test_a_run_file_is_exported_by_model_and_restricted_rows_only_when_asked(tmp_path: Path) -> None:
    path = released(tmp_path / "task41_notes.json", [("He coughs.", "Neutral"), ("He sleeps.", "Entailment")])
    assert playground(tmp_path, "medsbench", "import", path, "--licence", "CC0-1.0").returncode == 0
    with Store.open(f"sqlite:///{tmp_path / 'playground.db'}") as store:
        (task,) = store.imported_tasks()
        cases = store.imported_cases(task.id)
    assert cases[0].restricted, "notes of MIMIC stay restricted, whatever licence a copy names"
    rows = [
        {"model": m, "task": task.id, "case": c.id, "text": "Neutral", "error": None}
        for m in ("a/b_c", "d/e")
        for c in cases
    ]
    run = tmp_path / "run.jsonl"
    run.write_text("".join(json.dumps(r) + "\n" for r in rows) + '{"torn')
    refused = playground(tmp_path, "medsbench", "export", "--run", run, "--out", tmp_path / "sub.csv")
    assert refused.returncode == 2
    assert "4 rows: the case is restricted (--include-restricted writes its texts)" in refused.stderr
    assert not list(tmp_path.glob("sub*")), "no input, no reference and no answer of a restricted case leaves unasked"
    words = ("medsbench", "export", "--run", run, "--out", tmp_path / "sub.csv", "--include-restricted")
    asked = playground(tmp_path, *words)
    assert asked.returncode == 0, asked.stderr
    written = [Path(line) for line in asked.stdout.split()]
    assert [p.name for p in written] == ["sub_a-b-c.csv", "sub_d-e.csv"], "the last _ piece is the model"
    with written[0].open(newline="") as file:
        assert list(csv.reader(file))[1] == ["task41", "He coughs.", "Neutral", "Neutral"]
    assert tasks_of(written[0])["task41"] == {"accuracy": 50.0, "n": 2, "unscored": 0}


def test_own_cases_are_not_submitted_as_released_ones_unawares(tmp_path: Path) -> None:
    path = released(tmp_path / "task41_x.json", [("He coughs.", "Neutral")])
    assert playground(tmp_path, "medsbench", "import", path).returncode == 0
    run = tmp_path / "run.jsonl"
    words = ("run", "--task", "nli", "--model", "baseline/majority", "--out", run)
    assert playground(tmp_path, *words).returncode == 0
    words = ("medsbench", "export", "--run", run, "--include-restricted", "--out", tmp_path / "all_m.csv")
    mixed = playground(tmp_path, *words)
    total = tasks_of(tmp_path / "all_m.csv")["task41"]["n"]
    assert f"{total - 1} of {total} rows are cases of our own" in mixed.stderr
    only = playground(tmp_path, *words[:-1], tmp_path / "only_m.csv", "--released")
    assert f"{total - 1} rows left out: a case of our own" in only.stderr
    assert tasks_of(tmp_path / "only_m.csv")["task41"]["n"] == 1


def test_an_export_of_nothing_says_why(tmp_path: Path) -> None:
    run = tmp_path / "run.jsonl"
    run.write_text(json.dumps({"model": "m", "task": "none", "case": "c", "text": "", "error": "Timeout"}) + "\n")
    done = playground(tmp_path, "medsbench", "export", "--run", run, "--out", tmp_path / "sub.csv")
    assert done.returncode == 2
    assert "no answer (it failed)" in done.stderr


@pytest.mark.skipif(not DATA.is_dir(), reason="real rows of MMedS-Llama 3 are not here")
def test_real_rows_give_the_official_means() -> None:
    path = DATA / "medsbench_rationale_sample.csv"
    with (DATA / "medsbench_rationale_sample_scores.csv").open(newline="") as file:
        official = list(csv.DictReader(file))
    found = tasks_of(path)
    assert set(found) == {"task51", "task52", "task54"}
    for task, figures in found.items():
        rows = [row for row in official if row["task_id"] == task]
        exact = 1e-9 if task in ("task51", "task54") or tokeniser("en") == "nltk-punkt_tab-en" else 0.2
        for metric, column in (("bleu1", "bleu1"), ("rouge_l", "rougeL_f")):
            mean = math.fsum(float(row[column]) for row in rows) / len(rows)
            assert figures[metric] == pytest.approx(100 * mean, abs=exact if metric == "bleu1" else 1e-9)
        assert (figures["n"], figures["unscored"]) == (len(rows), 0)
