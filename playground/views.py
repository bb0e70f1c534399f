"""What a page may show: frozen values in which blinding is already done; knows no page and no database.

A blinded view holds no name, time, token count, cost, status or provider's words: what is not here cannot leak.
"""

from dataclasses import dataclass
from typing import Literal

from playground.scorer import Score

State = Literal["waiting", "answering", "done", "failed", "stopped", "cut off", "refused"]


@dataclass(frozen=True, kw_only=True)
class ErrorView:
    """What happened and what to do; in a blinded run the fixed public text."""

    what: str
    fix: str
    retry: bool  # whether trying this side again makes sense


@dataclass(frozen=True, kw_only=True)
class SideView:
    """One answer. `seconds` runs while it is live; numbers are None where unknown or blinded."""

    key: str
    name: str  # "Answer A" in a blinded run
    state: State
    text: str = ""  # raw, untrusted
    status: str = ""  # e.g. "Waiting for the local model, 2 ahead"
    notice: str = ""  # e.g. "1 of 3 demonstrations fitted into the prompt"
    seconds: float | None = None
    first_token_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    currency: str | None = None
    sends_to: str | None = None
    error: ErrorView | None = None
    scores: tuple[Score, ...] = ()

    @property
    def live(self) -> bool:
        return self.state in ("waiting", "answering")


@dataclass(frozen=True, kw_only=True)
class ComparisonView:
    """All sides of one run, in shown order."""

    id: str
    task: str
    case: str
    blind: bool  # names, numbers and scores are still hidden
    was_blinded: bool  # it was run blind (perhaps revealed by now)
    sides: tuple[SideView, ...]
    reference: str | None = None  # the reference answer, None where the case has none
    rateable: tuple[str, ...] = ()  # keys of the sides that can be rated; empty while running
    instrument: str = "default"
    voting_closed: bool = False
    rating: str | None = None  # "r-1042" once saved by this visitor

    @property
    def finished(self) -> bool:
        return not any(side.live for side in self.sides)


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """One line of the model list. `unavailable`: reason and fix, or None."""

    model: str
    label: str
    note: str
    sends_to: str | None
    baseline: bool
    unavailable: str | None


@dataclass(frozen=True, kw_only=True)
class PromptView:
    """The exact messages of the chosen settings, with their hash."""

    messages: tuple[tuple[str, str], ...]  # (role, content)
    sha256: str
    demonstrations: tuple[str, ...]  # case ids
