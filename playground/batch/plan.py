"""What a batch run is to do: a Plan, and its items one at a time; asks no model."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from adapters.base import Adapter, Example, GenerateConfig
from adapters.errors import PromptTooLong
from adapters.registry import at_once, needs_examples
from playground.answering import Fitted, examples_of, fit
from playground.batch.cleartext import without_secrets
from playground.batch.key import answering_options, item_key
from playground.errors import BadFile, BadInput, UnknownName
from playground.library import Library
from playground.models import Models, ModelSpec
from playground.prompt import MAX_SHOTS, Prompt, build
from playground.task import Case, Strict, Task, read_yaml, validated


class Plan(Strict):
    """Tasks x cases x models x repeats. `rate`: requests per second by model."""

    tasks: tuple[str, ...] = Field(min_length=1)
    models: tuple[str, ...] = Field(min_length=1)
    cases: tuple[str, ...] = ()  # empty: every case of each task
    shots: int = Field(default=0, ge=0, le=MAX_SHOTS)
    repeats: int = Field(default=1, ge=1, le=100)
    limit: int | None = Field(default=None, ge=1)  # cases of each task
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=8192)
    seed: int = Field(default=0, ge=0)
    concurrency: int = Field(default=10, ge=1, le=1000)  # requests at once, for each model
    max_cost: float | None = Field(default=None, gt=0)
    rate: dict[str, float] = Field(default_factory=dict)

    @field_validator("tasks", "models", "cases", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("rate")
    @classmethod
    def _above_zero(cls, value: dict[str, float]) -> dict[str, float]:
        if wrong := [model for model, rate in value.items() if not 0 < rate < 1e6]:
            raise ValueError(f"{wrong[0]} has a rate that is not above 0")
        return value

    def identity(self) -> dict[str, Any]:
        """What makes it this plan and no other; how fast it runs is not in it."""
        return self.model_dump(mode="json", exclude={"concurrency", "max_cost", "rate"})


def read_plan(path: Path | None, **given: Any) -> Plan:
    """The file's plan with the values given instead; raises `BadFile` that names line or key."""
    try:
        value = read_yaml(path) if path else {}
    except OSError as error:
        raise BadFile(path, f"{error.strerror or error}.") from error
    return validated(Plan, {**value, **given}, path or "The plan")


@dataclass(frozen=True)
class Item:
    """One request to make. `config` is what is asked for; what was sent stands in the row."""

    key: str
    task: Task
    case: Case
    model: str
    repeat: int
    prompt: Prompt
    config: GenerateConfig
    notice: str = ""


@dataclass(frozen=True)
class TooLong:
    """An item whose case alone does not fit into the model; never asked."""

    item: Item
    error: PromptTooLong


