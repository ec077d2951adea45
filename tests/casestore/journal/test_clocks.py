"""When events are recorded by clocks that jump, and what was on record by a time, on each database.

What was on record by T is the store up to the last event that was recorded by T, whatever clocks
did: by any way of asking.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, cast

import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casestore import CaseMerged, CaseStore, History, StoreUnavailable
from casestore.backup.backup import copy
from casestore.journal.clocks import WENT_BACK, recording_time, went_back
from casestore.journal.postgres_datastore import Datastore
from casestore.journal.sqlite import SQLiteJournal
from casestore.streams.history import Recorded, to_microseconds
from projections import reports
from tests.support.notes import ANNA, T, note, opened

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
FAR = datetime(2099, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    """A clock that the test sets."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[CaseStore]:
    with CaseStore.create(store_url, clock=clock) as made:
        yield made


def times(store: CaseStore) -> list[datetime | None]:
    return [recorded.recorded_at for recorded in store.read()]


@pytest.mark.parametrize(
    ("ahead", "taken"),
    [(-9_000_000_000, 0), (0, 0), (1, 1), (300_000_000, 300_000_000), (300_000_001, 0)],
)
def test_a_time_on_record_is_kept_to_if_it_is_at_most_five_minutes_ahead(
    ahead: int, taken: int
) -> None:
    now = to_microseconds(NOW)
    assert recording_time(now, now + ahead) == now + taken


def test_where_times_went_back_last() -> None:
    assert went_back(0, []) is None
    assert went_back(5, [5, 6, 6]) is None
    assert went_back(5, [4, 6, 6]) == 0
    assert went_back(5, [4, 6, 5, 7]) == 2


def test_one_append_by_a_clock_far_ahead_does_not_pull_later_ones_along(
    store: CaseStore, store_url: str, clock: Clock
) -> None:
    store.append("case:1", opened())
    clock.now = FAR
    store.append("case:1", note())
    clock.now = NOW + MINUTE
    store.append("case:1", note())
    clock.now = NOW
    store.append("case:1", note())  # back by a minute only: smoothed as ever
    with CaseStore.open(store_url, clock=clock) as other:
        other.append("case:2", opened())
    assert times(store) == [NOW, NOW, FAR, NOW + MINUTE, NOW + MINUTE, NOW + MINUTE]
    assert len(store.history("case:1", known_at=NOW)) == 1
    assert len(store.history("case:1", known_at=NOW + MINUTE)) == 4
    assert [row.case_id for row in reports.cases(store, known_at=NOW).rows] == ["1"]
    assert len(reports.cases(store, known_at=NOW + MINUTE).rows) == 2


def test_a_merge_is_read_as_the_store_knew_it(store: CaseStore, clock: Clock) -> None:
    store.append("case:1", opened())
    clock.now = FAR
    store.append("case:2", opened())
    store.append("case:1", CaseMerged(occurred_at=T, actor=ANNA, into="2"))
    assert store.case("1", known_at=NOW + MINUTE).merged_into is None
    clock.now = NOW + MINUTE
    store.append("case:3", opened())
    assert store.case("1", known_at=NOW).merged_into is None
    # It is on record by then, as what comes after it is.
    assert store.case("1", known_at=NOW + MINUTE).merged_into == "2"


def by_definition(events: list[Recorded], at: datetime) -> int:
    """The last position that was recorded by a time, as the contract says it."""
    by = [r.position for r in events if r.position and r.recorded_at and r.recorded_at <= at]
    return max(by, default=0)


JUMPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 1, 4, -4, -5, 6, -6, 90, -90]), st.integers(1, 3), st.integers(1, 2)
    ),
    min_size=1,
    max_size=14,
)


@given(JUMPS)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_was_on_record_is_a_prefix_whatever_clocks_did(
    store: CaseStore, clock: Clock, jumps: list[tuple[int, int, int]]
) -> None:
    # Examples share the store: each has its own week, and its own cases.
    before = store._recorder.last_position()
    clock.now += timedelta(days=7)
    names: set[str] = set()
    for minutes, which, count in jumps:
        clock.now += minutes * MINUTE
        name = f"case:{before}-{which}"
        store.append(name, *([] if name in names else [opened()]), *[note(None)] * count)
        names.add(name)
    events = list(store.read())
    new = [r.recorded_at for r in events[-40:] if r.recorded_at and (r.position or 0) > before]
    asked = sorted({at + off for at in new for off in (-MINUTE, 0 * MINUTE, MINUTE)})
    known = [store._known_by(at) for at in asked]
    assert known == sorted(known)
    assert known == [by_definition(events, at) for at in asked]
    for name in names:
        whole = store.history(name).originals
        for at, until in zip(asked, known, strict=True):
            read = store.history(name, known_at=at).originals
            assert read == tuple(r for r in whole if (r.position or 0) <= until)
            alone = History(name, whole, known_at=at).originals
            assert alone == read[: len(alone)]
            if new == sorted(new):  # as ever, where clocks were right
                assert (
                    read
                    == alone
                    == tuple(r for r in whole if r.recorded_at and r.recorded_at <= at)
                )
    for at in asked:
        for until in (before, events[-1].position or 0, events[-2].position or 0):
            found = store._recorder.last_position_by(to_microseconds(at), until)
            assert found == by_definition([r for r in events if (r.position or 0) <= until], at)


