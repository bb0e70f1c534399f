"""Records <-> rows; pure. PostgreSQL refuses the character NUL in text, so it becomes U+FFFD on every database."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from playground.records import Comparison, Draft, Rating, Response, ScoreRecord


def clean(value: Any) -> Any:
    """Text, and texts inside of lists and mappings, without NUL characters and lone surrogates."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {clean(k): clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [clean(v) for v in value]
    return value


def aware(moment: datetime) -> datetime:
    """SQLite forgets the zone; everything here is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def comparison_row(record: Comparison) -> dict[str, Any]:
    row = asdict(record)
    row.pop("responses")
    row["case_id"] = row.pop("case")
    return clean(row)


def to_comparison(row: Mapping[Any, Any], responses: tuple[Response, ...] = ()) -> Comparison:
    values = dict(row)
    values["case"] = values.pop("case_id")
    target = values["case_target"]
    values["case_target"] = None if target is None else tuple(target)
    return Comparison(**{**values, "created": aware(values["created"]), "responses": responses})


def response_row(record: Response) -> dict[str, Any]:
    row = dict(vars(record))  # not `asdict`, which copies every message: a tenth of the server's time under load
    row.pop("scores")
    row["messages"] = [list(m) for m in record.messages]
    return clean(row)


def to_response(row: Mapping[Any, Any], scores: tuple[ScoreRecord, ...]) -> Response:
    values = dict(row)
    values["messages"] = tuple((role, content) for role, content in values["messages"])
    return Response(**{**values, "created": aware(values["created"]), "scores": scores})


def score_rows(record: Response) -> list[dict[str, Any]]:
    return [clean({**vars(s), "response": record.id, "place": i}) for i, s in enumerate(record.scores)]


def to_score(row: Mapping[Any, Any]) -> ScoreRecord:
    return ScoreRecord(**{k: v for k, v in row.items() if k not in ("response", "place")})


def rating_row(record: Rating, now: datetime) -> dict[str, Any]:
    row = asdict(record)
    row.pop("number")
    return clean({**row, "created": now, "shown": list(record.shown)})


def to_rating(row: Mapping[Any, Any]) -> Rating:
    values = dict(row)
    return Rating(**{**values, "shown": tuple(values["shown"]), "created": aware(values["created"])})


def answer_rows(record: Rating, number: int) -> list[dict[str, Any]]:
    rows = []
    for key, value in record.answers.items():
        item, _, side = key.partition(".")
        rows.append(clean({"rating": number, "key": key, "item": item, "side": side or None, "value": value}))
    return rows


def to_draft(row: Mapping[Any, Any]) -> Draft:
    return Draft(**{**row, "updated": aware(row["updated"])})