class Work:
    """The items of a plan, made when they are asked for: nothing is held but the cases."""

    def __init__(self, plan: Plan, *, library: Library, models: Models) -> None:
        self.plan, self._models = plan, models
        self.tasks = tuple(library.task(t) for t in dict.fromkeys(plan.tasks))
        self.specs = tuple(models.spec(m) for m in dict.fromkeys(plan.models))
        self._pools = {task.id: library.cases(task.id) for task in self.tasks}
        self._check()
        self._cases = {task.id: self._chosen(task) for task in self.tasks}
        self._adapters: dict[tuple[str, str], Adapter] = {}
        self.copies: dict[str, int] = {}  # model -> how many of it answer side by side, on a cluster

    def _check(self) -> None:
        known = [c.id for pool in self._pools.values() for c in pool]
        for name in set(self.plan.cases) - set(known):
            raise UnknownName(f"case of {', '.join(self._pools)}", name, known)
        if strange := sorted(set(self.plan.rate) - {s.model for s in self.specs}):
            raise BadInput(f"rate names {', '.join(strange)}, which is not among the plan's models.")
        if self.plan.max_cost is None:
            return
        unpriced = [s.model for s in self.specs if s.price is None and not s.local]
        if unpriced:
            raise BadInput(
                f"max_cost cannot be kept: the price of {', '.join(unpriced)} is unknown. Write `price` into "
                "models.yaml, or leave max_cost out."
            )
        if len(currencies := {s.price.currency for s in self.specs if s.price}) > 1:
            raise BadInput(
                f"max_cost cannot be kept over {' and '.join(sorted(currencies))}. Run one currency at a time."
            )

    def _chosen(self, task: Task) -> tuple[Case, ...]:
        wanted = set(self.plan.cases)
        cases = tuple(c for c in self._pools[task.id] if not wanted or c.id in wanted)
        if not cases:
            raise BadInput(f"Task '{task.id}' has no cases to run. Import some, or name others with --cases.")
        return cases[: self.plan.limit]

    def identity(self) -> dict[str, dict[str, Any]]:
        """What must stay for a folder to go on: the plan, how its tasks ask, its models' options. No secrets."""
        asked = {"instruction", "prompt", "inputs", "answer", "empty", "target", "max_tokens"}
        texts = {t.id: json.dumps(t.model_dump(mode="json", include=asked), sort_keys=True) for t in self.tasks}
        return {
            "plan": self.plan.identity(),
            "tasks": {f"task {name}": hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()},
            "models": {f"options of {s.model}": without_secrets(answering_options(s)) for s in self.specs},
        }

    def lanes(self, spec: ModelSpec) -> int:
        """How many requests to a model may be under way at once."""
        most = self.plan.concurrency
        return min(most, (at_once(spec.model) or most) * self.copies.get(spec.model, 1))

    def case_count(self) -> int:
        return sum(map(len, self._cases.values()))

    def size(self) -> int:
        """Requests in all."""
        return self.case_count() * len(self.specs) * self.plan.repeats

    def adapter(self, spec: ModelSpec, task: Task) -> Adapter:
        """The open adapter, kept; raises an `AdapterError` when it cannot be opened."""
        key = (spec.model, task.id)
        if key not in self._adapters:
            self._adapters[key] = self._models.adapter(spec, task=task.id)
        return self._adapters[key]

    def examples(self, spec: ModelSpec) -> dict[str, tuple[Example, ...]]:
        """Examples by task for a model that answers from them; empty for every other."""
        if not needs_examples(spec.model):
            return {}
        return {task.id: examples_of(task, self._pools[task.id]) for task in self.tasks}

    def prompts(self, spec: ModelSpec) -> Iterator[tuple[Task, Case, Fitted | PromptTooLong]]:
        """Each case once, with the messages that fit. Raises an `AdapterError` when the model cannot be opened."""
        plan = self.plan
        for task in self.tasks:
            adapter, pool, config = self.adapter(spec, task), self._pools[task.id], self.config(task)
            for case in self._cases[task.id]:
                try:
                    fitted = fit(adapter, task, case, pool, shots=plan.shots, seed=plan.seed, config=config)
                except PromptTooLong as error:
                    fitted = error
                yield task, case, fitted

    def items(self, spec: ModelSpec) -> Iterator[Item | TooLong]:
        """The items of one model. Raises an `AdapterError` when the model cannot be opened."""
        for task, case, fitted in self.prompts(spec):
            for repeat in range(self.plan.repeats):
                yield self._item(spec, task, case, fitted, repeat)

    def config(self, task: Task, repeat: int = 0) -> GenerateConfig:
        """What is asked for. A repeat is another sample, with the same demonstrations."""
        plan = self.plan
        return GenerateConfig(
            max_tokens=plan.max_tokens or task.max_tokens, temperature=plan.temperature, seed=plan.seed + repeat
        )

    def _item(
        self, spec: ModelSpec, task: Task, case: Case, fitted: Fitted | PromptTooLong, repeat: int
    ) -> Item | TooLong:
        config, notice = self.config(task, repeat), ""
        if isinstance(fitted, PromptTooLong):
            prompt = build(task, case, self._pools[task.id], shots=0, seed=self.plan.seed)
        else:
            prompt, notice = fitted.prompt, fitted.notice
        key = item_key(spec, self.adapter(spec, task), prompt, config, repeat)
        item = Item(key, task, case, spec.model, repeat, prompt, config, notice)
        return TooLong(item, fitted) if isinstance(fitted, PromptTooLong) else item
