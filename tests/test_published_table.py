"""The page of published results: what is wrong is marked, what cannot be compared stands apart, nothing acts."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from playground.errors import BadInput
from playground.medsbench.boardtable import Cell, published
from playground.ui import published_table
from playground.ui.published_table import Asked
from tests import samples

CELLS = tuple(published(None))
OWN = Cell(category="Diagnosis", source="own", model="a/b", column="DDXPlus", value="50.00", n="4", metric="Accuracy")
ROW = re.compile(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>')
CELL = re.compile(r"<td[^>]*>(.*?)</td>")


def rows(html: str) -> list[tuple[str, list[str]]]:
    """(model, cells as text) of every row."""
    return [(m, [re.sub(r"<[^>]+>", " ", c).strip() for c in CELL.findall(rest)]) for m, rest in ROW.findall(html)]


def test_every_printed_value_of_both_boards_is_shown_once() -> None:
    for board in published_table.BOARDS:
        for category in published_table.categories():
            printed = [c for c in CELLS if (c.category, c.source) == (category, board)]
            shown = rows(published_table.table(CELLS, Asked(category, board)))
            found = [(model, cell.split()[0]) for model, cells in shown for cell in cells]
            assert sorted(found) == sorted((c.model, c.value) for c in printed), (category, board)


def test_every_known_error_is_marked_in_its_cell_and_told_below() -> None:
    wrong = [c for c in CELLS if c.error]
    assert len(wrong) >= 10
    for cell in wrong:
        html = published_table.table(CELLS, Asked(cell.category, cell.source))
        mark = re.search(rf'href="#cp-error-(\d+)"[^>]*title="{re.escape(published_table.esc(cell.error))}"', html)
        assert mark, cell
        note = re.search(rf'<li id="cp-error-{mark.group(1)}">(.*?)</li>', html)
        assert note
        assert cell.model in note.group(1)
        assert published_table.esc(cell.error) in note.group(1)


def test_a_value_with_another_n_than_its_column_says_so() -> None:
    shown = dict(rows(published_table.table([*CELLS, OWN], Asked("Diagnosis", "final"))))
    assert shown["GPT-4"] == ["58.13"], "the column's n stands in its head"
    assert "n about 150" in shown["Llama3.1-Aloe-Beta-70B"][0]
    assert "n=4" in shown["a/b"][0]
    v1 = published_table.table(CELLS, Asked("Diagnosis", "v1"))
    assert "n not given" in v1
    assert "n=1500" not in v1


def test_own_runs_stand_in_groups_of_their_own() -> None:
    released = replace(OWN, source="released", model="c/d")
    html = published_table.table([*CELLS, OWN, released], Asked("Diagnosis", "final"))
    first, middle, last = html.split("<tbody>")[1:]
    assert "a/b" not in first + middle
    assert "other inputs than the published ones" in last
    assert "c/d" in middle
    assert "No own run of this category yet" in published_table.table(CELLS, Asked("Diagnosis", "final"))


def test_an_own_value_of_three_metrics_stands_under_the_three_printed_columns() -> None:
    own = replace(OWN, category="Text classification", column="HoC", value="10.00/20.00/30.00")
    shown = dict(rows(published_table.table([*CELLS, own], Asked("Text classification", "final"))))
    assert [cell.split()[0] for cell in shown["a/b"]] == ["10.00", "20.00", "30.00"]


def test_metric_variant_and_caveats_are_told() -> None:
    html = published_table.table(CELLS, Asked("Fact verification", "final"))
    assert "nltk-punkt_tab-en" in html
    assert "a constant &#x27;no&#x27; scores 100" in html
    assert html.count('href="#cp-caveat-a"') == 1


def test_a_table_that_v1_did_not_print_anew_says_where_its_values_are() -> None:
    html = published_table.table(CELLS, Asked("Multiple-choice QA", "v1"))
    assert "has no table of its own" in html
    assert "values of the final board" in html


def test_the_csv_has_n_metric_and_error_of_every_value() -> None:
    text = io.StringIO()
    csv.writer(text).writerows(published_table.lines([*CELLS, OWN], Asked("Diagnosis", "final")))
    found = {row["model"]: row for row in csv.DictReader(io.StringIO(text.getvalue()))}
    assert found["Llama3.1-Aloe-Beta-8B"]["error"].startswith("The overview says 60.67")
    assert (found["GPT-4"]["n"], found["GPT-4"]["metric"]) == ("1500", "Accuracy, official parsing")
    assert found["a/b"]["source"] == "own run, own cases"
    assert {row["source"] for row in found.values()} == {"published, final board", "own run, own cases"}


def test_a_model_s_name_is_text() -> None:
    name = "<img src=x onerror=alert(1)>${x}"
    html = published_table.table([replace(OWN, model=name)], Asked("Diagnosis", "final"))
    assert "<img" not in html
    assert "${" not in html


@pytest.mark.parametrize("query", [{"category": "diagnose"}, {"category": 3}, {"board": "v9"}, {"board": ["final"]}])
def test_a_table_that_is_none_is_refused(query: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="Choose"):
        published_table.read(query)


def test_an_address_names_every_table() -> None:
    assert published_table.read({}) == Asked("Overview", "final")
    for category in published_table.categories():
        assert published_table.read({"category": published_table.slug(category), "board": "v1"}).category == category


def test_a_run_that_is_added_later_is_in_the_next_table(tmp_path: Path) -> None:
    row = {"case": "one", "run": "r", "task": "nli", "model": "a/b", "error": None, "reference": "neutral"}
    with samples.playground(tmp_path) as playground:
        seen = []
        for texts in ((), ("neutral",), ("entailment",)):
            playground.store.add_run_rows([{**row, "key": text, "text": text} for text in texts])
            cells = playground.medsbench.table("Natural language inference")
            seen.append([(c.value, c.n) for c in cells if c.model == "a/b"])
    assert seen == [[], [("100.00", "1")], [("50.00", "2")]]


def test_a_query_that_is_no_object_is_refused_in_words() -> None:
    queries: tuple[Any, ...] = ([], "x", None, {"category": ["a"]})
    for query in queries:
        with pytest.raises(BadInput):
            published_table.read(query)
