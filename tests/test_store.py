"""The store: append-only, exact, the same on SQLite and PostgreSQL."""

import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from playground.errors import BadInput, StoreFailed
from playground.records import Draft
from playground.settings import ROOT
from playground.store import Store
from playground.store.schema import MIGRATIONS, revisions
from playground.store.tables import metadata
from tests import samples
from tests.samples import NOW


def run_with_two_sides(store: Store, **changes: object) -> str:
    record = samples.comparison(**changes)
    store.add_comparison(record)
    for side in "AB":
        store.add_response(samples.response(record.id, side))
    return record.id


def at_once(*works: Callable[[], Any]) -> tuple[list[Any], list[Exception]]:
    """Run all of them in the same instant, a thread each; gives what they returned and what they raised."""
    gate, results, failures = threading.Barrier(len(works)), [], []

    def one(work: Callable[[], Any]) -> None:
        gate.wait()
        try:
            results.append(work())
        except (BadInput, StoreFailed, SQLAlchemyError) as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, failures


def test_what_goes_in_comes_out(store: Store) -> None:
    record = samples.comparison(case_inputs={"premise": "Fièvre 39 °C, 发热 \U0001f912", "statement": "x"})
    store.add_comparison(record)
    sides = tuple(samples.response(record.id, side, cost=0.0123, first_token_s=0.25) for side in "AB")
    for side in sides:
        store.add_response(side)
    found = store.comparison(record.id)
    assert found == replace(record, responses=sides)


def test_the_same_uuid_twice_is_one_row(store: Store) -> None:
    run = run_with_two_sides(store)
    first = samples.rating(samples.comparison(id=run))
    one = store.save_rating(first)
    two = store.save_rating(replace(first, seconds=99.0))
    assert one == two
    assert len(store.ratings(comparison=run)) == 1


def test_ten_threads_with_one_uuid_make_one_row(store: Store) -> None:
    run = run_with_two_sides(store)
    record = samples.rating(samples.comparison(id=run))
    saved, failed = at_once(*[lambda: store.save_rating(record)] * 10)
    assert failed == []
    assert len({found.number for found in saved}) == 1
    assert len(store.ratings()) == 1


def test_the_same_uuid_with_other_answers_is_refused(store: Store) -> None:
    run = run_with_two_sides(store)
    record = samples.rating(samples.comparison(id=run))
    store.save_rating(record)
    with pytest.raises(BadInput, match="saved before with other answers"):
        store.save_rating(replace(record, answers=samples.answers(preference="B")))
    assert store.ratings()[0].answers["preference"] == "A"


def test_a_changed_mind_is_a_further_event(store: Store) -> None:
    run = run_with_two_sides(store)
    record = samples.rating(samples.comparison(id=run))
    first = store.save_rating(record)
    second = store.save_rating(replace(record, uuid=uuid.uuid4().hex, answers=samples.answers(preference="B")))
    assert [r.answers["preference"] for r in store.ratings(comparison=run)] == ["A", "B"]
    assert first.number is not None
    assert second.number is not None
    assert first.number < second.number


def test_of_many_votes_on_a_blind_run_in_one_instant_one_counts(store: Store) -> None:
    run = run_with_two_sides(store)
    saved, refused = at_once(*[lambda: store.save_rating(samples.rating(samples.comparison(id=run)), once=True)] * 8)
    assert (len(saved), len(refused)) == (1, 7)
    assert {type(error) for error in refused} == {BadInput}
    assert "Voting is closed" in str(refused[0])
    assert [r.number for r in store.ratings(comparison=run)] == [saved[0].number]


def test_a_vote_on_a_blind_run_that_is_sent_again_is_confirmed_again(store: Store) -> None:
    run = run_with_two_sides(store)
    record = samples.rating(samples.comparison(id=run))
    saved, refused = at_once(*[lambda: store.save_rating(record, once=True)] * 8)
    assert refused == []
    assert len({r.number for r in saved}) == 1
    assert len(store.ratings()) == 1


