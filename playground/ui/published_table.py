"""The published boards beside own runs: cells -> the markup of one table and the lines of its CSV. Pure; no Gradio.

What may not be compared is kept apart: a group of rows for each source, n under every value that has another n than its
column, known errors marked in the cell, the metric's variant below.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playground.errors import BadInput
from playground.medsbench import board
from playground.medsbench.boardtable import OVERVIEW, SOURCES, Cell
from playground.ui.render import esc, note

BOARDS: Mapping[str, str] = {"final": "Final board, January 2025", "v1": "arXiv v1, August 2024"}
GROUPS: Mapping[str, str] = {  # what the rows of a source may be compared with
    "final": "As printed by the authors, errors included. Compare within a column where n is the same.",
    "v1": "As printed by the authors. Far smaller test sets than on the final board: do not mix the two.",
    "released": "Rows of the released files. Comparable with the published value where n is the column's n.",
    "own": "Cases of this playground: other inputs than the published ones. Compare these rows only with each other.",
}
SAME = ("Multiple-choice QA", board.SUMMARY)  # v1 printed these as the final board does; checked row by row
HEADS = ("category", "source", "model", "column", "value", "n", "metric", "error", "caveat")
LETTERS = "abcdefghij"


@dataclass(frozen=True)
class Asked:
    """One table: its category and the published board that is shown."""

    category: str
    board: str


def slug(category: str) -> str:
    """The category in an address."""
    return category.lower().replace(" ", "-")


def categories() -> tuple[str, ...]:
    return (OVERVIEW, *board.categories())


def read(query: Mapping[str, Any]) -> Asked:
    """{category, board}, the category as in an address; raises `BadInput`."""
    if not isinstance(query, Mapping):
        raise BadInput("Send an object with category and board.")
    known = {slug(c): c for c in categories()}
    category, name = query.get("category") or slug(OVERVIEW), query.get("board") or "final"
    if not isinstance(category, str) or category not in known:
        raise BadInput("There is no such table. Choose a category above.")
    if not isinstance(name, str) or name not in BOARDS:
        raise BadInput("There is no such board. Choose one above.")
    return Asked(known[category], name)


def chooser() -> str:
    """The page's static markup: chooser, switch, download, and the place of the table."""
    options = "".join(f'<option value="{esc(slug(c))}">{esc(c)}</option>' for c in categories())
    radios = "".join(
        f'<label><input type="radio" name="cp-board" value="{name}"><span>{esc(words)}</span></label>'
        for name, words in BOARDS.items()
    )
    return (
        '<div class="cp-published"><h2 class="cp-h1">Published results of MedS-Bench</h2>'
        '<p class="cp-quiet">The tables of the paper beside the runs of this playground. Scores from 0 to 100.</p>'
        '<div class="cp-choose"><label><b class="cp-label">Table</b>'
        f'<select id="cp-category">{options}</select></label>'
        f'<fieldset><legend class="cp-label">Board</legend><span class="cp-seg">{radios}</span></fieldset>'
        '<button type="button" class="cp-second" data-act="csv" disabled>Download as CSV</button></div>'
        '<p class="cp-sr" role="status"></p><div class="cp-board"><p class="cp-quiet">Reading the table.</p></div>'
        "</div>"
    )


def lines(cells: Iterable[Cell], asked: Asked) -> list[list[str]]:
    """The CSV of one table: a line a value, each with n, metric, error and caveat."""
    shown = _shown(cells, asked)
    rows = [
        [c.category, SOURCES[c.source], c.model, c.column, c.value, c.n, c.metric, c.error, c.caveat] for c in shown
    ]
    return [[*HEADS], *rows]


def _shown(cells: Iterable[Cell], asked: Asked) -> list[Cell]:
    sources = (asked.board, "released", "own")
    mine = [c for c in cells if c.category == asked.category and c.source in sources]
    return [part for c in sorted(mine, key=lambda c: sources.index(c.source)) for part in _parts(c)]


