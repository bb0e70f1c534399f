"""`playground batch`: run, status, score, import. Parses and prints; the work is the service's."""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from playground.batch.plan import Estimate, Plan, Work, read_plan
from playground.batch.runner import BatchRun
from playground.cli.progress import Progress
from playground.errors import BadInput
from playground.service import Playground
from playground.settings import from_environment

app = typer.Typer(no_args_is_help=True, help="Whole test sets over many models, resumable.")
errors, out = Console(stderr=True, highlight=False), Console(highlight=False)
Folder = Annotated[Path, typer.Argument(help="Folder of the run.")]


@contextmanager
def opened() -> Iterator[Playground]:
    with Playground.open(from_environment()) as playground:
        yield playground


@app.command()
def run(
    plan: Annotated[Path | None, typer.Argument(help="PLAN.yaml; or name tasks and models below.")] = None,
    directory: Annotated[Path | None, typer.Option("--out", help="Folder of the run; the same again resumes.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Task id.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Model reference.")] = None,
    cases: Annotated[list[str] | None, typer.Option(help="Case id; default: all.")] = None,
    shots: Annotated[int | None, typer.Option(min=0, max=3)] = None,
    repeats: Annotated[int | None, typer.Option(min=1)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Cases of each task.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Requests at once for each model; default 10.")] = None,
    max_cost: Annotated[float | None, typer.Option(min=0.0, help="Start nothing more beyond this sum.")] = None,
    rate: Annotated[list[str] | None, typer.Option(help="MODEL=N requests per second.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2)] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1)] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    reuse: Annotated[Path | None, typer.Option(help="Take answers of this earlier run's folder.")] = None,
    cluster: Annotated[str | None, typer.Option(help="auto, or a Ray address.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before text leaves the machine.")] = False,
) -> None:
    """Run a plan, or go on with it."""
    given = {
        "tasks": task, "models": model, "cases": cases, "shots": shots, "repeats": repeats, "limit": limit,
        "concurrency": concurrency, "max_cost": max_cost, "rate": _rates(rate or []) or None,
        "temperature": temperature, "max_tokens": max_tokens, "seed": seed,
    }  # fmt: skip
    chosen = _plan(plan, {key: value for key, value in given.items() if value is not None})
    if directory is None:
        raise BadInput("Name the folder of the run with --out DIR.")
    with opened() as playground:
        work = playground.batch.work(chosen)
        estimates = playground.batch.estimate(work)
        print_estimates(work, estimates)
        _agree(estimates, yes=yes)
        ended = _go(playground, work, directory, reuse=reuse, cluster=cluster)
    _report(ended, directory)


def _plan(path: Path | None, given: dict[str, Any]) -> Plan:
    base = read_plan(path).model_dump() if path else {}
    if not path and not (given.get("tasks") and given.get("models")):
        raise BadInput("Give a PLAN.yaml, or --task and --model.")
    return Plan.model_validate({**base, **given})


def _rates(words: list[str]) -> dict[str, float]:
    rates = {}
    for word in words:
        model, equals, number = word.rpartition("=")
        try:
            rates[model] = float(number)
        except ValueError:
            equals = ""
        if not equals or not model or not 0 < rates.get(model, 0) < 1e6:
            raise BadInput(f"--rate {word} is not MODEL=N. Write, for example, --rate openai/gpt-4.1-mini=5.")
    return rates


def print_estimates(work: Work, estimates: tuple[Estimate, ...]) -> None:
    """What is about to happen, before anything is asked."""
    errors.print(f"{work.case_count()} cases x {len(work.specs)} models x {work.plan.repeats} = {work.size()} requests")
    table = Table("Model", "Requests", "Too long", "Shortened", "Tokens in/out", "Cost", "Where", box=None)
    for e in estimates:
        cost = (
            "unknown" if e.cost is None else f"{e.cost:.2f} {e.currency} (price of {e.priced})" if e.currency else "0"
        )
        where = e.unavailable or (f"sends data to {e.sends_to}" if e.sends_to else "on this machine")
        tokens = f"~{e.input_tokens:,}/{e.output_tokens:,}"
        table.add_row(e.model, str(e.requests), str(e.too_long), str(e.shortened), tokens, cost, where)
    errors.print(table)


def _agree(estimates: tuple[Estimate, ...], *, yes: bool) -> None:
    if all(e.unavailable for e in estimates):
        raise BadInput("None of these models can run here; the table says why.")
    receivers = sorted({e.sends_to for e in estimates if e.sends_to and not e.unavailable})
    if not receivers or yes:
        return
    question = f"The case texts would leave this machine for {', '.join(receivers)}. Go on?"
    if not sys.stdin.isatty():
        raise BadInput(f"{question.removesuffix(' Go on?')} Add --yes to agree.")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)


def _go(playground: Playground, work: Work, directory: Path, *, reuse: Path | None, cluster: str | None) -> BatchRun:
    progress = Progress(errors)
    with progress, _interrupts(progress, directory) as ready:
        if cluster:
            from playground.batch.cluster import asking_on  # imports Ray, which only --cluster needs

            with asking_on(cluster, work) as ask_for:
                return playground.batch.run(
                    work, directory, reuse=reuse, seen=progress.show, ready=ready, ask_for=ask_for
                )
        return playground.batch.run(work, directory, reuse=reuse, seen=progress.show, ready=ready)


@contextmanager
def _interrupts(progress: Progress, directory: Path) -> Iterator[Any]:
    """The first Ctrl-C lets running answers finish; the second stops at once."""
    running: list[BatchRun] = []

    def interrupted(number: int, frame: object) -> None:
        if not running or running[0].stopping:
            raise KeyboardInterrupt
        progress.say("Stopping: running answers may finish. Press Ctrl-C again to stop at once.")
        running[0].stop()

    if threading.current_thread() is not threading.main_thread():
        yield running.append
        return
    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield running.append
    finally:
        signal.signal(signal.SIGINT, before)


def _report(run: BatchRun, directory: Path) -> None:
    failed = False
    for tally in run.tallies.values():
        here = tally.before + tally.reused + tally.done
        line = f"{tally.model}: {here} of {tally.total} answered"
        line += f", {tally.failed} failed" if tally.failed else ""
        line += f", {tally.too_long} too long" if tally.too_long else ""
        errors.print(line)
        if tally.stopped:
            errors.print(f"  stopped: {tally.stopped}")
        if len(tally.returned) > 1:
            errors.print(f"  the provider changed the model in mid-run: {', '.join(sorted(tally.returned))}")
        failed = failed or bool(tally.stopped) or tally.left > 0 or tally.failed > 0
    if run.budget.used_up:
        errors.print(f"The limit of {run.budget.limit:g} is reached: {run.budget.spent:.2f} spent.")
    if failed or run.stopping:
        errors.print(f"To go on: {' '.join(sys.argv) if sys.argv else 'the same command'}", soft_wrap=True)
        raise typer.Exit(1)
    errors.print(f"Scores: playground batch score {directory}")


@app.command()
def status(directory: Folder, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Say how far a run is."""
    with opened() as playground:
        lines = playground.batch.status(directory)
    if as_json:
        print(json.dumps([asdict(line) for line in lines], indent=2))
        return
    table = Table("Model", "Planned", "Answered", "Failed attempts", "Reused", "Returned as", box=None)
    for s in lines:
        table.add_row(
            s.model, str(s.planned), str(s.done), str(s.failed_attempts), str(s.reused), ", ".join(s.returned)
        )
    out.print(table)


@app.command(name="import")
def import_run(directory: Folder) -> None:
    """Bring a run's answers into the database, so that pages and results see them."""
    with opened() as playground:
        added, present = playground.batch.import_run(directory)
    errors.print(f"{added} answers added, {present} were there already")