def test_a_comment_with_what_a_database_refuses_is_still_the_same_when_sent_again(store: Store) -> None:
    run = run_with_two_sides(store)
    record = samples.rating(samples.comparison(id=run), comment="bad \0 and \ud83e")
    assert store.save_rating(record) == store.save_rating(record)
    assert len(store.ratings()) == 1


def test_drafts_from_two_tabs_in_one_instant_leave_one(store: Store) -> None:
    run = run_with_two_sides(store)
    draft = Draft(comparison=run, rater="visitor-1", answers={}, comment="\0", uuid="u", updated=NOW)
    _, refused = at_once(*[lambda: store.save_draft(draft)] * 8)
    assert refused == []
    found = store.draft(run, "visitor-1")
    assert found is not None
    assert found.comment == "\ufffd"


def test_a_draft_that_comes_after_its_rating_does_not_come_back(store: Store) -> None:
    run = run_with_two_sides(store)
    record = samples.rating(samples.comparison(id=run))
    store.save_rating(record)
    draft = Draft(comparison=run, rater="visitor-1", answers={}, comment="", uuid=record.uuid, updated=NOW)
    store.save_draft(draft)
    assert store.draft(run, "visitor-1") is None
    store.save_draft(replace(draft, uuid=uuid.uuid4().hex))
    assert store.draft(run, "visitor-1") is not None, "a changed mind begins a draft of its own"


def test_a_rating_and_its_late_draft_in_one_instant_leave_no_draft(store: Store) -> None:
    for _ in range(10):
        run = run_with_two_sides(store)
        record = samples.rating(samples.comparison(id=run))
        draft = Draft(comparison=run, rater="visitor-1", answers={}, comment="", uuid=record.uuid, updated=NOW)
        _, refused = at_once(partial(store.save_draft, draft), partial(store.save_rating, record))
        assert refused == []
        assert store.draft(run, "visitor-1") is None


def test_what_cannot_be_read_is_not_called_unsaved(store: Store) -> None:
    with store.write() as connection:
        connection.exec_driver_sql("DROP TABLE draft")
    with pytest.raises(StoreFailed, match=r"^Not read: the database refused\."):
        store.draft("run", "visitor-1")


def test_a_name_that_no_database_can_hold_is_not_found(store: Store) -> None:
    assert store.comparison("a\0b") is None
    assert store.comparison("\ud800") is None


def test_the_migrations_make_exactly_the_tables_that_the_program_describes(store: Store) -> None:
    with store.read() as connection:
        found = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(found, metadata) == []
        names = set(inspect(connection).get_table_names())
    assert names == {*metadata.tables, "alembic_version"}


def test_a_database_of_a_newer_program_is_left_alone(database_url: str) -> None:
    with Store.open(database_url) as store, store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreFailed, match=r"newer version \(9999\)"):
        Store.open(database_url)


def test_no_row_can_point_to_a_run_that_is_not_there(store: Store) -> None:
    with pytest.raises(IntegrityError):
        store.add_response(samples.response("nowhere"))
    with pytest.raises(BadInput, match="not in the database"):
        store.save_rating(samples.rating(samples.comparison()), once=True)


def test_a_rating_of_an_unknown_run_is_refused(store: Store) -> None:
    with pytest.raises(BadInput, match="not in the database"):
        store.save_rating(samples.rating(samples.comparison()))


def test_a_draft_is_replaced_and_goes_with_the_rating(store: Store) -> None:
    run = run_with_two_sides(store)
    for value in ("2", "3"):
        draft = Draft(
            comparison=run, rater="visitor-1", answers={"correctness.A": value}, comment="c", uuid="u", updated=NOW
        )
        store.save_draft(draft)
    found = store.draft(run, "visitor-1")
    assert found is not None
    assert found.answers == {"correctness.A": "3"}
    assert store.draft(run, "visitor-2") is None
    store.save_rating(samples.rating(samples.comparison(id=run)))
    assert store.draft(run, "visitor-1") is None


def test_a_retry_shows_the_latest_attempt_and_keeps_the_first(store: Store) -> None:
    record = samples.comparison()
    store.add_comparison(record)
    store.add_response(samples.response(record.id, "A", state="failed", text="", scores=(), error="broken"))
    store.add_response(samples.response(record.id, "A", attempt=2))
    found = store.comparison(record.id)
    assert found is not None
    assert [r.attempt for r in found.responses] == [2]
    assert len(list(store.iterate_responses())) == 2


