"""The verbs of the playground, one file a capability; pages and command line call `Playground`.

Knows no Gradio. Two capabilities never import each other: what they share lies below. One is loaded when it is first
asked for, so that a command starts without the others.
"""

from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from playground.answering import examples_of
from playground.library import Library, read_library
from playground.models import Models, read_models
from playground.runner import Background, Limits
from playground.service.cases import Cases
from playground.settings import Settings
from playground.store import Store

if TYPE_CHECKING:
    from playground.service.batch import Batch
    from playground.service.compare import Compare
    from playground.service.local import Local
    from playground.service.medsbench import MedsBench
    from playground.service.rate import Rate
    from playground.service.run import Runs


@dataclass(frozen=True, kw_only=True)
class Playground:
    """Everything that a start opens, and closes in the right order."""

    settings: Settings
    store: Store
    library: Library
    models: Models
    cases: Cases
    limits: Limits

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
        limits = Limits(first=settings.first_token_limit, stall=settings.stall_limit)
        return cls(settings=settings, store=store, library=library, models=models, cases=cases, limits=limits)

    @cached_property
    def background(self) -> Background:
        return Background()

    @cached_property
    def compare(self) -> "Compare":
        from playground.service.compare import Compare

        return Compare(
            library=self.library, models=self.models, store=self.store, background=self.background, limits=self.limits
        )

    @cached_property
    def rate(self) -> "Rate":
        from playground.service.rate import Rate

        return Rate(store=self.store, library=self.library)

    @cached_property
    def runs(self) -> "Runs":
        from playground.service.run import Runs

        return Runs(library=self.library, models=self.models, background=self.background, limits=self.limits)

    @cached_property
    def batch(self) -> "Batch":
        from playground.service.batch import Batch

        return Batch(library=self.library, models=self.models, store=self.store)

    @cached_property
    def local(self) -> "Local":
        from playground.service.local import Local

        return Local(library=self.library, models=self.models)

    @cached_property
    def medsbench(self) -> "MedsBench":
        from playground.service.medsbench import MedsBench

        return MedsBench(library=self.library, models=self.models, store=self.store)

    def close(self) -> None:
        """Streams first, then what they still have to write, then the database."""
        if "compare" in vars(self):
            self.compare.close()
        if "background" in vars(self):
            self.background.close()
        self.store.close()

    def __enter__(self) -> "Playground":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
