"""What a batch run is to do: a Plan, its items one at a time, and what it will cost; asks no model.

An item's key is the SHA-256 of everything that changes its answer and of nothing else: the model's reference and
options, its adapter's own identity (base address, weights, examples), the messages, the generation settings, the
repeat. Limits, retries and concurrency are not in it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from adapters.base import Adapter, Example, GenerateConfig
from adapters.errors import AdapterError, PromptTooLong
from adapters.registry import needs_examples
from playground.answering import examples_of, fit
from playground.errors import BadInput
from playground.library import Library
from playground.models import Models, ModelSpec
from playground.prompt import MAX_SHOTS, Prompt
from playground.task import Case, Strict, Task, read_yaml, validated

NOT_IN_THE_KEY = {"timeout_first_token", "timeout_stall", "max_retries", "tokens_per_second", "api_key_env"}
CHARACTERS_PER_TOKEN = {"zh": 1.2, "ja": 1.2, "ru": 2.5}  # a rough guide for the estimate; 4 elsewhere


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

    def identity(self) -> dict[str, Any]:
        """What makes it this plan and no other; how fast it runs is not in it."""
        return self.model_dump(mode="json", exclude={"concurrency", "max_cost", "rate"})


def read_plan(path: Path) -> Plan:
    """Raises `BadFile` that names line or key."""
    return validated(Plan, read_yaml(path), path)


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
    """An item whose case alone does not fit into the model."""

    task: str
    case: str
    model: str
    error: PromptTooLong


def item_key(spec: ModelSpec, adapter: Adapter, prompt: Prompt, config: GenerateConfig, repeat: int) -> str:
    """64 hex digits; see the module's docstring for what is in it."""
    options = {k: v for k, v in spec.options.items() if k not in NOT_IN_THE_KEY}
    identity = getattr(adapter, "identity", "")
    messages = [asdict(m) for m in prompt.messages]
    parts = [spec.model, options, identity, messages, asdict(config), repeat]
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Work:
    """The items of a plan, made when they are asked for: nothing is held but the cases."""

    def __init__(self, plan: Plan, *, library: Library, models: Models) -> None:
        self.plan, self._library = plan, library
        self.tasks = tuple(library.task(t) for t in dict.fromkeys(plan.tasks))
        self.specs = tuple(models.spec(m) for m in dict.fromkeys(plan.models))
        self._models = models
        self._cases = {task.id: self._chosen(task) for task in self.tasks}
        unknown = set(plan.rate) - {s.model for s in self.specs}
        if unknown:
            raise BadInput(f"rate names {', '.join(sorted(unknown))}, which is not among the plan's models.")

    def _chosen(self, task: Task) -> tuple[Case, ...]:
        cases = self._library.cases(task.id)
        if self.plan.cases:
            known = {c.id for c in cases}
            wanted = [c for c in self.plan.cases if c in known]
            if not wanted and len(self.tasks) == 1:
                self._library.case(task.id, self.plan.cases[0])  # raises with near misses
            cases = tuple(c for c in cases if c.id in set(wanted))
        if not cases:
            raise BadInput(f"Task '{task.id}' has no cases to run. Import some, or name others with --cases.")
        return cases[: self.plan.limit]

    def case_count(self) -> int:
        return sum(map(len, self._cases.values()))

    def size(self) -> int:
        """Requests in all."""
        return self.case_count() * len(self.specs) * self.plan.repeats

    def adapter(self, spec: ModelSpec, task: Task) -> Adapter:
        return self._models.adapter(spec, task=task.id)

    def examples(self, spec: ModelSpec) -> dict[str, tuple[Example, ...]]:
        """Examples by task for a model that answers from them; empty for every other."""
        if not needs_examples(spec.model):
            return {}
        return {task.id: examples_of(task, self._library.cases(task.id)) for task in self.tasks}

    def items(self, spec: ModelSpec) -> Iterator[Item | TooLong]:
        """The items of one model. Raises an `AdapterError` when the model cannot be opened."""
        for task in self.tasks:
            adapter, pool = self.adapter(spec, task), self._library.cases(task.id)
            tokens = self.plan.max_tokens or task.max_tokens
            for case in self._cases[task.id]:
                for repeat in range(self.plan.repeats):
                    yield self._item(spec, adapter, task, case, pool, repeat, tokens)

    def _item(
        self,
        spec: ModelSpec,
        adapter: Adapter,
        task: Task,
        case: Case,
        pool: tuple[Case, ...],
        repeat: int,
        tokens: int,
    ) -> Item | TooLong:
        plan = self.plan
        seed = plan.seed + repeat  # a repeat is another sample, with the same demonstrations
        config = GenerateConfig(max_tokens=tokens, temperature=plan.temperature, seed=seed)
        try:
            fitted = fit(adapter, task, case, pool, shots=plan.shots, seed=plan.seed, config=config)
        except PromptTooLong as error:
            return TooLong(task.id, case.id, spec.model, error)
        key = item_key(spec, adapter, fitted.prompt, config, repeat)
        return Item(key, task, case, spec.model, repeat, fitted.prompt, config, fitted.notice)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One model's share of a plan, before the start. Tokens are a rough guess; `cost` None: unknown."""

    model: str
    requests: int
    too_long: int
    shortened: int  # fewer demonstrations than asked for
    input_tokens: int
    output_tokens: int
    cost: float | None
    currency: str | None
    priced: str | None  # the day the price was read off
    sends_to: str | None
    unavailable: str | None


def estimate(work: Work, models: Models) -> tuple[Estimate, ...]:
    """Walk the whole plan once without asking; raises nothing for a model that cannot run, but says so."""
    return tuple(_estimate(work, models, spec) for spec in work.specs)


def _estimate(work: Work, models: Models, spec: ModelSpec) -> Estimate:
    counts: Mapping[str, int] = {}
    reason = models.unavailable(spec)
    if reason is None:
        try:
            counts = _count(work, spec)
        except AdapterError as error:
            reason = str(error)
    sent, made = counts.get("input", 0), counts.get("output", 0)
    return Estimate(
        model=spec.model,
        requests=counts.get("requests", work.size() // len(work.specs)),
        too_long=counts.get("too_long", 0),
        shortened=counts.get("shortened", 0),
        input_tokens=sent,
        output_tokens=made,
        cost=spec.cost(sent, made),
        currency=spec.price.currency if spec.price else None,
        priced=spec.price.date if spec.price else None,
        sends_to=spec.sends_to,
        unavailable=reason,
    )


def _count(work: Work, spec: ModelSpec) -> dict[str, int]:
    counts = {"requests": 0, "too_long": 0, "shortened": 0, "input": 0, "output": 0}
    for item in work.items(spec):
        counts["requests"] += 1
        if isinstance(item, TooLong):
            counts["too_long"] += 1
            continue
        counts["shortened"] += bool(item.notice)
        each = CHARACTERS_PER_TOKEN.get(item.task.language, 4.0)
        counts["input"] += int(sum(len(m.content) for m in item.prompt.messages) / each)
        answer = item.task.reference(item.case) or ""
        counts["output"] += min(item.config.max_tokens, int(len(answer) / each) + 8)
    return counts
