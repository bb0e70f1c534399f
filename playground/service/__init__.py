"""The verbs of the playground, one file a capability; pages and command line call `Playground`.

Knows no Gradio. Two capabilities never import each other: what they share lies below.
"""

from dataclasses import dataclass
from types import TracebackType

from playground.answering import examples_of
from playground.library import Library, read_library
from playground.models import Models, read_models
from playground.runner import Background, Limits
from playground.service.batch import Batch
from playground.service.cases import Cases
from playground.service.compare import Compare
from playground.service.local import Local
from playground.service.medsbench import MedsBench
from playground.service.rate import Rate
from playground.service.run import Runs
from playground.settings import Settings
from playground.store import Store


@dataclass(frozen=True, kw_only=True)
class Playground:
    """Everything that a start opens, and closes in the right order."""

    settings: Settings
    store: Store
    library: Library
    models: Models
    background: Background
    cases: Cases
    compare: Compare
    rate: Rate
    runs: Runs
    batch: Batch
    local: Local
    medsbench: MedsBench

    @classmethod
    def open(cls, settings: Settings) -> "Playground":
        """Open database and library; raises `BadInput` or `StoreFailed` that say what to do."""
        settings.data.mkdir(parents=True, exist_ok=True)
        store = Store.open(settings.url)
        try:
            library = read_library(
                settings.library, imported=store.imported_cases, count=store.count_imported, one=store.imported_case
            )
            models = Models(
                read_models(settings.models),
                examples=lambda task: examples_of(library.task(task), library.cases(task)),
            )
            cases = Cases(library=library, models=models, store=store)
            for task in store.imported_tasks():
                library.add_task(task)
            for path in settings.extra_cases:
                cases.add_file(path)
        except BaseException:
            store.close()
            raise
        background = Background()
        limits = Limits(first=settings.first_token_limit, stall=settings.stall_limit)
        return cls(
            settings=settings,
            store=store,
            library=library,
            models=models,
            background=background,
            cases=cases,
            compare=Compare(library=library, models=models, store=store, background=background, limits=limits),
            rate=Rate(store=store, library=library),
            runs=Runs(library=library, models=models, background=background, limits=limits),
            batch=Batch(library=library, models=models, store=store),
            local=Local(library=library, models=models),
            medsbench=MedsBench(library=library, models=models, store=store),
        )

    def close(self) -> None:
        """Streams first, then what they still have to write, then the database."""
        self.compare.close()
        self.background.close()
        self.store.close()

    def __enter__(self) -> "Playground":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
