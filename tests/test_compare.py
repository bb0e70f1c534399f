"""Compare: one case, several models, views that hold no more than the visitor may see, everything stored."""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from playground.errors import BadInput, NotAllowed
from playground.service import Playground
from playground.views import ComparisonView
from tests import samples
from tests.http_provider import HttpProvider, Plan


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    with samples.playground(tmp_path) as opened:
        yield opened


def asked(*models: str, **changes: Any) -> dict[str, Any]:
    sides = [{"model": m, "temperature": None} for m in models or ("fake/echo", "fake/right")]
    return {"task": "pairs", "case": "one", "sides": sides, **changes}


async def run(playground: Playground, payload: dict[str, Any], owner: str = "visitor-1") -> list[ComparisonView]:
    request = playground.compare.check(payload)
    return [view async for view in playground.compare.run(request, owner=owner)]


async def test_two_models_answer_are_scored_and_stored(playground: Playground) -> None:
    views = await run(playground, asked())
    last = views[-1]
    assert last.finished
    assert [s.name for s in last.sides] == ["Echo", "Always right"]
    assert {s.metric: s.value for s in last.sides[1].scores} == {"medsbench_nli": 1.0, "label": 1.0}
    stored = playground.store.comparison(last.id)
    assert stored is not None
    assert [r.model for r in stored.responses] == ["fake/echo", "fake/right"]
    assert stored.responses[1].messages[1][1].startswith("Sentence1: A man of 60 coughs")
    assert stored.responses[0].prompt_sha256 == stored.prompt_sha256
    assert last.reference == "neutral"


async def test_a_blind_view_holds_no_identity_at_any_moment(playground: Playground) -> None:
    views = await run(playground, asked("fake/echo", "fake/right", "fake/broken", "fake/away", blind=True))
    for view in views:
        text = json.dumps(asdict(view), default=str).lower()
        assert all(name not in text for name in ("fake", "echo", "always", "elsewhere", "broken"))
        for side in view.sides:
            facts = (side.seconds, side.first_token_s, side.output_tokens, side.input_tokens, side.cost, side.sends_to)
            assert facts == (None,) * 6
            assert side.scores == ()
    assert all(side.state == "answering" and not side.text for view in views[:-1] for side in view.sides)
    assert sorted(s.state for s in views[-1].sides) == ["done", "done", "done", "failed"]


async def test_a_blind_run_says_nothing_of_what_happens_on_its_sides_nor_of_a_retry(tmp_path: Path) -> None:
    with HttpProvider(Plan("neutral")) as server:
        server.script("zebra-9", Plan(status=429, retry_after=1.2), Plan(status=500), Plan("a late answer"))
        listed = [
            {"model": "fake/echo", "label": "Echo"},
            {"model": "compatible/zebra-9", "label": "Zebra", "options": {"base_url": server.openai_url}},
        ]
        (tmp_path / "zebra.yaml").write_text(yaml.safe_dump({"models": listed}))
        samples.settings(tmp_path)
        with samples.playground(tmp_path, models=tmp_path / "zebra.yaml") as playground:
            views = await run(playground, asked("fake/echo", "compatible/zebra-9", blind=True))
            (failed,) = (s.key for s in views[-1].sides if s.state == "failed")
            again = [v async for v in playground.compare.retry(views[-1].id, failed, owner="visitor-1")]
            stored = playground.store.comparison(views[-1].id)
    assert stored is not None
    assert [r.attempt for r in stored.responses if r.side == failed] == [2]
    assert all(s.state == "answering" and not s.text for v in (*views[:-1], *again[:-1]) for s in v.sides)
    assert [s.state for s in again[-1].sides] == ["done", "done"]
    assert again[-1].blind
    for view in (*views, *again):
        text = json.dumps(asdict(view), default=str).lower()
        words = ("zebra", "echo'", "compatible", "too many", "trying again", "status", "127.0.0.1", "attempt")
        assert [w for w in words if w in text.replace('"status": ""', "")] == []
        assert not re.search(r"\b429\b", text), "a number by itself: random ids hold these digits, too"
        facts = ("seconds", "first_token_s", "output_tokens", "input_tokens", "cost", "currency", "sends_to")
        assert {getattr(side, name) for side in view.sides for name in facts} == {None}
        assert {(side.status, side.notice) for side in view.sides} == {("", "")}


