"""How far a run is, and what it has cost over all its starts; knows no log and no terminal."""

from dataclasses import dataclass, field

from playground.batch.asking import Answer
from playground.batch.log import Past
from playground.models import ModelSpec


@dataclass
class Tally:
    """How far one model is. Tokens and money are of every start; `money` None: unknown."""

    model: str
    total: int
    before: int = 0  # answered in an earlier start
    done: int = 0
    failed: int = 0
    reused: int = 0
    too_long: int = 0
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    money: float | None = 0.0
    currency: str = ""
    returned: set[str] = field(default_factory=set)
    stopped: str = ""  # why no more is asked of it

    @classmethod
    def after(cls, spec: ModelSpec, total: int, past: Past) -> "Tally":
        """The tally with which a start begins."""
        return cls(
            model=spec.model,
            total=total,
            before=past.answered,
            too_long=len(past.too_long),
            input_tokens=past.input_tokens,
            output_tokens=past.output_tokens,
            money=past.money,
            currency=spec.price.currency if spec.price else "",
            returned=set(past.returned),
        )

    @property
    def answered(self) -> int:
        return min(self.total, self.before + self.reused + self.done)

    @property
    def left(self) -> int:
        return max(0, self.total - self.answered - self.failed - self.too_long)

    @property
    def projected(self) -> float | None:
        """Money at the end, if the rest costs as much as what was paid for; None: unknown."""
        paid = self.before + self.done
        return None if self.money is None or not paid else self.money * (paid + self.left + self.failed) / paid

    def note(self, answer: Answer, cost: float | None) -> str:
        """Count one answer. Returns `old, new` when the model's returned name is another than before."""
        self.done += 1
        self.input_tokens += answer.input_tokens or 0
        self.output_tokens += answer.output_tokens or 0
        self.money = None if cost is None or self.money is None else self.money + cost
        name = answer.model_returned
        if not name or name in self.returned:
            return ""
        before = ", ".join(sorted(self.returned))
        self.returned.add(name)
        return f"{before}, now {name}" if before else ""


class Budget:
    """Money that may be spent in all; None: no limit. Stops starting, ends nothing that runs."""

    def __init__(self, limit: float | None, spent: float) -> None:
        self.limit, self.spent = limit, spent

    def add(self, cost: float | None) -> None:
        self.spent += cost or 0.0

    @property
    def used_up(self) -> bool:
        return self.limit is not None and self.spent >= self.limit