def test_the_latest_run_of_a_visitor_is_found(store: Store) -> None:
    first = run_with_two_sides(store)
    other = run_with_two_sides(store, owner="visitor-2")
    found = store.latest_comparison("visitor-1", unrated_first=False)
    assert found is not None
    assert found.id == first != other
    assert store.latest_comparison("nobody", unrated_first=False) is None


def test_texts_that_a_database_refuses_are_kept_readable(store: Store) -> None:
    record = samples.comparison()
    store.add_comparison(record)
    store.add_response(samples.response(record.id, text="a\x00b"))
    found = store.comparison(record.id)
    assert found is not None
    assert "\x00" not in found.responses[0].text


def test_imported_cases_are_there_once(store: Store) -> None:
    cases = [samples.case("a"), samples.case("b", restricted=True)]
    assert store.import_cases(cases) == (2, 0)
    assert store.import_cases(cases) == (0, 2)
    assert [c.id for c in store.imported_cases("pairs")] == ["a", "b"]
    assert store.imported_case("pairs", "b") == cases[1]
    assert store.count_imported("pairs") == 2


def test_opening_again_keeps_everything(database_url: str) -> None:
    with Store.open(database_url) as first:
        run = run_with_two_sides(first)
        first.save_rating(samples.rating(samples.comparison(id=run)))
    with Store.open(database_url) as second:
        assert second.comparison(run) is not None
        assert len(second.ratings()) == 1


def test_two_processes_may_open_an_empty_database_at_once(database_url: str) -> None:
    opened, failed = at_once(*[lambda: Store.open(database_url)] * 4)
    for store in opened:
        store.close()
    assert failed == []
    assert len(opened) == 4


def test_the_names_of_the_files_tell_the_revisions() -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    assert revisions() == sorted(s.revision for s in script.walk_revisions())
    assert revisions()[-1] == script.get_current_head()


def test_a_database_of_today_opens_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'p.db'}"
    Store.open(url).close()
    code = "import sys; from playground.store import Store; Store.open(sys.argv[1]); print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"


def test_a_new_file_that_another_process_holds_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "p.db", check_same_thread=False, isolation_level=None)
    other.execute("CREATE TABLE begun (x)")
    other.execute("BEGIN IMMEDIATE")
    other.execute("SELECT * FROM begun").fetchall()  # now SQLite refuses to change the mode without waiting
    release = threading.Timer(0.5, other.rollback)
    release.start()
    with Store.open(f"sqlite:///{tmp_path / 'p.db'}") as store:
        assert list(store.imported_tasks()) == []
    release.join()
    other.close()


def test_sqlite_is_set_up_for_safety(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'p.db'}") as store:
        run_with_two_sides(store)
        with store.read() as connection:
            found = {p: connection.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("journal_mode", "foreign_keys")}
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert found == {"journal_mode": "wal", "foreign_keys": 1}
    assert (tmp_path / "p.db").stat().st_mode & 0o077 == 0, "only the owner may read ratings"


def test_a_database_that_is_gone_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreFailed, match="Set PLAYGROUND_DATA to another folder"):
        Store.open(f"sqlite:///{tmp_path / 'file' / 'p.db'}")
    with pytest.raises(StoreFailed, match="database"):
        Store.open("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(BadInput, match="PLAYGROUND_DATABASE_URL is not an address"):
        Store.open("not an address")


def test_a_locked_database_is_not_claimed_to_be_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'p.db'}") as store:
        run = run_with_two_sides(store)
        other = sqlite3.connect(tmp_path / "p.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        try:
            store.close()  # its connections; the next ones wait 50 ms instead of 15 s
            monkeypatch.setattr("playground.store.schema.BUSY", 50)
            with pytest.raises(StoreFailed, match="Not saved: the database is busy"):
                store.save_rating(samples.rating(samples.comparison(id=run)))
        finally:
            other.execute("ROLLBACK")
            other.close()
        assert store.ratings() == ()
