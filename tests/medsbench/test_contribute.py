"""Own cases go back to MedS-Ins; nobody else's text does. Also: the setup without a network."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playground.errors import BadInput
from playground.library import Library
from playground.medsbench.board import categories
from playground.medsbench.contribute import CATEGORIES, FIELDS, problems
from playground.medsbench.released import check
from playground.models import Models
from playground.service.medsbench import MedsBench, SetupFailed
from playground.store import Store
from playground.task import Case, Task
from tests.medsbench.helpers import playground, released

TASK = Task(
    id="cough", category="Diagnosis", title="Cough", instruction="Name the disease.", prompt="$text", inputs=("text",),
    scorers=("label",), answer="The diagnosis result is $target.", max_tokens=50,
)  # fmt: skip


def own(number: int, **changes: object) -> Case:
    values = {
        "id": f"own-{number}", "task": "cough", "inputs": {"text": f"He coughs for {number} days."},
        "target": ("URTI",), "source": "written for this project", "licence": "CC0-1.0", **changes,
    }  # fmt: skip
    return Case.model_validate(values)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'playground.db'}") as store:
        yield store


def medsbench(store: Store, *cases: Case) -> MedsBench:
    library = Library([TASK], [], examples=lambda task: cases, imported=store.imported_cases)
    return MedsBench(library=library, models=Models([], examples=lambda task: ()), store=store)


GUIDELINE = {  # DATA_Contributor/Data_Uploading_Guideline.md, commit 3842d3c
    "Contributors", "Source", "URL", "Categories", "Definition", "Input_language", "Output_language",
    "Instruction_language", "Domains", "Split Type", "Instances",
}  # fmt: skip


def test_own_cases_are_written_with_every_field_of_the_guideline_and_read_back(store: Store, tmp_path: Path) -> None:
    content = medsbench(store, *(own(i) for i in range(5))).contribute("cough", contributors=["A Ward"], split="Train")
    assert tuple(content) == FIELDS
    assert set(content) >= GUIDELINE
    assert content["Split Type"] == "Train"
    assert content["Instances"][0] == {
        "id": "own-0", "input": "He coughs for 0 days.", "output": ["The diagnosis result is URTI."],
    }  # fmt: skip
    path = tmp_path / "task900_cough.json"
    path.write_text(json.dumps(content))
    assert check(path).instances == 5
    assert check(path).definition == "Name the disease."


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"contributors": []}, "Contributors is empty: say who contributes with --contributor"),
        ({"contributors": [" "]}, "Contributors must be a list of texts"),
        ({"contributors": ["A"], "split": "Dev"}, "Split Type must be one of Train, Test, Train/Test"),
    ],
)
def test_a_field_that_the_guideline_would_not_take_is_named(store: Store, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        medsbench(store, own(1)).contribute("cough", **changes)


def test_a_missing_field_or_instance_is_a_problem(store: Store) -> None:
    content = medsbench(store, own(1), own(2)).contribute("cough", contributors=["A"])
    assert problems(content) == []
    assert problems({k: v for k, v in content.items() if k != "Domains"}) == ["the field Domains is missing"]
    assert problems({**content, "Instances": []}) == ["there are no instances"]
    one = content["Instances"][0]
    assert problems({**content, "Instances": [one, one]}) == ["two instances share an id"]
    assert problems({**content, "Instances": [{**one, "output": [""]}]}) == ["instance own-1 has no input or no output"]


def test_an_imported_definition_is_not_given_back_as_ours(store: Store) -> None:
    verbs = medsbench(store, own(1))
    verbs._library.add_task(TASK.model_copy(update={"instruction": "Somebody else's words."}))
    assert verbs.contribute("cough", contributors=["A"])["Definition"] == ["Name the disease."]


def test_every_category_of_the_paper_has_a_name_in_med_s_ins() -> None:
    assert set(CATEGORIES) == set(categories())


def test_restricted_text_is_refused_by_name(store: Store) -> None:
    verbs = medsbench(store, *(own(i) for i in range(4)), own(9, restricted=True, source="a pasted note"))
    with pytest.raises(BadInput, match=r"own-9 is restricted .*a pasted note"):
        verbs.contribute("cough", contributors=["A Ward"])
    assert "9 days" not in json.dumps(verbs.contribute("cough", contributors=["A Ward"], leave_out=True))


def test_imported_text_is_refused_even_when_its_licence_is_open(store: Store) -> None:
    store.import_cases([own(7)])
    with pytest.raises(BadInput, match="own-7 is restricted or imported"):
        medsbench(store, *(own(i) for i in range(4))).contribute("cough", contributors=["A Ward"])


def test_a_licence_that_is_not_open_is_refused(store: Store) -> None:
    with pytest.raises(BadInput, match="has the licence 'all rights reserved'"):
        medsbench(store, *(own(i, licence="all rights reserved") for i in range(4))).contribute(
            "cough", contributors="A"
        )


def test_the_command_refuses_an_imported_task_and_writes_nothing(tmp_path: Path) -> None:
    path = released(tmp_path / "task901_x.json", [("One.", "yes"), ("Two.", "no"), ("Three.", "yes"), ("Four.", "no")])
    assert playground(tmp_path, "medsbench", "import", path).returncode == 0
    words = ("medsbench", "contribute", "--task", "medsins_task901", "--out", tmp_path / "out.json")
    done = playground(tmp_path, *words)
    assert done.returncode == 2
    assert "cannot be given back" in done.stderr
    assert not (tmp_path / "out.json").exists()


@pytest.mark.skipif(
    bool(os.environ.get("NLTK_DATA")) or (Path.home() / "nltk_data/tokenizers/punkt_tab").exists(),
    reason="punkt_tab is here: nothing would be fetched",
)
def test_setup_without_a_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: object, **words: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    with pytest.raises(SetupFailed, match=r"could not be fetched into .*Try again where there is a network"):
        MedsBench.setup(tmp_path / "nltk")
