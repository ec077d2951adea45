"""Reports as of another time, and the time and position that a report is made for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event as Signal
from typing import Any

import pytest

from casestore import CaseStore, StoreUnavailable
from casestore.events import Event
from casestore.journal.sqlite import SQLiteJournal
from casestore.journal.url import SQLiteUrl, parse_url
from projections import PROJECTIONS, reports
from projections.engine.live import LiveTables
from projections.engine.runner import Runner, catch_up
from projections.models.cases import CASES
from projections.models.promises import PROMISES
from projections.query import open_view
from projections.query.report import Answer
from projections.query.view import View
from projections.reports import CaseLine, PromiseLine, Result, Selection
from tests.support.alter import alter, execute
from tests.support.histories import Histories
from tests.support.stories import (
    START,
    closed,
    customer_merged,
    customer_unmerged,
    gave,
    merged,
    moment,
    noted,
    opened,
    promised,
    reopened,
    replied,
    unmerged,
    wrote,
)

ASKED: list[Callable[..., Result[Any]]] = [
    reports.cases,
    partial(reports.cases, customer="x", case="y"),
    reports.promises,
    reports.promise_rates,
    reports.promise_rates_by_agent,
    partial(reports.goodwill_history, customer="x"),
    partial(reports.goodwill_spend, by="agent"),
    partial(reports.goodwill_spend, by="month"),
    reports.undelivered,
    reports.waiting,
    reports.overdue,
    reports.ageing,
    reports.repeats,
    partial(reports.breakdown, by="channel"),
    partial(reports.breakdown, by="month"),
]
LATE = START + timedelta(days=30)
"""A time after everything that happens in a story."""


def said(result: Result[Any]) -> tuple[Any, ...]:
    return result.rows, result.summary, result.total, result.position, result.parked


def ids(result: Result[CaseLine]) -> list[str]:
    return [line.case_id for line in result.rows]


def assert_nothing(result: Result[Any], position: int) -> None:
    assert (result.position, result.parked) == (position, 0)
    if result.report == "ageing":  # it has a row for each bucket, even if there are no cases
        assert all(line.cases == 0 for line in result.rows)
    else:
        assert not result.rows


class Clock:
    """A clock that shows the time that it is set to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def tell(self, store: CaseStore, stream: str, *events: Event) -> None:
        """Append each event at the time at which it happens."""
        for event in events:
            self.now = max(self.now, event.occurred_at)
            store.append(stream, event)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[CaseStore]:
    with CaseStore.create(store_url, clock=clock) as store:
        yield store


# --- another time ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_tables_made_for_one_report_say_what_the_live_ones_say(
    store_url: str, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories = Histories(store_url, tmp_path / "store.key", seed)
    with histories.store as store:
        for _ in range(5):
            histories.go_on(30)
            with Runner(store, batch=3) as runner:
                runner.catch_up()  # so that rows have come in any order
        live = [each(store, as_of=LATE) for each in ASKED]
        known = [each(store, as_of=LATE, known_at=LATE) for each in ASKED]
        assert list(map(said, known)) == list(map(said, live))
        monkeypatch.setattr(open_view, "_newest", lambda *_: LATE + timedelta(1))
        made = [each(store, as_of=LATE) for each in ASKED]
        assert list(map(said, made)) == list(map(said, live))
    assert any(each.rows for each in live)


def test_an_answer_about_a_time_stays_the_same(store: CaseStore, clock: Clock) -> None:
    clock.tell(store, "case:y", opened(customer_id="x"), wrote(at="+1h"), gave(at="+1h"))
    clock.tell(store, "case:y", promised(at="+1h", due="+3h"), closed(at="+2h"))
    clock.now = moment("+4h")
    as_of, known_at = moment("+3h"), moment("+4h")

    def answers() -> list[str]:
        return [repr(each(store, as_of=as_of, known_at=known_at)) for each in ASKED]

    before = answers()
    clock.now += timedelta(microseconds=1)
    store.append("case:y", reopened(at="+2h"), replied(at="+2h"))
    clock.tell(store, "case:z", opened(at="+1h", customer_id="x"))
    clock.tell(store, "case:y", noted(at="+5h"))
    assert answers() == before
    assert answers() == before
    assert ids(reports.cases(store, as_of=as_of)) == ["y", "z"]
    line = reports.cases(store, as_of=as_of, case="y").rows[0]
    assert (line.status, line.replies, line.events) == ("open", 1, 7)


