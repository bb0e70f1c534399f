"""What the Compare page's components call: anything odd is answered in words, never with a traceback."""

from pathlib import Path
from typing import Any

import pytest

from playground.service.line import Line
from playground.ui.compare_calls import Calls
from tests import samples


@pytest.mark.parametrize("payload", [[], "x", None, 7, {"task": []}, {"task": "pairs", "case": "none"}])
async def test_a_payload_that_no_page_sends_is_answered_with_an_error(payload: Any, tmp_path: Path) -> None:
    with samples.playground(tmp_path) as playground:
        calls = Calls(playground, Line(places=1, most_waiting=1))
        assert set(await calls.place(payload)) == {"error"}
        if payload != {"task": "pairs", "case": "none"}:
            assert set(await calls.cases(payload)) == {"error"}


async def test_cases_come_by_page_and_a_place_names_its_neighbours(tmp_path: Path) -> None:
    with samples.playground(tmp_path) as playground:
        calls = Calls(playground, Line(places=1, most_waiting=1))
        assert [c["id"] for c in (await calls.cases({"task": "pairs"}))["cases"]] == ["one", "three", "two"]
        at = await calls.place({"task": "pairs", "case": "three"})
        assert (at["previous"], at["next"]) == ("one", "two")
