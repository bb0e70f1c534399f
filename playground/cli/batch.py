"""`playground batch`: run, status, score, import. Parses and prints; the work is the service's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from playground.batch.plan import read_plan
from playground.cli.batchrun import agree, go, print_estimates, print_table, report, say
from playground.errors import BadInput
from playground.service import Playground
from playground.settings import from_environment

app = typer.Typer(no_args_is_help=True, help="Whole test sets over many models, resumable.")
out = Console(highlight=False)
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
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
    max_cost: Annotated[float | None, typer.Option(help="Start nothing more beyond this sum.")] = None,
    rate: Annotated[list[str] | None, typer.Option(help="MODEL=N or MODEL=N/s: requests per second.")] = None,
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
    if plan is None and not (task and model):
        raise BadInput("Give a PLAN.yaml, or --task and --model.")
    chosen = read_plan(plan, **{key: value for key, value in given.items() if value is not None})
    if directory is None:
        raise BadInput("Name the folder of the run with --out DIR.")
    with opened() as playground:
        work = playground.batch.work(chosen)
        estimates = playground.batch.estimate(work)
        print_estimates(work, estimates)
        agree(estimates, cluster=cluster, yes=yes)
        ended = go(playground, work, directory, reuse=reuse, cluster=cluster)
    report(ended, directory)


def _rates(words: list[str]) -> dict[str, float]:
    rates = {}
    for word in words:
        model, equals, number = word.rpartition("=")
        try:
            rates[model] = float(number.removesuffix("/s"))
        except ValueError:
            equals = ""
        if not equals or not model or not 0 < rates.get(model, 0) < 1e6:
            raise BadInput(f"--rate {word} is not MODEL=N. Write, for example, --rate openai/gpt-4.1-mini=5.")
    return rates


@app.command()
def status(directory: Folder, as_json: AsJson = False) -> None:
    """Say how far a run is."""
    with opened() as playground:
        lines = playground.batch.status(directory)
    if as_json:
        print(json.dumps([asdict(line) for line in lines], indent=2))
        return
    names = ("Model", "Planned", "Answered", "Left", "Too long", "Failed attempts", "Reused", "Tokens in/out", "Spent")
    table = Table(*names, "Returned as", box=None)
    for s in lines:
        counts = (str(n) for n in (s.planned, s.done, s.left, s.too_long, s.failed_attempts, s.reused))
        money = "unknown" if s.money is None else f"{s.money:.2f}"
        tokens = f"{s.input_tokens:,}/{s.output_tokens:,}"
        table.add_row(escape(s.model), *counts, tokens, money, escape(", ".join(s.returned)))
    print_table(table, to=out)


@app.command()
def score(
    directory: Folder,
    as_json: AsJson = False,
    csv: Annotated[Path | None, typer.Option(help="Also write official CSV: FILE.csv, or FILE_MODEL.csv each.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Also write answers and scores as Parquet.")] = None,
    include_restricted: Annotated[bool, typer.Option(help="Write the texts of restricted cases, too.")] = False,
) -> None:
    """Score a run's answers and show the paper's table; asks nobody, at any time, as often as wanted."""
    from playground.cli.batchscore import print_outcome

    with opened() as playground:
        outcome = playground.batch.score(directory)
        if as_json:
            print(json.dumps(outcome.as_json(), ensure_ascii=False, indent=2))
        else:
            print_outcome(outcome)
        if csv is not None:
            written = playground.medsbench.export(directory, csv, include_restricted=include_restricted)
            for reason, rows in written.left_out.items():
                say(f"{rows} rows left out: {reason}")
            for model, file in written.files.items():
                say(f"{model}: {written.rows[model]} rows in {file}")
        if parquet is not None:
            rows = playground.batch.write_parquet(directory, parquet, include_restricted=include_restricted)
            say(f"{rows} rows in {parquet}")


@app.command(name="import")
def import_run(directory: Folder) -> None:
    """Bring a run's answers into the database, so that pages and results see them."""
    with opened() as playground:
        done = playground.batch.import_run(directory)
    for reason, answers in done.left_out.items():
        say(f"{answers} answers left out: {reason}")
    say(f"{done.added} answers added, {done.present} were there already")