def _parts(cell: Cell) -> tuple[Cell, ...]:
    """An own value of precision, recall and F1 as the board prints it: in three columns."""
    column = board.column_named(cell.category, cell.column)
    if cell.source not in ("released", "own") or column is None or column.metrics != board.PRF:
        return (cell,)
    names = [f"{cell.column} {board.METRIC_NAMES[m]}" for m in column.metrics]
    names[-1] = f"{cell.column} F1_score"
    figures = zip(names, cell.value.split("/"), strict=True)
    return tuple(replace(cell, column=name, value=value, metric="macro") for name, value in figures)


def table(cells: Iterable[Cell], asked: Asked) -> str:
    """One table with its groups, marks and notes."""
    shown = _shown(cells, asked)
    printed = [c for c in shown if c.source == asked.board]
    missing = ""
    if not printed:
        words = "Its seven models have the values of the final board." if asked.category in SAME else ""
        missing = note("off", f"{BOARDS[asked.board]} has no table of its own here.", words)
    if not shown:
        return missing
    columns = list(dict.fromkeys(c.column for c in shown if c.column != "Avg."))
    columns += ["Avg."] if any(c.column == "Avg." for c in shown) else []
    view = _View(shown, columns, asked)
    bodies = "".join(view.group(source) for source in dict.fromkeys(c.source for c in shown))
    name = esc(f"{asked.category}, {BOARDS[asked.board]}")
    return (
        f'{missing}<div class="cp-tablebox" tabindex="0" role="region" aria-label="{name}">'
        f'<table class="cp-table cp-results"><caption class="cp-sr">{name}</caption>{view.head()}{bodies}</table></div>'
        f"{view.notes()}"
    )


