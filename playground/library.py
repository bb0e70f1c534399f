"""All tasks, cases and instruments of this installation, from folders and from what was added; knows no database."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from playground.errors import BadFile, UnknownName
from playground.instrument import Instrument, read_instrument
from playground.settings import PACKAGE, ROOT
from playground.task import Case, Task, read_case, read_task

CATEGORIES = (  # the order of the paper's tables
    "Multiple-choice QA", "Text summarisation", "Information extraction", "Concept explanation", "Rationale",
    "Named entity recognition", "Diagnosis", "Treatment planning", "Clinical outcome prediction",
    "Text classification", "Fact verification", "Natural language inference", "Other MedS-Ins tasks",
)  # fmt: skip

Source = Callable[[str], Iterable[Case]]  # task id -> cases: of the folders, or of the database of imported ones
KEPT = 200_000  # imported cases kept in memory (4 kB each); the last task read is kept in any case


class Library:
    """What can be run. Cases of a task come in the order: examples by id, added files, imported.

    `examples` is asked once for each task, when its cases are first wanted; it may raise `BadFile`. `imported` may be
    slow (150,000 cases are read in seconds), so it is asked again only when `count` has changed: imported cases are
    added, never altered or taken away. `one` finds a single one without the others.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        instruments: Iterable[Instrument],
        *,
        examples: Source = lambda task: (),
        imported: Source = lambda task: (),
        count: Callable[[str], int] | None = None,
        one: Callable[[str, str], Case | None] | None = None,
        keep: int = KEPT,
    ) -> None:
        self._tasks = {t.id: t for t in _in_order({t.id: t for t in tasks}.values())}
        self._shipped = dict(self._tasks)
        self._examples, self._cases = examples, dict[str, dict[str, Case]]()
        self._instruments = {i.id: i for i in instruments}
        self._source, self._count, self._one, self._keep = imported, count, one, keep
        self._kept: dict[str, tuple[Case, ...]] = {}

    def add(self, case: Case) -> None:
        """Add one case; raises `UnknownName` if its task is not here. The same id again replaces it."""
        self._own(case.task)[case.id] = case

    def add_task(self, task: Task) -> None:
        """Add or replace a task (an imported Definition)."""
        self._tasks = {t.id: t for t in _in_order({**self._tasks, task.id: task}.values())}

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
        return (*self._own(task).values(), *self._imported(task))

    def count(self, task: str) -> int:
        """How many cases it has, without reading the imported ones where they can be counted."""
        return len(self._own(task)) + (self._count(task) if self._count else len(self._imported(task)))

    def case(self, task: str, name: str) -> Case:
        own = self._own(task)
        if name in own:
            return own[name]
        if self._one and (found := self._one(task, name)):
            return found
        imported = {c.id: c for c in self._imported(task)}
        if name not in imported:
            raise UnknownName(f"case of {task}", name, [*own, *imported])
        return imported[name]

    def _own(self, task: str) -> dict[str, Case]:
        """The cases of the folders and of added files by id; raises `UnknownName`."""
        self.task(task)
        if task not in self._cases:
            self._cases.setdefault(task, {case.id: case for case in self._examples(task)})
        return self._cases[task]

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

    The last three are `Library`'s. Raises `BadFile` that names file and key; for a case when its task is first used.
    """
    library = Library(
        (read_task(p) for p in _files("tasks", "*.yaml", own)),
        (read_instrument(p) for p in _files("instruments", "*.yaml", own)),
        examples=lambda task: _cases_of(task, own),
        imported=imported,
        count=count,
        one=one,
    )
    for name in {path.parent.name for path in _files("examples", "*/*.yaml", own)}:
        library.task(name)  # or it is unknown
    return library


def _cases_of(task: str, own: Path | None) -> Iterator[Case]:
    for path in _files("examples", f"{task}/*.yaml", own):
        case = read_case(path)
        if case.task != task:
            raise BadFile(path, f"task is '{case.task}', but the folder is named '{task}'. Make them equal.")
        yield case


def _files(kind: str, pattern: str, own: Path | None) -> Iterator[Path]:
    yield from sorted(SHIPPED[kind].glob(pattern))
    if own:
        yield from sorted((own / kind).glob(pattern))
