"""What a store does, on every database: one suite over both."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from unicodedata import category, normalize
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casestore import (
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CaseStore,
    CaseStoreError,
    ConcurrencyConflict,
    CustomerErased,
    CustomerRegistered,
    EventCorrected,
    EventRefused,
    HoldPlaced,
    IdempotencyConflict,
    InvalidStream,
    IssueRaised,
    MessageReceived,
    NoteAdded,
    PersonalDataErased,
    PolicyAdopted,
    PromiseMade,
    Receipt,
    StoreDamaged,
    StoreExists,
    StoreNotFound,
    StreamNotFound,
)
from casestore.append.request import NAMESPACE, event_id
from tests.support.alter import alter
from tests.support.desk import Desk
from tests.support.notes import ANNA, T, note, opened
from tests.support.stories import (
    adopted,
    assigned,
    closed,
    learnt,
    merged,
    moment,
    reclassified,
    reopened,
    unmerged,
)
from tests.support.stories import opened as opened_at


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 3, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(store_url: str, clock: Clock) -> Iterator[CaseStore]:
    with CaseStore.create(store_url, clock=clock) as made:
        yield made


def told(store: CaseStore) -> list[tuple[str, int, str]]:
    """Every event: stream, version, type."""
    return [(r.stream, r.version, r.type) for r in store.read()]


def test_an_append_can_be_read_back_as_it_was_given(store: CaseStore) -> None:
    promise = PromiseMade(
        occurred_at=T, actor=ANNA, promise_id="p1", kind="callback", due_at=T + timedelta(days=1)
    )
    receipt = store.append("case:1", opened(), promise, source="crm", correlation_id="x")
    history = store.history("case:1", reveal=True)
    assert [r.event for r in history] == [opened(), promise]
    assert receipt.versions == (1, 2)
    assert [r.position for r in history] == list(receipt.positions)
    assert [r.event_id for r in history] == list(receipt.event_ids)
    assert {(r.metadata.source, r.metadata.correlation_id) for r in history} == {("crm", "x")}
    assert store.case("1").promises["p1"].due_at == T + timedelta(days=1)


def test_a_customer_nobody_registered_is_registered_first(store: CaseStore) -> None:
    store.append("case:1", opened())
    store.append("case:2", opened())
    assert told(store) == [
        ("customer:c1", 1, "CustomerRegistered"),
        ("case:1", 1, "CaseOpened"),
        ("case:2", 1, "CaseOpened"),
    ]
    (registered,) = store.history("customer:c1")
    assert registered.event.actor.kind == "system"
    assert registered.customer_id == "c1"


def test_an_erased_customer_who_returns_is_registered_again(store: CaseStore) -> None:
    store.append("case:1", opened(subject=None))
    store.append("customer:c1", PersonalDataErased(occurred_at=T, actor=ANNA, basis="request"))
    store.append("case:2", opened(subject=None))
    assert [r.type for r in store.history("customer:c1")] == [
        "CustomerRegistered",
        "PersonalDataErased",
        "CustomerRegistered",
    ]


def test_a_retry_with_the_same_key_appends_nothing(store: CaseStore) -> None:
    first = store.append("case:1", opened(), note(), key="k")
    assert store.append("case:1", opened(), note(), key="k") == first
    assert store.append("case:1", [opened(), note()], key="k") == first
    assert len(told(store)) == 3
    assert first.event_ids[0] == uuid5(NAMESPACE, "case:1\x1fk\x1f0")


@given(st.text(min_size=1), st.text(min_size=1), st.integers(0, 10**6))
def test_our_own_uuid5_is_the_standard_one(stream: str, key: str, index: int) -> None:
    try:
        f"{stream}{key}".encode()
    except UnicodeEncodeError:
        return
    assert event_id(stream, key, index) == str(uuid5(NAMESPACE, f"{stream}\x1f{key}\x1f{index}"))


@pytest.mark.parametrize(
    ("again", "why"),
    [
        ([opened()], "another number"),
        ([opened(), note(), note()], "another number"),
        ([opened(), note("other words")], "something else"),
        ([opened(), note(minutes=2)], "something else"),
        ([opened(), note(text=None)], "something else"),
        ([note(), opened()], "something else"),
    ],
    ids=["fewer", "more", "other text", "other time", "no text", "other order"],
)
def test_a_key_used_for_something_else_is_a_conflict(
    store: CaseStore, again: list[CaseOpened], why: str
) -> None:
    store.append("case:1", opened(), note(), key="k")
    before = told(store)
    with pytest.raises(IdempotencyConflict, match=why) as caught:
        store.append("case:1", again, key="k")
    assert "case:1" in str(caught.value)
    assert "words" not in str(caught.value)
    assert told(store) == before


def test_the_same_key_in_another_stream_is_another_key(store: CaseStore) -> None:
    store.append("case:1", opened(), key="k")
    store.append("case:2", opened(), key="k")
    assert len(told(store)) == 3


def test_a_key_over_several_streams_tells_fewer_from_all(store: CaseStore) -> None:
    both = [("case:1", [opened()]), ("case:2", [opened()])]
    first = store.append_all(both, key="k")
    assert store.append_all(both, key="k") == first
    with pytest.raises(IdempotencyConflict):
        store.append_all(both[:1], key="k")


def test_several_streams_are_all_or_nothing(store: CaseStore) -> None:
    store.append("case:1", opened())
    before = told(store)
    closing = CaseClosed(occurred_at=T, actor=ANNA, reason="resolved")
    with pytest.raises(EventRefused, match="case:2: CaseClosed is refused"):
        store.append_all([("case:1", [note()]), ("case:2", [closing])])
    assert told(store) == before
    assert store.append("case:1", note()).versions == (2,)


def test_expected_version_is_held_to(store: CaseStore) -> None:
    store.append("case:1", opened(), expected_version=0)
    store.append("case:1", note(), expected_version=1)
    with pytest.raises(ConcurrencyConflict, match="case:1 is at version 2, not 1"):
        store.append("case:1", note(), expected_version=1)
    store.append("case:1", note())


def test_two_connections_see_what_the_other_one_wrote(store: CaseStore, store_url: str) -> None:
    store.append("case:1", opened())
    with CaseStore.open(store_url) as other:
        other.append("case:1", note())
        assert store.append("case:1", note()).versions == (3,)
        correction = EventCorrected(
            occurred_at=T,
            actor=ANNA,
            event_id=other.history("case:1").originals[0].event_id,
            kind="amended",
            reason="mistyped",
            authorised_by=ANNA,
            changes={"channel": {"from": "email", "to": "letter"}},
        )
        other.append("case:1", correction)
        store.append("case:1", note())
        assert store.case("1").channel == other.case("1").channel == "letter"


def test_a_store_is_not_sent_to_another_process(store: CaseStore) -> None:
    with pytest.raises(TypeError, match="give it the store's url, and open it there"):
        pickle.dumps(store)


@pytest.mark.parametrize(
    "stream", ["cases:1", "case", "case:", "policy:1", "", "case:a\nb", "case:" + "x" * 201]
)
def test_a_stream_has_a_kind_and_an_id(store: CaseStore, stream: str) -> None:
    with pytest.raises(InvalidStream) as caught:
        store.append(stream, note())
    assert "\n" not in str(caught.value)


def test_an_event_belongs_to_its_kind_of_stream(store: CaseStore) -> None:
    with pytest.raises(EventRefused, match="append it to case:<id>"):
        store.append("customer:c1", note())
    adopted = PolicyAdopted(occurred_at=T, actor=ANNA, name="p", effective_from=T, policy={})
    with pytest.raises(EventRefused, match="append it to policy"):
        store.append("case:1", adopted)


def test_nothing_to_append_is_refused(store: CaseStore) -> None:
    with pytest.raises(EventRefused, match="no event"):
        store.append("case:1")


def test_what_is_not_there_is_said_to_be_missing(store: CaseStore) -> None:
    for ask in (lambda: store.case("nope"), lambda: store.history("case:nope")):
        with pytest.raises(StreamNotFound, match="case nope"):
            ask()


def test_a_customers_state_is_read_like_a_cases(store: CaseStore, clock: Clock) -> None:
    store.append("case:1", opened())
    before = clock.now
    clock.now += timedelta(hours=1)
    hold = HoldPlaced(occurred_at=clock.now, actor=ANNA, hold_id="h1", reason="lawsuit")
    store.append("customer:c1", hold)
    assert store.customer("c1").holds == {"h1": "lawsuit"}
    assert store.customer("c1", known_at=before).holds == {}
    assert store.customer("c1", as_of=before).registered
    with pytest.raises(StreamNotFound, match="customer nope"):
        store.customer("nope")


def test_recorded_at_does_not_go_back_where_the_clock_goes_back_a_little(
    store: CaseStore, clock: Clock
) -> None:
    store.append("case:1", opened())
    clock.now -= timedelta(minutes=5)
    store.append("case:1", note())
    clock.now += timedelta(minutes=10)
    store.append("case:1", note())
    times = [r.recorded_at for r in store.read()]
    assert times == sorted(times, key=str)
    assert len(set(times)) == 2


def test_nor_do_two_connections_go_by_what_they_saw_before(
    store: CaseStore, store_url: str, clock: Clock
) -> None:
    store.append("case:1", opened())
    with CaseStore.open(store_url, clock=clock) as other:
        clock.now += timedelta(minutes=8)
        other.append("case:2", opened("c2"))
        clock.now -= timedelta(minutes=4)
        store.append("case:1", note())
        assert [r.recorded_at for r in store.read()][-1] == clock.now + timedelta(minutes=4)
        other.append("customer:c1", PersonalDataErased(occurred_at=T, actor=ANNA, basis="request"))
        with pytest.raises(CustomerErased):
            store.append("case:1", note())
        store.append("case:1", note(None))


def test_no_gap_is_left_where_the_database_has_lost_what_was_committed(
    store: CaseStore, store_url: str
) -> None:
    store.append("case:1", opened(), note())
    with CaseStore.open(store_url) as other:  # as after a failover to a server that lags behind
        alter(other, "DELETE FROM {t} WHERE topic = 'NoteAdded'")
    assert store.append("case:1", note()).versions == (2,)


def test_an_event_from_the_future_is_refused(store: CaseStore, clock: Clock) -> None:
    store.append("case:1", opened())
    ahead = NoteAdded(occurred_at=clock.now + timedelta(minutes=5), actor=ANNA)
    store.append("case:1", ahead)
    late = NoteAdded(occurred_at=clock.now + timedelta(minutes=5, seconds=1), actor=ANNA)
    with pytest.raises(EventRefused, match="five minutes ahead of the store's clock"):
        store.append("case:1", late)


def test_known_at_shows_what_was_on_record(store: CaseStore, clock: Clock) -> None:
    store.append("case:1", opened())
    then = clock.now
    clock.now += timedelta(hours=1)
    wrong = store.append("case:1", IssueRaised(occurred_at=T, actor=ANNA, issue_id="i1"))
    clock.now += timedelta(hours=1)
    voided = EventCorrected(
        occurred_at=T,
        actor=ANNA,
        event_id=wrong.event_ids[0],
        kind="voided",
        reason="wrong_case",
        authorised_by=ANNA,
    )
    store.append("case:1", voided)
    assert store.case("1", known_at=then).issues == {}
    assert list(store.case("1", known_at=then + timedelta(hours=1)).issues) == ["i1"]
    assert store.case("1").issues == {}
    assert store.history("case:1", known_at=then + timedelta(hours=1)).voided == {}


def test_at_version_shows_the_first_so_many(store: CaseStore) -> None:
    store.append("case:1", opened(), note(), note())
    assert len(store.history("case:1", at_version=2)) == 2
    assert len(store.history("case:1", at_version=0)) == 0


def test_a_merge_into_nothing_itself_or_a_merged_case_is_refused(store: CaseStore) -> None:
    for case in "abc":
        store.append(f"case:{case}", opened())

    def merge(case: str, into: str) -> Receipt:
        return store.append(f"case:{case}", CaseMerged(occurred_at=T, actor=ANNA, into=into))

    for into, why in [("a", "itself"), ("nope", "no case 'nope'")]:
        with pytest.raises(EventRefused, match=why):
            merge("a", into)
    merge("a", "b")
    for case, into in [("b", "a"), ("c", "a")]:
        with pytest.raises(EventRefused, match="is itself merged"):
            merge(case, into)
    assert store.case("a").merged_into == "b"


def test_a_hold_refuses_erasure(store: CaseStore) -> None:
    erased = PersonalDataErased(occurred_at=T, actor=ANNA, basis="request")
    store.append("customer:c1", CustomerRegistered(occurred_at=T, actor=ANNA))
    store.append("customer:c1", HoldPlaced(occurred_at=T, actor=ANNA, hold_id="h1", reason="claim"))
    with pytest.raises(EventRefused, match="legal hold stands"):
        store.append("customer:c1", erased)


def test_a_policy_cannot_take_effect_before_now(store: CaseStore, clock: Clock) -> None:
    def adopt(effective_from: datetime) -> Receipt:
        adopted = PolicyAdopted(
            occurred_at=clock.now,
            actor=ANNA,
            name="p",
            effective_from=effective_from,
            policy={"conduct": {"max_agents": 2}},
        )
        return store.append("policy", adopted)

    adopt(clock.now)
    with pytest.raises(EventRefused, match="before now"):
        adopt(clock.now - timedelta(minutes=5, seconds=1))
    (recorded,) = store.history("policy")
    assert recorded.customer_id is None
    assert list(store.streams("policy")) == ["policy"]


def test_read_goes_on_from_a_position(store: CaseStore) -> None:
    store.append("case:1", opened(), *[note() for _ in range(5)])
    positions = [r.position for r in store.read()]
    assert len(positions) == 7
    middle = positions[3]
    assert middle is not None
    assert [r.position for r in store.read(after=middle)] == positions[4:]
    assert [r.position for r in store.read(until=middle)] == positions[:4]


def test_an_events_stream_is_found_by_its_id(store: CaseStore) -> None:
    receipt = store.append("case:1", opened(), note())
    assert {store.stream_of(each) for each in receipt.event_ids} == {"case:1"}
    assert store.stream_of(str(receipt.event_ids[0])) == "case:1"
    assert store.stream_of(uuid4()) is None


def test_the_policies_adopted_are_known_to_every_connection(
    store: CaseStore, store_url: str, clock: Clock
) -> None:
    assert store.policies().in_force(clock.now).name is None
    adopted = PolicyAdopted(
        occurred_at=T,
        actor=ANNA,
        name="house",
        effective_from=clock.now,
        policy={"conduct": {"max_agents": 2}},
    )
    with CaseStore.open(store_url, clock=clock) as other:
        other.append("policy", adopted)
    assert store.policies().at(clock.now).conduct.max_agents == 2
    assert store.policies().at(clock.now - timedelta(seconds=1)).conduct.max_agents == 3


def test_streams_are_listed_in_order(store: CaseStore) -> None:
    for case in ["b", "a", "ä", "a:b", "Z"]:
        store.append(f"case:{case}", opened())
    assert list(store.streams("case")) == ["case:Z", "case:a", "case:a:b", "case:b", "case:ä"]
    assert list(store.streams("customer")) == ["customer:c1"]
    assert list(store.streams("policy")) == []


def test_follow_gives_what_was_and_what_comes(store: CaseStore, store_url: str) -> None:
    store.append("case:1", opened())
    following = store.follow()
    assert [next(following).type for _ in range(2)] == ["CustomerRegistered", "CaseOpened"]
    with CaseStore.open(store_url) as other:
        receipt = other.append("case:1", note())
    assert next(following).position == receipt.position
    following.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {t} SET customer_id = 'x'",
        "UPDATE {t} SET position = position + 100",
        "DELETE FROM {t}",
        "DELETE FROM {t} WHERE position = 1",
        "TRUNCATE {t}",
        "INSERT OR REPLACE INTO {t} SELECT * FROM {t}",
        "REPLACE INTO {t} (originator_id, originator_version, topic, state, event_id, recorded_at,"
        " metadata) SELECT originator_id, originator_version, 'X', state, 'new', 1, metadata"
        " FROM {t}",
        "REPLACE INTO {t} (originator_id, originator_version, topic, state, event_id, recorded_at,"
        " metadata) SELECT 'case:new', 1, 'X', state, event_id, 1, metadata FROM {t}",
        "INSERT INTO {t} (originator_id, originator_version, topic, state, event_id, recorded_at,"
        " metadata) SELECT originator_id, originator_version, 'X', state, event_id, 1, metadata"
        " FROM {t} WHERE true ON CONFLICT (event_id) DO UPDATE SET topic = 'X'",
    ],
)
def test_the_table_is_append_only(store: CaseStore, store_url: str, statement: str) -> None:
    store.append("case:1", opened(), note())
    before = store._recorder.fetch(f"SELECT * FROM {store._recorder.table} ORDER BY position")
    sql = statement.format(t=store._recorder.table)
    if store_url.startswith("sqlite"):
        with (
            sqlite3.connect(store_url.removeprefix("sqlite:///")) as connection,
            pytest.raises(sqlite3.Error),
        ):
            connection.execute(sql)
        connection.close()
    else:
        import psycopg

        from casestore.journal.url import PostgresUrl, parse_url

        where = parse_url(store_url)
        assert isinstance(where, PostgresUrl)
        with psycopg.connect(where.conninfo) as postgres, pytest.raises(psycopg.Error):
            postgres.execute(sql)
    after = store._recorder.fetch(f"SELECT * FROM {store._recorder.table} ORDER BY position")
    assert after == before


def test_a_store_may_be_closed_while_another_thread_reads(store_url: str) -> None:
    """The reader is told that it is closed; the interpreter goes on."""
    with CaseStore.create(store_url) as first:
        first.append("case:1", opened(), *[note() for _ in range(300)])
    for _ in range(5):
        store = CaseStore.open(store_url)
        begun = Event()
        ended: list[str] = []

        def read(store: CaseStore = store, begun: Event = begun, ended: list[str] = ended) -> None:
            try:
                while True:
                    begun.set()
                    ended[:] = [str(len(list(store.read())))]
            except Exception as error:
                ended.append(type(error).__name__)

        reader = Thread(target=read)
        reader.start()
        begun.wait()
        store.close()
        reader.join(10)
        assert not reader.is_alive()


def test_there_is_one_store_to_a_place(store: CaseStore, store_url: str) -> None:
    with pytest.raises(StoreExists):
        CaseStore.create(store_url)


def test_where_there_is_no_store_init_is_named(store_url: str) -> None:
    with pytest.raises(StoreNotFound, match="casestore init"):
        CaseStore.open(store_url)


def test_what_is_no_store_at_all_is_not_opened(tmp_path: Path) -> None:
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"\x00\x01not a database" * 1000)
    with pytest.raises(StoreDamaged, match="no SQLite file"):
        CaseStore.open(f"sqlite:///{junk}")
    with pytest.raises(StoreExists, match="something else there already"):
        CaseStore.create(f"sqlite:///{junk}")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    as_it_was = other.read_bytes()
    with pytest.raises(StoreNotFound, match="is a SQLite file, but no store"):
        CaseStore.open(f"sqlite:///{other}")
    assert other.read_bytes() == as_it_was
    for url in ("sqlite://", "mysql://x", "sqlite:///:memory:", "postgresql://h/d?schema=A-b"):
        with pytest.raises(StoreNotFound):
            CaseStore.open(url)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(CaseStoreError) as caught:
        CaseStore.open("postgresql://u:hunter2@localhost:1/x?connect_timeout=1")
    assert "hunter2" not in str(caught.value)


def test_ids_are_injectable(store_url: str) -> None:
    ids = iter([UUID(int=n) for n in range(9)])
    with CaseStore.create(store_url, new_id=lambda: next(ids)) as store:
        assert store.append("case:1", opened()).event_ids == (UUID(int=0),)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(), id_=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_text_and_any_id_come_back(store: CaseStore, text: str, id_: str) -> None:
    id_ = "".join(c for c in normalize("NFC", id_[:100]) if category(c) != "Cf") or "x"
    message = MessageReceived(occurred_at=T, actor=ANNA, message_id=id_, channel="web", text=text)
    stream = f"case:{id_}"
    if not list(store._recorder.stream_rows(stream, limit=1)):
        receipt = store.append(stream, opened(customer=id_), message)
        assert store.history(stream, reveal=True).effective[-1].event == message
        assert receipt.versions == (1, 2)


# --- a case is read in the order in which things happened ----------------------------------------


@pytest.fixture
def desk(store_url: str) -> Iterator[Desk]:
    desk = Desk(store_url)
    with desk.store:
        yield desk


def test_what_is_told_late_takes_its_place(desk: Desk) -> None:
    desk.case("c1", opened_at(), closed("+5d"), reopened("+3d"), closed("+2d", reason="no_contact"))
    desk.case("c1", assigned("bob", "north", "+4d"), reclassified("+4d", category="fraud"))
    desk.case("c1", assigned("anna", "south", "+2d"), reclassified("+2d", category="fees"))
    case = desk.store.case("c1")
    assert (case.status, case.closed_at, case.close_reason) == ("closed", moment("+5d"), "resolved")
    assert (case.agent, case.team, case.category) == ("bob", "north", "fraud")
    assert case == desk.store.case("c1", as_of=moment("+5d"))
    before = desk.store.case("c1", as_of=moment("+3d"))
    assert (before.status, before.agent, before.category) == ("open", "anna", "fees")
    known = desk.store.case("c1", known_at=moment("+4d"))
    assert known == desk.store.case("c1", as_of=moment("+0h"))  # the rest was told later


def test_what_may_be_appended_goes_by_the_order_of_recording(desk: Desk) -> None:
    desk.case("c1", opened_at(), closed("+2d"), reopened("+1d"))
    assert desk.store.case("c1").status == "closed"
    with pytest.raises(EventRefused, match="the case is open already"):
        desk.case("c1", reopened("+3d"))
    desk.case("c1", closed("+3d"))
    assert desk.store.case("c1").closed_at == moment("+3d")


def test_a_case_that_another_process_told_of_late_is_read_anew(desk: Desk, store_url: str) -> None:
    desk.case("c1", opened_at(), assigned("bob", at="+2d"))
    with CaseStore.open(store_url) as other:
        assert other.case("c1").agent == "bob"
        desk.case("c1", assigned("anna", at="+1d"))
        assert other.case("c1").agent == "bob"
        desk.case("c1", assigned("carol", at="+3d"))
        assert other.case("c1").agent == "carol"


def test_what_a_case_is_merged_into_had_been_opened_by_then(desk: Desk) -> None:
    desk.case("c2", opened_at("+5d"))
    desk.case("c1", opened_at(), merged("c2", "+1d"))
    assert desk.store.case("c1").merged_into == "c2"
    assert desk.store.case("c1", as_of=moment("+4d")).merged_into is None
    assert desk.store.case("c1", as_of=moment("+5d")).merged_into == "c2"
    assert desk.store.case("c1", known_at=moment("+5d")).merged_into == "c2"


def test_a_merge_that_closes_a_circle_in_the_order_of_happening_is_left_out(desk: Desk) -> None:
    desk.case("c1", opened_at())
    desk.case("c2", opened_at())
    desk.case("c1", merged("c2", "+4d"), unmerged("c2", "+5d"))
    desk.case("c2", learnt("+9d", merged("c1", "+3d")))
    assert desk.store.case("c2").merged_into == "c1"
    as_of = moment("+4d")
    assert desk.store.case("c1", as_of=as_of).merged_into is None
    assert desk.store.case("c1", as_of=as_of, known_at=moment("+8d")).merged_into == "c2"


def test_a_history_tells_the_state_of_its_case(desk: Desk) -> None:
    desk.case("c2", opened_at())
    desk.case("c1", opened_at(), merged("c2", "+1d"), assigned("bob", at="+2d"))
    for version, (into, agent) in enumerate([(None, None), ("c2", None), ("c2", "bob")], 1):
        case = desk.store.case_in(desk.store.history("case:c1", at_version=version))
        assert (case.merged_into, case.agent) == (into, agent)


def test_policies_are_those_that_were_adopted_in_that_order(desk: Desk) -> None:
    desk.tell("policy", adopted("later", "+2h", effective="+1d"))
    desk.tell("policy", learnt("+3h", adopted("first", "+1h", effective="+1d")))
    assert [each.name for each in desk.store.policies().adopted] == ["first", "later"]
    assert desk.store.policies().in_force(moment("+2d")).name == "later"
