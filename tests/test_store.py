"""The store: append-only, exact, the same on SQLite and PostgreSQL."""

import sqlite3
import threading
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from playground.errors import BadInput, StoreFailed
from playground.records import Draft
from playground.store import Store
from tests import samples
from tests.samples import NOW


def run_with_two_sides(store: Store, **changes: object) -> str:
    record = samples.comparison(**changes)
    store.add_comparison(record)
    for side in "AB":
        store.add_response(samples.response(record.id, side))
    return record.id


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
    numbers: list[int | None] = []
    threads = [threading.Thread(target=lambda: numbers.append(store.save_rating(record).number)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(numbers) == 10
    assert len(set(numbers)) == 1
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
    opened: list[Store] = []
    failed: list[BaseException] = []

    def start() -> None:
        try:
            opened.append(Store.open(database_url))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in opened:
        store.close()
    assert failed == []


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
