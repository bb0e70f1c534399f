"""What lets many visitors run at once: Gradio's own limits, and streams that rest when there are many."""

import asyncio
import heapq
from pathlib import Path

import pytest

from adapters import registry
from adapters._breath import (
    LEAST,
    LONGEST,
    LONGEST_CROWDED,
    LONGEST_UNWATCHED,
    Breath,
    Usual,
    Waiting,
    unwatched,
)  # fmt: skip
from adapters.base import GenerateConfig, Message
from playground.ui.app import build
from tests import samples
from tests.http_provider import HttpProvider, Plan


def test_gradio_runs_as_many_events_as_runs_are_allowed(tmp_path: Path) -> None:
    with samples.playground(tmp_path, max_running=70, max_waiting=20) as playground:
        demo = build(playground)
        assert demo._queue.max_thread_count >= 90, "Gradio's default of 40 lets visitor 41 wait for an answer to end"
        run = next(f for f in demo.fns.values() if f.name == "run")
        assert run.concurrency_limit == 90


def breath_of(streams: int) -> Breath:
    found = Breath()
    for _ in range(streams):
        found.__enter__()
    return found


FEW, MANY = breath_of(20), breath_of(200)


def test_few_streams_never_rest_and_many_rest_a_little() -> None:
    assert breath_of(1).seconds == 0
    assert LEAST <= breath_of(100).seconds < LONGEST
    breath = breath_of(1101)
    assert breath.seconds == LONGEST
    for _ in range(1101):
        breath.__exit__(None, None, None)
    assert breath.seconds == 0


def usual(*seconds: float) -> Usual:
    found = Usual()
    for each in seconds:
        found.note(each)
    return found


def test_an_answer_that_nobody_watches_rests_until_it_may_end() -> None:
    steady, differing = Waiting(usual(*[1.0] * 100), 8.0), Waiting(usual(*(0.4, 1.6) * 100), 8.0)
    assert steady.rest(8.0, FEW) == FEW.seconds, "somebody reads along"
    with unwatched():
        assert steady.rest(8.0, FEW) == pytest.approx(1.0), "all of these answers take a second"
        assert steady.rest(9.0, FEW) == pytest.approx(1 / 16), "from then on it is looked at often"
        assert steady.rest(9.01, FEW) == pytest.approx(1 / 16 - 0.01), "at the same ticks as all others"
        assert differing.rest(8.0, FEW) == pytest.approx(0.5, abs=0.1)
        assert differing.rest(8.5, FEW) == pytest.approx(0.25, abs=0.1), "half of what is left"
        quick = Waiting(usual(*[0.01] * 100), 8.0)
        assert quick.rest(8.0, FEW) == pytest.approx(0.01, abs=0.001)
        assert quick.rest(8.009, FEW) == 0, "not worth a timer"


def test_many_answers_do_not_come_to_be_read_all_at_once() -> None:
    steady = Waiting(usual(*[1.0] * 100), 8.0)
    with unwatched():
        assert steady.rest(8.0, MANY) == LONGEST_CROWDED, "what has come by half of the time is read by then"
        assert steady.rest(8.5, MANY) == pytest.approx(0.5)
        assert steady.rest(9.0, MANY) == pytest.approx(1 / 64)


async def test_before_the_first_answer_has_ended_one_stream_looks_out_for_all() -> None:
    known = Usual()
    scout, other = Waiting(known, 8.0), Waiting(known, 8.0)
    with unwatched():
        assert scout.rest(8.0, FEW) == LEAST
        assert other.rest(8.0, FEW) == LONGEST_UNWATCHED
        assert scout.rest(8.96, FEW) == pytest.approx(0.06)
        scout.leave()
        assert other.rest(8.96, FEW) == pytest.approx(0.06), "the first was broken off: the next one takes its place"
        assert scout.rest(8.96, FEW) == LONGEST_UNWATCHED

        loop = asyncio.get_running_loop()
        begun = loop.time()
        await scout.sleep(0.02)
        loop.call_later(0.05, other.ended, 9.0)
        await scout.sleep(60)
        assert 0.05 <= loop.time() - begun < 30
        assert known.mean == pytest.approx(1.0, abs=0.05)


def generation(known: Usual, begun: float, length: float, breath: Breath) -> float:
    """200 answers side by side; returns how late the last end was noticed, in seconds."""
    looks = [(begun, n, Waiting(known, begun)) for n in range(200)]
    now = begun
    while looks:
        now, n, waiting = heapq.heappop(looks)
        if now < begun + length:
            heapq.heappush(looks, (now + (waiting.rest(now, breath) or 0.005), n, waiting))
        else:
            waiting.ended(now)
    return now - begun - length


@pytest.mark.parametrize(("before", "length"), [(2.0, 1.0), (1.0, 3.0), (0.3, 40.0), (40.0, 0.3)])
@pytest.mark.parametrize(("breath", "longest"), [(FEW, LONGEST_UNWATCHED), (MANY, LONGEST_CROWDED)])
def test_what_is_usual_follows_answers_that_get_shorter_or_longer(
    before: float, length: float, breath: Breath, longest: float
) -> None:
    known = usual(*[before] * 20)
    with unwatched():
        late = [generation(known, 1000.0 * number, length, breath) for number in range(60)]
    assert known.mean == pytest.approx(length, rel=0.1)
    assert max(late[-5:]) < length / 12
    assert max(late) <= longest + 1 / 16


async def test_batch_answers_are_read_in_few_pieces_and_end_in_time() -> None:
    words = "".join(f"word{n} " for n in range(60))
    with HttpProvider(Plan(words, tokens_per_second=100)) as server:
        adapter = registry.create("compatible/m", {"base_url": server.openai_url})

        async def pieces() -> tuple[int, str]:
            texts = [
                c.text async for c in adapter.stream((Message("user", "?"),), GenerateConfig(max_tokens=99)) if c.text
            ]
            return len(texts), "".join(texts)

        watched, text = await pieces()
        with unwatched():
            few, again = await pieces()
        asked = server.asked("m")
    assert text == again == words
    assert few * 2 < watched

    assert (asked[1].ended or 0) - asked[1].started < 5
