"""The library and the imported cases behind it: read once, read again when there are more, found one by one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from playground.errors import BadFile, UnknownName
from playground.library import Library, read_library
from playground.store import Store
from playground.task import Case, Task
from tests import samples

TASKS = [
    Task(id=name, category="Diagnosis", title=name, instruction="i", prompt="$input", inputs=("input",),
         scorers=("label",), max_tokens=9)
    for name in ("a", "b")
]  # fmt: skip


def cases(task: str, *numbers: int) -> list[Case]:
    return [
        Case(id=f"{task}-{n}", task=task, inputs={"input": f"Case {n}"}, target=("x",), source="s", licence="CC0-1.0")
        for n in numbers
    ]


class Reading:
    """A real store whose reads of whole tasks are written down."""

    def __init__(self, store: Store) -> None:
        self.store, self.read = store, list[str]()

    def cases(self, task: str) -> tuple[Case, ...]:
        self.read.append(task)
        return self.store.imported_cases(task)

    def library(self, *, keep: int = 100) -> Library:
        count, one = self.store.count_imported, self.store.imported_case
        examples = {"a": cases("a", 0), "b": []}.__getitem__
        return Library(TASKS, [], examples=examples, imported=self.cases, count=count, one=one, keep=keep)


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Reading]:
    with Store.open(f"sqlite:///{tmp_path / 'playground.db'}") as store:
        yield Reading(store)


def test_imported_cases_are_read_once_and_again_when_there_are_more(reading: Reading) -> None:
    library = reading.library()
    reading.store.import_cases(cases("a", 1, 2))
    assert [c.id for c in library.cases("a")] == [c.id for c in library.cases("a")] == ["a-0", "a-1", "a-2"]
    assert reading.read == ["a"]
    reading.store.import_cases(cases("a", 3))
    assert len(library.cases("a")) == 4
    assert reading.read == ["a", "a"]


def test_counting_and_finding_one_read_nothing_else(reading: Reading) -> None:
    library = reading.library()
    reading.store.import_cases(cases("a", 1, 2))
    assert library.count("a") == 3
    assert library.case("a", "a-2").inputs == {"input": "Case 2"}
    assert library.case("a", "a-0").id == "a-0"
    assert reading.read == []
    with pytest.raises(UnknownName, match="Did you mean a-1"):
        library.case("a", "a-11")


def test_the_task_read_longest_ago_is_let_go_first(reading: Reading) -> None:
    library = reading.library(keep=3)
    reading.store.import_cases([*cases("a", 1, 2), *cases("b", 1, 2)])
    for task in ("a", "b", "b", "a"):
        assert len(library.cases(task)) == {"a": 3, "b": 2}[task]
    assert reading.read == ["a", "b", "a"]


def test_a_folder_s_cases_are_read_when_they_are_wanted_and_must_name_its_task(tmp_path: Path) -> None:
    folder = tmp_path / "examples" / "nli"
    folder.mkdir(parents=True)
    made = samples.case("own-1", ("neutral",), inputs={"premise": "p", "statement": "s"})
    (folder / "own-1.yaml").write_text(yaml.safe_dump(made.model_dump(mode="json", exclude_none=True)))
    library = read_library(tmp_path)
    assert library.cases("diagnosis"), "another task's cases are of no concern"
    with pytest.raises(BadFile, match=r"own-1.yaml: task is 'pairs', but the folder is named 'nli'. Make them equal."):
        library.cases("nli")
    shutil.move(folder, folder.with_name("nlii"))
    with pytest.raises(UnknownName, match=r"There is no task 'nlii'. Did you mean nli"):
        read_library(tmp_path)