def test_what_was_on_record_at_a_time(store: CaseStore, clock: Clock) -> None:
    clock.tell(store, "case:c1", opened(), noted(at="+1h"), wrote(at="+2h"))
    known = [reports.cases(store, known_at=moment(at)) for at in ("-1s", "+0h", "+1h", "+2h")]
    assert [[line.events for line in each.rows] for each in known] == [[], [1], [2], [3]]
    assert [each.position for each in known] == [0, 2, 3, 4]
    assert [each.known_at for each in known] == [moment(at) for at in ("-1s", "+0h", "+1h", "+2h")]


def test_before_everything_there_is_nothing(store: CaseStore, clock: Clock) -> None:
    clock.tell(store, "case:c1", opened(customer_id="x"), wrote(at="+1h"), promised(at="+1h"))
    for each in ASKED:
        assert_nothing(each(store, known_at=START - timedelta(1)), position=0)
        assert_nothing(each(store, as_of=START - timedelta(1)), position=4)


def test_a_time_without_a_zone_is_refused(store: CaseStore) -> None:
    for name in ("as_of", "known_at", "since", "until"):
        naive: Any = {name: START.replace(tzinfo=None)}
        with pytest.raises(ValueError, match="no time zone"):
            reports.cases(store, selection=replace(Selection(), **naive))


def test_what_happened_ahead_of_our_clock_has_happened(store: CaseStore, clock: Clock) -> None:
    before = clock.now = datetime.now(UTC)
    ahead = before + timedelta(minutes=4)
    store.append("case:c1", opened(at=before))
    store.append("case:c2", opened(at=ahead))
    result = reports.cases(store)
    assert (ids(result), result.as_of) == (["c1", "c2"], ahead)
    assert ids(reports.cases(store, as_of=before)) == ["c1"]


def test_where_all_has_happened_now_is_by_the_clock(store: CaseStore, clock: Clock) -> None:
    clock.tell(store, "case:c1", opened())
    clock.now = moment("+7d")
    assert reports.cases(store).as_of == clock.now


# --- an empty store --------------------------------------------------------------------------


def test_reports_on_a_store_without_events(store: CaseStore) -> None:
    for each in ASKED:
        assert_nothing(each(store), position=0)
        assert_nothing(each(store, as_of=START, known_at=START), position=0)


def test_the_first_report_builds_what_it_needs(store: CaseStore, clock: Clock) -> None:
    clock.tell(store, "case:c1", opened(), promised())
    done: list[int] = []
    assert len(reports.undelivered(store, tick=done.append).rows) == 0
    assert done[-1] == 3
    with Runner(store) as runner:
        built = {each.projection for each in runner.status() if each.position is not None}
    assert built == {"cases", "customers", "deliveries"}


# --- one moment ------------------------------------------------------------------------------


def test_a_report_is_of_one_moment_while_others_write(store: CaseStore) -> None:
    store.append_all([("case:c1", [opened()]), ("case:c2", [opened()])])
    seen: list[Result[CaseLine]] = []
    enough = Signal()

    def write() -> None:
        while not enough.is_set():
            store.append_all([("case:c1", [noted()]), ("case:c2", [noted(), noted()])])

    def run() -> None:
        with Runner(store, batch=2) as runner:
            runner.run(stop=enough)

    def move_some() -> None:
        with Runner(store, batch=2) as runner:
            while not enough.is_set():
                runner.catch_up(["cases"])

    with ThreadPoolExecutor() as threads:
        others = [threads.submit(each) for each in (write, run, move_some)]
        try:
            while len({each.position for each in seen}) < 5:
                assert all(not each.done() for each in others)
                seen.append(reports.cases(store))
        finally:
            enough.set()
        for each in others:
            each.result()
    for result in seen:
        # One event registered the customer; in the order of their positions they are in the rows.
        appends, rest = divmod(result.position - 3, 3)
        events = {line.case_id: line.events for line in result.rows}
        assert events == {"c1": 1 + appends + (rest > 0), "c2": 1 + 2 * appends + (rest > 1)}


