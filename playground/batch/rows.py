"""An attempt and its scores as they stand in the log: no key of an API, no text of a case."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from playground.answering import score_records
from playground.batch.asking import Answer
from playground.batch.cleartext import without_secrets
from playground.batch.plan import Item, TooLong
from playground.models import ModelSpec
from playground.presenting import state_of


def score_rows(key: str, item: Item, text: str) -> Iterable[dict[str, Any]]:
    """The scores of one answer, kept apart from it by (key, case, metric, version)."""
    for s in score_records(text, item.case, item.task):
        yield {
            "key": key,
            "case": item.case.id,
            "metric": s.metric,
            "version": s.version,
            "value": s.value,
            "parsed": s.answer,
            "variant": s.variant,
        }


def row_of(item: Item, spec: ModelSpec, answer: Answer, cost: float | None) -> dict[str, Any]:
    """One attempt as logged."""
    return {
        "key": item.key,
        "task": item.task.id,
        "case": item.case.id,
        "case_sha256": item.case.sha256(),
        "model": item.model,
        "repeat": item.repeat,
        "state": "failed" if answer.error is not None else state_of("done", answer.stop_reason),
        "text": answer.text,
        "error": answer.error,
        "error_kind": answer.error_kind,
        "stop_reason": answer.stop_reason,
        "usage": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
        "cost": cost,
        "currency": spec.price.currency if spec.price else None,
        "model_returned": answer.model_returned,
        "parameters": without_secrets(answer.parameters),
        "first_token_s": answer.first_token_s,
        "total_s": answer.total_s,
        "retries": answer.retries,
        "shots": item.prompt.shots,
        "notice": item.notice,
        "prompt_sha256": item.prompt.sha256,
        "created": datetime.now(UTC).isoformat(),
    }


def too_long_row(refused: TooLong, spec: ModelSpec) -> dict[str, Any]:
    """A case that does not fit the model and was not asked; written once."""
    answer = Answer(error=str(refused.error), error_kind=refused.error.kind)
    return {**row_of(refused.item, spec, answer, None), "asked": False}
