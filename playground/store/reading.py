"""Reading: single comparisons for a page, everything as a stream for the export."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, func, select

from playground.records import Comparison, Rating, Response, ScoreRecord
from playground.store import rows, tables
from playground.store.base import Base

BATCH = 500  # rows fetched at once by the streams


class Reading(Base):
    def comparison(self, name: str) -> Comparison | None:
        """One comparison with the latest attempt of each side, in shown order."""
        if rows.clean(name) != name:  # no database could hold, or look for, such a name
            return None
        with self.read() as connection:
            query = select(tables.comparison).where(tables.comparison.c.id == name)
            row = connection.execute(query).mappings().first()
            return rows.to_comparison(row, _latest(_responses(connection, name))) if row else None

    def latest_comparison(self, owner: str, *, unrated_first: bool) -> Comparison | None:
        """The visitor's last run; with `unrated_first`, the last one they have not rated, if there is one."""
        table = tables.comparison
        query = select(table.c.id).where(table.c.owner == owner).order_by(table.c.created.desc()).limit(1)
        rated = select(tables.rating.c.comparison).where(tables.rating.c.rater == owner)
        with self.read() as connection:
            found = connection.execute(query.where(table.c.id.not_in(rated))).scalar() if unrated_first else None
            found = found or connection.execute(query).scalar()
        return self.comparison(found) if found else None

    def counts(self) -> dict[str, int]:
        """Rows by table name."""
        with self.read() as connection:
            every = ("comparison", "response", "score", "rating", "imported_case", "run_row")
            return {n: connection.execute(select(func.count()).select_from(_table(n))).scalar_one() for n in every}

    def iterate_comparisons(self) -> Iterator[Comparison]:
        """Every comparison without its responses, oldest first; memory stays flat."""
        for row in self._stream(
            select(tables.comparison).order_by(tables.comparison.c.created, tables.comparison.c.id)
        ):
            yield rows.to_comparison(row)

    def iterate_responses(self) -> Iterator[Response]:
        """Every response, all attempts, with its scores."""
        query = select(tables.response).order_by(tables.response.c.created, tables.response.c.id)
        batch: list[Any] = []
        for row in self._stream(query):
            batch.append(row)
            if len(batch) == BATCH:
                yield from self._with_scores(batch)
                batch = []
        yield from self._with_scores(batch)

    def iterate_ratings(self) -> Iterator[Rating]:
        for row in self._stream(select(tables.rating).order_by(tables.rating.c.number)):
            yield rows.to_rating(row)

    def iterate_run_rows(self, *, task: str | None = None) -> Iterator[dict[str, Any]]:
        """Rows of imported batch runs, as they were written."""
        query = select(tables.run_row.c.row).order_by(tables.run_row.c.place)
        query = query.where(tables.run_row.c.task == task) if task is not None else query
        for row in self._stream(query):
            yield row["row"]

    def _stream(self, query: Select[Any]) -> Iterator[Any]:
        with self.read() as connection:
            result = connection.execution_options(stream_results=True, yield_per=BATCH).execute(query)
            yield from result.mappings()

    def _with_scores(self, batch: list[Any]) -> Iterator[Response]:
        with self.read() as connection:
            scores = _scores(connection, [row["id"] for row in batch])
        for row in batch:
            yield rows.to_response(row, scores.get(row["id"], ()))


def _table(name: str) -> Any:
    return tables.metadata.tables[name]


def _responses(connection: Connection, comparison: str) -> list[Response]:
    table = tables.response
    query = select(table).where(table.c.comparison == comparison).order_by(table.c.side, table.c.attempt)
    found = list(connection.execute(query).mappings())
    scores = _scores(connection, [row["id"] for row in found])
    return [rows.to_response(row, scores.get(row["id"], ())) for row in found]


def _scores(connection: Connection, responses: list[str]) -> dict[str, tuple[ScoreRecord, ...]]:
    query = select(tables.score).where(tables.score.c.response.in_(responses)).order_by(tables.score.c.place)
    found: dict[str, tuple[ScoreRecord, ...]] = {}
    for row in connection.execute(query).mappings() if responses else ():
        found[row["response"]] = (*found.get(row["response"], ()), rows.to_score(row))
    return found


def _latest(responses: list[Response]) -> tuple[Response, ...]:
    return tuple({r.side: r for r in responses}.values())
