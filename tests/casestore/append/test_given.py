"""A policy that refuses live gestures beyond a role's authority or a customer's limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore, EventRefused, GestureGiven, GestureReversed
from casestore.append.request import Append
from casestore.transfer.ndjson import import_lines
from tests.support.desk import Desk
from tests.support.gifts import CAROL, NOBODY, ROLES, TEMP, gift, house
from tests.support.processes import FOUR, PATIENCE, SPAWN, Crew, Place, _join, together
from tests.support.stories import (
    BOSS,
    Moment,
    adopted,
    corrected,
    customer_merged,
    customer_unmerged,
    declined,
    learnt,
    merged,
    moment,
    noted,
    opened,
    registered,
    took_back,
    unmerged,
)


@pytest.fixture
def desk(store_url: str) -> Iterator[Desk]:
    """A customer with two cases, c1 and c2."""
    desk = Desk(store_url)
    with desk.store:
        desk.case("c1", opened())
        desk.case("c2", opened())
        yield desk


def refused(desk: Desk, case_id: str, gesture: GestureGiven) -> str:
    """Why a gesture is refused, live. Nothing of it is kept."""
    before = len(desk.store.history(f"case:{case_id}"))
    with pytest.raises(EventRefused) as why:
        desk.case(case_id, gesture)
    assert len(desk.store.history(f"case:{case_id}")) == before
    head = f"case:{case_id}: GestureGiven is refused: "
    assert str(why.value).startswith(head)
    return str(why.value).removeprefix(head)


# --- authority


def test_a_gesture_beyond_a_roles_limit_per_gesture_is_refused(desk: Desk) -> None:
    desk.tell("policy", house())
    desk.case("c1", gift("g1", "25"))
    assert refused(desk, "c2", gift("g2", "25.01")) == (
        "it goes beyond the limit 'first_line' per gesture: 25 EUR, 0 given; "
        "'team_lead' or 'manager' may approve it (approved_by)"
    )


def test_a_gesture_beyond_a_roles_limit_per_case_is_refused(desk: Desk) -> None:
    desk.tell("policy", house())
    desk.case("c1", gift("g1", "25", actor=BOSS))  # no matter who gave it
    assert refused(desk, "c1", gift("g2", "15.01")) == (
        "it goes beyond the limit 'first_line' per case: 40 EUR, 25 given; "
        "'team_lead' or 'manager' may approve it (approved_by)"
    )
    desk.case("c2", gift("g2", "25"))
    desk.case("c1", gift("g2", "10"))


def test_a_gesture_beyond_a_roles_limit_per_customer_and_year_is_refused(desk: Desk) -> None:
    desk.tell("policy", house())
    desk.case("c1", gift("g1", "25"), gift("g2", "15"))
    assert refused(desk, "c2", gift("g1", "20.01", "+364d")) == (
        "it goes beyond the limit 'first_line' per customer and year: 60 EUR, 40 given; "
        "'team_lead' or 'manager' may approve it (approved_by)"
    )
    desk.case("c2", gift("g1", "20", "+364d"))
    desk.case("c2", gift("g2", "20", "+365d"))  # by then the year is over


def test_a_gesture_beyond_a_roles_number_per_year_is_refused(desk: Desk) -> None:
    roles = {"first_line": {"gestures_per_year": 2}, "manager": {}}
    desk.tell("policy", house(roles))
    desk.case("c1", gift("g1", None), gift("g2", None))
    assert refused(desk, "c2", gift("g1", None)) == (
        "it goes beyond the limit 'first_line' count per customer and year: 2, 2 given; "
        "'manager' may approve it (approved_by)"
    )


def test_a_role_may_give_nothing_in_a_currency_without_a_limit(desk: Desk) -> None:
    desk.tell("policy", house())
    assert "per gesture: 0 USD, 0 given; 'team_lead' may approve" in refused(
        desk, "c1", gift("g1", "1", currency="USD")
    )
    assert "per gesture: 0 SEK, 0 given; no role may approve it" in refused(
        desk, "c1", gift("g1", "1", currency="SEK")
    )
    desk.case("c1", gift("g1", "40", currency="USD", actor=CAROL))
    desk.case("c1", gift("g2", "25"))  # dollars are not added to it


def test_an_actor_with_an_unknown_role_or_none_may_give_no_money(desk: Desk) -> None:
    desk.tell("policy", house())
    assert "limit 'temp' per gesture: 0 EUR" in refused(desk, "c1", gift("g1", "1", actor=TEMP))
    assert refused(desk, "c1", gift("g1", "1", actor=NOBODY)) == (
        "the role of 'nobody' is not told; name it, or "
        "'first_line' or 'team_lead' or 'manager' may approve it (approved_by)"
    )
    desk.case("c1", gift("g1", None, kind="information", actor=TEMP))


def test_a_role_with_a_higher_limit_may_approve_a_gesture(desk: Desk) -> None:
    desk.tell("policy", house())
    desk.case("c1", gift("g1", "50", approved_by=CAROL))
    assert "'manager' may approve it" in refused(desk, "c1", gift("g2", "50.01", approved_by=CAROL))
    refused(desk, "c1", gift("g2", "30", approved_by=TEMP))
    refused(desk, "c1", gift("g2", "30", approved_by=NOBODY))
    desk.case("c1", gift("g2", "500", actor=NOBODY, approved_by=BOSS))


def test_nobody_may_give_beyond_the_customers_limit(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "80"}))
    desk.case("c1", gift("g1", "70", actor=BOSS))
    assert refused(desk, "c2", gift("g1", "10.01", actor=BOSS, approved_by=BOSS)) == (
        "it goes beyond the limit customer per year: 80 EUR, 70 given; it holds for every role"
    )
    # The refusal names this limit first, because no approval would help.
    assert "for every role" in refused(desk, "c1", gift("g2", "30"))
    desk.case("c2", gift("g1", "10", actor=BOSS))


def test_nobody_may_give_more_often_than_the_customers_limit(desk: Desk) -> None:
    desk.tell("policy", house({}, gestures_per_year=2))
    desk.case("c1", gift("g1", None))
    desk.case("c2", gift("g1", "1000000"))
    assert refused(desk, "c1", gift("g2", None, approved_by=BOSS)) == (
        "it goes beyond the limit customer count per year: 2, 2 given; it holds for every role"
    )


# --- gestures that it does not refuse


def test_a_policy_that_only_reports_refuses_nothing(desk: Desk) -> None:
    desk.case("c1", gift("g1", "1000"))  # without a policy nothing is refused either
    desk.tell("policy", house(enforcement="report", per_year={"EUR": "1"}, gestures_per_year=0))
    desk.case("c1", gift("g2", "1000"))
    desk.tell("policy", adopted(effective="+0h", policy={"roles": ROLES}))
    desk.case("c1", gift("g3", "1000", actor=NOBODY))


def test_a_gesture_recorded_late_is_a_fact_and_not_refused(desk: Desk) -> None:
    desk.tell("policy", house(gestures_per_year=0))
    desk.case("c1", learnt("+301s", gift("g1", "1000", "+0s")))
    assert refused(desk, "c1", gift("g2", "1", "+2s"))  # the clock is at +301s


def test_a_gesture_ahead_of_the_stores_clock_is_live(desk: Desk) -> None:
    desk.tell("policy", house(gestures_per_year=0))
    with pytest.raises(EventRefused, match="customer count per year: 0"):
        desk.store.append("case:c1", gift("g1", "1", "+5m"))
    with pytest.raises(EventRefused, match="more than five minutes ahead"):
        desk.store.append("case:c1", gift("g1", "1", "+301s"))


def test_an_imported_gesture_is_a_fact_and_not_refused(desk: Desk) -> None:
    desk.tell("policy", house(gestures_per_year=0))
    line = (
        '{"stream":"case:c1","type":"GestureGiven","key":"k","data":{"gesture_id":"g1",'
        '"kind":"cash","value":{"amount":"1000","currency":"EUR"},'
        '"occurred_at":"2026-03-02T09:00:00Z","actor":{"kind":"agent","id":"anna"}}}'
    )
    assert not import_lines(desk.store, [line.encode()]).refused
    assert "g1" in desk.store.case("c1").gestures
    assert refused(desk, "c1", gift("g2", "1"))


def test_a_policy_judges_what_happens_from_when_it_takes_effect(desk: Desk) -> None:
    desk.case("c1", gift("g1", "1000"))
    desk.tell("policy", house(effective="+1d"))
    desk.case("c1", gift("g2", "1000", "+23h"))
    assert refused(desk, "c2", gift("g1", "26", "+1d"))
    desk.tell("policy", house(at="+2d", enforcement="report"))
    desk.case("c2", gift("g1", "1000", "+2d"))


def test_what_was_given_before_a_policy_counts(desk: Desk) -> None:
    desk.case("c1", gift("g1", "50"))
    desk.tell("policy", house(at="+1d", per_year={"EUR": "60"}))
    assert "60 EUR, 50 given" in refused(desk, "c2", gift("g1", "11", "+1d"))


def test_a_gesture_belongs_to_a_case_whatever_the_policy(desk: Desk) -> None:
    for policy in (house(), house(enforcement="report")):
        desk.tell("policy", policy)
        for stream in ("policy", "customer:k1"):
            with pytest.raises(EventRefused, match="does not belong into this kind of stream"):
                desk.tell(stream, gift("g1", "1"))
    with pytest.raises(EventRefused, match="its first event must be CaseOpened"):
        desk.case("c9", gift("g1", "1"))


# --- what counts


def test_a_declined_or_reversed_gesture_no_longer_counts(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "20"}, gestures_per_year=1))
    desk.case("c1", gift("g1", "20"))
    refused(desk, "c2", gift("g1", "20"))
    desk.case("c1", declined("g1", "+1m"))
    desk.case("c2", gift("g1", "20", "+1m"))
    refused(desk, "c1", gift("g2", "20", "+1m"))
    desk.case("c2", took_back("g1", "+2m"))
    desk.case("c1", gift("g2", "20", "+2m"))
    refused(desk, "c2", gift("g2", "20", "+2m"))


def test_the_corrected_amount_counts(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "20"}))

    def correct(event: Callable[..., Any], at: Moment, **changes: Any) -> None:
        gesture = next(r for r in desk.store.history("case:c1") if r.type == "GestureGiven")
        desk.case("c1", event(2, at, event_id=gesture.event_id, **changes))

    def amount(of: str) -> dict[str, str]:
        return {"amount": of, "currency": "EUR"}

    desk.case("c1", gift("g1", "20"))
    change = {"value": {"from": amount("20"), "to": amount("12")}}
    correct(corrected, "+1m", kind="amended", changes=change)
    assert "20 EUR, 12 given" in refused(desk, "c2", gift("g1", "9", "+1m"))
    desk.case("c2", gift("g1", "8", "+1m"))
    correct(corrected, "+2m", kind="voided")
    assert "20 EUR, 8 given" in refused(desk, "c2", gift("g2", "13", "+2m"))
    desk.case("c2", gift("g2", "12", "+2m"))


def test_merged_customers_are_one_and_unmerged_are_two(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "30"}))
    desk.case("c3", opened(customer_id="k2"))
    desk.case("c4", opened(customer_id="k3"))
    desk.case("c1", gift("g1", "10"))
    desk.case("c3", gift("g1", "10"))
    desk.case("c4", gift("g1", "10"))
    desk.customer("k1", customer_merged("k2", "+1m"))
    assert "20 given" in refused(desk, "c1", gift("g2", "11", "+1m"))
    assert "20 given" in refused(desk, "c3", gift("g2", "11", "+1m"))
    desk.customer("k2", customer_merged("k3", "+2m"))
    for case_id in ("c1", "c3", "c4"):
        assert "30 given" in refused(desk, case_id, gift("g2", "1", "+2m"))
    desk.customer("k1", customer_unmerged("k2", "+3m"))
    assert "10 given" in refused(desk, "c1", gift("g2", "21", "+3m"))
    desk.case("c1", gift("g2", "20", "+3m"))
    assert "20 given" in refused(desk, "c4", gift("g2", "11", "+3m"))
    desk.case("c4", gift("g2", "10", "+3m"))
    assert "30 given" in refused(desk, "c3", gift("g2", "1", "+3m"))


def test_a_voided_merge_of_customers_does_not_count(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "30"}))
    desk.case("c3", opened(customer_id="k2"))
    desk.case("c3", gift("g1", "25"))
    desk.customer("k1", customer_merged("k2"))
    refused(desk, "c1", gift("g1", "10"))
    merge = list(desk.store.history("customer:k1"))[-1]
    desk.customer("k1", corrected(2, kind="voided", event_id=merge.event_id))
    desk.case("c1", gift("g1", "10"))


def test_gestures_to_customers_who_were_never_merged_do_not_count(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "30"}))
    for n in (3, 4, 5):
        desk.case(f"c{n}", opened(customer_id=f"k{n}"))
        desk.case(f"c{n}", gift("g1", "25"))
    desk.customer("k3", customer_merged("k4"))
    desk.case("c1", gift("g1", "25"))
    refused(desk, "c5", gift("g2", "6"))


# --- a case and what is merged with it

FORTY_A_CASE = {"first_line": {"limits": {"EUR": {"per_case": "40"}}}, "manager": {}}


def test_a_limit_per_case_counts_gestures_of_any_age(desk: Desk) -> None:
    desk.tell("policy", house(FORTY_A_CASE))
    desk.case("c1", gift("g1", "30"))
    assert "40 EUR, 30 given" in refused(desk, "c1", gift("g2", "20", "+900d"))
    desk.case("c2", gift("g1", "40", "+900d"))


def test_merged_cases_are_one_case(desk: Desk) -> None:
    desk.tell("policy", house(FORTY_A_CASE))
    desk.case("c3", opened(customer_id="k2"))
    for case_id in ("c1", "c2", "c3"):
        desk.case(case_id, gift("g1", "10"))
    desk.case("c2", merged("c1", "+1m"))
    desk.case("c3", merged("c1", "+1m"))
    for case_id in ("c1", "c2", "c3"):  # what the other customer was given counts as well
        assert "40 EUR, 30 given" in refused(desk, case_id, gift("g2", "11", "+1m"))
    desk.case("c1", gift("g2", "10", "+1m"))
    desk.case("c2", unmerged("c1", "+2m"))
    assert "40 EUR, 10 given" in refused(desk, "c2", gift("g2", "31", "+2m"))
    desk.case("c2", gift("g2", "30", "+2m"))
    assert "40 EUR, 30 given" in refused(desk, "c1", gift("g3", "11", "+2m"))


def test_what_another_customer_was_given_in_the_case_is_not_given_to_this_one(desk: Desk) -> None:
    desk.tell("policy", house({}, per_year={"EUR": "40"}, gestures_per_year=2))
    desk.case("c3", opened(customer_id="k2"), gift("g1", "30"), merged("c1", "+1m"))
    desk.case("c1", gift("g1", "30", "+1m"))
    assert "40 EUR, 30 given" in refused(desk, "c3", gift("g2", "11", "+1m"))
    desk.case("c3", gift("g2", "10", "+1m"))


def test_a_gesture_may_be_taken_back_from_a_case_that_is_merged_with_its_own(desk: Desk) -> None:
    desk.tell("policy", house(FORTY_A_CASE, per_year={"EUR": "50"}))
    desk.case("c1", gift("g1", "40"))
    desk.case("c2", gift("g1", "10"), merged("c1", "+1m"))
    refused(desk, "c2", gift("g2", "1", "+1m"))
    desk.case("c2", took_back("c1/g1", "+2m"))  # each case has a gesture of that name
    assert "40 EUR, 10 given" in refused(desk, "c1", gift("g2", "31", "+2m"))
    desk.case("c1", gift("g2", "30", "+2m"))
    desk.case("c1", declined("c2/g1", "+3m"))
    desk.case("c1", gift("g3", "10", "+3m"))


def test_information_and_invitations_cost_no_money_and_are_counted(desk: Desk) -> None:
    desk.tell("policy", house(FORTY_A_CASE, per_year={"EUR": "40"}, gestures_per_year=3))
    desk.case("c1", gift("g1", "1000", kind="information", actor=TEMP))
    desk.case("c2", gift("g1", "1000", kind="invitation", actor=TEMP))
    desk.case("c1", gift("g2", "1000", kind="invitation"))
    assert "customer count per year: 3, 3 given" in refused(
        desk, "c2", gift("g2", None, kind="information")
    )


# --- several at once


def test_several_gestures_in_one_append(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "30"}))
    three = [gift(f"g{n}", "10") for n in range(3)]
    with pytest.raises(EventRefused, match="30 EUR, 30 given"):
        desk.store.append("case:c1", *three, gift("g3", "1"))
    assert desk.store.case("c1").gestures == {}
    desk.store.append("case:c1", *three)


def test_several_cases_in_one_append(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "30"}))
    batches = [("case:c1", [gift("g1", "20")]), ("case:c2", [gift("g1", "20")])]
    with pytest.raises(EventRefused, match=r"^case:c2: .* 30 EUR, 20 given"):
        desk.store.append_all(batches)
    assert desk.store.case("c1").gestures == {}
    taken = [*batches[0][1], took_back("g1")]
    desk.store.append_all([("case:c1", taken), batches[1]])


def test_a_policy_a_case_and_a_merge_in_the_same_append(desk: Desk) -> None:
    desk.case("c1", gift("g1", "20"))
    desk.tell("customer:k2", registered())
    batches: list[Any] = [
        ("policy", [house(per_year={"EUR": "30"})]),
        ("case:c3", [opened(customer_id="k2"), gift("g1", "10")]),
        ("customer:k2", [customer_merged("k1")]),
        ("case:c3", [gift("g2", "0.01")]),
    ]
    with pytest.raises(EventRefused, match="30 EUR, 30 given"):
        desk.store.append_all(batches)
    desk.store.append_all(batches[:3])


def test_of_appends_that_share_a_commit_each_is_judged_after_those_before(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "30"}))
    appends = [
        Append(batches=[(f"case:c{1 + n % 2}", [gift(f"g{n}", "20" if n != 1 else "11")])])
        for n in range(3)
    ]
    appends.append(Append(batches=[("case:c2", [gift("g9", "10")])]))
    first, second, third, fourth = desk.store.write(appends)
    assert (first, fourth) == (True, True)
    assert "30 EUR, 20 given" in str(second)
    assert "30 EUR, 20 given" in str(third)  # the one that was refused does not count


def test_a_retry_gives_the_first_receipt_though_the_limit_is_used_up(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "30"}))
    first = desk.store.append("case:c1", gift("g1", "30", actor=BOSS), key="crm-1")
    refused(desk, "c2", gift("g1", "1"))
    assert desk.store.append("case:c1", gift("g1", "30", actor=BOSS), key="crm-1") == first
    with pytest.raises(EventRefused):
        desk.store.append("case:c1", gift("g2", "30", actor=BOSS), key="crm-2")
    desk.case("c1", took_back("g1"))
    desk.store.append(
        "case:c1", gift("g2", "30", actor=BOSS), key="crm-2"
    )  # the refused append left nothing behind


def test_a_gesture_of_a_service_whose_clock_is_ahead_counts(desk: Desk) -> None:
    # Another service's clock is four minutes ahead, so its gesture is on record with a future time.
    desk.tell("policy", house(per_year={"EUR": "30"}, gestures_per_year=9))
    desk.store.append("case:c1", gift("g1", "20", "+4m"))
    assert "30 EUR, 20 given" in refused(desk, "c2", gift("g1", "20", "+0m"))
    desk.case("c2", gift("g1", "10", "+0m"))
    assert "30 EUR, 20 given" in refused(desk, "c2", gift("g2", "11", "+365d"))
    desk.case("c2", gift("g2", "10", "+365d"))


def test_a_policy_that_another_process_adopts_applies_at_once(desk: Desk, store_url: str) -> None:
    with CaseStore.open(store_url, clock=lambda: moment("+1m")) as other:
        other.append("case:c1", gift("g1", "30"))
        assert other.policies().adopted == ()
        desk.tell("policy", house(at="+1m", enforcement="report"))
        other.append("case:c1", gift("g2", "30", "+1m"))
        desk.tell("policy", house(at="+1m"))
        with pytest.raises(EventRefused, match="'first_line' per gesture"):
            other.append("case:c1", gift("g3", "30", "+1m"))
        assert [each.document.goodwill.enforcement for each in other.policies().adopted] == [
            "report",
            "refuse",
        ]
        desk.tell("policy", house(at="+1m", enforcement="report"))
        other.append("case:c1", gift("g3", "30", "+1m"))


def test_earlier_gestures_are_read_only_for_a_live_gesture(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.case("c1", gift("g1", "1"))
    desk.tell("policy", house())
    asked: list[str] = []

    def given_to(customers: list[str], *_: Any) -> tuple[()]:
        asked.extend(customers)
        return ()

    monkeypatch.setattr("casestore.append.decision.given_to", given_to)
    desk.case("c1", noted(), declined("g1"), learnt("+301s", gift("g2", "1000")))
    desk.tell("policy", house(at="+301s", enforcement="report"))
    desk.case("c1", gift("g3", "1", "+302s"))
    assert asked == []
    desk.tell("policy", house(at="+302s"))
    desk.case("c1", gift("g4", "1", "+302s"))
    assert asked == ["k1"]


# --- many processes --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    barrier = SPAWN.Barrier(FOUR)
    with SPAWN.Pool(FOUR, _join, (barrier,)) as pool:
        yield Crew(pool, barrier)


@pytest.fixture
def place(store_url: str, tmp_path: Path) -> Place:
    """A customer with a case for each process, and others with one case each."""
    with CaseStore.create(store_url) as store:
        for me in range(FOUR):
            store.append(f"case:own-{me}", opened(customer_id=f"own-{me}"))
            store.append(f"case:{me}", opened(customer_id="k1" if me % 2 else "k2"))
        store.append("customer:k2", customer_merged("k1"))
    return Place(store_url, tmp_path / "store.key")


def lay_down(place: Place, roles: Mapping[str, Any], **goodwill: Any) -> None:
    with place.open() as store:
        now = datetime.now(UTC)
        begun = now - timedelta(minutes=4)  # before the slowest of the clocks
        store.append("policy", house(roles, now, effective=begun, **goodwill))


def given_now(gesture_id: str, amount: str) -> GestureGiven:
    return gift(gesture_id, amount, datetime.now(UTC))


def give_ten_each(store: CaseStore, me: int) -> int:
    """Give one customer 10 EUR in several cases. Returns how many gestures were accepted."""
    taken = 0
    for n in range(6):
        gesture = given_now(f"g-{me}-{n}", "10")
        together()
        with suppress(EventRefused):
            store.append(f"case:{(me + n) % FOUR}", gesture)
            taken += 1
    return taken


def given_in(place: Place, cases: Iterable[str]) -> Decimal:
    with place.open() as store:
        return sum(
            (
                recorded.event.value.amount
                for case_id in cases
                for recorded in store.history(f"case:{case_id}")
                if isinstance(recorded.event, GestureGiven) and recorded.event.value is not None
            ),
            Decimal(0),
        )


ALL = [str(me) for me in range(FOUR)]
LIMITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "customer": ({}, {"per_year": {"EUR": "100"}}),
    "count": ({}, {"gestures_per_year": 10}),
    "role": ({"first_line": {"limits": {"EUR": {"per_year": "100"}}}}, {}),
}


@pytest.mark.parametrize("slow", [0, 60])
@pytest.mark.parametrize("limit", LIMITS)
def test_many_who_give_at_once_never_give_more_than_the_limit(
    crew: Crew, place: Place, limit: str, slow: int
) -> None:
    roles, goodwill = LIMITS[limit]
    lay_down(place, roles, **goodwill)
    parts = crew.start(place, give_ten_each, slow=timedelta(seconds=slow))
    assert sum(each.get(PATIENCE) for each in parts) == 10
    assert given_in(place, ALL) == 100


def give_in_one_case(store: CaseStore, me: int) -> None:
    for n in range(4):
        gesture = given_now(f"g-{me}-{n}", "10")
        together()
        with suppress(EventRefused):
            store.append("case:0", gesture)


def test_many_who_give_in_one_case_never_give_more_than_a_role_may(
    crew: Crew, place: Place
) -> None:
    lay_down(place, {"first_line": {"limits": {"EUR": {"per_case": "35"}}}})
    crew.race(place, give_in_one_case)
    assert given_in(place, "0") == 30


def give_and_take_back(store: CaseStore, me: int) -> None:
    for n in range(4):
        gesture = given_now(f"g-{me}-{n}", "10")
        together()
        with suppress(EventRefused):
            store.append_all([(f"case:{me}", [gesture])])
            store.append(f"case:{me}", took_back(gesture.gesture_id, datetime.now(UTC)))


def test_after_a_reversal_the_next_gesture_is_taken(crew: Crew, place: Place) -> None:
    lay_down(place, {}, per_year={"EUR": "10"})
    crew.race(place, give_and_take_back)
    with place.open() as store:
        events = [each.event for each in store.read() if each.customer_id in ("k1", "k2")]
    standing = 0
    for event in events:  # in the order in which they were committed
        standing += isinstance(event, GestureGiven)
        standing -= isinstance(event, GestureReversed)
        assert 0 <= standing <= 1
    assert any(isinstance(event, GestureReversed) for event in events)


def give_their_own(store: CaseStore, me: int) -> int:
    for n in range(10):
        together()
        store.append(f"case:own-{me}", given_now(f"g-{n}", "10"), key=f"{me}-{n}")
        store.append(f"case:own-{me}", noted(datetime.now(UTC)))
    return len(store.history(f"case:own-{me}"))


def test_gestures_to_different_customers_do_not_hinder_each_other(crew: Crew, place: Place) -> None:
    lay_down(place, {}, per_year={"EUR": "100"})
    assert crew.race(place, give_their_own) == [21] * FOUR