async def test_the_rhythm_of_a_blind_run_does_not_follow_its_answers(playground: Playground) -> None:
    views = await run(playground, asked("fake/slow", "fake/right", blind=True))
    assert len(views) < 16, "200 pieces in 4 seconds are looked at twice a second"
    assert len(await run(playground, asked("fake/slow", "fake/right"))) > 30


async def test_the_names_are_there_when_a_vote_comes_while_a_side_is_tried_again(playground: Playground) -> None:
    last = (await run(playground, asked("fake/broken", "fake/right", blind=True)))[-1]
    (good,) = last.rateable
    (failed,) = {"A", "B"} - {good}
    form = {"comparison": last.id, "uuid": "0" * 31 + "1", "answers": samples.answers(good), "seconds": 1}
    views = playground.compare.retry(last.id, failed, owner="visitor-1")
    first = await anext(views)
    playground.rate.save(form, rater="visitor-1")
    rest = [first, *[view async for view in views]]
    assert not rest[-1].blind
    assert rest[-1].voting_closed
    with pytest.raises(BadInput, match="is rated"):
        await anext(playground.compare.retry(last.id, failed, owner="visitor-1"))


async def test_two_clicks_on_try_again_ask_once(playground: Playground) -> None:
    last = (await run(playground, asked("fake/broken", "fake/right")))[-1]

    async def click() -> int:
        try:
            return len([v async for v in playground.compare.retry(last.id, "A", owner="visitor-1")])
        except BadInput:
            return 0

    shown = await asyncio.gather(*(click() for _ in range(5)))
    assert sum(bool(n) for n in shown) == 1
    stored = playground.store.comparison(last.id)
    assert stored is not None
    assert [r.attempt for r in stored.responses] == [2, 1]


