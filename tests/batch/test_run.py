"""Runs against a real server with faults: what is asked again, what stops, what is never shared or copied."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from playground.batch import asking, runner
from playground.batch.asking import LIMITED_TRIES, TRIES, Answer, without_case_text
from playground.batch.plan import Item
from playground.batch.plan import Plan as BatchPlan
from playground.errors import BadInput
from tests.batch.helpers import KEY, SECRET_WORDS, Bench, bench, lines, on_server
from tests.http_provider import HttpProvider, Plan

Make = Callable[..., Bench]
A, B = "compatible/a", "compatible/b"
PRICE = {"input": 1.0, "output": 1_000_000.0, "date": "2026-01-01"}  # one token of an answer costs 1
REFUSED = Plan(status=401)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT", 0.02)


def test_every_case_is_asked_once_and_a_second_start_asks_nothing(make: Make, server: HttpProvider) -> None:
    ran = make("a", "b")
    ran.run(A, B)
    assert sorted(ran.answered()) == [(m, f"c{n}", 0) for m in (A, B) for n in range(6)]
    again = ran.run(A, B)
    assert len(server.asked()) == 12
    assert [t.answered for t in again.tallies.values()] == [6, 6]


@pytest.mark.parametrize(
    "fault",
    [
        Plan(status=429, retry_after=0.1), Plan(status=500), Plan(status=503), Plan(status=503, retry_after=0.1),
        Plan(drop=True),
        Plan("one two three", cut_after=2), Plan("x", error_after=0),
    ],
    ids=["429", "500", "503", "503 with Retry-After", "disconnect before", "disconnect in mid-answer", "error event"],
)  # fmt: skip
def test_what_passes_by_itself_is_asked_again(make: Make, server: HttpProvider, fault: Plan) -> None:
    server.script("a", fault, fault, Plan("neutral"))
    ran = make("a", cases=1).run(A)
    assert (ran.tallies[A].done, ran.tallies[A].failed, ran.tallies[A].retries) == (1, 0, 2)
    assert [r["text"] for r in lines_of(ran.log.directory)] == ["neutral"], "no piece of a broken answer is left in it"


def lines_of(out: Path) -> list[dict[str, object]]:
    return [line for line in lines(out) if line["type"] == "row"]


@pytest.mark.parametrize(
    ("fault", "tries", "kind"),
    [
        (Plan(status=500), TRIES, "server error"),
        (Plan(drop=True), TRIES, "connection"),
        (Plan(status=429, retry_after=0.01), LIMITED_TRIES, "rate limited"),
        (Plan("x y z", malformed_after=1), 1, "malformed"),
        (Plan(status=400), 1, "bad request"),
    ],
    ids=["500", "disconnect", "429", "malformed", "refused"],
)
def test_tries_are_bounded_and_an_error_is_a_row_but_not_done(
    make: Make, server: HttpProvider, fault: Plan, tries: int, kind: str
) -> None:
    server.script("a", fault)
    ran = make("a", "b", cases=1)
    tallies = ran.run(A, B).tallies
    assert len(server.asked("a")) == tries
    assert (tallies[A].failed, tallies[B].done) == (1, 1), "the other model goes on"
    (row,) = [r for r in ran.rows() if r["error"]]
    assert (row["error_kind"], row["retries"]) == (kind, tries - 1)
    server.script("a", Plan("neutral"))
    assert ran.run(A, B).tallies[A].done == 1, "a resume asks it again"
    assert len(server.asked("b")) == 1


def test_a_server_that_hangs_fails_its_own_case_only(make: Make, server: HttpProvider) -> None:
    server.script("a", Plan(hang=True), Plan("neutral"))
    ran = make("a", cases=4, timeout_first_token=0.3)
    tally = ran.run(A, concurrency=2).tallies[A]
    assert (tally.done, tally.failed) == (3, 1)
    assert [r["error_kind"] for r in ran.rows() if r["error"]] == ["too slow"]


def test_lanes_begin_one_after_another_and_only_as_many_as_there_is_work(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LANE_APART", 0.02)
    asked: dict[str, float] = {}

    async def ask(item: Item) -> Answer:
        asked.setdefault(item.case.id, asyncio.get_running_loop().time())
        await asyncio.sleep(0.5)
        return Answer(text="neutral", stop_reason="stop")

    with make("a", cases=20).open() as playground:
        work = playground.batch.work(BatchPlan(tasks=("pairs",), models=(A,), concurrency=1000))
        begun = time.monotonic()
        playground.batch.run(work, playground.settings.data / "out", asking=lambda pace: lambda spec: ask)
    assert time.monotonic() - begun < 10, "a thousand lanes would begin in 20 s"
    starts = list(asked.values())
    assert len(starts) == 20
    assert starts[-1] - starts[0] > 10 * 0.02


def test_retry_after_holds_every_lane_of_the_provider_and_no_other(make: Make, server: HttpProvider) -> None:
    ran = make("a", "b", cases=40)
    with HttpProvider(Plan("neutral", first_token_s=0.02)) as elsewhere:
        entries = [*on_server(server.openai_url, "a", "b"), *on_server(elsewhere.openai_url, "c")]
        (ran.folder / "models.yaml").write_text(json.dumps({"models": entries}))
        server.script("b", Plan("neutral", first_token_s=0.02))
        server.script(
            "a", *[Plan("neutral", first_token_s=0.02)] * 10, Plan(status=429, retry_after=0.8), Plan("neutral")
        )
        ran.run(A, B, "compatible/c", concurrency=2)
        limited = server.asked("a")[10].ended
        assert limited is not None
        held = [r for r in server.asked() if limited + 0.05 < r.started < limited + 0.75]
        others = [r for r in elsewhere.asked() if limited + 0.05 < r.started < limited + 0.75]
    assert not held, "no lane of either model asked while the provider wanted rest"
    assert others, "another provider was not held"
    assert len(ran.answered()) == 120


def test_a_wait_of_hours_stops_the_model_with_a_line_instead(make: Make, server: HttpProvider) -> None:
    server.script("a", Plan(status=429, retry_after=7200))
    begun = time.monotonic()
    tally = make("a", "b").run(A, B).tallies[A]
    assert time.monotonic() - begun < 10
    assert "wait of 120 minutes: give the same command again after that" in tally.stopped


@pytest.mark.parametrize(
    ("fault", "words"), [(Plan(status=401), "did not accept the key"), (Plan(status=404), "does not know")]
)
def test_a_wrong_key_or_an_unknown_model_stops_that_model_at_once(
    make: Make, server: HttpProvider, fault: Plan, words: str
) -> None:
    server.script("a", fault)
    ran = make("a", "b", cases=30, api_key_env="SECRET_KEY")
    said: list[str] = []
    with ran.open() as playground:
        work = playground.batch.work(BatchPlan(tasks=("pairs",), models=(A, B), concurrency=4))
        tallies = playground.batch.run(work, ran.out, say=said.append).tallies
    assert len(server.asked("a")) <= 4, "only what was under way already"
    assert tallies[B].done == 30
    assert words in tallies[A].stopped
    assert [s for s in said if s.startswith(f"{A} stopped: ")] == said, "one line"
    assert len(said) == 1


def test_a_model_that_cannot_be_opened_leaves_the_others_alone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = make("b", cases=2)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    tallies = ran.run("openai/x", B).tallies
    assert "OPENAI_API_KEY" in tallies["openai/x"].stopped
    assert tallies[B].done == 2


def test_a_repeat_is_never_a_copy(make: Make, server: HttpProvider) -> None:
    server.script("a", *(Plan(f"answer {n}") for n in range(6)))
    ran = make("a", cases=2)
    ran.run(A, repeats=3)
    assert len({r["text"] for r in ran.rows()}) == 6
    assert sorted(a.body["seed"] for a in server.asked()) == [0, 0, 1, 1, 2, 2]
    assert len({r["key"] for r in ran.rows()}) == 6


def test_two_models_in_one_folder_never_share_an_answer(server: HttpProvider, tmp_path: Path) -> None:
    entries = on_server(server.openai_url, "a", "b", model="one-and-the-same")
    ran = bench(tmp_path, entries, cases=3)
    server.script("one-and-the-same", *(Plan(f"answer {n}") for n in range(6)))
    ran.run(A, B)
    assert len({r["text"] for r in ran.rows()}) == 6
    assert len(server.asked()) == 6


def test_answers_of_an_earlier_run_are_reused_and_say_so(make: Make, server: HttpProvider, tmp_path: Path) -> None:
    server.script("a", *(Plan(f"neutral {n}") for n in range(3)), Plan(status=400))
    ran = make("a", "b", cases=4)
    ran.run(A, out=tmp_path / "first", concurrency=1)
    server.script("a", Plan("contradiction"))
    tally = ran.run(A, B, reuse=tmp_path / "first", repeats=2, concurrency=1).tallies[A]
    assert (tally.reused, tally.done) == (3, 5), "an error is not reused, nor is a first answer taken for a repeat"
    reused = [r for r in ran.rows() if r.get("reused_from")]
    assert {r["reused_from"] for r in reused} == {str(tmp_path / "first")}
    assert all(r["cost"] == 0 and r["total_s"] is None and r["repeat"] == 0 for r in reused)
    assert len([r for r in ran.rows() if r["model"] == B]) == len(server.asked("b")) == 8, (
        "another model reuses nothing"
    )


def test_a_change_of_the_returned_model_in_mid_run_is_told(make: Make, server: HttpProvider) -> None:
    server.script("a", Plan("neutral", returned="a-2026-01"))
    ran = make("a", cases=4)
    ran.run(A, limit=4, concurrency=1)
    said: list[str] = []
    log = ran.out / "log.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:3]))  # as if killed after two answers
    server.script("a", Plan("neutral", returned="a-2026-02"))
    with ran.open() as playground:
        work = playground.batch.work(BatchPlan(tasks=("pairs",), models=(A,), limit=4))
        playground.batch.run(work, ran.out, say=said.append)
        (status,) = playground.batch.status(ran.out)
    assert [s for s in said if "changed the model in mid-run: a-2026-01, now a-2026-02" in s]
    assert status.returned == ("a-2026-01", "a-2026-02")


def test_max_cost_stops_starting_and_counts_what_an_earlier_start_spent(make: Make, server: HttpProvider) -> None:
    ran = make("a", cases=10, spec_price=PRICE)
    first = ran.run(A, max_cost=3.5, concurrency=1)
    assert (first.tallies[A].done, first.budget.used_up) == (4, True)
    again = ran.run(A, max_cost=3.5, concurrency=1)
    assert len(server.asked()) == 4, "the same limit is not granted twice"
    assert again.tallies[A].money == pytest.approx(4, rel=0.01)
    assert ran.run(A, max_cost=100, concurrency=1).tallies[A].left == 0


def test_max_cost_without_a_price_or_without_counts_is_no_promise(make: Make, server: HttpProvider) -> None:
    ran = make("a", "b", spec_sends_to="a lab")
    with pytest.raises(BadInput, match="the price of compatible/a is unknown"):
        ran.run(A, max_cost=1)
    ran = Bench(ran.folder)
    (ran.folder / "models.yaml").write_text(json.dumps({"models": on_server(server.openai_url, "a", spec_price=PRICE)}))
    server.script("a", Plan("neutral", counted=False))
    tally = ran.run(A, max_cost=100, concurrency=1).tallies[A]
    assert "no token counts" in tally.stopped
    assert (len(server.asked()), tally.money) == (1, None)


def test_answers_that_a_kill_left_unscored_are_scored_and_not_asked(make: Make, server: HttpProvider) -> None:
    ran = make("a")
    ran.run(A)
    scores = (ran.out / "scores.jsonl").read_bytes().splitlines(keepends=True)
    (ran.out / "scores.jsonl").write_bytes(b"".join(scores[:5])[:-10])
    ran.run(A)
    kept = [json.loads(line) for line in (ran.out / "scores.jsonl").read_bytes().splitlines() if line.endswith(b"}")]
    assert {s["case"] for s in kept} == {f"c{n}" for n in range(6)}
    assert len(server.asked()) == 6
    with ran.open() as playground:
        figures = playground.batch.score(ran.out).figures[A]["pairs"]
    assert {f.n for f in figures.values()} == {6}


def test_no_key_and_no_case_text_stands_in_any_file(make: Make, server: HttpProvider) -> None:
    echo = {"type": "invalid_request_error", "message": f"Cannot read 'A man of 40 has had {SECRET_WORDS} for' {KEY}"}
    server.script("a", Plan("x", error_after=0, error=echo))
    server.script("b", Plan(status=401))
    ran = make("a", "b", "c", api_key_env="SECRET_KEY", extra={"access_token": KEY, "top_k": 3})
    ran.run(A, B, "compatible/c")
    assert server.asked("c")[0].body["access_token"] == KEY
    assert "Cannot read '[...]' ***" in next(r["error"] for r in ran.rows() if (r["model"], r["case"]) == (A, "c0"))
    assert server.asked("a")[0].headers["authorization"] == f"Bearer {KEY}"
    for path in (p for p in ran.out.rglob("*") if p.is_file()):
        written = path.read_text()
        assert KEY not in written
        assert SECRET_WORDS not in written


def test_case_text_is_cut_out_of_error_messages_in_every_script() -> None:
    case = "Der Patient klagt über Schmerzen in der linken Brust. 患者は三日前から胸が痛い。"
    assert without_case_text("Bad input: klagt über  Schmerzen in der linken", [case]).startswith("Bad input: klagt")
    assert without_case_text("Bad: klagt über Schmerzen in der linken!", [case]) == "Bad:[...]!"
    assert without_case_text("读不懂：三日前から胸が痛い。", [case]) == "读不懂：[...]"
    assert without_case_text("status 500", [case]) == "status 500"


def test_prompts_and_models_that_are_not_there_are_named(make: Make) -> None:
    ran = make("a")
    wrong: tuple[tuple[str, dict[str, Any]], ...] = (
        ("There is no task 'pairz'. Did you mean pairs", {"tasks": ("pairz",), "models": (A,)}),
        (
            "There is no model 'compatibl/a'. Did you mean compatible/a",
            {"tasks": ("pairs",), "models": ("compatibl/a",)},
        ),
        ("There is no case of pairs 'c99'", {"tasks": ("pairs",), "models": (A,), "cases": ("c1", "c99")}),
        ("rate names compatible/z", {"tasks": ("pairs",), "models": (A,), "rate": {"compatible/z": 1.0}}),
    )
    for words, plan in wrong:
        with ran.open() as playground, pytest.raises(BadInput, match=words.replace("?", ".")):
            playground.batch.work(BatchPlan(**plan))
