"""What lets many visitors run at once: Gradio's own limits, and streams that rest when there are many."""

from pathlib import Path

import pytest

from adapters import registry
from adapters._breath import LEAST, LONGEST, LONGEST_UNWATCHED, Breath, Usual, unwatched
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


def test_an_answer_that_nobody_watches_rests_until_it_may_end() -> None:
    usual = Usual()
    assert usual.rest(0, 0, 0.02) == 0.02, "somebody reads along"
    with unwatched():
        assert usual.rest(8.0, 8.0, 0.02) == 0.02, "no answer has ended yet"
        assert usual.rest(9.0, 8.0, 0.02) == pytest.approx(1 / 8), "an eighth of its time so far"
        for _ in range(100):
            usual.note(1.0)
        assert usual.rest(8.0, 8.0, 0.02) == pytest.approx(LONGEST_UNWATCHED)
        assert usual.rest(8.5, 8.0, 0.02) == pytest.approx(0.5), "all of these answers take a second"
        assert usual.rest(9.0, 8.0, 0.02) == pytest.approx(1 / 32), "from then on it is looked at often"
        assert usual.rest(9.01, 8.0, 0.02) == pytest.approx(1 / 32 - 0.01), "at the same ticks as all others"
        for seconds in (0.4, 1.6) * 100:
            usual.note(seconds)
        assert usual.rest(8.0, 8.0, 0.02) == pytest.approx(0.5, abs=1 / 32)
        assert usual.rest(8.5, 8.0, 0.02) == pytest.approx(0.25, abs=0.1), "they differ: half of what is left"
        for _ in range(100):
            usual.note(0.01)
        assert usual.rest(8.0, 8.0, 0.02) == pytest.approx(0.01, abs=0.001)
        assert usual.rest(8.009, 8.0, 0.02) == 0, "not worth a timer"


def test_an_end_that_was_noticed_late_is_taken_for_an_earlier_one() -> None:
    usual = Usual()
    with unwatched():
        for _ in range(100):
            usual.note(1.0, late=0.5)
        assert usual.rest(8.5, 8.0, 0.02) == pytest.approx(0.25), "else it would never be noticed earlier"


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
