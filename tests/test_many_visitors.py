"""What lets many visitors run at once: Gradio's own limits, and streams that rest when there are many."""

from pathlib import Path

from adapters._breath import LEAST, LONGEST, Breath
from playground.ui.app import build
from tests import samples


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
