"""Rows that somebody took out of a table, changed or put in are noticed; what is done is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from casestore import CaseStore
from projections.engine import filling
from projections.engine.runner import Runner
from projections.engine.verifying import Difference, Verified
from tests.support.histories import Histories
from tests.support.made_up import ALL, SOME, some_work
from tests.support.stories import noted, opened


@pytest.fixture
def runner(store_url: str) -> Iterator[Runner]:
    """Give a runner over a store with three cases, whose tables are up to date."""
    with CaseStore.create(store_url) as store, Runner(store, SOME) as runner:
        for name in ("a", "b", "c"):
            store.append(f"case:{name}", opened(), noted())
        runner.catch_up()
        yield runner


def change(runner: Runner, sql: str) -> None:
    """Run a statement on the table of cases, {t} in it, as somebody might do."""
    tables = runner._live.tables
    name = runner._live.current()["cases"].table
    with tables.writing() as cursor:
        cursor.run(sql.format(t=tables.at(name), parked=tables.at("parked"), name=name))


def of_cases(runner: Runner, *, from_events: bool = False) -> Verified:
    return next(e for e in runner.verify(from_events=from_events) if e.projection == "cases")


def all_fine(runner: Runner) -> None:
    assert {each.result for each in runner.verify(from_events=True)} == {"ok"}
    assert all(each.rows == each.noted for each in runner.status())


@pytest.mark.parametrize("seed", range(3))
def test_however_the_rows_came_to_be_the_sums_fit(
    store_url: str, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "EVENTS", 25)
    random, histories = Random(seed), Histories(store_url, tmp_path / "store.key", seed)
    with histories.store as store:
        for _ in range(6):
            histories.go_on(random.randrange(60))
            with Runner(store, ALL, batch=random.choice((1, 7, 2000))) as runner:
                some_work(runner, random)
                found = runner.verify(from_events=True)
                assert {each.result for each in found} <= {"ok", "not built"}, found
        with Runner(store, ALL) as runner:
            runner.catch_up()
            all_fine(runner)


def test_with_several_workers_the_sums_fit(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "EVENTS", 2)
    with Runner(runner._live.store) as every:  # what is made up cannot go to another process
        every.rebuild(processes=2)
        all_fine(every)


def test_a_row_that_was_deleted(runner: Runner) -> None:
    change(runner, "DELETE FROM {t} WHERE case_id = 'b'")
    found = of_cases(runner)
    assert found[1:5] == ("differs", runner.head(), 2, 3)
    assert found.differences == (Difference(None, "has 2 rows, of 3 that were made"),)
    assert of_cases(runner, from_events=True).differences[1:] == (
        Difference("case:b", "lacks 1 row"),
    )
    status = next(each for each in runner.status() if each.projection == "cases")
    assert (status.rows, status.noted) == (2, 3)
    assert {each.result for each in runner.verify() if each.projection != "cases"} == {"ok"}


def test_a_row_that_was_deleted_stays_missing_in_the_sum_when_it_is_made_anew(
    runner: Runner,
) -> None:
    """Who looks later still learns that somebody was there."""
    change(runner, "DELETE FROM {t} WHERE case_id = 'b'")
    runner._live.store.append("case:b", noted())
    runner.catch_up()
    assert of_cases(runner)[1:5] == ("differs", runner.head(), 3, 4)
    runner.rebuild(["cases"])
    all_fine(runner)


def test_a_row_that_was_changed(runner: Runner) -> None:
    change(runner, "UPDATE {t} SET events = 7, customer_id = 'x' WHERE case_id = 'b'")
    assert of_cases(runner).differences == (Difference(None, "a row is not as it was made"),)
    (_, found) = of_cases(runner, from_events=True).differences
    assert found == Difference("case:b", "1 row not as made from the events: customer_id, events")


def test_a_row_that_was_put_in_twice_and_one_of_no_stream(runner: Runner) -> None:
    change(runner, "INSERT INTO {t} SELECT * FROM {t} WHERE case_id = 'b'")
    change(runner, "UPDATE {t} SET stream = 'nobody' WHERE case_id = 'c'")
    (_, *found) = of_cases(runner, from_events=True).differences
    assert found == [
        Difference("case:b", "has 1 row that the events do not give"),
        Difference("case:c", "lacks 1 row"),
        Difference("nobody", "has 1 row that the events do not give"),
    ]


def test_a_sum_that_was_made_to_fit_deceives_no_events(runner: Runner) -> None:
    change(runner, "DELETE FROM {t} WHERE case_id = 'b'")
    tables = runner._live.tables
    with tables.writing() as cursor:
        cursor.run(f"DELETE FROM {tables.at('sums')}")
    assert of_cases(runner)[1:5] == ("unknown", runner.head(), 2, None)
    found = of_cases(runner, from_events=True)
    assert (found.result, found.differences) == ("differs", (Difference("case:b", "lacks 1 row"),))


def test_a_parked_stream_that_is_hidden(store_url: str) -> None:
    with CaseStore.create(store_url) as store, Runner(store, SOME) as runner:
        store.append("case:a", opened(), noted(), noted())  # `fragile` fails at the third
        runner.catch_up()
        all_fine(runner)
        runner.retry()
        all_fine(runner)
        change(runner, "DELETE FROM {parked}")
        (found,) = (e for e in runner.verify(from_events=True) if e.result != "ok")
        assert found.projection == "fragile"
        assert found.differences == (
            Difference(None, "has 0 rows, of 1 that were made"),
            Difference("case:a", "its rows cannot be made, and it is not among the parked"),
        )


def test_a_table_that_is_gone(runner: Runner) -> None:
    change(runner, "DROP TABLE {t}")
    (found,) = (e for e in runner.verify(from_events=True) if e.result != "ok")
    assert (found.projection, found.result, found.rows) == ("cases", "differs", None)
    assert found.differences[0].what.startswith("cannot be read: ")


def test_tables_from_before_there_were_sums(runner: Runner) -> None:
    """They are not known, until a rebuild makes their sums; meanwhile all goes on."""
    tables = runner._live.tables
    with tables.writing() as cursor:
        cursor.run(f"DROP TABLE {tables.at('sums')}")
    runner._live.store.append("case:b", noted())
    runner.catch_up()
    runner.retry()
    assert {each.result for each in runner.verify()} == {"unknown"}
    assert {each.noted for each in runner.status()} == {None}
    runner.rebuild()
    all_fine(runner)


def test_a_release_without_sums_beside_this_one(runner: Runner) -> None:
    """What it moved is not known: its sum is not taken for a wrong one."""
    tables, head = runner._live.tables, runner.head()
    with tables.writing() as cursor:
        cursor.run(f"UPDATE {tables.at('sums')} SET position = {head - 1}")
    runner._live.store.append("case:b", noted())
    runner.catch_up()
    assert {each.result for each in runner.verify()} == {"unknown"}
    assert {each.result for each in runner.verify(from_events=True)} == {"ok"}


def test_values_of_any_type_in_a_file(tmp_path: Path) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db") as store, Runner(store, SOME) as runner:
        store.append("case:a", opened())
        runner.catch_up()
        name = runner._live.current()["cases"].table
        with closing(sqlite3.connect(tmp_path / "s.db.projections")) as file:
            for value in ("x'ff00'", "1.5", "'abc'", "9e999", "CAST(x'ff' AS TEXT)"):
                for column in ("stream", "events", "customer_id"):
                    file.execute(f'UPDATE "{name}" SET "{column}" = {value}')
                    file.commit()
                    assert of_cases(runner, from_events=True).result == "differs"
                    runner.rebuild(["cases"])
                    name = runner._live.current()["cases"].table