class _View:
    """One table: what its columns have in common, and the marks that its cells share with the notes."""

    def __init__(self, shown: Sequence[Cell], columns: Sequence[str], asked: Asked) -> None:
        self._shown, self._columns, self._asked = shown, columns, asked
        self._of = {name: [c for c in shown if c.column == name] for name in columns}
        self._sizes = {name: self._size(name) for name in columns}
        self._errors = list(dict.fromkeys(c.error for c in shown if c.error and c.source in BOARDS))
        self._caveats = list(dict.fromkeys(c.caveat for c in shown if c.caveat))

    def _size(self, column: str) -> str:
        """The n that most published values of a column have; empty where none is known."""
        sizes = Counter(c.n for c in self._of[column] if c.source == self._asked.board)
        return sizes.most_common(1)[0][0] if sizes else ""

    def head(self) -> str:
        return f'<thead><tr><th scope="col">Model</th>{"".join(map(self._heading, self._columns))}</tr></thead>'

    def _heading(self, column: str) -> str:
        cells = self._of[column]
        metric = next((c.metric for c in cells if c.metric), "").split(" (")[0].split(",")[0]
        size = self._sizes[column]
        unknown = "" if column == "Avg." or self._asked.category == OVERVIEW else "n not given"
        facts = "".join(f"<small>{esc(f)}</small>" for f in (metric, f"n={size}" if size else unknown) if f)
        caveat = next((c.caveat for c in cells if c.caveat), "")
        mark = ""
        if caveat:
            letter = LETTERS[self._caveats.index(caveat)]
            mark = f' <a class="cp-mark" href="#cp-caveat-{letter}" title="{esc(caveat)}">{letter}</a>'
        return f'<th scope="col" class="cp-n">{esc(column)}{mark}{facts}</th>'

    def group(self, source: str) -> str:
        """The rows of one source under a line that says what they may be compared with."""
        mine = [c for c in self._shown if c.source == source]
        rows = "".join(self._row(m, [c for c in mine if c.model == m]) for m in dict.fromkeys(c.model for c in mine))
        title = BOARDS.get(source) or SOURCES[source].replace("own run", "Own runs")
        return (
            f'<tbody><tr class="cp-group"><th scope="rowgroup" colspan="{len(self._columns) + 1}"><span><b>{esc(title)}'
            f"</b> {esc(GROUPS[source])}</span></th></tr>{rows}</tbody>"
        )

    def _row(self, model: str, cells: Sequence[Cell]) -> str:
        found = {c.column: c for c in cells}
        values = "".join(self._cell(found.get(name)) for name in self._columns)
        return f'<tr><th scope="row">{esc(model)}</th>{values}</tr>'

    def _cell(self, cell: Cell | None) -> str:
        if cell is None:
            return '<td class="cp-n"></td>'
        if cell.value == "-":
            return '<td class="cp-n cp-quiet">-<span class="cp-sr"> not reported</span></td>'
        published = cell.source in BOARDS
        size = (
            f"n={cell.n}".replace("=about", " about")
            if cell.n and (not published or cell.n != self._sizes[cell.column])
            else ""
        )
        told = "" if published or not cell.error else cell.error
        below = "".join(f"<small>{esc(words)}</small>" for words in (size, told) if words)
        if not published or not cell.error:
            return f'<td class="cp-n">{esc(cell.value)}{below}</td>'
        number = self._errors.index(cell.error) + 1
        mark = (
            f'<a class="cp-mark bad" href="#cp-error-{number}" aria-label="Known error {number}" '
            f'title="{esc(cell.error)}">!{number}</a>'
        )
        return f'<td class="cp-n cp-wrong">{esc(cell.value)} {mark}{below}</td>'

    def notes(self) -> str:
        """What stands below: known errors, caveats, metrics with their variant."""
        errors = "".join(
            f'<li id="cp-error-{i}"><b class="cp-mark bad">!{i}</b> {esc(self._where(e))}: {esc(e)}</li>'
            for i, e in enumerate(self._errors, 1)
        )
        found = f"<h3>Known errors of this table</h3><ul>{errors}</ul>" if errors else ""
        caveats = "".join(
            f'<li id="cp-caveat-{LETTERS[i]}"><b class="cp-mark">{LETTERS[i]}</b> {esc(self._about(c))}: {esc(c)}</li>'
            for i, c in enumerate(self._caveats)
        )
        metrics = "".join(f"<li>{esc(line)}</li>" for line in self._metrics())
        return (
            f'<section class="cp-footnotes" aria-label="Notes on the table">{found}'
            f"<h3>Before you compare</h3><ul>{caveats}{metrics}</ul></section>"
        )

    def _where(self, error: str) -> str:
        wrong = [c for c in self._shown if c.error == error]
        columns = list(dict.fromkeys(c.column for c in wrong))
        return f"{wrong[0].model}, {columns[0] if len(columns) == 1 else 'the whole row'}"

    def _about(self, caveat: str) -> str:
        found = [board.column_named(c.category, c.column) for c in self._shown if c.caveat == caveat]
        columns = list(dict.fromkeys(column.name for column in found if column))
        return columns[0] if len(columns) == 1 else f"{columns[0]} to {columns[-1]}"

    def _metrics(self) -> list[str]:
        """Metric variants by source, the mark for nothing, and the runs that are not there yet."""
        sources: dict[str, list[str]] = {}
        for source in dict.fromkeys(c.source for c in self._shown):
            metrics = dict.fromkeys(c.metric for c in self._shown if c.source == source and c.metric)
            sources.setdefault("; ".join(metrics), []).append(SOURCES[source])
        said = [f"Metric: {metric} ({'; '.join(names)})." for metric, names in sources.items() if metric]
        if any("Aloe" in c.model for c in self._shown):
            said.append(
                "The two Aloe models were added later on about 150 rows a task; the others had the whole test set."
            )
        if any(c.value == "-" for c in self._shown):
            said.append("A dash: not reported.")
        if all(c.source in BOARDS for c in self._shown) and self._asked.category != OVERVIEW:
            said.append(
                "No own run of this category yet. To add one: playground batch run, then playground batch import."
            )
        return said