def test_tables_that_are_not_at_one_position_are_brought_there(
    store: CaseStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.tell(store, "case:c1", opened(), promised())
    calls = 0

    def catch_up_and_move(live: LiveTables, *args: Any, **named: Any) -> int:
        nonlocal calls
        calls += 1
        reached = catch_up(live, *args, **named)
        if calls == 1:  # as if a rebuild of some tables ended just then
            store.append("case:c1", promised("p2"))
            with live.tables.writing() as cursor:
                live.advance(cursor, [live.current(cursor)["cases"]])
        return reached

    monkeypatch.setattr(open_view, "catch_up", catch_up_and_move)
    result = reports.cases(store)
    assert [(line.events, line.promises_open) for line in result.rows] == [(3, 2)]
    assert (result.position, calls) == (4, 2)


def test_a_rebuild_may_switch_while_a_report_reads(store: CaseStore, clock: Clock) -> None:
    clock.tell(store, "case:c1", opened(), promised(due="+1h"))
    asked = 0

    def answer(view: View) -> Answer[PromiseLine]:
        nonlocal asked
        asked += 1
        if asked < 2:
            with Runner(store) as runner:
                runner.rebuild()
        rows = view.select(PROMISES)
        assert [row.promise_id for row in rows] == ["p1"]
        return Answer([], {})

    result = replace(reports.promises, _answer=answer)(store)
    assert result.position == 3
    assert asked == 1
    with Runner(store) as runner:  # what was still read has been left for the next build to drop
        runner.rebuild()
        with runner._live.tables.reading() as cursor:
            found = cursor.all(f"SELECT live FROM {runner._live.tables.at('tracking')}")
    assert found == [(1,)] * len(PROJECTIONS)


def test_a_report_that_never_finds_what_it_asks_for_says_so(store: CaseStore) -> None:
    def answer(view: View) -> Answer[CaseLine]:
        return Answer(view.select(CASES, "no_such = ?", [1]), {})

    with pytest.raises(StoreUnavailable, match="no_such"):
        replace(reports.cases, _answer=answer)(store)


# --- another history at the same place -------------------------------------------------------


def test_a_new_store_beside_the_tables_of_an_old_one(store_url: str, clock: Clock) -> None:
    with CaseStore.create(store_url, clock=clock) as store:
        store.append("case:old", opened())
        store.append("case:same", opened(), key="same")
        assert ids(reports.cases(store)) == ["old", "same"]
        if not isinstance(store._recorder, SQLiteJournal):
            execute(store, f"DROP SCHEMA {store._recorder.table.partition('.')[0]} CASCADE")
    where = parse_url(store_url)
    if isinstance(where, SQLiteUrl):
        where.path.unlink()
    with CaseStore.create(store_url, clock=clock) as store:
        store.append("case:new", opened())
        store.append("case:same", opened(), key="same")  # at the same position, and time
        assert ids(reports.cases(store)) == ["new", "same"]


def put_back(store: CaseStore, position: int) -> None:
    """Set the store back to a position, as if an older copy of it were put back."""
    if isinstance(store._recorder, SQLiteJournal):
        again = f"UPDATE sqlite_sequence SET seq = {position}"
    else:
        again = f"ALTER TABLE {{t}} ALTER COLUMN position RESTART WITH {position + 1}"
    alter(store, f"DELETE FROM {{t}} WHERE position > {position}", again)


@pytest.mark.parametrize("grown", [0, 1, 2, 3])
def test_an_older_copy_of_a_store_that_has_grown_differently(
    store_url: str, clock: Clock, grown: int
) -> None:
    with CaseStore.create(store_url, clock=clock) as store:
        clock.tell(store, "case:c1", opened())
        for name in ("c2", "c3"):
            store.append(f"case:{name}", opened(), key=name)
        assert ids(reports.cases(store)) == ["c1", "c2", "c3"]
        put_back(store, 2)
    clock.now += timedelta(seconds=1)
    with CaseStore.open(store_url, clock=clock) as store:
        told = [("other", "other"), ("c3", "c3"), ("c4", "c4")][:grown]
        for name, key in told:
            # The event with the same key, and so the same id, is at the same position again.
            store.append(f"case:{name}", opened(), key=key)
        expected = ["c1", *(name for name, _ in told)]
        assert sorted(ids(reports.cases(store))) == sorted(expected)
        with Runner(store) as runner:
            assert runner.catch_up() == 2 + grown


# --- merges ----------------------------------------------------------------------------------


def test_merges_that_go_round_at_some_time(store: CaseStore, clock: Clock) -> None:
    """The second merge happened before the first was undone. It would make a circle, so it is left
    out."""
    for kind, merge, unmerge in (
        ("case", merged, unmerged),
        ("customer", customer_merged, customer_unmerged),
    ):
        one, two = (f"{kind}:{each}" for each in "xy")
        if kind == "case":
            clock.tell(store, one, opened(customer_id="x"), wrote())
            clock.tell(store, two, opened(customer_id="y"), wrote())
        clock.now = max(clock.now, moment("+4h"))
        store.append(one, merge("y", "+1h"), unmerge("y", "+3h"))
        store.append(two, merge("x", "+2h"))
    for each in ASKED:
        each(store, as_of=moment("+150m"))
        each(store)
    result = reports.cases(store, as_of=moment("+150m"))
    assert {line.customer_id for line in result.rows} == {"y"}
    assert {line.case_id: line.merged_into for line in result.rows} == {"x": "y", "y": None}
    assert ids(reports.cases(store, as_of=moment("+150m"), customer="y")) == ["x", "y"]
