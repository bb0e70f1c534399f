"""The paper's tables on a terminal: scored results files, and published results beside our own."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from playground.medsbench.board import COLUMNS, METRIC_NAMES, categories
from playground.medsbench.boardtable import SOURCES, Cell
from playground.medsbench.results import ModelResults

out = Console(highlight=False)
WIDE = 240  # columns of a table that is not printed on a terminal


def print_boards(cells: Sequence[Cell]) -> None:
    """The paper's tables, one for each category and source."""
    for at in dict.fromkeys((c.category, c.source) for c in cells):
        _print_board([c for c in cells if (c.category, c.source) == at])


def _print_board(cells: Sequence[Cell]) -> None:
    """One table of the paper, the cells of one category and source; what is wrong with a cell stands below."""
    columns = list(dict.fromkeys(c.column for c in cells))
    marks = list(dict.fromkeys(c.error for c in cells if c.error))
    metrics = ", ".join(dict.fromkeys(c.metric for c in cells if c.metric))
    title = f"{cells[0].category}: {SOURCES[cells[0].source]}" + (f" ({metrics})" if metrics else "")
    sizes = {name: Counter(c.n for c in cells if c.column == name).most_common(1)[0][0] for name in columns}
    shown = _table([name + (f"\nn={sizes[name]}" if sizes[name] else "") for name in columns])
    for model in dict.fromkeys(c.model for c in cells):
        own = {c.column: c for c in cells if c.model == model}
        shown.add_row(model, *(_cell(own.get(name), sizes[name], marks) for name in columns))
    _print(title, shown)
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


def print_scores(found: Mapping[str, ModelResults]) -> None:
    """Scored results files, one table for each category of the paper that they have rows of."""
    for category in categories():
        _print_category(category, found)


def _print_category(category: str, found: Mapping[str, ModelResults]) -> None:
    columns = {m: {k[1]: v for k, v in r.columns().items() if k[0] == category} for m, r in found.items()}
    shown = [c for c in COLUMNS if c.category == category and any(c.name in v for v in columns.values())]
    if not shown:
        return
    metrics = "/".join(dict.fromkeys(METRIC_NAMES[m] for c in shown for m in c.metrics))
    table = _table([c.name for c in shown] + ["Avg."])
    for model, result in found.items():
        cells = []
        for c in shown:
            figures = columns[model].get(c.name)
            cells.append(f"{_joined([figures[m] for m in c.metrics])} (n={figures['n']})" if figures else "-")
        mean = result.averages().get(category)
        cells.append(_average(mean) if mean else "-")
        table.add_row(model, *cells)
    _print(f"{category} ({metrics})", table)
    tokenisers = {
        name for r in found.values() for t, name in r.tokenisers().items() if any(t in c.tasks for c in shown)
    }
    if tokenisers:
        out.print(f"BLEU-1 tokens: {', '.join(sorted(tokenisers))}; ROUGE-L: rouge 1.0.1")


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None)
    for name in ("Model", *columns):
        table.add_column(name, overflow="fold")  # a narrow terminal breaks a value, but never cuts it
    return table


def _print(title: str, table: Table) -> None:
    """The title is a line of its own: as the table's it would be broken where the table is narrow."""
    out.print(title, style="italic", markup=False, soft_wrap=True)
    (out if out.is_terminal else Console(highlight=False, width=WIDE)).print(table)


def _average(mean: Mapping[str, object]) -> str:
    value = _joined([float(str(v)) for k, v in mean.items() if k != "missing"])
    missing = mean["missing"]
    return f"({value}: {len(missing)} columns missing)" if isinstance(missing, list) and missing else value


def _joined(values: Sequence[float]) -> str:
    return "/".join(f"{v:.2f}" for v in values)
