"""Rating through the service: everything that a page sends is doubted again."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from playground.errors import BadInput, NotAllowed
from playground.instrument import Instrument, read_instrument
from playground.library import SHIPPED
from playground.records import Comparison
from playground.service import Playground
from tests import samples

INSTRUMENTS = sorted(SHIPPED["instruments"].glob("*.yaml"))


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    with samples.playground(tmp_path) as opened:
        yield opened


def finished(playground: Playground, *, sides: str = "AB", failed: str = "", **changes: Any) -> Comparison:
    record = samples.comparison(**changes)
    playground.store.add_comparison(record)
    for side in sides:
        broken = {"state": "failed", "text": "", "scores": (), "error": "no"} if side in failed else {}
        playground.store.add_response(samples.response(record.id, side, **broken))
    return record


def form(run: Comparison, **changes: Any) -> dict[str, Any]:
    values = {"comparison": run.id, "uuid": uuid.uuid4().hex, "answers": samples.answers(), "comment": "", "seconds": 9}
    return {**values, **changes}


def test_a_complete_form_is_confirmed_with_number_and_time(playground: Playground) -> None:
    run = finished(playground)
    sent = form(run)
    told = playground.rate.save(sent, rater="visitor-1")
    assert told["id"] == f"r-{told['number']}"
    assert told["time"].endswith("+00:00")
    assert playground.rate.save(sent, rater="visitor-1") == told
    assert len(playground.store.ratings()) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answers": {}}, "9 items are missing"),
        ({"answers": samples.answers(preference="C")}, "not a choice"),
        ({"answers": {**samples.answers(), "correctness.C": "4"}}, "no line"),
        ({"answers": samples.answers(**{"harm.A": "some"})}, "1 items are missing: Likelihood of A"),
        ({"answers": ["A"]}, "a text for each line"),
        ({"uuid": "one"}, "uuid must be a UUID"),
        ({"seconds": float("nan")}, "seconds"),
        ({"seconds": -1}, "seconds"),
        ({"comment": "x" * 10_001}, "longer than 10,000"),
        ({"comparison": "nothing"}, "not known here"),
    ],
)
def test_a_form_that_does_not_fit_is_refused_with_what_to_change(
    playground: Playground, changes: dict[str, Any], words: str
) -> None:
    run = finished(playground)
    with pytest.raises(BadInput, match=words):
        playground.rate.save(form(run, **changes), rater="visitor-1")
    assert playground.store.ratings() == ()


def test_somebody_else_s_run_cannot_be_rated_nor_its_draft_read(playground: Playground) -> None:
    run = finished(playground)
    with pytest.raises(NotAllowed):
        playground.rate.save(form(run), rater="visitor-2")
    playground.rate.draft(form(run, answers={"preference": "A"}), rater="visitor-1")
    assert playground.rate.restore(run.id, "visitor-2")["answers"] == {}
    assert playground.rate.restore(run.id, "visitor-1")["answers"] == {"preference": "A"}


def test_after_the_reveal_of_a_blind_run_no_other_vote_is_taken(playground: Playground) -> None:
    run = finished(playground)
    playground.rate.save(form(run), rater="visitor-1")
    with pytest.raises(BadInput, match="Voting is closed"):
        playground.rate.save(form(run), rater="visitor-1")


def test_in_an_open_run_a_changed_mind_is_a_further_event(playground: Playground) -> None:
    run = finished(playground, blinded=False)
    playground.rate.save(form(run), rater="visitor-1")
    playground.rate.save(form(run, answers=samples.answers(preference="B")), rater="visitor-1")
    assert [r.answers["preference"] for r in playground.store.ratings()] == ["A", "B"]


def test_a_failed_side_is_no_part_of_the_form(playground: Playground) -> None:
    run = finished(playground, sides="ABC", failed="B")
    with pytest.raises(BadInput, match="no line"):
        playground.rate.save(form(run, answers=samples.answers("ABC")), rater="visitor-1")
    playground.rate.save(form(run, answers=samples.answers("AC")), rater="visitor-1")


def test_one_side_alone_has_no_preference(playground: Playground) -> None:
    run = finished(playground, failed="B")
    playground.rate.save(form(run, answers=samples.answers("A")), rater="visitor-1")
    nobody = finished(playground, failed="AB")
    with pytest.raises(BadInput, match="No answer of this run can be rated"):
        playground.rate.save(form(nobody, answers={}), rater="visitor-1")


@pytest.mark.parametrize("path", INSTRUMENTS, ids=lambda p: p.stem)
def test_every_instrument_can_be_answered_and_names_its_source(path: Path) -> None:
    instrument = read_instrument(path)
    assert len(instrument.source) > 20
    answers: dict[str, str] = {}
    for _ in range(100):
        left = instrument.missing(answers, ("A", "B"))
        if not left:
            break
        answers[left[0]] = options(instrument, left[0])[-2]  # the last before "cannot judge": asks every follow-up
        instrument.check(answers, ("A", "B"))
    assert instrument.missing(answers, ("A", "B")) == ()
    for key in answers:
        assert "na" in options(instrument, key), "every line offers: cannot judge"


def options(instrument: Instrument, key: str) -> tuple[str, ...]:
    return next(i for i in instrument.items if i.id == key.partition(".")[0]).values(("A", "B"))


def test_likelihood_is_asked_only_where_there_is_harm() -> None:
    instrument = read_instrument(SHIPPED["instruments"] / "default.yaml")
    calm, harmed = samples.answers(), samples.answers(**{"harm.B": "severe"})
    assert "likelihood.B" not in instrument.due(calm, ("A", "B"))
    assert instrument.missing(harmed, ("A", "B")) == ("likelihood.B",)
    with pytest.raises(BadInput, match=r"no line 'likelihood\.A'"):
        instrument.check({**harmed, "likelihood.A": "low"}, ("A", "B"))


def test_a_rating_carries_what_a_reviewer_needs(playground: Playground) -> None:
    run = finished(playground)
    playground.rate.save(form(run, comment="  fine  "), rater="visitor-1")
    (stored,) = playground.store.ratings()
    instrument = playground.library.instrument("default")
    assert stored.instrument_version == instrument.version
    assert stored.shown == ("A", "B")
    assert stored.comment == "fine"
    assert stored.app_version
    assert replace(stored, number=None, created=None).seconds == 9
