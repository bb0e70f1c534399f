"""The command line: parse -> service -> print. Progress on standard error, results on standard output.

Exit code 0 on success, 1 when something failed, 2 on bad usage.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from adapters.errors import AdapterError
from playground import __version__
from playground.cli import batch, local, medsbench
from playground.errors import BadInput, PlaygroundError
from playground.service import Playground
from playground.settings import Settings, from_environment

if TYPE_CHECKING:
    from playground.service.run import RunRequest

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(batch.app, name="batch")
app.add_typer(local.app, name="local")
app.add_typer(medsbench.app, name="medsbench")
errors, out = Console(stderr=True, highlight=False), Console(highlight=False)

Models = Annotated[Path | None, typer.Option("--models", help="Another models.yaml.")]
CasesFile = Annotated[list[Path] | None, typer.Option("--cases", help="Results CSV whose rows become cases.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def settings(models: Path | None = None, cases: list[Path] | None = None, **changes: Any) -> Settings:
    """The environment's settings with what the command line changed."""
    found = from_environment()
    given = {key: value for key, value in changes.items() if value is not None}
    return replace(found, models=models or found.models, extra_cases=tuple(cases or ()), **given)


@contextmanager
def opened(found: Settings) -> Iterator[Playground]:
    with Playground.open(found) as playground:
        yield playground


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port; default 7860.")] = None,
    cases: CasesFile = None,
    models: Models = None,
) -> None:
    """Start the page."""
    from playground.ui.app import serve as start  # Gradio takes seconds to import; other commands do not need it

    start(settings(models, cases, host=host, port=port))


@app.command()
def tasks(as_json: AsJson = False) -> None:
    """List the tasks."""
    with opened(settings()) as playground:
        lines = playground.cases.tasks()
    if as_json:
        print(json.dumps([asdict(line) for line in lines], ensure_ascii=False, indent=2))
        return
    table = Table(box=None)
    table.add_column("Task", no_wrap=True)  # the id is what one types next
    for heading in ("Category", "Title", "Language", "MedS-Bench", "Cases"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        official = line.medsbench[0] if len(line.medsbench) == 1 else f"{len(line.medsbench)} tasks"
        table.add_row(line.id, line.category, line.title, line.language, official, str(line.cases))
    (out if out.is_terminal else Console(highlight=False, width=160)).print(table)


@app.command(name="models")
def list_models(as_json: AsJson = False, models: Models = None) -> None:
    """List the models, with the reason and the fix where one cannot run here."""
    with opened(settings(models)) as playground:
        lines = [
            {
                "model": m.model,
                "label": m.label,
                "available": m.unavailable is None,
                "reason": m.unavailable,
                "local": m.sends_to is None,
                "sends_to": m.sends_to,
                "baseline": m.baseline,
            }
            for m in playground.compare.models()
        ]
    if as_json:
        print(json.dumps(lines, ensure_ascii=False, indent=2))
        return
    for line in lines:
        where = f"sends data to {line['sends_to']}" if line["sends_to"] else "on this machine"
        state = "" if line["available"] else f"\n    unavailable: {line['reason']}"
        out.print(f"{line['model']}  ({line['label']}, {where}){state}", markup=False, soft_wrap=True)


@app.command()
def run(
    task: Annotated[str, typer.Option(help="Task id; see `playground tasks`.")],
    model: Annotated[list[str], typer.Option(help="Model reference; may be given several times.")],
    output: Annotated[Path, typer.Option("--out", help="JSON Lines file; one line an answer.")],
    case: Annotated[list[str] | None, typer.Option(help="Case id; default: every case of the task.")] = None,
    cases: CasesFile = None,
    shots: Annotated[int, typer.Option(min=0, max=3, help="Demonstrations in the prompt.")] = 0,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.0,
    max_tokens: Annotated[int | None, typer.Option(min=1, max=8192, help="Default: the task's own limit.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    blind: Annotated[
        bool, typer.Option(help="Write m1, m2, ... for the models; FILE.key.json says which is which.")
    ] = False,
    models: Models = None,
) -> None:
    """Ask models and write every answer with its scores."""
    from playground.service.run import RunRequest

    request = RunRequest(
        task=task, cases=tuple(case or ()), models=tuple(model), shots=shots,
        temperature=temperature, max_tokens=max_tokens, seed=seed, blind=blind,
    )  # fmt: skip
    with opened(settings(models, cases)) as playground:
        report_added(playground)
        failed, total = asyncio.run(_write_answers(playground, request, output))
    errors.print(f"{total - failed} answers in {output}" + (f", {failed} failed" if failed else ""))
    if failed:
        raise typer.Exit(1)


def report_added(playground: Playground) -> None:
    """Say which rows of the given files became cases, and which did not and why."""
    for added in playground.cases.added:
        counts = ", ".join(f"{n} of {task}" for task, n in added.cases.items()) or "no cases"
        errors.print(f"{added.model.removeprefix('replay/')}: {counts}")
        for reason, rows in added.skipped.items():
            errors.print(f"  {rows} rows left out: {reason}")


async def _write_answers(playground: Playground, request: "RunRequest", output: Path) -> tuple[int, int]:
    _, cases, specs = playground.runs.check(request)
    output.parent.mkdir(parents=True, exist_ok=True)
    if request.blind:
        key = {slot: model for model, slot in sorted(playground.runs.slots(request, specs).items())}
        output.with_suffix(".key.json").write_text(json.dumps(key, indent=2) + "\n", encoding="utf-8")
    failed = total = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=errors) as progress, output.open("w", encoding="utf-8") as file:
        bar = progress.add_task(request.task, total=len(cases) * len(specs))
        async for row in playground.runs.answers(request):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            total, failed = total + 1, failed + (row["error"] is not None)
            progress.advance(bar)
    return failed, total


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="New or empty folder.")],
    include_restricted: Annotated[bool, typer.Option(help="Write texts that are marked restricted, too.")] = False,
) -> None:
    """Write comparisons, responses, scores and ratings as CSV and JSON Lines with a data dictionary."""
    from playground.export import export as write

    with opened(settings()) as playground:
        for path in write(playground.store, directory, include_restricted=include_restricted):
            out.print(str(path))


def main() -> None:
    """Run the command line; errors become one plain line and an exit code."""
    try:
        app()
    except BadInput as error:
        errors.print(str(error), markup=False, soft_wrap=True)
        sys.exit(2)
    except (PlaygroundError, AdapterError) as error:
        errors.print(str(error), markup=False, soft_wrap=True)
        sys.exit(1)
