"""MedS-Bench: import released files, score results files, write submissions, show the boards, give cases back.

Knows no page and no terminal.
"""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from playground.batch.log import LOG, manifest_of, read_lines
from playground.errors import BadFile, BadInput, PlaygroundError
from playground.library import Library
from playground.medsbench import boardtable, released, submission
from playground.medsbench.boardtable import Cell, is_released, official_of
from playground.medsbench.contribute import OPEN, contribution
from playground.medsbench.importing import LICENCE, credentialed, task_for
from playground.medsbench.official import TASK_ID, official_id
from playground.medsbench.results import ModelResults, Seen, score_files
from playground.medsbench.submission import Written
from playground.models import Models
from playground.store import Store
from playground.task import Case, Task

PATIENCE = 30.0  # seconds that a silent server is waited for


class SetupFailed(PlaygroundError):
    """The data of the tokeniser could not be fetched; scores stay close, but not exact."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of one file. `refused`: position and reason; then nothing of it was written."""

    path: Path
    task: str = ""
    added: int = 0
    unchanged: int = 0
    note: str = ""
    refused: str = ""


class MedsBench:
    def __init__(self, *, library: Library, models: Models, store: Store) -> None:
        self._library, self._models, self._store = library, models, store
        self._own_runs: tuple[object, list[ModelResults]] = (None, [])

    def import_files(
        self,
        paths: Sequence[Path],
        *,
        task: str | None = None,
        limit: int | None = None,
        sample: int | None = None,
        seed: int = 0,
        licence: str = LICENCE,
        seen: Callable[[Imported], object] = lambda imported: None,
    ) -> tuple[Imported, ...]:
        """Bring released files into the database, each whole or not at all; `seen` is told of each.

        A broken file is refused and the others go on. Raises `BadFile` for a path that is not there, `BadInput` for
        `task` with several files.
        """
        files = released.find(paths)
        if not files:
            raise BadInput("There is no .json or .jsonl file in there. Give a released task file or its folder.")
        if task is not None and len(files) > 1:
            raise BadInput(f"--task {task} names one file, but there are {len(files)}. Give one file.")
        named = official_id(task) if task is not None else None
        if named is not None and not TASK_ID.fullmatch(named):
            raise BadInput(f"--task {task} is no official task id. Give one such as task41.")
        done = []
        for path in files:
            try:
                one = self._import(path, named, limit=limit, sample=sample, seed=seed, licence=licence)
            except BadFile as error:
                one = Imported(path=path, refused=str(error))
            except OSError as error:
                one = Imported(path=path, refused=f"{path}: {error.strerror or error}.")
            seen(one)
            done.append(one)
        return tuple(done)

    def _import(
        self, path: Path, named: str | None, *, limit: int | None, sample: int | None, seed: int, licence: str
    ) -> Imported:
        file = released.check(path, task=named)
        shipped = (t for t in self._library.tasks() if t.own and file.official in t.medsbench)
        task = task_for(file, next(shipped, None))
        restricted = credentialed(file) or licence not in OPEN
        cases = released.cases(file, task.id, licence=licence, restricted=restricted)
        chosen = released.chosen(cases, limit=limit, sample=sample, seed=seed)
        added, unchanged = self._store.import_cases(chosen, task)
        self._library.add_task(task)
        self._models.forget_examples(task.id)
        notes = ["Its Definition is the task's instruction now." if task.own else task.caveat]
        if restricted and licence in OPEN:
            notes.append(f"Its source asks for a signature: restricted, although {licence} is named.")
        if file.unanswered:
            notes.append(f"{file.unanswered} of its {file.instances} outputs are empty: cases without a reference.")
        return Imported(path=path, task=task.id, added=added, unchanged=unchanged, note=" ".join(notes))

    @staticmethod
    def score(paths: Sequence[Path], *, seen: Seen = lambda path, rows, share: None) -> dict[str, ModelResults]:
        """Score results files, by model; see `results.score_files`."""
        return score_files(paths, seen=seen)

    def export(self, run: Path, out: Path, *, include_restricted: bool = False, only_released: bool = False) -> Written:
        """Write a run (JSON Lines, or the folder of a batch) as submission files; raises `BadInput`."""
        models = {str(row["model"]) for row in _answers(run) if row.get("error") is None}
        rows = self._complete(_answers(run))
        return submission.write(
            rows, out, models=len(models), include_restricted=include_restricted, released=only_released
        )

    def _complete(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Rows with official id, input and reference; a batch's log leaves the last two to the library."""
        tasks = {task.id: task for task in self._library.tasks()}
        cases: dict[str, Mapping[str, Case]] = {}
        for row in rows:
            task = tasks.get(str(row.get("task")))
            row |= {"official": official_of(task, str(row["case"])), "released": is_released(str(row["case"]))}
            if "reference" not in row and task is not None:
                known = cases.setdefault(task.id, {c.id: c for c in self._library.cases(task.id)})
                row |= _from_case(task, known.get(row["case"]), row)
            yield row

    def table(self, category: str | None = None) -> tuple[Cell, ...]:
        """Published cells, then the runs in the database; raises `UnknownName` for a category that is none."""
        chosen = boardtable.named(category) if category is not None else None
        own = self._own()
        return (*boardtable.published(chosen), *(c for result in own for c in boardtable.own_cells(result, chosen)))

    def _own(self) -> list[ModelResults]:
        """Every stored run, scored again only when rows or tasks were added: both are never changed in place."""
        tasks = {task.id: task for task in self._library.tasks()}
        known = (self._store.counts()["run_row"], frozenset((t.id, *t.medsbench) for t in tasks.values()))
        if self._own_runs[0] != known:
            self._own_runs = (known, boardtable.own_runs(self._store.iterate_run_rows(), tasks))
        return self._own_runs[1]

    def contribute(
        self,
        task: str,
        *,
        cases: Sequence[str] = (),
        leave_out: bool = False,
        contributors: Sequence[str] = (),
        url: str = "",
        domains: Sequence[str] = (),
        split: str = "Test",
    ) -> dict[str, Any]:
        """Own cases of a task in the contributors' format; raises `BadInput` for text that is not ours to give.

        `cases` empty: every case. `leave_out`: restricted and imported cases are passed over instead of refused.
        """
        found = self._library.as_shipped(task)
        imported = {case.id for case in self._store.imported_cases(task)}
        chosen = [self._library.case(task, name) for name in cases] or list(self._library.cases(task))
        if leave_out:
            chosen = [c for c in chosen if c.id not in imported and not c.restricted and c.target is not None]
        for case in chosen:
            if case.id in imported or case.restricted:
                raise BadInput(
                    f"Case {case.id} is restricted or imported ({case.source}) and cannot be given back. "
                    "Add --leave-out to pass such cases over."
                )
        return contribution(found, chosen, contributors=contributors, url=url, domains=domains, split=split)

    @staticmethod
    def setup(folder: Path | None = None) -> Path:
        """Fetch NLTK's `punkt_tab` unless it is here; returns where it is. Raises `SetupFailed` without a network."""
        from nltk.data import find
        from nltk.downloader import Downloader

        try:
            return Path(str(find("tokenizers/punkt_tab/english")))
        except LookupError:
            pass
        loader = Downloader()
        target = str(folder or loader.default_download_dir())
        before, silent = socket.getdefaulttimeout(), StringIO()
        socket.setdefaulttimeout(PATIENCE)
        try:
            loader.download("punkt_tab", download_dir=target, quiet=True, raise_on_error=True, print_error_to=silent)
            return Path(str(find("tokenizers/punkt_tab/english", paths=[target])))
        except (OSError, ValueError, LookupError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise SetupFailed(
                f"punkt_tab could not be fetched into {target}: {reason}. Try again where there is a network, or copy "
                "tokenizers/punkt_tab there by hand; until then BLEU-1 is counted with untrained Punkt, and says so."
            ) from error
        finally:
            socket.setdefaulttimeout(before)


def _from_case(task: Task, case: Case | None, row: Mapping[str, Any]) -> dict[str, Any]:
    if case is None or row.get("case_sha256") not in (None, case.sha256()):
        return {"official": None, "reference": "", "task": f"a case of {task.id} that is gone or has changed"}
    return {"input": task.text(case), "reference": task.reference(case), "restricted": case.restricted}


def _answers(run: Path) -> Iterator[dict[str, Any]]:
    """Every answer or failure of a run file, or of the log in a batch's folder; an answer is given once."""
    if run.is_dir():
        manifest_of(run)
    elif not run.is_file():
        raise BadFile(run, "there is no such file or folder.")
    seen: set[tuple[str, str]] = set()
    for row in read_lines(run / LOG if run.is_dir() else run):
        if not {"model", "task", "case", "text"} <= row.keys():
            continue
        at = (str(row["case"]), str(row["key"])) if row.get("key") else None
        if at is not None and (at in seen or row.get("error") is not None):
            continue  # a failed attempt of a batch may have been asked again
        if at is not None:
            seen.add(at)
        yield row
