"""What a run shows while it goes on: a table on a terminal, plain lines without one."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from playground.batch.plan import Plan as BatchPlan
from playground.cli.progress import NAMES, Progress
from tests.batch.helpers import Bench


def shown(bench: Bench, *, terminal: bool) -> str:
    file = io.StringIO()
    progress = Progress(Console(file=file, force_terminal=terminal, width=200, color_system=None))
    with bench.open() as playground, progress:
        work = playground.batch.work(BatchPlan(tasks=("pairs",), models=("compatible/a",)))
        playground.batch.run(work, bench.out, seen=progress.show, say=progress.say)
    return file.getvalue()


def test_a_terminal_has_a_table_with_every_count(make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    said = shown(make("a", cases=3), terminal=True)
    *_, heading, row, _ = [
        line.split() for line in said.splitlines() if line.strip()
    ]  # the last shows the cursor again
    assert " ".join(heading).endswith(" ".join(("Model", *NAMES)))
    assert row[:4] == ["compatible/a", "3", "0", "0"], "done, failed, left"
    assert "\x1b[" in said, "the table is drawn over itself"


def test_without_one_there_are_plain_lines(make: Callable[..., Bench]) -> None:
    said = shown(make("a", cases=3), terminal=False)
    assert said.startswith("compatible/a: done 3, failed 0, left 0, rate ")
    for name in NAMES:
        assert f" {name.lower()} " in said
    assert "\x1b" not in said
