"""What a commit decides under the lock: who registers a customer, and which values it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casestore import CaseStore, EventRefused
from casestore.append.request import event_id
from casestore.events import CustomerRegistered, Event
from casestore.streams import kinds
from casestore.streams.customer import STORE, Customer
from casestore.transfer.ndjson import export_lines, import_lines
from tests.support.desk import Desk
from tests.support.processes import FOUR, SPAWN, Crew, Place, _join, together
from tests.support.stories import (
    START,
    amended,
    corrected,
    customer_merged,
    erased,
    gave,
    held,
    knew,
    moment,
    noted,
    opened,
    prefers,
    promised,
    registered,
    stamp,
    versions,
)


@pytest.fixture
def desk(store_url: str) -> Iterator[Desk]:
    desk = Desk(store_url)
    with desk.store:
        yield desk


K1 = "customer:k1"


def customer(desk: Desk, stream: str = K1) -> Customer:
    """The state of a customer that the checks of an append see."""
    state = kinds.fold(stream, desk.store.history(stream).originals).state
    assert isinstance(state, Customer)
    return state


def registrations(desk: Desk) -> list[str]:
    """Who registered k1, in the order of recording."""
    events = [recorded.event for recorded in desk.store.history(K1).originals]
    return [event.actor.id for event in events if isinstance(event, CustomerRegistered)]


# --- the store registers a customer whom nobody registered


def test_the_first_registration_by_somebody_replaces_the_stores_own(
    desk: Desk,
) -> None:
    desk.case("c1", opened())
    assert (registrations(desk), customer(desk).registered_by_store) == (["casestore"], True)
    desk.tell(K1, registered("+1m", name="Kim Example"))
    assert (registrations(desk), customer(desk).registrations) == (["casestore", "anna"], 1)
    with pytest.raises(EventRefused, match="the customer is registered already; record Customer"):
        desk.tell(K1, registered("+2m"))
    desk.case("c2", opened(at="+3m"))
    assert registrations(desk) == ["casestore", "anna"]
    (name, *_) = [r.words for r in desk.store.history(K1, reveal=True) if r.words]
    assert name == {"name": "Kim Example"}


def test_a_registration_may_be_much_earlier_or_in_the_same_append(desk: Desk) -> None:
    desk.case("c1", opened())
    desk.tell(K1, registered("-900d"))
    batches: list[tuple[str, list[Event]]] = [
        ("case:c2", [opened(customer_id="k2")]),
        ("customer:k2", [registered()]),
    ]
    desk.store.append_all(batches)
    assert customer(desk, "customer:k2").registrations == 1
    with pytest.raises(EventRefused, match="registered already"):
        desk.store.append_all([("customer:k3", [registered(), registered()])])


def test_a_customer_who_returns_is_registered_anew_each_time(desk: Desk) -> None:
    desk.case("c1", opened(subject="Late"))
    desk.tell(K1, registered("+1m"), erased("+2m"))
    desk.case("c2", opened(at="+3m", subject="Late again"))  # they return
    desk.tell(K1, registered("+4m", name="Kim Example"), erased("+5m"), registered("+6m"))
    desk.tell(K1, erased("+7m"))
    desk.case("c3", opened(at="+8m"))
    assert registrations(desk) == ["casestore", "anna", "casestore", "anna", "anna", "casestore"]
    assert customer(desk).registrations == 4
    uids = {recorded.uid for recorded in desk.store.history(K1).originals}
    assert {event_id(K1, f"registered:{version}", 0) for version in (1, 4, 9)} <= uids


def test_a_customer_who_returns_is_registered_though_a_registration_was_voided(desk: Desk) -> None:
    desk.case("c1", opened())
    desk.tell(K1, erased("+1m"))
    desk.case("c2", opened(at="+2m"))
    back = desk.store.history(K1).effective[-1].event_id
    desk.tell(K1, corrected(1, "+3m", kind="voided", event_id=back))
    desk.case("c3", opened(at="+4m"))
    assert registrations(desk) == ["casestore"] * 3
    assert customer(desk).registered


def test_an_export_with_both_is_imported_whole(desk: Desk, tmp_path: Path) -> None:
    desk.case("c1", opened())
    desk.tell(K1, registered("-1d"), erased("+1m"))
    desk.case("c2", opened(at="+2m"))
    lines = list(export_lines(desk.store))
    url = f"sqlite:///{tmp_path}/copy.db"
    with CaseStore.create(url, key_file=tmp_path / "copy.key", clock=lambda: START) as copy:
        assert import_lines(copy, lines).refused == ()
        assert import_lines(copy, lines).appended == 0
        assert [each.event for each in copy.read()] == [each.event for each in desk.store.read()]


# --- facts about a customer may be older than the registration


def test_what_was_told_of_a_customer_from_before_the_store_registered_them(desk: Desk) -> None:
    desk.case("c1", opened(at="+1d"))
    desk.case("c2", opened(at="+1d", customer_id="k2"))
    desk.customer("k1", knew(at="-9d"), prefers(at="-8d"), held(at="-7d"))
    desk.customer("k1", customer_merged("k2", "-6d"))
    for at, events in (("-10d", []), ("-9d", [2]), ("-7d", [2, 3, 4]), ("-6d", [2, 3, 4, 5])):
        assert versions(desk.store.history(K1, as_of=moment(at))) == events
    state = kinds.fold_history(desk.store.history(K1, as_of=moment("-6d")))
    assert isinstance(state, Customer)
    assert (state.merged_into, state.preferences) == ("k2", {"channel": "phone"})


# --- values that earlier versions accepted

NEVER = "9999-12-31T23:59:59Z"
"""What some systems write for "no date"."""
WRONG: dict[str, Event] = {
    "due at the end of the calendar": promised("p2", due_at=NEVER),
    "of the first day there is": noted(occurred_at="0001-01-01T00:00:00Z"),
    "in a currency that there is not": gave("g2", value={"amount": "5", "currency": "ZZZ"}),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_an_impossible_value_is_refused(desk: Desk, wrong: Event) -> None:
    desk.case("c1", opened())
    with pytest.raises(EventRefused, match=r"at an end of the calendar; |ZZZ is not a currency"):
        desk.store.append("case:c1", wrong)
    assert len(desk.store.history("case:c1")) == 1


def test_a_stored_impossible_value_is_read_and_can_be_corrected(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as as_before:
        as_before.setattr("casestore.streams.checks._wrong_fields", lambda _: iter(()))
        received = opened(received_at=moment("+365d"), product="kettle")
        desk.store.append("case:c1", received, *WRONG.values())
    with pytest.raises(EventRefused, match="at an end of the calendar"):
        desk.store.append("case:c1", promised("p3", due_at=NEVER))
    case = desk.store.case("c1")
    assert (case.received_at, case.opened_at) == (moment("+365d"), START)
    assert case.promises["p2"].due_at == promised(due_at=NEVER).due_at
    assert [r.event for r in desk.store.history("case:c1")] == [received, *WRONG.values()]

    def amend(version: int, **changes: tuple[object, object]) -> None:
        event_id = desk.store.history("case:c1").originals[version - 1].event_id
        correction = amended(1, "+1h", **changes)
        desk.case("c1", replace(correction, event_id=event_id))

    amend(1, product=("kettle", "toaster"))
    amend(2, capability=(None, "confirmed"))
    amend(2, due_at=(NEVER, None))
    amend(1, received_at=(stamp("+365d"), stamp("-1d")))
    with pytest.raises(EventRefused, match="GestureGiven: value: YYY is not a currency"):
        amend(4, value=({"amount": "5", "currency": "ZZZ"}, {"amount": "5", "currency": "YYY"}))
    amend(4, value=({"amount": "5", "currency": "ZZZ"}, {"amount": "5", "currency": "EUR"}))
    case = desk.store.case("c1")
    assert (case.product, case.received_at) == ("toaster", moment("-1d"))
    assert case.promises["p2"].due_at is None


# --- many processes ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    barrier = SPAWN.Barrier(FOUR)
    with SPAWN.Pool(FOUR, _join, (barrier,)) as pool:
        yield Crew(pool, barrier)


def register_or_open(store: CaseStore, me: int) -> int:
    """Two processes register new customers, while two others open these customers' first cases.

    Returns how many appends were accepted.
    """
    taken = 0
    for n in range(10):
        now, who = datetime.now(UTC), f"k{n}"
        batch: tuple[str, list[Event]] = (f"case:{me}-{n}", [opened(now, customer_id=who)])
        if me < 2:
            batch = (f"customer:{who}", [registered(now)])
        together()
        try:
            store.append(*batch)
        except EventRefused:
            continue
        taken += 1
    return taken


def test_a_customer_is_registered_once_whoever_is_first(
    crew: Crew, store_url: str, tmp_path: Path
) -> None:
    CaseStore.create(store_url).close()
    place = Place(store_url, tmp_path / "store.key")
    told = crew.race(place, register_or_open)
    assert (told[0] + told[1], told[2:]) == (10, [10, 10])
    with place.open() as store:
        for n in range(10):
            events = [r.event for r in store.history(f"customer:k{n}")]
            by_store = [event.actor == STORE for event in events]
            assert by_store in ([False], [True, False])
