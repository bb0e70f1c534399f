"""All tasks, cases and instruments of this installation, from folders and from what was added; knows no database."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from playground.errors import UnknownName
from playground.instrument import Instrument, read_instrument
from playground.settings import PACKAGE, ROOT
from playground.task import Case, Task, read_case, read_task

CATEGORIES = (  # the order of the paper's tables
    "Multiple-choice QA", "Text summarisation", "Information extraction", "Concept explanation", "Rationale",
    "Named entity recognition", "Diagnosis", "Treatment planning", "Clinical outcome prediction",
    "Text classification", "Fact verification", "Natural language inference", "Other MedS-Ins tasks",
)  # fmt: skip

Source = Callable[[str], Sequence[Case]]  # task id -> further cases (the database of imported ones)
KEPT = 200_000  # imported cases kept in memory (4 kB each); the last task read is kept in any case


class Library:
    """What can be run. Cases of a task come in the order: examples by id, added files, imported.

    `imported` may be slow (150,000 cases are read in seconds), so it is asked again only when `count` has changed:
    imported cases are added, never altered or taken away. `one` finds a single one without the others.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        cases: Iterable[Case],
        instruments: Iterable[Instrument],
        *,
        imported: Source = lambda task: (),
        count: Callable[[str], int] | None = None,
        one: Callable[[str, str], Case | None] | None = None,
        keep: int = KEPT,
    ) -> None:
        self._tasks = {t.id: t for t in _in_order({t.id: t for t in tasks}.values())}
        self._shipped = dict(self._tasks)
        self._cases: dict[str, dict[str, Case]] = {t: {} for t in self._tasks}
        self._instruments = {i.id: i for i in instruments}
        self._source, self._count, self._one, self._keep = imported, count, one, keep
        self._kept: dict[str, tuple[Case, ...]] = {}
        for case in cases:
            self.add(case)

    def add(self, case: Case) -> None:
        """Add one case; raises `UnknownName` if its task is not here. The same id again replaces it."""
        self.task(case.task)
        self._cases[case.task][case.id] = case

    def add_task(self, task: Task) -> None:
        """Add or replace a task (an imported Definition)."""
        self._tasks = {t.id: t for t in _in_order({**self._tasks, task.id: task}.values())}
        self._cases.setdefault(task.id, {})

    def tasks(self) -> tuple[Task, ...]:
        return tuple(self._tasks.values())

    def task(self, name: str) -> Task:
        if name not in self._tasks:
            raise UnknownName("task", name, self._tasks)
        return self._tasks[name]

    def as_shipped(self, name: str) -> Task:
        """The task as this installation's own files have it, whatever Definition was imported over it."""
        return self._shipped.get(name) or self.task(name)

    def by_medsbench(self) -> Mapping[str, Task]:
        """Official task id -> task."""
        return {official: task for task in self._tasks.values() for official in task.medsbench}

    def cases(self, task: str) -> tuple[Case, ...]:
        self.task(task)
        return (*self._cases[task].values(), *self._imported(task))

    def count(self, task: str) -> int:
        """How many cases it has, without reading the imported ones where they can be counted."""
        self.task(task)
        return len(self._cases[task]) + (self._count(task) if self._count else len(self._imported(task)))

    def case(self, task: str, name: str) -> Case:
        self.task(task)
        if name in self._cases[task]:
            return self._cases[task][name]
        if self._one and (found := self._one(task, name)):
            return found
        imported = {c.id: c for c in self._imported(task)}
        if name not in imported:
            raise UnknownName(f"case of {task}", name, [*self._cases[task], *imported])
        return imported[name]

    def _imported(self, task: str) -> tuple[Case, ...]:
        if self._count is None:
            return tuple(self._source(task))
        kept = self._kept.pop(task, ())
        if len(kept) != self._count(task):
            kept = tuple(self._source(task))
        self._kept[task] = kept  # the last one read stands last
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self._keep:
            self._kept.pop(next(iter(self._kept)), None)
        return kept

    def instrument(self, name: str) -> Instrument:
        if name not in self._instruments:
            raise UnknownName("instrument", name, self._instruments)
        return self._instruments[name]


def _in_order(tasks: Iterable[Task]) -> list[Task]:
    return sorted(tasks, key=lambda t: (CATEGORIES.index(t.category), t.order, t.id))


SHIPPED = {"tasks": PACKAGE / "tasks", "examples": ROOT / "examples", "instruments": PACKAGE / "instruments"}


def read_library(
    own: Path | None = None,
    *,
    imported: Source = lambda task: (),
    count: Callable[[str], int] | None = None,
    one: Callable[[str, str], Case | None] | None = None,
) -> Library:
    """Read what ships, then the folders `tasks`, `examples`, `instruments` of `own`: the same id again replaces.

    The last three are `Library`'s. Raises `BadFile` that names file and key.
    """
    return Library(
        (read_task(p) for p in _files("tasks", "*.yaml", own)),
        (read_case(p) for p in _files("examples", "*/*.yaml", own)),
        (read_instrument(p) for p in _files("instruments", "*.yaml", own)),
        imported=imported,
        count=count,
        one=one,
    )


def _files(kind: str, pattern: str, own: Path | None) -> Iterator[Path]:
    yield from sorted(SHIPPED[kind].glob(pattern))
    if own:
        yield from sorted((own / kind).glob(pattern))
