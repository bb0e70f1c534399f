"""What is written down: frozen records that store, export and analysis pass around; knows no database.

Times are aware datetimes in UTC, durations are seconds. Identifiers are random hex strings made by the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

SideState = Literal["done", "failed", "stopped"]


@dataclass(frozen=True, kw_only=True)
class ScoreRecord:
    """A score as stored: one metric of one response."""

    metric: str
    version: int
    value: float | None  # 0..1, or None with the reason in `explanation`
    answer: str  # what was parsed from the text
    explanation: str
    variant: str = ""  # e.g. the BLEU tokeniser


@dataclass(frozen=True, kw_only=True)
class Response:
    """One side of a comparison. A retry is a further response of the same side with a higher `attempt`."""

    id: str
    comparison: str
    side: str  # "A".."D", the shown order
    attempt: int = 1
    model: str  # reference as listed, provider/name
    label: str
    model_returned: str | None
    state: SideState
    text: str
    text_sha256: str
    error: str | None = None  # for the researcher; may name the provider
    error_kind: str | None = None
    stop_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    first_token_s: float | None = None
    total_s: float | None = None
    cost: float | None = None
    currency: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)  # as sent
    shots: int = 0
    prompt_sha256: str = ""
    messages: tuple[tuple[str, str], ...] = ()  # (role, content), as sent
    scores: tuple[ScoreRecord, ...] = ()
    created: datetime


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One run of one case over two to four sides."""

    id: str
    owner: str  # who started it, the visitor's id
    task: str
    case: str
    case_sha256: str
    case_inputs: Mapping[str, str]
    case_target: tuple[str, ...] | None
    source: str
    licence: str
    restricted: bool = False
    instrument: str
    instrument_version: int
    blinded: bool
    shots: int
    seed: int
    prompt_sha256: str
    app_version: str
    created: datetime
    responses: tuple[Response, ...] = ()  # in shown order; the latest attempt of each side


@dataclass(frozen=True, kw_only=True)
class Rating:
    """One submitted form: an append-only event. A changed mind is a further event with its own uuid."""

    uuid: str  # made by the client: the idempotency key
    comparison: str
    rater: str
    answers: Mapping[str, str]  # "preference" or "item.SIDE" -> value; "na" = cannot judge
    comment: str
    seconds: float  # from the answers' appearance to the save
    instrument: str
    instrument_version: int
    shown: tuple[str, ...]  # sides in shown order
    app_version: str
    number: int | None = None  # given by the database: r-1042
    created: datetime | None = None  # given by the database


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The unsaved state of a form: one for each comparison and rater, the latest wins."""

    comparison: str
    rater: str
    answers: Mapping[str, str]
    comment: str
    uuid: str
    updated: datetime
