"""Cases: what can be run, and cases added from a results file; knows no page."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from adapters.recordings import Recorded, Unreadable, model_name, read_results_csv
from playground.errors import BadFile
from playground.library import Library
from playground.medsbench.official import official_id
from playground.models import Models, ModelSpec
from playground.store import Store
from playground.task import RAW, Case, Task


@dataclass(frozen=True, kw_only=True)
class Added:
    """What a file brought: cases by task, rows left out with the reason, and the recorded model's reference."""

    model: str
    cases: dict[str, int]
    skipped: dict[str, int]  # reason -> rows


@dataclass(frozen=True, kw_only=True)
class TaskLine:
    """One line of `playground tasks`."""

    id: str
    category: str
    title: str
    language: str
    medsbench: tuple[str, ...]
    cases: int
    scorers: tuple[str, ...]


class Cases:
    def __init__(self, *, library: Library, models: Models, store: Store) -> None:
        self._library, self._models, self._store = library, models, store
        self.added: list[Added] = []

    def tasks(self) -> tuple[TaskLine, ...]:
        """Every task with its number of cases."""
        return tuple(
            TaskLine(
                id=task.id,
                category=task.category,
                title=task.title,
                language=task.language,
                medsbench=task.medsbench,
                cases=self._library.count(task.id),
                scorers=task.scorers,
            )
            for task in self._library.tasks()
        )

    def add_file(self, path: Path) -> Added:
        """Add the rows of a results CSV (`task_id,input,GT,output`) as cases, and the file as a recorded model.

        Rows whose task is not here are left out and counted by reason. Raises `BadFile` for an unreadable file.
        """
        try:
            rows = read_results_csv(path)
        except Unreadable as error:
            raise BadFile(path, error.reason, position=f"line {error.line}" if error.line else "") from error
        except OSError as error:
            raise BadFile(path, f"{error.strerror or error}.") from error
        by_official = self._library.by_medsbench()
        cases: Counter[str] = Counter()
        skipped: Counter[str] = Counter()
        for row in rows:
            task = by_official.get(official_id(row.task_id))
            if task is None:
                skipped[f"{row.task_id or 'an empty task_id'}: no such task here"] += 1
                continue
            self._library.add(recorded_case(task, row, path))
            cases[task.id] += 1
        reference = f"replay/{path}"
        label = f"{model_name(path)} (recorded)"
        note = f"Recorded answers of {path.name}; nothing is asked."
        self._models.add(ModelSpec(model=reference, label=label, note=note, options={"path": str(path)}))
        for task_id in cases:
            self._models.forget_examples(task_id)
        added = Added(model=reference, cases=dict(cases), skipped=dict(skipped))
        self.added.append(added)
        return added


def recorded_case(task: Task, row: Recorded, path: Path) -> Case:
    """A row as a case. Its id is the row's number with a hash of its text, so that two files never collide."""
    digest = hashlib.sha256(f"{row.input}\0{row.target}".encode()).hexdigest()[:8]
    first = " ".join(row.input.split())[:57]
    return Case(
        id=f"row-{row.row}-{digest}",
        task=task.id,
        title=first + ("..." if len(row.input) > 57 else ""),
        inputs={RAW: row.input},
        target=(row.target,) if row.target.strip() else None,
        source=f"results file {path.name}, row {row.row}",
        licence="as the file's owner states",
        restricted=True,
    )
