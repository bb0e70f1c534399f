"""What an official MedS-Bench function gives for one row, and what pandas makes of a CSV cell. Knows no metric.

The official scripts are those of MAGIC-AI4Med/MedS-Ins, `Metrics/`, commit 185cfc0, rules restated in our own words.
"""

from typing import NamedTuple

SOURCE = "MedS-Bench: Wu et al., npj Digital Medicine 2025;8:58; rules of MAGIC-AI4Med/MedS-Ins Metrics/{}, 185cfc0"

NAN_CELLS = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"]
    + ["NULL", "NaN", "None", "n/a", "nan", "null"]
)  # the cells that `pandas.read_csv` reads as "not a number" by default


class Marks(NamedTuple):
    """A row's value in 0..1.

    `crash`: the official script stops at this row, and why; the value is 0 and the row counts.
    `skipped`: the official script leaves the row out of the mean, and why; the value is 0 and must not be counted.
    """

    value: float
    crash: str = ""
    skipped: str = ""


NOT_TEXT = "the cell is read as NaN, which the official script cannot handle as text"


def as_read(cell: str) -> str | None:
    """A CSV cell as the official scripts see it: None for NaN. (A column of numbers only is read as numbers.)"""
    return None if cell in NAN_CELLS else cell


def as_str(cell: str | None) -> str:
    """`str(cell)` of the official scripts: NaN becomes the text `nan`."""
    return "nan" if cell is None else cell
