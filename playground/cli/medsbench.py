"""`playground medsbench`: import, score, export, table, contribute, setup.

Parses and prints; the work is the service's.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from playground.errors import BadInput
from playground.medsbench.board import COLUMNS, METRIC_NAMES, categories
from playground.medsbench.boardtable import SOURCES, Cell
from playground.medsbench.importing import LICENCE
from playground.medsbench.results import ModelResults
from playground.service import Playground
from playground.settings import from_environment

if TYPE_CHECKING:
    from playground.service.medsbench import Imported

app = typer.Typer(no_args_is_help=True, help="MedS-Bench and MedS-Ins: released files in, results in and out.")
errors, out = Console(stderr=True, highlight=False), Console(highlight=False)
WIDE = 240  # columns of a table that is not printed on a terminal
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
    for category in categories():
        _print_scores(category, found)


def _print_scores(category: str, found: Mapping[str, ModelResults]) -> None:
    columns = {m: {k[1]: v for k, v in r.columns().items() if k[0] == category} for m, r in found.items()}
    shown = [c for c in COLUMNS if c.category == category and any(c.name in v for v in columns.values())]
    if not shown:
        return
    metrics = "/".join(dict.fromkeys(METRIC_NAMES[m] for c in shown for m in c.metrics))
    table = _table(f"{category} ({metrics})", [c.name for c in shown] + ["Avg."])
    for model, result in found.items():
        cells = []
        for c in shown:
            figures = columns[model].get(c.name)
            cells.append(f"{_joined([figures[m] for m in c.metrics])} (n={figures['n']})" if figures else "-")
        mean = result.averages().get(category)
        cells.append(_average(mean) if mean else "-")
        table.add_row(model, *cells)
    _print(table)
    tokenisers = {
        name for r in found.values() for t, name in r.tokenisers().items() if any(t in c.tasks for c in shown)
    }
    if tokenisers:
        out.print(f"BLEU-1 tokens: {', '.join(sorted(tokenisers))}; ROUGE-L: rouge 1.0.1")


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(box=None, title=title, title_justify="left")
    for name in ("Model", *columns):
        table.add_column(name, overflow="fold")  # a narrow terminal breaks a value, but never cuts it
    return table


def _print(table: Table) -> None:
    (out if out.is_terminal else Console(highlight=False, width=WIDE)).print(table)


def _average(mean: Mapping[str, object]) -> str:
    value = _joined([float(str(v)) for k, v in mean.items() if k != "missing"])
    missing = mean["missing"]
    return f"({value}: {len(missing)} columns missing)" if isinstance(missing, list) and missing else value


def _joined(values: Sequence[float]) -> str:
    return "/".join(f"{v:.2f}" for v in values)


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
    with opened() as playground:
        cells = playground.medsbench.table(category)
    if as_json:
        lines = [{**asdict(c), "source": SOURCES[c.source]} for c in cells]
        print(json.dumps(lines, ensure_ascii=False, indent=2))
        return
    for at in dict.fromkeys((c.category, c.source) for c in cells):
        print_board([c for c in cells if (c.category, c.source) == at])


def print_board(cells: Sequence[Cell]) -> None:
    """One table of the paper, the cells of one category and source; what is wrong with a cell stands below."""
    columns = list(dict.fromkeys(c.column for c in cells))
    marks = list(dict.fromkeys(c.error for c in cells if c.error))
    metrics = ", ".join(dict.fromkeys(c.metric for c in cells if c.metric))
    title = f"{cells[0].category}: {SOURCES[cells[0].source]}" + (f" ({metrics})" if metrics else "")
    sizes = {name: Counter(c.n for c in cells if c.column == name).most_common(1)[0][0] for name in columns}
    shown = _table(title, [name + (f"\nn={sizes[name]}" if sizes[name] else "") for name in columns])
    for model in dict.fromkeys(c.model for c in cells):
        own = {c.column: c for c in cells if c.model == model}
        shown.add_row(model, *(_cell(own.get(name), sizes[name], marks) for name in columns))
    _print(shown)
    for number, mark in enumerate(marks, 1):
        out.print(f"  !{number} {mark}", markup=False, soft_wrap=True)
    for caveat in dict.fromkeys(f"{c.column}: {c.caveat}" for c in cells if c.caveat):
        out.print(f"  {caveat}", markup=False, soft_wrap=True)
    out.print()


def _cell(cell: Cell | None, size: str, marks: Sequence[str]) -> str:
    if cell is None:
        return ""
    mark = f" !{marks.index(cell.error) + 1}" if cell.error else ""
    return cell.value + (f" (n={cell.n})" if cell.n != size else "") + mark


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
