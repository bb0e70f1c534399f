"""Rate: a form as a page sends it -> one stored event; everything is doubted again. Knows no page."""

import math
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from playground import __version__
from playground.errors import BadInput, NotAllowed
from playground.instrument import Instrument
from playground.library import Library
from playground.presenting import rateable
from playground.records import Comparison, Draft, Rating
from playground.store import Store

LONGEST_COMMENT = 10_000  # characters
LONGEST = 30 * 24 * 3600.0  # seconds that a form may have been open


def now_utc() -> datetime:
    return datetime.now(UTC)


class Rate:
    """The verbs of a rating form. `rater` is the visitor's id, never something the page sent."""

    def __init__(self, *, store: Store, library: Library, clock: Callable[[], datetime] = now_utc) -> None:
        self._store, self._library, self._clock = store, library, clock

    def save(self, payload: Mapping[str, Any], *, rater: str) -> dict[str, Any]:
        """Store one rating and return {id, number, time} after the commit.

        The same uuid again returns the same confirmation. Raises `BadInput` that lists what is missing, `NotAllowed`
        for somebody else's run, `StoreFailed` when the database did not confirm.
        """
        record, sides, answers = self._opened(payload, rater)
        name = _uuid(payload)
        instrument = self._library.instrument(record.instrument)
        instrument.check(answers, sides)
        if missing := instrument.missing(answers, sides):
            raise BadInput(f"Not saved: {len(missing)} items are missing: {', '.join(titles(instrument, missing))}.")
        stored = self._store.save_rating(
            Rating(
                uuid=name,
                comparison=record.id,
                rater=rater,
                answers=answers,
                comment=_comment(payload),
                seconds=_seconds(payload),
                instrument=instrument.id,
                instrument_version=instrument.version,
                shown=tuple(r.side for r in record.responses),
                app_version=__version__,
            ),
            once=record.blinded,
        )
        return confirmation(stored)

    def draft(self, payload: Mapping[str, Any], *, rater: str) -> dict[str, Any]:
        """Keep the unsaved state of a form; returns {time}. An incomplete form is fine, an unknown line is not."""
        record, sides, answers = self._opened(payload, rater)
        self._library.instrument(record.instrument).check(answers, sides)
        now = self._clock()
        self._store.save_draft(
            Draft(
                comparison=record.id,
                rater=rater,
                answers=answers,
                comment=_comment(payload),
                uuid=_uuid(payload),
                updated=now,
            )
        )
        return {"time": now.isoformat()}

    def restore(self, comparison: str, rater: str) -> dict[str, Any]:
        """What a page that was loaded again shows: {answers, comment, uuid, saved: {id, number, time} or None}."""
        record = self._store.comparison(comparison)
        if record is None or record.owner != rater:
            return {"answers": {}, "comment": "", "uuid": "", "saved": None}
        draft = self._store.draft(comparison, rater)
        ratings = self._store.ratings(comparison=comparison, rater=rater)
        if draft:
            saved = confirmation(ratings[-1]) if ratings else None
            return {"answers": dict(draft.answers), "comment": draft.comment, "uuid": draft.uuid, "saved": saved}
        if ratings:
            last = ratings[-1]
            state = {"answers": dict(last.answers), "comment": last.comment, "uuid": last.uuid}
            return {**state, "saved": confirmation(last)}
        return {"answers": {}, "comment": "", "uuid": "", "saved": None}

    def _opened(self, payload: Mapping[str, Any], rater: str) -> tuple[Comparison, tuple[str, ...], dict[str, str]]:
        if not isinstance(payload, Mapping):
            raise BadInput("Send an object with comparison, uuid and answers.")
        name = payload.get("comparison")
        record = self._store.comparison(name) if isinstance(name, str) else None
        if record is None:
            raise BadInput("This run is not known here. Run the case again.")
        if record.owner != rater:
            raise NotAllowed("This run belongs to somebody else.")
        sides = rateable(record.responses)
        if not sides:
            raise BadInput("No answer of this run can be rated. Run the case again.")
        return record, sides, _answers(payload)


def confirmation(rating: Rating) -> dict[str, Any]:
    """What a page may say after the commit: the id, and the time in UTC."""
    assert rating.created is not None
    return {"id": f"r-{rating.number}", "number": rating.number, "time": rating.created.isoformat()}


def titles(instrument: Instrument, keys: tuple[str, ...]) -> list[str]:
    """Lines of the form in words: `Correctness of A`."""
    names = {item.id: item.short for item in instrument.items}
    words = []
    for key in keys:
        item, _, side = key.partition(".")
        words.append(f"{names[item]} of {side}" if side else "the preference")
    return words


def _answers(payload: Mapping[str, Any]) -> dict[str, str]:
    answers = payload.get("answers")
    fits = isinstance(answers, Mapping) and all(isinstance(k, str) and isinstance(v, str) for k, v in answers.items())
    if not fits or not isinstance(answers, Mapping):
        raise BadInput("answers must hold a text for each line. Reload the page.")
    return dict(answers)


def _uuid(payload: Mapping[str, Any]) -> str:
    try:
        return uuid.UUID(str(payload.get("uuid"))).hex
    except ValueError as error:
        raise BadInput("uuid must be a UUID made by the page. Reload the page.") from error


def _comment(payload: Mapping[str, Any]) -> str:
    comment = payload.get("comment") or ""
    if not isinstance(comment, str) or len(comment) > LONGEST_COMMENT:
        raise BadInput(f"The comment is longer than {LONGEST_COMMENT:,} characters. Shorten it.")
    return comment.strip()


def _seconds(payload: Mapping[str, Any]) -> float:
    value = payload.get("seconds", 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise BadInput("seconds must be a number from 0. Reload the page.")
    return min(float(value), LONGEST)
