"""What `playground batch score` prints: means by task and metric, then the paper's tables of this run."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from playground.batch.outcome import Outcome
from playground.cli.batchrun import print_table, say
from playground.cli.medsbenchtables import print_boards
from playground.medsbench.boardtable import own_cells

out = Console(highlight=False)


def print_outcome(outcome: Outcome) -> None:
    """Every mean with its n, and what is left out and why."""
    table = Table("Model", "Task", "Metric", "Mean", "n", "Left out", box=None)
    for model, tasks in outcome.figures.items():
        for task, metrics in tasks.items():
            for metric, figure in metrics.items():
                mean = "-" if figure.mean is None else f"{figure.mean:.3f}"
                without = "; ".join(f"{n} {reason}" for reason, n in figure.without.items())
                table.add_row(escape(model), task, metric, mean, str(figure.n), escape(without))
    print_table(table, to=out)
    out.print()
    print_boards([cell for result in outcome.paper for cell in own_cells(result, None)])
    for model, reasons in outcome.left_out.items():
        for reason, rows in reasons.items():
            say(f"{model}: {rows} requests have no score: {reason}")
