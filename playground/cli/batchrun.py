"""`playground batch run`: what is printed before, what Ctrl-C does, what is said at the end."""

import asyncio
import gc
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from playground.batch.collector import everything_stays
from playground.batch.estimate import Estimate
from playground.batch.lines import LogFailed
from playground.batch.plan import Work
from playground.batch.runner import BatchRun
from playground.cli.progress import Progress, money_of
from playground.errors import BadInput
from playground.service import Playground

errors = Console(stderr=True, highlight=False)
WIDE = 240  # columns of a table that is not printed on a terminal
NICE = 5  # how far a run with a local model steps back behind a page on the same machine
STOPPED_AT_ONCE = 130  # exit code, as shells have it for Ctrl-C


def say(words: str) -> None:
    errors.print(words, markup=False, soft_wrap=True)


def print_table(table: Table, *, to: Console = errors) -> None:
    """As wide as it needs where no terminal limits it."""
    (to if to.is_terminal else Console(stderr=to.stderr, highlight=False, width=WIDE)).print(table)


def print_estimates(work: Work, estimates: tuple[Estimate, ...]) -> None:
    """What is about to happen, before anything is asked."""
    say(f"{work.case_count()} cases x {len(work.specs)} models x {work.plan.repeats} = {work.size()} requests")
    table = Table("Model", "Requests", "Too long", "Shortened", "Tokens in/out", "Cost", "Where", box=None)
    for e in estimates:
        where = e.unavailable or (f"sends data to {e.sends_to}" if e.sends_to else "on this machine")
        tokens = "unknown" if e.unavailable else f"~{e.input_tokens:,}/{e.output_tokens:,}"
        counts = str(e.requests), str(e.too_long), str(e.shortened)
        table.add_row(escape(e.model), *counts, tokens, _cost(e), escape(where))
    print_table(table)


def _cost(e: Estimate) -> str:
    if e.cost is None or e.unavailable:
        return "unknown"
    return f"~{e.cost:.2f} {e.currency} (price of {e.priced})" if e.currency else "0"


def agree(estimates: tuple[Estimate, ...], *, cluster: str | None, yes: bool) -> None:
    """Ask before text leaves the machine; raises `BadInput` where nobody can be asked, or no model can run."""
    if all(e.unavailable for e in estimates):
        raise BadInput("None of these models can run here; the table says why.")
    receivers = sorted({e.sends_to for e in estimates if e.sends_to and not e.unavailable})
    if cluster:
        from playground.batch.cluster import chosen  # Ray itself is imported when a run begins

        if (address := chosen(cluster)) != "local":
            receivers.append(f"the nodes of the cluster at {address}")
    if not receivers or yes:
        return
    question = f"The case texts would leave this machine for {', '.join(receivers)}."
    if not sys.stdin.isatty():
        raise BadInput(f"{question} Add --yes to agree.")
    if not typer.confirm(f"{question} Go on?", err=True):
        raise typer.Exit(1)


def go(playground: Playground, work: Work, directory: Path, *, reuse: Path | None, cluster: str | None) -> BatchRun:
    """Run to the end; a second Ctrl-C or a full disk ends with the command that goes on."""
    if any(spec.model.startswith("local/") for spec in work.specs):
        os.nice(NICE)
    progress = Progress(errors)
    try:
        with _collector_rests():
            if not cluster:
                playground.batch.warm(work)
        with progress, _interrupts(progress) as ready:
            if cluster:
                from playground.batch.cluster import asking_on

                with asking_on(cluster, work) as asking:
                    return playground.batch.run(
                        work, directory, reuse=reuse, seen=progress.show, say=progress.say, ready=ready, asking=asking
                    )
            return playground.batch.run(work, directory, reuse=reuse, seen=progress.show, say=progress.say, ready=ready)
    except KeyboardInterrupt:
        say(f"Stopped at once; what was under way is asked again. To go on: {same_command()}")
        raise typer.Exit(STOPPED_AT_ONCE) from None
    except LogFailed:
        say(f"Stopped. Every answer in {directory} stays. To go on: {same_command()}")
        raise
    finally:
        gc.freeze()  # the end looks through everything several times


@contextmanager
def _collector_rests() -> Iterator[None]:
    """While everything is loaded; after that it is told that it stays."""
    gc.disable()
    try:
        yield
    finally:
        everything_stays()
        gc.enable()


def same_command() -> str:
    return shlex.join(["playground", *sys.argv[1:]])


@contextmanager
def _interrupts(progress: Progress) -> Iterator[Callable[[BatchRun], None]]:
    """The first Ctrl-C lets running answers finish; the second stops at once."""
    running: list[tuple[BatchRun, asyncio.AbstractEventLoop]] = []
    asked: list[int] = []

    def ready(run: BatchRun) -> None:
        running.append((run, asyncio.get_running_loop()))

    def stop() -> None:
        progress.say("Stopping: running answers may finish. Press Ctrl-C again to stop at once.")
        running[0][0].stop()

    def interrupted(number: int, frame: object) -> None:
        if not running or asked:
            raise KeyboardInterrupt
        asked.append(number)
        running[0][1].call_soon_threadsafe(stop)  # wakes the loop, where a plain call would wait for its next event

    if threading.current_thread() is not threading.main_thread():
        yield ready
        return
    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield ready
    finally:
        signal.signal(signal.SIGINT, before)


def report(run: BatchRun, directory: Path) -> None:
    """What became of each model; exit code 1 unless everything that could be answered was."""
    complete = not run.stopping
    for tally in run.tallies.values():
        parts = [f"{tally.model}: {tally.answered} of {tally.total} answered"]
        parts += [f"{tally.reused} of them reused"] if tally.reused else []
        parts += [f"{tally.failed} failed"] if tally.failed else []
        parts += [f"{tally.too_long} too long"] if tally.too_long else []
        parts += [f"spent {money_of(tally)}"] if tally.currency else []
        say(", ".join(parts))
        if tally.stopped:
            say(f"  stopped: {tally.stopped}")
        if len(tally.returned) > 1:
            say(f"  the provider changed the model in mid-run: {', '.join(sorted(tally.returned))}")
        complete = complete and not tally.stopped and not tally.left and not tally.failed
    if run.budget.used_up:
        say(f"The limit of {run.budget.limit:g} is reached: {run.budget.spent:.4g} spent. Raise --max-cost to go on.")
    if not complete:
        say(f"To go on: {same_command()}")
        raise typer.Exit(1)
    say(f"Scores: {shlex.join(['playground', 'batch', 'score', str(directory)])}")