async def test_an_answer_that_cannot_be_stored_after_the_page_has_gone_is_told_in_the_log(
    playground: Playground, caplog: pytest.LogCaptureFixture
) -> None:
    views = playground.compare.run(playground.compare.check(asked("fake/slow", "fake/right")), owner="visitor-1")
    await anext(views)
    with playground.store.write() as connection:
        for table in ("score", "response"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
    await views.aclose()
    for _ in range(100):
        if "an answer was not stored" in caplog.text:
            break
        await asyncio.sleep(0.05)
    assert "an answer was not stored: Not saved: the database refused." in caplog.text


async def test_text_that_utf_8_cannot_carry_is_answered_scored_and_stored(tmp_path: Path) -> None:
    own = {"inputs": {"premise": "He coughs \ud83e\0.", "statement": "x"}, "reference": "neutral\ud83e"}
    with HttpProvider(Plan("neutral \ud83e \0")) as server:
        odd = {"model": "compatible/odd", "label": "Odd", "options": {"base_url": server.openai_url}}
        (tmp_path / "odd.yaml").write_text(yaml.safe_dump({"models": [odd, {"model": "fake/echo", "label": "Echo"}]}))
        samples.settings(tmp_path)
        with samples.playground(tmp_path, models=tmp_path / "odd.yaml") as playground:
            last = (await run(playground, asked("compatible/odd", "fake/echo", own=own)))[-1]
            stored = playground.store.comparison(last.id)
    assert stored is not None
    assert stored.responses[0].text == last.sides[0].text == "neutral \ufffd \ufffd"
    assert stored.responses[0].text_sha256 == hashlib.sha256(stored.responses[0].text.encode()).hexdigest()
    assert stored.case_inputs["premise"] == "He coughs \ufffd\ufffd."


async def test_a_blind_run_shuffles_its_sides(playground: Playground) -> None:
    orders = set()
    for _ in range(12):
        last = (await run(playground, asked(blind=True)))[-1]
        stored = playground.store.comparison(last.id)
        assert stored is not None
        orders.add(tuple(r.model for r in stored.responses))
    assert len(orders) == 2


async def test_the_vote_reveals_the_names(playground: Playground) -> None:
    last = (await run(playground, asked(blind=True)))[-1]
    form = {"comparison": last.id, "uuid": "0" * 31 + "1", "answers": samples.answers(), "seconds": 1}
    playground.rate.save(form, rater="visitor-1")
    view = playground.compare.view(last.id, owner="visitor-1")
    assert view is not None
    assert not view.blind
    assert view.voting_closed
    assert {s.name for s in view.sides} == {"Echo", "Always right"}
    assert playground.compare.view(last.id, owner="visitor-2") is None


async def test_a_failed_side_can_be_tried_again_and_a_good_one_cannot(playground: Playground) -> None:
    last = (await run(playground, asked("fake/broken", "fake/right")))[-1]
    assert [s.state for s in last.sides] == ["failed", "done"]
    again = [view async for view in playground.compare.retry(last.id, "A", owner="visitor-1")]
    assert again[-1].sides[0].state == "failed"
    stored = playground.store.comparison(last.id)
    assert stored is not None
    assert [r.attempt for r in stored.responses] == [2, 1]
    with pytest.raises(BadInput, match="Only a side that failed"):
        async for _ in playground.compare.retry(last.id, "B", owner="visitor-1"):
            pass
    with pytest.raises(NotAllowed):
        async for _ in playground.compare.retry(last.id, "A", owner="visitor-2"):
            pass


async def test_stop_ends_a_run_and_stores_what_came(playground: Playground) -> None:
    request = playground.compare.check(asked("fake/slow", "fake/right"))
    last = None
    async for view in playground.compare.run(request, owner="visitor-1"):
        last = view
        if view.sides[0].text:
            playground.compare.stop(view.id, owner="visitor-1")
    assert last is not None
    assert last.sides[0].state == "stopped"
    assert last.sides[0].text.startswith("a ")
    assert last.sides[0].scores == ()
    assert last.rateable == ("A", "B")


async def test_a_page_that_goes_away_stops_its_run(playground: Playground) -> None:
    request = playground.compare.check(asked("fake/slow", "fake/right"))
    views = playground.compare.run(request, owner="visitor-1")
    async for view in views:
        if view.sides[0].text:
            break
    await views.aclose()
    await asyncio.sleep(0.3)
    stored = playground.store.latest_comparison("visitor-1", unrated_first=False)
    assert stored is not None
    assert [r.state for r in stored.responses] == ["stopped", "done"]


async def test_own_text_asks_before_it_leaves(playground: Playground) -> None:
    own = {"inputs": {"premise": "He coughs.", "statement": "He is ill."}, "reference": ""}
    request = playground.compare.check(asked("fake/away", "fake/right", own=own))
    assert playground.compare.leaving(request) == ("Elsewhere",)
    with pytest.raises(BadInput, match="Agree first"):
        async for _ in playground.compare.run(request, owner="visitor-1"):
            pass
    agreed = await run(playground, asked("fake/away", "fake/right", own=own, confirmed=["Elsewhere"]))
    assert agreed[-1].finished
    assert agreed[-1].reference is None
    assert {(s.value, s.explanation) for s in agreed[-1].sides[0].scores} == {(None, "no reference")}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sides": []}, "two to four models; 0 chosen"),
        ({"sides": [{"model": "fake/echo"}] * 2}, "twice with the same settings"),
        ({"sides": [{"model": "fake/none"}, {"model": "fake/echo"}]}, "not on the list"),
        ({"sides": [{"model": "fake/off"}, {"model": "fake/echo"}]}, "set FAKE_KEY, then restart"),
        ({"task": "pair"}, "Did you mean pairs"),
        ({"case": "onne"}, "Did you mean one"),
        ({"temperature": float("nan")}, "temperature must be a number from 0 to 2"),
        ({"max_tokens": 0}, "max tokens must be a whole number"),
        ({"shots": 4}, "shots must be a whole number from 0 to 3"),
        ({"seed": True}, "seed must be"),
        ({"own": {"inputs": {"premise": "x", "statement": " "}}}, "Fill in 'statement'"),
        ({"own": {"inputs": {"premise": "x" * 50_001, "statement": "y"}}}, "Shorten it"),
        (
            {"own": {"inputs": {"premise": "x", "statement": "y"}, "reference": "z" * 50_001}},
            "The reference has 50,001",
        ),
    ],
)
def test_what_cannot_be_run_says_what_to_change(playground: Playground, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        playground.compare.check(asked(**changes))


async def test_the_preview_is_what_is_sent(playground: Playground) -> None:
    task = playground.library.task("pairs")
    case = playground.library.case("pairs", "one")
    shown = playground.compare.preview(task, case, shots=2, seed=7)
    last = (await run(playground, asked(shots=2, seed=7)))[-1]
    stored = playground.store.comparison(last.id)
    assert stored is not None
    assert shown.messages == stored.responses[0].messages
    assert shown.sha256 == stored.responses[0].prompt_sha256
    assert "one" not in shown.demonstrations
    assert len(shown.demonstrations) == 2
