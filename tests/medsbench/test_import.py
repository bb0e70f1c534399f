"""Released files become cases, whole or not at all, and only once."""

from pathlib import Path

from playground.medsbench import released as files
from playground.store import Store
from tests.medsbench.helpers import playground, released

TEN = [(f"Case number {i}: is it so?", "yes" if i % 2 else "no") for i in range(10)]


def cases_in(data: Path, task: str) -> list[str]:
    with Store.open(f"sqlite:///{data / 'playground.db'}") as store:
        return [case.inputs["input"] for case in store.imported_cases(task)]


def test_a_broken_file_is_refused_with_its_place_and_the_rest_is_imported(tmp_path: Path) -> None:
    released(tmp_path / "in" / "task901_whole.json", TEN)
    broken = released(tmp_path / "in" / "task902_torn.jsonl", TEN)
    broken.write_text(broken.read_text()[:-40])
    empty = released(tmp_path / "in" / "task903_without_input.json", [("Fine.", "yes"), ("  ", "no")])
    done = playground(tmp_path, "medsbench", "import", tmp_path / "in")
    assert done.returncode == 1
    assert "10 cases added, 0 unchanged" in done.stdout
    told = done.stderr.splitlines()
    assert any(str(broken) in line and "line" in line and "column" in line for line in told), done.stderr
    assert any(str(empty) in line and "instance 2" in line and "no input" in line for line in told), done.stderr
    assert len(cases_in(tmp_path, "medsins_task901")) == 10
    assert not cases_in(tmp_path, "medsins_task903"), "the good instance of a refused file is not imported"


def test_importing_twice_changes_nothing(tmp_path: Path) -> None:
    path = released(tmp_path / "task901_whole.json", [*TEN, TEN[0]])  # one instance stands twice in the file
    first = playground(tmp_path, "medsbench", "import", path)
    before = cases_in(tmp_path, "medsins_task901")
    again = playground(tmp_path, "medsbench", "import", path)
    assert (first.returncode, again.returncode) == (0, 0)
    assert "11 cases added, 0 unchanged" in first.stdout
    assert "0 cases added, 11 unchanged" in again.stdout
    assert cases_in(tmp_path, "medsins_task901") == before


def test_the_output_may_be_a_string_or_a_list(tmp_path: Path) -> None:
    path = released(tmp_path / "task901_both.json", [("One.", "yes"), ("Two.", ["no", "not at all"])])
    found = list(files.cases(files.check(path), "t", licence="CC0-1.0", restricted=False))
    assert [case.target for case in found] == [("yes",), ("no", "not at all")]


def test_the_definition_becomes_the_instruction(tmp_path: Path) -> None:
    path = released(tmp_path / "task901_x.json", TEN, definition="Say yes or no, nothing else.")
    assert playground(tmp_path, "medsbench", "import", path).returncode == 0
    with Store.open(f"sqlite:///{tmp_path / 'playground.db'}") as store:
        (task,) = store.imported_tasks()
        assert store.imported_cases(task.id)[0].restricted, "a licence that nobody stated is not an open one"
    assert task.instruction == "Say yes or no, nothing else."
    assert task.scorers == ("label",)
    assert task.labels == ("no", "yes")
    assert "not among" in task.caveat or "no scorer" in task.caveat, "it says that the paper has no scorer for it"


def test_limit_takes_the_first_and_sample_draws_by_seed(tmp_path: Path) -> None:
    path = released(tmp_path / "task901_x.json", TEN)
    for name, words in {
        "limit": ("--limit", 3), "one": ("--sample", 4, "--seed", 1), "same": ("--sample", 4, "--seed", 1),
        "other": ("--sample", 4, "--seed", 2),
    }.items():  # fmt: skip
        assert playground(tmp_path / name, "medsbench", "import", path, *words).returncode == 0
    found = {n: cases_in(tmp_path / n, "medsins_task901") for n in ("limit", "one", "same", "other")}
    assert found["limit"] == [text for text, _ in TEN[:3]]
    assert len(found["one"]) == 4
    assert found["one"] == found["same"]
    assert found["one"] != found["other"]


def test_a_path_that_is_not_there_is_bad_usage(tmp_path: Path) -> None:
    done = playground(tmp_path, "medsbench", "import", tmp_path / "nothing.json")
    assert done.returncode == 2
    assert "there is no such file" in done.stderr
    assert not done.stdout
