"""The runner: every event counts exactly once, only a bad stream is parked, and waiting works."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from threading import Event as Signal
from typing import Any

import pytest

from casestore import CaseStore
from casestore.errors import StoreUnavailable
from projections import PROJECTIONS, reports
from projections.engine import live
from projections.engine.live import Parked
from projections.engine.postgres import _schema_beside
from projections.engine.runner import Runner
from tests.generate import fill
from tests.support.alter import alter
from tests.support.made_up import ALL, FRAGILE, LOOKING, SOME, contents, fragile
from tests.support.processes import PATIENCE, SPAWN, Place, wait_until
from tests.support.runners import position, process, run
from tests.support.stories import START, adopted, knew, moment, noted, opened, promised


@pytest.fixture
def place(store_url: str, tmp_path: Path) -> Place:
    CaseStore.create(store_url).close()
    return Place(store_url, tmp_path / "store.key")


@pytest.fixture
def store(place: Place) -> Iterator[CaseStore]:
    with place.open() as store:
        yield store


def assert_right(store: CaseStore) -> None:
    """Assert that the tables are up to date and hold the same rows as a new build."""
    with Runner(store, SOME) as runner:
        head = runner.catch_up()
        assert head == position(runner) == max((e.position or 0 for e in store.read()), default=0)
        grown = contents(runner)
        runner.rebuild()
        assert contents(runner) == grown


# --- several at once -------------------------------------------------------------------------


def append(place: Place, me: int) -> None:
    with place.open() as store:
        for n in range(24):
            store.append(f"case:{me}-{n % 12}", noted() if n >= 12 else opened())
            store.append("case:all", noted())


def test_two_runners_while_others_append(place: Place, store: CaseStore) -> None:
    store.append("case:all", opened())
    stop = SPAWN.Event()
    with (
        process(run, place, stop) as one,
        process(run, place, stop) as two,
        process(append, place, 1) as three,
        process(append, place, 2) as four,
        Runner(store, SOME) as runner,
    ):
        runner.catch_up()
        last = 0
        while three.is_alive() or four.is_alive():
            now = position(runner)
            assert now >= last
            last = now
        assert (three.exitcode, four.exitcode) == (0, 0)
        head = runner.head()
        runner.wait(head, timeout=PATIENCE)
        found = contents(runner)
        stop.set()
        one.join(PATIENCE)
        two.join(PATIENCE)
        assert (one.exitcode, two.exitcode) == (0, 0)
        assert contents(runner) == found
    assert len(found["cases"]) == 1 + 2 * 12
    assert_right(store)


def test_a_runner_waits_for_one_that_is_at_it(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Runner(store, SOME, batch=1) as slow, Runner(store, SOME) as fast:
        slow.catch_up()
        store.append("case:c1", opened(), noted(), noted())
        overtaking: list[Future[int]] = []
        advance = slow._live.advance

        def let_one_by(*given: Any) -> bool:
            if not overtaking:
                overtaking.append(threads.submit(fast.catch_up))
                wait(overtaking, 0.3)  # it has to wait for us
            return advance(*given)

        monkeypatch.setattr(slow._live, "advance", let_one_by)
        with ThreadPoolExecutor() as threads:
            after_one = Signal()
            slow.catch_up(stop=after_one, tick=lambda _: after_one.set())
            assert overtaking[0].result(PATIENCE) == position(fast) == 4
    assert_right(store)


def test_a_runner_that_is_killed(place: Place, store: CaseStore) -> None:
    with Runner(store, SOME) as runner:
        runner.catch_up()
        fill(store, 300)
        for goal in (50, 120):
            with process(run, place, SPAWN.Event()):
                wait_until(lambda: position(runner) > goal)  # noqa: B023  (called before it changes)
            # Killed by now; a server may not have heard of it yet.
        left = position(runner)
        assert left < 300
        runner.catch_up()
        assert position(runner) == 300
    assert_right(store)


def first_report(place: Place, ready: Any) -> None:
    with place.open() as store:
        ready.wait(PATIENCE)
        assert len(reports.cases(store).rows) == 1


def test_several_processes_make_the_tables_at_once(place: Place, store: CaseStore) -> None:
    store.append("case:c1", opened())
    ready = SPAWN.Barrier(4)
    with (
        process(first_report, place, ready) as one,
        process(first_report, place, ready) as two,
        process(first_report, place, ready) as three,
        process(first_report, place, ready) as four,
    ):
        for each in (one, two, three, four):
            each.join(PATIENCE)
            assert each.exitcode == 0
    with Runner(store) as runner, runner._live.tables.reading() as cursor:
        found = cursor.all(f"SELECT live FROM {runner._live.tables.at('tracking')}")
    assert found == [(1,)] * 4  # each table that the report needs, once


# --- rows that cannot be made ----------------------------------------------------------------


def test_a_stream_whose_rows_raise_is_parked_alone(store: CaseStore) -> None:
    with Runner(store, SOME) as runner:
        runner.catch_up()
        for case_id in ("c1", "c2"):
            store.append(f"case:{case_id}", opened(), noted())
        runner.catch_up()
        assert runner.parked() == []
        store.append("case:c1", noted())
        runner.catch_up()
        parked = [Parked("fragile", "case:c1", "ValueError: it is the third␀ time in c1")]
        assert runner.parked() == parked
        found = contents(runner)
        assert [row[1:] for row in found["fragile"]] == [("c2", 2)]
        assert len(found["cases"]) == 2
        assert {each.projection: each.parked for each in runner.status() if each.parked} == {
            "fragile": 1
        }
        runner.rebuild()
        assert contents(runner) == found
        assert runner.retry() == parked
        store.append("case:c1", noted())
        store.append("case:c2", noted())
        runner.catch_up()
        assert [each.stream for each in runner.parked()] == ["case:c2"]
        assert [row[1:] for row in contents(runner)["fragile"]] == [("c1", 4)]


def test_what_was_parked_is_retried(store: CaseStore) -> None:
    store.append("case:c1", opened(), noted(), noted())
    with Runner(store, [FRAGILE]) as runner:
        runner.catch_up()
        assert len(runner.parked()) == 1
        store.append("case:c1", noted())
        assert len(runner.retry()) == 1  # rows are made up to the tables' position and no further
    mended = FRAGILE._replace(rows=lambda case: islice(fragile(case), 1))
    with Runner(store, [mended]) as runner:
        assert runner.retry() == []
        assert [row[1:] for row in contents(runner)["fragile"]] == [("c1", 3)]


def damage(store: CaseStore, stream: str, state: str = "{}") -> None:
    written = f"convert_to('{state}', 'UTF8')"
    if store.url.startswith("sqlite"):
        written = f"CAST('{state}' AS BLOB)"
    alter(store, f"UPDATE {{t}} SET state = {written} WHERE originator_id = '{stream}'")


@pytest.mark.parametrize("build", [False, True])
def test_a_row_that_cannot_be_read_parks_what_rests_on_it(place: Place, build: bool) -> None:
    with place.open() as store:
        store.append("case:c1", opened(customer_id="k1"))
        store.append("case:c2", opened(customer_id="k2"))
        store.append("case:c3", opened(customer_id="k3"))
        with Runner(store, ALL) as runner:
            if not build:
                runner.catch_up()
            store.append("customer:k1", knew())
            store.append("case:c2", noted())
            store.append("case:c3", noted())
            damage(store, "customer:k1")
            damage(store, "case:c2")
            runner.catch_up()
            parked = runner.parked()
            assert {(each.stream, each.projection) for each in parked} == {
                ("customer:k1", "customers"),
                *(("case:c1", each.name) for each in ALL if "customer" in each.looks_at),
                *(("case:c2", each.name) for each in ALL if each.of == "case"),
            }
            assert all(each.error.startswith("StoreDamaged: a stored ") for each in parked)
            found = contents(runner)
            assert [row[0] for row in found["cases"]] == ["case:c1", "case:c3"]
            assert [row[0] for row in found["customers"]] == ["customer:k2", "customer:k3"]
            assert {row[0] for row in found[LOOKING.name]} == {"case:c3"}
        result = reports.cases(store)
        assert ([line.case_id for line in result.rows], result.parked) == (["c1", "c3"], 2)
        then = reports.cases(store, as_of=moment("-1d"))
        assert (then.rows, then.parked) == ([], 2)


def test_policies_that_cannot_be_read_park_who_looks_at_them(store: CaseStore) -> None:
    store.append("case:c1", opened(at=START))
    with Runner(store, ALL) as runner:
        runner.catch_up()
        store.append("policy", adopted(at=START, effective=moment("+9000d")))
        (good,) = (row[4] for row in store._recorder.stream_rows("policy"))
        damage(store, "policy")
        runner.catch_up()
        looking = {(each.name, "case:c1") for each in ALL if "policy" in each.looks_at}
        assert {each[:2] for each in runner.parked()} == looking
        damage(store, "policy", good.decode())
        assert runner.retry() == []
    assert_right(store)


def test_a_text_that_no_table_takes_parks_its_stream(store: CaseStore) -> None:
    store.append("case:c1", opened(category="fees"))
    store.append("case:c2", opened(category=r"\u0000"))  # these six characters are ordinary text
    ((*_, state, _, _, _, _, _),) = store._recorder.stream_rows("case:c1")
    damage(store, "case:c1", state.decode().replace("fees", r"\\\u0000"))
    result = reports.cases(store)
    assert ([line.category for line in result.rows], result.parked) == ([r"\u0000"], 1)


# --- waiting ---------------------------------------------------------------------------------


def test_who_waits_reads_what_they_wrote(place: Place, store: CaseStore) -> None:
    stop = SPAWN.Event()
    with process(run, place, stop), Runner(store, SOME) as runner:
        receipt = store.append("case:c1", opened())
        runner.wait(receipt.position, timeout=PATIENCE)  # it builds first
        for n in range(20):
            receipt = store.append("case:c1", noted())
            runner.wait(receipt.position)
            (row,) = contents(runner)["cases"]
            assert row.count(n + 2)
    store.append("case:c1", noted())
    with Runner(store, SOME) as runner, pytest.raises(TimeoutError, match=r"cases, .* not at pos"):
        runner.wait(runner.head(), timeout=0.01)


def test_a_runner_stops(store: CaseStore) -> None:
    stop = Signal()
    with Runner(store, batch=1) as runner:
        runner.catch_up()
        with ThreadPoolExecutor() as threads:
            running = threads.submit(runner.run, stop=stop)
            runner.wait(store.append("case:c1", opened()).position)
            stop.set()
            running.result(PATIENCE)
        store.append("case:c1", [noted()] * 9)
        done: list[int] = []
        in_the_middle = Signal()

        def tick(so_far: int) -> None:
            done.append(so_far)
            if so_far == 3:
                in_the_middle.set()

        runner.run(stop=in_the_middle, tick=tick)
        assert done == [0, 1, 2, 3]
        assert position(runner) == 2 + 4


def test_what_is_far_behind_is_built_anew(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FAR", 10)
    with Runner(store, SOME) as runner:

        def grown(by: int) -> set[str]:
            """The live tables after so many more events."""
            for _ in range(by):
                store.append("case:c1", noted())
            runner.catch_up()
            return {each.table for each in runner._live.current().values()}

        store.append("case:c1", opened())
        few = grown(10)
        assert grown(10) == few
        many = grown(20)
        assert not many & few
        assert len(many) == len(SOME)
        assert grown(11) == many, "less than a third of what there is"
    assert_right(store)


def test_the_status_of_each_projection(store: CaseStore) -> None:
    with Runner(store, [*PROJECTIONS[:1], FRAGILE]) as runner:
        assert [each[:1] + each[2:] for each in runner.status()] == [
            ("cases", None, 0, 0, 0, None, None),
            ("fragile", None, 0, 0, 0, None, None),
        ]
        store.append("case:c1", opened())
        runner.catch_up(["cases"])
        store.append("case:c1", noted())
        cases, made_up = runner.status()
        assert (cases.position, cases.lag_events, cases.parked) == (2, 1, 0)
        assert (made_up.position, made_up.lag_events) == (None, 3)
        assert 0 < cases.lag_s < made_up.lag_s < PATIENCE
        runner.catch_up()
        assert [each.lag_s for each in runner.status()] == [0, 0]


# --- places ----------------------------------------------------------------------------------


def test_two_releases_side_by_side(store: CaseStore) -> None:
    """Two releases have different versions of a projection. They do not drop and build for ever."""
    later = FRAGILE._replace(version=2)
    store.append("case:c1", opened())
    with Runner(store, [FRAGILE]) as old, Runner(store, [later]) as new:
        old.catch_up()
        new.catch_up()  # it drops the older table, as it does not know of the other release
        old.catch_up()
        tables = {old._live.current()["fragile"].table, new._live.current()["fragile"].table}
        store.append("case:c1", noted())
        for each in (new, old, new, old):
            each.catch_up()
            assert [row[2] for row in contents(each)["fragile"]] == [2]
        assert {
            old._live.current()["fragile"].table,
            new._live.current()["fragile"].table,
        } == tables


def test_a_store_may_be_in_any_folder_and_no_file_is_left_open_or_behind(tmp_path: Path) -> None:
    folder = tmp_path / "a b #1 100% é'\"+&"
    folder.mkdir()
    url, key = f"sqlite:///{folder}/s#%25 t.db", folder / "key"
    before = set(threading.enumerate())  # a thread of an earlier test may end meanwhile
    with CaseStore.create(url, key_file=key) as store:
        store.append("case:c1", opened(), promised(due="+1h"))
        assert len(reports.promises(store, as_of=START).rows) == 1
        with Runner(store, SOME) as runner:
            runner.rebuild(processes=2)
            assert len(contents(runner)["cases"]) == 1
    name = "s#% t.db"
    assert {each.name for each in folder.iterdir()} == {
        *("key", name, f"{name}.projections", f"{name}.projections-build"),
    }
    assert set(threading.enumerate()) <= before
    open_files = Path("/proc/self/fd")
    if open_files.is_dir():
        paths = [os.readlink(each) for each in open_files.iterdir() if each.exists()]
        assert not [each for each in paths if each.startswith(str(folder))]


def test_every_connection_is_given_back(postgres_schema_url: str, tmp_path: Path) -> None:
    with CaseStore.create(postgres_schema_url, key_file=tmp_path / "key") as store:
        store.append("case:c1", opened())
        reports.cases(store)
        reports.cases(store, as_of=START)
        with Runner(store, SOME) as runner:
            runner.rebuild()
            runner.retry()
        recorder: Any = store._recorder
        recorder.datastore.check()  # the last writer's is kept for the next one
        lent, until = 1, time.monotonic() + 5
        while lent and time.monotonic() < until:  # the pool takes them back in its own time
            stats = recorder.datastore.pool.get_stats()
            lent = stats["pool_size"] - stats["pool_available"]
        assert not lent


def test_many_threads_with_one_store(store: CaseStore) -> None:
    """There are more threads than connections, and the first ones have to build."""
    store.append("case:c1", opened())
    with ThreadPoolExecutor(40) as threads:
        asked = [threads.submit(reports.cases, store) for _ in range(60)]
        for each in asked:
            assert len(each.result(20).rows) == 1


def test_schemas_with_the_longest_of_names(postgres_schema_url: str, tmp_path: Path) -> None:
    schemas = {_schema_beside(f"a{60 * 'x'}"), _schema_beside(f"b{60 * 'x'}")}
    for end in ("x", "y"):
        url = f"{postgres_schema_url}{28 * '_'}{end}"
        with CaseStore.create(url, key_file=tmp_path / "key") as store:
            store.append(f"case:{end}", opened())
            assert [each.case_id for each in reports.cases(store).rows] == [end]
            with Runner(store, SOME) as runner:
                runner.catch_up()
                tables = {each.table for each in runner._live.current().values()}
                where: Any = runner._live.tables
                schemas.add(where.schema)
    url = f"{postgres_schema_url}{28 * '_'}x"
    with CaseStore.open(url, key_file=tmp_path / "key") as store, Runner(store) as runner:
        assert "cases" in runner._live.current()  # not taken for another store's
    assert {len(each) for each in schemas} == {63}
    assert len(schemas) == 4
    assert max(map(len, tables)) < 63 - len("_99")  # or PostgreSQL would cut an index's name


def test_tables_that_are_broken_may_be_deleted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with CaseStore.create(url) as store:
        store.append("case:c1", opened())
        tables = tmp_path / "s.db.projections"
        tables.write_text("this is no database at all" * 100)
        with pytest.raises(StoreUnavailable, match=r"delete"):
            reports.cases(store)
        tables.unlink()
        assert len(reports.cases(store).rows) == 1
