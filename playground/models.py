"""The models that may be offered: models.yaml -> ModelSpec -> open adapter; knows no case, score or page."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from adapters import registry
from adapters.base import Adapter, Example
from adapters.errors import AdapterError
from playground.errors import BadFile, UnknownName
from playground.task import Strict, read_yaml, validated


class Price(Strict):
    """Price per million tokens, with the day it was read off."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    currency: str = "USD"
    date: str


class ModelSpec(Strict):
    """One line of models.yaml. `sends_to` names who receives the text; None: it stays on this machine.

    Where the file does not say it, the adapter does, so that nothing leaves under the badge "on this machine".
    """

    model: str
    label: str
    note: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    price: Price | None = None
    sends_to: str | None = None
    baseline: bool = False

    @property
    def local(self) -> bool:
        return self.sends_to is None

    def cost(self, input_tokens: int | None, output_tokens: int | None) -> float | None:
        """Cost of one answer in `price.currency`; 0 on this machine, None when a count or the price is unknown."""
        if self.local and self.price is None:
            return 0.0
        if self.price is None or input_tokens is None or output_tokens is None:
            return None
        return (self.price.input * input_tokens + self.price.output * output_tokens) / 1e6


class ModelList(Strict):
    models: tuple[ModelSpec, ...]


def read_models(path: Path) -> tuple[ModelSpec, ...]:
    """The models in the file's order; raises `BadFile` for a broken file or a model listed twice."""
    models = validated(ModelList, read_yaml(path), path).models
    seen: set[str] = set()
    for spec in models:
        if spec.model in seen:
            raise BadFile(path, f"'{spec.model}' is listed twice. Give one of them another name.")
        seen.add(spec.model)
    return models


class Models:
    """The listed models and those named by hand, opened when first asked.

    `examples(task)` gives the task's cases for adapters that answer from them; one adapter is kept for each
    (model, options, task where examples matter).
    """

    def __init__(self, specs: Iterable[ModelSpec], *, examples: Callable[[str], Sequence[Example]]) -> None:
        self._specs = {spec.model: _with_receiver(spec) for spec in specs}
        self._examples = examples
        self._open: dict[tuple[str, str], Adapter] = {}
        self._lock = threading.Lock()

    def listed(self) -> tuple[ModelSpec, ...]:
        return tuple(self._specs.values())

    def add(self, spec: ModelSpec) -> None:
        """Offer one more model, such as a file of recorded answers."""
        self._specs.setdefault(spec.model, _with_receiver(spec))

    def spec(self, reference: str) -> ModelSpec:
        """The listed model, or one named by hand whose provider needs no further options.

        Raises `UnknownName` with near misses for a provider that does not exist.
        """
        if reference in self._specs:
            return self._specs[reference]
        provider = reference.partition("/")[0]
        module = registry.providers().get(provider)
        if module is None or reference.endswith("/") or "/" not in reference:
            raise UnknownName("model", reference, self._specs)
        label = reference.partition("/")[2].rsplit("/", 1)[-1]
        return _with_receiver(ModelSpec(model=reference, label=label))

    def unavailable(self, spec: ModelSpec) -> str | None:
        """Why it cannot run here, with the fix; None if it can. Loads nothing."""
        try:
            return registry.unavailable(spec.model, spec.options)
        except AdapterError as error:
            return str(error)

    def warm(self) -> threading.Thread:
        """Import in a thread what the first request to each model that can run here would wait for."""
        ready = [spec.model for spec in self.listed() if self.unavailable(spec) is None]
        thread = threading.Thread(target=registry.warm, args=(ready,), name="warm", daemon=True)
        thread.start()
        return thread

    def adapter(self, spec: ModelSpec, *, task: str) -> Adapter:
        """The open adapter; raises an `AdapterError` when it cannot be opened."""
        needs = registry.needs_examples(spec.model)
        key = (spec.model, task if needs else "")
        with self._lock:
            if key not in self._open:
                examples = self._examples(task) if needs else ()
                self._open[key] = registry.create(spec.model, spec.options, examples=examples)
            return self._open[key]

    def copy_with(self, **options: Any) -> "Models":
        """The same list with options laid over every model's own, and nothing open yet."""
        specs = (s.model_copy(update={"options": {**s.options, **options}}) for s in self._specs.values())
        return _WithOptions(specs, options, examples=self._examples)

    def forget_examples(self, task: str) -> None:
        """Open the task's baselines afresh: its cases have changed."""
        with self._lock:
            for key in [k for k in self._open if k[1] == task]:
                del self._open[key]


def _with_receiver(spec: ModelSpec) -> ModelSpec:
    if spec.sends_to is not None or "/" not in spec.model.strip("/"):
        return spec
    return spec.model_copy(update={"sends_to": registry.sends_to(spec.model, spec.options)})


class _WithOptions(Models):
    """A list whose options also hold for models that are not on it."""

    def __init__(
        self, specs: Iterable[ModelSpec], options: Mapping[str, Any], *, examples: Callable[[str], Sequence[Example]]
    ) -> None:
        super().__init__(specs, examples=examples)
        self._over = options

    def spec(self, reference: str) -> ModelSpec:
        spec = super().spec(reference)
        return spec.model_copy(update={"options": {**spec.options, **self._over}})
