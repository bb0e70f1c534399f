"""What lets many visitors run at once: Gradio's own limits, and streams that rest when there are many."""

import heapq
from pathlib import Path

import pytest

from adapters import registry
from adapters._breath import LEAST, LONGEST, LONGEST_UNWATCHED, Breath, Usual, Waiting, unwatched
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


def test_few_streams_never_rest_and_many_rest_a_little() -> None:
    breath = Breath()
    with breath:
        assert breath.seconds == 0
    for _ in range(100):
        breath.__enter__()
    assert LEAST <= breath.seconds < LONGEST
    for _ in range(1000):
        breath.__enter__()
    assert breath.seconds == LONGEST
    for _ in range(1100):
        breath.__exit__(None, None, None)
    assert breath.seconds == 0


def usual(*seconds: float) -> Usual:
    found = Usual()
    for each in seconds:
        found.note(each)
    return found


def test_an_answer_that_nobody_watches_rests_until_it_may_end() -> None:
    steady, differing = Waiting(usual(*[1.0] * 100), 8.0), Waiting(usual(*(0.4, 1.6) * 100), 8.0)
    assert steady.rest(8.0, 0.02) == 0.02, "somebody reads along"
    with unwatched():
        first = Waiting(Usual(), 8.0)
        assert first.rest(8.0, 0.02) == 0.02
        assert first.rest(9.0, 0.02) == pytest.approx(1 / 8), "no answer has ended yet: an eighth of its time so far"
        assert steady.rest(8.0, 0.02) == LONGEST_UNWATCHED
        assert steady.rest(8.5, 0.02) == pytest.approx(0.5), "all of these answers take a second"
        assert steady.rest(9.0, 0.02) == pytest.approx(1 / 32), "from then on it is looked at often"
        assert steady.rest(9.01, 0.02) == pytest.approx(2 / 32 - 0.01), "at the same ticks as all others"
        assert differing.rest(8.0, 0.02) == pytest.approx(0.5, abs=0.1)
        assert differing.rest(8.5, 0.02) == pytest.approx(0.25, abs=0.1), "half of what is left"
        quick = Waiting(usual(*[0.01] * 100), 8.0)
        assert quick.rest(8.0, 0.02) == pytest.approx(0.01, abs=0.001)
        assert quick.rest(8.009, 0.02) == 0, "not worth a timer"


def generation(known: Usual, begun: float, length: float) -> float:
    """200 answers side by side; returns how late the last end was noticed, in seconds."""
    looks = [(begun, n, Waiting(known, begun)) for n in range(200)]
    now = begun
    while looks:
        now, n, waiting = heapq.heappop(looks)
        if now < begun + length:
            heapq.heappush(looks, (now + (waiting.rest(now, 0.02) or 0.005), n, waiting))
        else:
            waiting.ended(now)
    return now - begun - length


@pytest.mark.parametrize(("before", "length"), [(2.0, 1.0), (1.0, 3.0), (0.3, 40.0), (40.0, 0.3)])
def test_what_is_usual_follows_answers_that_get_shorter_or_longer(before: float, length: float) -> None:
    known = usual(*[before] * 20)
    with unwatched():
        late = [generation(known, 1000.0 * number, length) for number in range(60)]
    assert known.mean == pytest.approx(length, rel=0.1)
    assert max(late[-5:]) < length / 12
    assert max(late) <= LONGEST_UNWATCHED + 1 / 16


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
