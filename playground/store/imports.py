"""Imported tasks and cases, and rows of batch runs: insert if absent."""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select

from playground.store import rows, tables
from playground.store.base import Base
from playground.task import Case, Task

BATCH = 500


class Imports(Base):
    def import_cases(self, cases: Iterable[Case], task: Task | None = None) -> tuple[int, int]:
        """Add what is not there yet, all or nothing; returns (added, unchanged). `task` replaces its older self."""
        added = seen = 0
        with self.write() as connection:
            if task is not None:
                connection.execute(delete(tables.imported_task).where(tables.imported_task.c.id == task.id))
                value = {"id": task.id, "task": task.model_dump(mode="json")}
                connection.execute(insert(tables.imported_task), rows.clean(value))
            for batch in _batches(cases):
                values = [{"task": c.task, "id": c.id, "case": c.model_dump(mode="json")} for c in batch]
                added += _insert_absent(connection, tables.imported_case, rows.clean(values))
                seen += len(batch)
        return added, seen - added

    def imported_tasks(self) -> tuple[Task, ...]:
        with self.read() as connection:
            found = connection.execute(select(tables.imported_task.c.task).order_by(tables.imported_task.c.id))
            return tuple(Task.model_validate(row) for row in found.scalars())

    def imported_cases(self, task: str) -> tuple[Case, ...]:
        """In the order imported."""
        table = tables.imported_case
        query = select(table.c.case).where(table.c.task == task).order_by(table.c.place)
        with self.read() as connection:
            return tuple(Case.model_validate(row) for row in connection.execute(query).scalars())

    def imported_case(self, task: str, name: str) -> Case | None:
        table = tables.imported_case
        query = select(table.c.case).where((table.c.task == task) & (table.c.id == name))
        with self.read() as connection:
            row = connection.execute(query).scalar()
        return Case.model_validate(row) if row is not None else None

    def count_imported(self, task: str) -> int:
        table = tables.imported_case
        with self.read() as connection:
            return connection.execute(select(func.count()).where(table.c.task == task)).scalar_one()

    def add_run_rows(self, found: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
        """Add rows of a batch run that are not there by (key, case); returns (added, present)."""
        added = seen = 0
        with self.write() as connection:
            for batch in _batches(found):
                values = [
                    {
                        "key": r["key"],
                        "case_id": r["case"],
                        "run": r["run"],
                        "task": r["task"],
                        "model": r["model"],
                        "row": dict(r),
                    }
                    for r in batch
                ]
                added += _insert_absent(connection, tables.run_row, rows.clean(values))
                seen += len(batch)
        return added, seen - added


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _insert_absent(connection: Connection, table: Table, values: list[dict[str, Any]]) -> int:
    before = connection.execute(select(func.count()).select_from(table)).scalar_one()
    connection.execute(_insert_for(connection)(table).on_conflict_do_nothing(), values)
    return connection.execute(select(func.count()).select_from(table)).scalar_one() - before


def _insert_for(connection: Connection) -> Any:
    """The dialect's own `insert`; the other dialect is not loaded."""
    return import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert
