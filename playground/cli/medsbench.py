"""`playground medsbench`: import, score, export, table, contribute, setup.

Parses and prints; the work is the service's.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from playground.errors import BadInput
from playground.medsbench.importing import LICENCE
from playground.service import Playground
from playground.settings import from_environment

if TYPE_CHECKING:
    from playground.service.medsbench import Imported

app = typer.Typer(no_args_is_help=True, help="MedS-Bench and MedS-Ins: released files in, results in and out.")
errors, out = Console(stderr=True, highlight=False), Console(highlight=False)
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@contextmanager
def opened() -> Iterator[Playground]:
    with Playground.open(from_environment()) as playground:
        yield playground


def say(words: str) -> None:
    errors.print(words, markup=False, soft_wrap=True)


@app.command(name="import")
def import_files(
    paths: Annotated[list[Path], typer.Argument(help="Released task files (.json, .jsonl) or folders of them.")],
    task: Annotated[str | None, typer.Option(help="Official id, where the file's name does not tell: task41.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Cases of each file.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Draw so many cases of each file, by --seed.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    licence: Annotated[str, typer.Option(help="Of the cases; CC0-1.0, CC-BY-4.0 and CC-BY-SA-4.0 are open.")] = LICENCE,
) -> None:
    """Bring released task files into the database; the same file again changes nothing."""
    with opened() as playground:
        done = playground.medsbench.import_files(
            paths, task=task, limit=limit, sample=sample, seed=seed, licence=licence, seen=_say_imported
        )
    refused = sum(bool(one.refused) for one in done)
    out.print(f"{sum(one.added for one in done)} cases added, {sum(one.unchanged for one in done)} unchanged")
    if refused:
        say(f"{refused} of {len(done)} files refused")
        raise typer.Exit(1)


def _say_imported(one: "Imported") -> None:
    if one.refused:
        say(f"refused: {one.refused}")
    else:
        say(f"{one.path.name}: {one.task}, {one.added} added, {one.unchanged} unchanged. {one.note}")


@app.command()
def score(
    files: Annotated[list[Path], typer.Argument(help="task_id,input,GT,output; one file a model.")],
    as_json: AsJson = False,
) -> None:
    """Score results files by the official rules, 0 to 100; every core is used."""
    from playground.cli.medsbenchtables import print_scores
    from playground.service.medsbench import MedsBench

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rows]}"))
    with Progress(*columns, console=errors) as progress:
        bars = {path: progress.add_task(path.name, total=1.0, rows="") for path in files}

        def seen(path: Path, rows: int, share: float) -> None:
            progress.update(bars[path], completed=share, rows=f"{rows:,} rows")

        found = MedsBench.score(files, seen=seen)
    for result in found.values():
        for reason, rows in result.left_out.items():
            say(f"{result.model}: {rows} rows left out: {reason}")
        if unscored := sum(t.unscored for t in result.tallies.values()):
            say(f"{result.model}: {unscored} unscored outputs (empty, NaN or only dots) count as 0")
    if as_json:
        print(json.dumps({m: r.as_json() for m, r in found.items()}, ensure_ascii=False, indent=2))
        return
    print_scores(found)


@app.command()
def export(
    run: Annotated[Path, typer.Option(help="Run file (JSON Lines), or the folder of a batch.")],
    path: Annotated[Path, typer.Option("--out", help="FILE.csv; with several models FILE_MODEL.csv each.")],
    include_restricted: Annotated[bool, typer.Option(help="Write the rows of restricted cases, too.")] = False,
    released: Annotated[bool, typer.Option("--released", help="Only released cases, none of our own.")] = False,
) -> None:
    """Write answers in the official submission format."""
    with opened() as playground:
        written = playground.medsbench.export(run, path, include_restricted=include_restricted, only_released=released)
    if 0 < written.own < written.rows.total():
        say(f"{written.own} of {written.rows.total()} rows are cases of our own: a submission to the leaderboard or a "
            "value beside the paper's must not hold them. --released leaves them out")  # fmt: skip
    for reason, rows in written.left_out.items():
        say(f"{rows} rows left out: {reason}")
    for model, file in written.files.items():
        say(f"{model}: {written.rows[model]} rows")
        out.print(str(file), markup=False, soft_wrap=True)


@app.command()
def table(
    category: Annotated[str | None, typer.Option(help="One table of the paper; default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the published results beside the runs in the database; errors are marked with !."""
    from playground.cli.medsbenchtables import print_boards
    from playground.medsbench.boardtable import SOURCES

    with opened() as playground:
        cells = playground.medsbench.table(category)
    if as_json:
        lines = [{**asdict(c), "source": SOURCES[c.source]} for c in cells]
        print(json.dumps(lines, ensure_ascii=False, indent=2))
        return
    print_boards(cells)


@app.command()
def contribute(
    task: Annotated[str, typer.Option(help="Task id; see `playground tasks`.")],
    path: Annotated[Path, typer.Option("--out", help="FILE.json.")],
    case: Annotated[list[str] | None, typer.Option(help="Case id; default: every case of the task.")] = None,
    leave_out: Annotated[bool, typer.Option(help="Pass restricted and imported cases over, not refuse.")] = False,
    contributor: Annotated[list[str] | None, typer.Option(help="Who gives the cases.")] = None,
    url: Annotated[str, typer.Option(help="Where the cases are published.")] = "",
    domain: Annotated[list[str] | None, typer.Option(help="Medical field; default: Medicine.")] = None,
    split: Annotated[str, typer.Option(help="What the cases are for: Train, Test or Train/Test.")] = "Test",
) -> None:
    """Write own cases in the contributors' JSON format of MedS-Ins."""
    if path.exists():
        raise BadInput(f"{path} is there already. Give another --out.")
    if not contributor:
        say("Contributors is 'Clinical task playground'. Name yourself with --contributor NAME.")
    with opened() as playground:
        content = playground.medsbench.contribute(
            task, cases=tuple(case or ()), leave_out=leave_out,
            contributors=contributor or ["Clinical task playground"], url=url, domains=domain or (), split=split,
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    say(f"{len(content['Instances'])} instances for {content['Split Type']}, by {', '.join(content['Contributors'])}")
    out.print(str(path), markup=False, soft_wrap=True)


@app.command()
def setup(
    folder: Annotated[Path | None, typer.Option(help="Default: NLTK's own folder; else name it in NLTK_DATA.")] = None,
) -> None:
    """Fetch NLTK's punkt_tab, which exact BLEU-1 needs."""
    from playground.service.medsbench import MedsBench

    out.print(str(MedsBench.setup(folder)), markup=False, soft_wrap=True)
