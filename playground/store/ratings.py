"""Writing: comparisons, responses, ratings and drafts; append-only, but for drafts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from playground.errors import BadInput
from playground.records import Comparison, Draft, Rating, Response
from playground.store import rows, tables
from playground.store.base import Base


class Ratings(Base):
    def add_comparison(self, record: Comparison) -> None:
        row = rows.comparison_row(record)
        self._grouped.do(lambda connection: connection.execute(insert(tables.comparison), row))

    def add_response(self, record: Response) -> None:
        """Add one finished side with its scores; the same id again changes nothing."""
        row, scores = rows.response_row(record), rows.score_rows(record)

        def write(connection: Connection) -> None:
            connection.execute(insert(tables.response), row)
            if scores:
                connection.execute(insert(tables.score), scores)

        try:
            self._grouped.do(write)
        except IntegrityError:
            with self.read() as connection:
                known = connection.execute(
                    select(tables.response.c.text_sha256).where(tables.response.c.id == record.id)
                ).scalar()
            if known != record.text_sha256:
                raise

    def save_rating(self, record: Rating, *, once: bool = False) -> Rating:
        """Store one event and return it with number and time, after the commit.

        The same uuid with the same content returns what is stored; with other content it is refused (`BadInput`).
        `once`: so is a second event of the comparison, also one that comes in the same instant.
        """
        now = datetime.now(UTC)
        try:
            with self.write() as connection:
                _alone(connection, record.comparison)
                if once and set(_uuids(connection, record.comparison)) - {record.uuid}:
                    raise BadInput("Voting is closed for this run: its names were shown after the first rating.")
                number = connection.execute(insert(tables.rating), rows.rating_row(record, now)).inserted_primary_key
                assert number is not None
                if answers := rows.answer_rows(record, number[0]):
                    connection.execute(insert(tables.rating_answer), answers)
                _forget_draft(connection, record.comparison, record.rater)
        except IntegrityError as error:
            stored = self.rating(record.uuid)
            if stored is None:
                raise BadInput("This run is not in the database, so it cannot be rated. Run the case again.") from error
            if _content(stored) != _content(record):
                raise BadInput("This rating was saved before with other answers. Reload the page.") from error
            return stored
        stored = self.rating(record.uuid)
        assert stored is not None
        return stored

    def rating(self, uuid: str) -> Rating | None:
        with self.read() as connection:
            row = connection.execute(select(tables.rating).where(tables.rating.c.uuid == uuid)).mappings().first()
        return rows.to_rating(row) if row else None

    def ratings(self, *, comparison: str | None = None, rater: str | None = None) -> tuple[Rating, ...]:
        """Events in the order saved."""
        query = select(tables.rating).order_by(tables.rating.c.number)
        query = query.where(tables.rating.c.comparison == comparison) if comparison is not None else query
        query = query.where(tables.rating.c.rater == rater) if rater is not None else query
        with self.read() as connection:
            return tuple(rows.to_rating(row) for row in connection.execute(query).mappings())

    def save_draft(self, record: Draft) -> None:
        """Keep the latest state of an unsaved form. One that arrives after its rating was saved changes nothing."""
        with self.write() as connection:
            _alone(connection, record.comparison)
            if record.uuid in _uuids(connection, record.comparison):
                return
            _forget_draft(connection, record.comparison, record.rater)
            values = {k: getattr(record, k) for k in ("comparison", "rater", "answers", "comment", "uuid", "updated")}
            connection.execute(insert(tables.draft), rows.clean({**values, "answers": dict(record.answers)}))

    def draft(self, comparison: str, rater: str) -> Draft | None:
        at = (tables.draft.c.comparison == comparison) & (tables.draft.c.rater == rater)
        with self.read() as connection:
            row = connection.execute(select(tables.draft).where(at)).mappings().first()
        return rows.to_draft(row) if row else None


def _alone(connection: Connection, comparison: str) -> None:
    """Nobody else writes ratings or drafts of this comparison until the commit. SQLite has one writer anyway."""
    connection.execute(select(tables.comparison.c.id).where(tables.comparison.c.id == comparison).with_for_update())


def _uuids(connection: Connection, comparison: str) -> Sequence[str]:
    return (
        connection.execute(select(tables.rating.c.uuid).where(tables.rating.c.comparison == comparison)).scalars().all()
    )


def _forget_draft(connection: Connection, comparison: str, rater: str) -> None:
    at = (tables.draft.c.comparison == comparison) & (tables.draft.c.rater == rater)
    connection.execute(delete(tables.draft).where(at))


def _content(record: Rating) -> Mapping[str, Any]:
    """What makes two submissions the same; `seconds` may differ in a retry."""
    told = {"comparison": record.comparison, "rater": record.rater, "answers": dict(record.answers)}
    return rows.clean({**told, "comment": record.comment})
