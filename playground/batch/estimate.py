"""What a plan will ask and cost, before the start: prompts are built and measured, no model is asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.errors import AdapterError, PromptTooLong
from playground.batch.plan import Work
from playground.models import Models, ModelSpec

CHARACTERS_PER_TOKEN = {"zh": 1.2, "ja": 1.2, "ru": 2.5}  # a rough guide for the estimate; 4 elsewhere


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
    for task, case, fitted in work.prompts(spec):
        counts["requests"] += 1
        if isinstance(fitted, PromptTooLong):
            counts["too_long"] += 1
            continue
        counts["shortened"] += bool(fitted.notice)
        each = CHARACTERS_PER_TOKEN.get(task.language, 4.0)
        counts["input"] += int(sum(len(m.content) for m in fitted.prompt.messages) / each)
        answer = task.reference(case) or ""
        counts["output"] += min(work.config(task).max_tokens, int(len(answer) / each) + 8)
    return {name: count * work.plan.repeats for name, count in counts.items()}
