"""Progress of a batch run: a live table on a terminal, plain lines without one; knows no command."""

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from playground.batch.runner import BatchRun
from playground.batch.tally import Tally

EVERY, LATER, EARLY = 5.0, 30.0, 60.0  # seconds between two plain lines: at first, and after the first minute
NAMES = ("Done", "Failed", "Left", "Rate", "Time left", "Retries", "Tokens", "Spent")


class Progress:
    """Shows a run whenever it is told of a change; at most four times a second on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._begun = self._shown = time.monotonic()
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
        """A line that stays."""
        self._console.print(words, markup=False, soft_wrap=True)

    def show(self, run: BatchRun) -> None:
        """Take note of a change; cheap."""
        self._run, now = run, time.monotonic()
        plain = EVERY if now - self._begun < EARLY else LATER
        if now - self._shown >= (0.25 if self._live else plain):
            self._draw(run)

    def _draw(self, run: BatchRun) -> None:
        self._shown = time.monotonic()
        lines = {tally.model: line_of(tally, self._shown - run.started) for tally in run.tallies.values()}
        if self._live:
            table = Table("Model", *NAMES, box=None)
            for model, values in lines.items():
                table.add_row(escape(model), *values)
            self._live.update(table, refresh=True)
            return
        for model, values in lines.items():
            words = ", ".join(f"{name.lower()} {value}" for name, value in zip(NAMES, values, strict=True))
            self.say(f"{model}: {words}")


def line_of(tally: Tally, seconds: float) -> tuple[str, ...]:
    """Done, failed, left, rate, time left, retries, tokens in/out, money spent and projected."""
    rate = tally.done / seconds if seconds > 0 else 0.0
    left = "stopped" if tally.stopped else clock(tally.left / rate) if rate else "-"
    tokens = f"{tally.input_tokens:,}/{tally.output_tokens:,}"
    counts = str(tally.answered), str(tally.failed), str(tally.left)
    return (*counts, f"{rate:.1f}/s", left, str(tally.retries), tokens, money_of(tally))


def money_of(tally: Tally) -> str:
    """Spent over all starts, and what it will be at the end; unknown rather than 0."""
    if tally.money is None:
        return "unknown"
    if not tally.currency:
        return "0"
    ahead = tally.projected
    return f"{tally.money:.2f} {tally.currency}" + ("" if ahead is None else f" of ~{ahead:.2f}")


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