def test_a_jump_is_kept_by_a_copy(store: CaseStore, clock: Clock, tmp_path: Path) -> None:
    clock.now = FAR
    store.append("case:1", opened())
    clock.now = NOW
    store.append("case:1", note())
    url = f"sqlite:///{tmp_path}/copied.db"
    copy(store.url, url)
    with CaseStore.open(url) as copied:
        assert copied.meta[WENT_BACK] == "3"
        assert len(copied.history("case:1", known_at=NOW)) == 2
        assert copied.history("case:1", known_at=NOW - MINUTE).originals == ()


def test_gaps_between_positions_do_not_matter(store: CaseStore, clock: Clock) -> None:
    store.append("case:1", opened())
    recorder = store._recorder
    if isinstance(recorder, SQLiteJournal):
        pytest.skip("SQLite leaves no gaps")
    for _ in range(5):
        recorder.fetch(f"SELECT nextval(pg_get_serial_sequence('{recorder.table}', 'position'))")
        clock.now += MINUTE
        store.append("case:1", note())
    events = list(store.read())
    assert (events[-1].position or 0) > len(events)
    for recorded in events:
        at = recorded.recorded_at or NOW
        assert store._known_by(at) == by_definition(events, at)
    assert store._known_by(NOW - MINUTE) == 0


class Machine(datetime):
    """A machine's clock that is wrong."""

    off = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.off


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Machine]]:
    monkeypatch.setattr("casestore.store.datetime", Machine)
    right = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: right() + Machine.off // MINUTE * 60 * 10**9)
    yield Machine
    Machine.off = timedelta()


@pytest.mark.parametrize("pooled", ["", "&prepare_threshold=none"])
def test_on_postgresql_a_machine_whose_clock_is_wrong_cannot_append(
    postgres_schema_url: str,
    machine: type[Machine],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    pooled: str,
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    with CaseStore.create(postgres_schema_url + pooled) as store:
        store.append("case:1", opened())
        store.append("case:1", note())
        for off in (6, -6, 60 * 24 * 365 * 73):  # it jumps while we are connected
            machine.off = off * MINUTE
            with pytest.raises(StoreUnavailable, match=r"server's .*; set the clock .* NTP"):
                store.append("case:1", note())
            assert len(store.history("case:1")) == 2  # it can be read
            with (
                CaseStore.open(postgres_schema_url + pooled) as other,
                pytest.raises(StoreUnavailable, match="more than five minutes apart"),
            ):
                other.append("case:1", note())
        for off in (4, -4):
            machine.off = off * MINUTE
            store.append("case:1", note())
        machine.off = -MINUTE * 600
        with CaseStore.open(postgres_schema_url, clock=lambda: T) as injected:
            injected.append("case:1", note())
        assert len(store.history("case:1")) == 5


def test_no_round_trip_is_spent_on_the_servers_clock(
    postgres_schema_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    with CaseStore.create(postgres_schema_url) as store:
        monkeypatch.setattr(Datastore, "ask_server_us", None)
        store.append("case:1", opened())
        store.append("case:1", note())


def test_a_measure_that_stood_still_while_the_machine_slept_is_put_right(
    postgres_schema_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    with CaseStore.create(postgres_schema_url) as store:
        store.append("case:1", opened())
        datastore = cast(Any, store._recorder).datastore
        datastore._server_offset_us -= 3_600_000_000
        store.append("case:1", note())
        monkeypatch.setattr(Datastore, "ask_server_us", None)
        store.append("case:1", note())


def test_eventsourcings_own_tools_are_held_to_the_servers_clock_too(
    postgres_schema_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    with CaseStore.create(postgres_schema_url) as store:
        monkeypatch.setattr("casestore.journal.recorder.time.time_ns", lambda: 4 * 10**18)
        with pytest.raises(StoreUnavailable, match="NTP"):
            store._recorder.insert_events([StoredEvent("case:1", 1, "NoteAdded", b"{}")])
