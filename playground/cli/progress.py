"""Progress of a batch run: a live table on a terminal, plain lines every few seconds without one."""

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from playground.batch.runner import BatchRun, Tally

EVERY = 5.0  # seconds between two plain lines


class Progress:
    """Shows a run whenever it is told of a change; slower than four times a second on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._shown = 0.0
        self._run: BatchRun | None = None

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._run:
            self._draw(self._run)
        if self._live:
            self._live.stop()

    def say(self, words: str) -> None:
        self._console.print(words)

    def show(self, run: BatchRun) -> None:
        """Take note of a change; cheap."""
        self._run = run
        if time.monotonic() - self._shown >= (0.25 if self._live else EVERY):
            self._draw(run)

    def _draw(self, run: BatchRun) -> None:
        self._shown = time.monotonic()
        if self._live:
            table = Table(
                "Model", "Done", "Failed", "Left", "Rate", "Time left", "Retries", "Tokens", "Spent", box=None
            )
            for tally in run.tallies.values():
                table.add_row(tally.model, *line_of(tally, self._shown - run.started))
            self._live.update(table, refresh=True)
            return
        names = ("done", "failed", "left", "rate", "time left", "retries", "tokens", "spent")
        for tally in run.tallies.values():
            values = line_of(tally, self._shown - run.started)
            words = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
            self._console.print(f"{tally.model}: {words}", soft_wrap=True)


def line_of(tally: Tally, seconds: float) -> tuple[str, ...]:
    """Done, failed, left, rate, time left, retries, tokens, money spent and projected."""
    rate = tally.done / seconds if seconds > 0 else 0.0
    left = "stopped" if tally.stopped else clock(tally.left / rate) if rate else "-"
    money = "unknown"
    if tally.money is not None:
        ahead = tally.money * (tally.done + tally.left) / tally.done if tally.done else 0.0
        money = f"{tally.money:.2f} of ~{ahead:.2f}"
    done = str(tally.done + tally.before + tally.reused)
    tokens = f"{tally.input_tokens:,}/{tally.output_tokens:,}"
    return (done, str(tally.failed), str(tally.left), f"{rate:.1f}/s", left, str(tally.retries), tokens, money)


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
