"""Scores of logged answers: what a kill left out, and the summing up at any later time; asks nobody."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from adapters.base import GenerateConfig
from playground.batch.log import SCORES, Lines, LogFailed, RunLog, answers, exclusive, manifest_of, rows_of, scores_of
from playground.batch.outcome import CaseIndex, Outcome, unanswered
from playground.batch.plan import Item
from playground.batch.rows import score_rows
from playground.errors import BadInput
from playground.library import Library
from playground.prompt import Prompt
from playground.scorers import all_scorers
from playground.task import Case, Task

ScoreKey = tuple[str, str, str, int]  # key, case, metric, version


def catch_up(directory: Path, log: RunLog, library: Library) -> None:
    """Score answers that a kill left without scores."""
    have, index = {(s["case"], s["key"]) for s in scores_of(directory)}, CaseIndex(library)
    for row in answers(directory) if log.done - have else ():
        found = index.find(row)
        if (row["case"], row["key"]) not in have and not isinstance(found, str):
            log.add_scores(score_rows(row["key"], _item(row, *found), row["text"]))


def score(directory: Path, library: Library) -> Outcome:
    """Score what has no score of today's scorers yet, and sum everything up. Raises `BadInput` where there is no run.

    While a run writes into the folder, or where it may not be written, nothing is written down.
    """
    manifest_of(directory)
    have: dict[ScoreKey, float | None] = {
        (s["key"], s["case"], s["metric"], s["version"]): s["value"] for s in scores_of(directory)
    }
    outcome, index = Outcome(), CaseIndex(library)
    with ExitStack() as stack:
        lines = _writer(stack, directory)
        for row in answers(directory):
            found = index.find(row)
            if isinstance(found, str):
                outcome.leave_out(row["model"], found)
                continue
            outcome.scored += _complete(have, row, *found, lines=lines)
            for metric in found[0].scorers:
                value = have[row["key"], row["case"], metric, all_scorers()[metric].version]
                outcome.figure(row["model"], row["task"], metric).add(value, case=found[1], metric=metric)
    for model, reasons in unanswered(rows_of(directory)).items():
        for reason, rows in reasons.items():
            outcome.leave_out(model, reason, rows)
    return outcome


def _item(row: Mapping[str, Any], task: Task, case: Case) -> Item:
    """A logged row as the scorers want it."""
    return Item(row["key"], task, case, row["model"], row["repeat"], Prompt((), ()), GenerateConfig(max_tokens=1))


def _complete(
    have: dict[ScoreKey, float | None], row: Mapping[str, Any], task: Task, case: Case, *, lines: Lines | None
) -> bool:
    """Score one answer where a score is missing; whether it was."""
    versions = {m: all_scorers()[m].version for m in task.scorers}
    if all((row["key"], row["case"], m, v) in have for m, v in versions.items()):
        return False
    made = list(score_rows(row["key"], _item(row, task, case), row["text"]))
    fresh = [s for s in made if (s["key"], s["case"], s["metric"], s["version"]) not in have]
    have.update({(s["key"], s["case"], s["metric"], s["version"]): s["value"] for s in fresh})
    if lines is not None:
        lines.append(*fresh)
    return True


def _writer(stack: ExitStack, directory: Path) -> Lines | None:
    """The scores' file, locked; None while another writes or where it cannot be written."""
    try:
        stack.enter_context(exclusive(directory))
        lines = Lines(directory / SCORES)
    except (BadInput, LogFailed):
        return None
    stack.callback(lines.close)
    return lines
