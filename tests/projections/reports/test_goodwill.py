"""The reports `goodwill history` and `goodwill spend`, and the rows that they read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from casestore.events import Actor, Event, Money
from projections import reports
from projections.models.goodwill import GoodwillRow, rows
from projections.reports import GoodwillLine, SpendLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    BOSS,
    Learnt,
    Moment,
    assigned,
    customer_merged,
    customer_unmerged,
    declined,
    gave,
    given,
    learnt,
    merged,
    moment,
    opened,
    reclaimed,
    reclassified,
    remedied,
    took_back,
    unmerged,
    voided,
    wrote,
)

BEN = Actor(kind="agent", id="ben", team="south")
MICROSECOND = timedelta(microseconds=1)


def money(amount: str, currency: str = "EUR") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


def of_case(*told: Event | Learnt, as_of: Moment = "+30d") -> list[GoodwillRow]:
    return list(rows(given(opened(), *told).reading(as_of)))


# --- one gesture


def test_gestures_and_remedies_stand_in_two_ledgers() -> None:
    gesture, remedy = of_case(gave(at="+1h"), remedied(at="+2h"))
    assert (gesture.ledger, gesture.id, gesture.kind) == ("goodwill", "g1", "voucher")
    assert (remedy.ledger, remedy.id, remedy.kind) == ("remedy", "e1", "refund")
    assert (remedy.reason, remedy.asked_for, remedy.conditions) == (None, None, None)


def test_a_row_tells_who_gave_it_who_approved_it_and_where_it_is_recorded() -> None:
    plain, approved, remedy = of_case(
        gave("g1", "+1h", actor=BEN), gave("g2", "+1h", approved_by=BOSS), remedied(at="+1h")
    )
    assert (plain.given_by, plain.role, plain.team) == ("ben", None, "south")
    assert (plain.approved_by, plain.approver_role) == (None, None)
    assert (approved.approved_by, approved.approver_role) == ("boss", "manager")
    assert (remedy.approved_by, remedy.approver_role) == (None, None)
    assert [row.position for row in (plain, approved, remedy)] == [2, 3, 4]
    assert len({row.event_id for row in (plain, approved, remedy)}) == 3


def test_a_gesture_may_be_declined_or_taken_back() -> None:
    def status(*told: Event | Learnt, as_of: Moment = "+30d") -> str:
        (row,) = of_case(gave(), *told, as_of=as_of)
        return row.status

    assert status() == "given"
    assert status(declined(at="+1h")) == "declined"
    assert status(declined(at="+1h"), as_of="+30m") == "given"
    assert status(took_back(at="+1h")) == "reversed"
    assert status(took_back(at="+2h"), learnt("+3h", declined(at="+1h"))) == "reversed"
    assert of_case(gave(), voided(2, "+1h")) == []


def test_a_remedy_may_be_taken_back_and_a_gesture_of_the_same_id_stands() -> None:
    both = gave("x", "+1h"), remedied("x", "+2h")
    told = of_case(*both, reclaimed("x", "+3h"))
    assert [(row.ledger, row.status) for row in told] == [
        ("goodwill", "given"),
        ("remedy", "reversed"),
    ]
    told = of_case(*both, took_back("x", "+3h"))
    assert [(row.ledger, row.status) for row in told] == [
        ("goodwill", "reversed"),
        ("remedy", "given"),
    ]


def test_contacts_before_are_the_messages_up_to_the_gesture() -> None:
    first = wrote("m1", "+1h"), wrote("m2", "+2h")
    (row,) = of_case(*first, gave(at="+2h"), wrote("m3", "+2h"), wrote("m4", "+3h"))
    assert row.contacts_before == 2
    (row,) = of_case(gave(at="+2h"), learnt("+3h", wrote("m1", "+1h")))
    assert row.contacts_before == 1


def test_the_team_is_that_of_who_gave_it_or_else_the_case_had_then() -> None:
    moved_on = assigned(None, "south"), assigned(None, "east", "+2h")
    own, of_the_case = of_case(*moved_on, gave("g1", "+1h"), gave("g2", "+1h", actor=BOSS))
    assert (own.team, of_the_case.team) == ("north", "south")


# --- a customer's history


def history(desk: Desk, customer: str = "k1", **asked: Any) -> list[GoodwillLine]:
    asked = {"as_of": moment("+900d"), **asked}
    return list(reports.goodwill_history(desk.store, customer=customer, **asked).rows)


def counts(desk: Desk, customer: str = "k1", **asked: Any) -> list[tuple[str, int | None]]:
    return [(each.id, each.year_count) for each in history(desk, customer, **asked)]


def test_a_customers_whole_history(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(received_at=moment("-1h")), wrote())
        desk.case(
            "c1",
            gave(
                at="+90m",
                value=money("25.00", "USD"),
                asked_for=True,
                conditions_told=False,
                reason="delay",
                approved_by=BOSS,
            ),
        )
        desk.case("c2", opened("+1d"), remedied(at="+2d", value=money("9.90"), actor=BEN))
        desk.case("c3", opened("+1d", customer_id="k2"), gave(at="+1d"))
        told = reports.goodwill_history(desk.store, customer="k1", as_of=moment("+3d"))
        assert told.rows == [
            GoodwillLine(
                ledger="goodwill",
                id="g1",
                case_id="c1",
                given_at=moment("+90m"),
                kind="voucher",
                value=money("25.00", "USD"),
                given_by="anna",
                role="first_line",
                approved_by="boss",
                reason="delay",
                asked_for=True,
                conditions=False,
                hours_since_received=2.5,
                contacts_before=1,
                within_authority="unknown",
                year_count=1,
                year_value=money("25.00", "USD"),
                status="given",
            ),
            GoodwillLine(
                ledger="remedy",
                id="e1",
                case_id="c2",
                given_at=moment("+2d"),
                kind="refund",
                value=money("9.90"),
                given_by="ben",
                role=None,
                approved_by=None,
                reason=None,
                asked_for=None,
                conditions=None,
                hours_since_received=24.0,
                contacts_before=0,
                within_authority="unknown",
                year_count=None,
                year_value=None,
                status="given",
            ),
        ]
        assert told.summary == {
            "customers": ["k1"],
            "gestures": 1,
            "gestures_sum": [money("25.00", "USD")],
            "remedies": 1,
            "remedies_sum": [money("9.90")],
        }


def test_the_year_is_the_365_days_that_end_with_the_gesture(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), gave("first"), remedied(), gave("second", "+100d"))
        desk.case("c2", opened("+364d"), gave("third", moment("+365d") - MICROSECOND))
        desk.case("c2", gave("fourth", "+365d"), gave("fifth", moment("+465d") - MICROSECOND))
        assert counts(desk) == [
            ("first", 1),
            ("e1", None),
            ("second", 2),
            ("third", 3),
            ("fourth", 3),  # the first was given exactly 365 days before
            ("fifth", 4),
        ]
        # The sums are over the whole year, also if only a part of it is asked for.
        assert counts(desk, since=moment("+365d")) == [("fourth", 3), ("fifth", 4)]
        assert counts(desk, case="c1", until=moment("+100d")) == [("first", 1), ("e1", None)]


def test_of_several_gestures_at_one_moment_the_first_is_the_first(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), gave("g1"), remedied(), gave("g2"))
        desk.case("c2", opened(), gave("g1"))
        assert counts(desk) == [("g1", 1), ("e1", None), ("g2", 2), ("g1", 3)]


def test_what_was_declined_or_taken_back_counts_in_no_year(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), gave("g1", value=money("5")), gave("g2", "+1d", value=money("7")))
        desk.case("c1", declined("g1", "+2d"), gave("g3", "+3d", value=money("9")))
        found = {each.id: each for each in history(desk)}
        assert [(each.year_count, each.year_value) for each in found.values()] == [
            (0, None),
            (1, money("7")),
            (2, money("16")),
        ]
        # Before it was declined, it counted.
        assert counts(desk, as_of=moment("+1d")) == [("g1", 1), ("g2", 2)]
        told = reports.goodwill_history(desk.store, customer="k1", as_of=moment("+9d"))
        assert told.summary["gestures_sum"] == [money("16")]


def test_each_currency_has_a_year_of_its_own(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), gave("g1", value=money("5")))
        desk.case("c1", gave("g2", "+1h", value=money("7", "USD")), gave("g3", "+2h"))
        desk.case("c1", gave("g4", "+3h", value=money("1.50")))
        assert [(each.year_count, each.year_value) for each in history(desk)] == [
            (1, money("5")),
            (2, money("7", "USD")),
            (3, None),
            (4, money("6.50")),
        ]
        told = reports.goodwill_history(desk.store, customer="k1", as_of=moment("+9d"))
        assert told.summary["gestures_sum"] == [money("6.50"), money("7", "USD")]


def test_merged_customers_are_one_and_unmerged_ones_two_again(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), gave("one"))
        desk.case("c2", opened(customer_id="k2"), gave("two", "+1h"))
        desk.case("c3", opened(customer_id="k3"), gave("three", "+2h"))
        desk.customer("k1", customer_merged("k2", "+1d"))
        desk.customer("k2", customer_merged("k3", "+2d"))
        desk.customer("k2", customer_unmerged("k3", "+9d"))
        desk.customer("k1", customer_unmerged("k2", "+10d"))

        def each_sees(as_of: str) -> list[list[tuple[str, int | None]]]:
            return [counts(desk, each, as_of=moment(as_of)) for each in ("k1", "k2", "k3")]

        apart = [[("one", 1)], [("two", 1)], [("three", 1)]]
        assert each_sees("+3h") == apart
        assert each_sees("+1d") == [[("one", 1), ("two", 2)]] * 2 + [[("three", 1)]]
        assert each_sees("+2d") == [[("one", 1), ("two", 2), ("three", 3)]] * 3
        assert each_sees("+9d") == [[("one", 1), ("two", 2)]] * 2 + [[("three", 1)]]
        assert each_sees("+10d") == apart


def test_merged_cases_are_counted_from_the_earliest_receipt(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c2", opened("+4h"))
        desk.case("c1", opened(received_at=moment("-2h")), merged("c2", "+5h"))
        desk.case("c3", opened("+5h"), merged("c2", "+5h"), gave("in-another", "+6h"))
        desk.case("c2", gave("here", "+6h"))
        desk.case("c1", unmerged("c2", "+1d"))

        def hours(as_of: str) -> dict[str, float | None]:
            told = history(desk, as_of=moment(as_of))
            return {each.id: each.hours_since_received for each in told}

        assert hours("+6h") == {"here": 8.0, "c3/in-another": 8.0}
        assert hours("+2d") == {"here": 2.0, "c3/in-another": 2.0}


def test_a_part_of_a_customers_history(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(product="phone"), gave("a"), gave("b", "+1h", actor=BEN))
        desk.case("c2", opened("+2h", region="emea"), gave("c", "+2h"), merged("c1", "+3h"))
        assert [each.id for each in history(desk, agent="ben")] == ["b"]
        whole = ["a", "b", "c2/c"]
        assert [each.id for each in history(desk, team="north")] == ["a", "c2/c"]
        # The family has the product, region and category of its root.
        assert [each.id for each in history(desk, product="phone")] == whole
        assert history(desk, region="emea") == []
        assert [each.id for each in history(desk, case="c1")] == whole
        assert [each.id for each in history(desk, case="c2")] == whole
        assert [each.id for each in history(desk, case="c2", as_of=moment("+2h"))] == ["c"]
        assert history(desk, "nobody") == []


# --- spend


def spend(desk: Desk, by: str, **asked: Any) -> list[SpendLine]:
    asked = {"as_of": moment("+900d"), **asked}
    return list(reports.goodwill_spend(desk.store, by=by, **asked).rows)


def test_a_whole_spend(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), *(gave(f"g{n}", value=money(n), asked_for=False) for n in "248"))
        desk.case("c1", gave("asked", value=money("9"), asked_for=True))
        desk.case(
            "c1", gave("who-knows", value=money("1")), gave("dollars", value=money("3", "USD"))
        )
        desk.case("c1", gave("thing"), remedied(value=money("50")), remedied("e2"))
        desk.case("c1", gave("no", value=money("90")), declined("no"))
        desk.case("c1", gave("back", value=money("90")), took_back("back"))
        desk.case("c2", opened(), gave(actor=BEN, value=money("5")))
        told = reports.goodwill_spend(desk.store, by="agent", as_of=moment("+1d"))
        zero = {"unasked_share": None, "beyond_authority_share": None}
        assert told.rows == [
            SpendLine(
                group="anna",
                currency="EUR",
                gestures=5,
                sum=money("24"),
                median=money("4"),
                unasked_share=0.75,  # among the four where this was recorded
                beyond_authority_share=None,
                remedies=1,
                remedies_sum=money("50"),
            ),
            SpendLine(
                group="anna",
                currency="USD",
                gestures=1,
                sum=money("3", "USD"),
                median=money("3", "USD"),
                remedies=0,
                remedies_sum=None,
                **zero,
            ),
            SpendLine(
                group="anna",
                currency=None,
                gestures=1,
                sum=None,
                median=None,
                remedies=1,
                remedies_sum=None,
                **zero,
            ),
            SpendLine(
                group="ben",
                currency="EUR",
                gestures=1,
                sum=money("5"),
                median=money("5"),
                remedies=0,
                remedies_sum=None,
                **zero,
            ),
        ]
        assert told.summary == {
            "by": "agent",
            "gestures": 8,
            "gestures_sum": [money("29"), money("3", "USD")],
            "remedies": 2,
            "remedies_sum": [money("50")],
        }


def test_spend_by_all_that_it_can_be_seen_by(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(product="phone", region="emea", category="billing"))
        desk.case("c1", gave(value=money("1")), gave("g2", value=money("2"), actor=BEN))
        desk.case("c2", opened(), gave(value=money("4"), kind="cash", actor=BOSS))
        desk.case("c2", reclassified(category="delay"), gave("g2", value=money("8"), kind="cash"))

        def sums(by: str) -> dict[str | None, int]:
            return {each.group: int(each.sum.amount) for each in spend(desk, by) if each.sum}

        assert sums("agent") == {"anna": 9, "ben": 2, "boss": 4}
        assert sums("team") == {"north": 9, "south": 2, None: 4}
        assert sums("product") == {"phone": 3, None: 12}
        assert sums("region") == {"emea": 3, None: 12}
        assert sums("category") == {"billing": 3, "delay": 12}
        assert sums("kind") == {"cash": 12, "voucher": 3}
        assert list(sums("team")) == ["north", "south", None]


def test_a_month_begins_where_one_is(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), gave("g1", datetime(2026, 3, 31, 22, 30, tzinfo=UTC)))
        desk.case("c1", gave("g2", datetime(2026, 4, 1, 4, tzinfo=UTC)))

        def months(**asked: Any) -> dict[str | None, int]:
            return {each.group: each.gestures for each in spend(desk, "month", **asked)}

        assert months() == {"2026-03": 1, "2026-04": 1}
        assert months(tz=ZoneInfo("Europe/Berlin")) == {"2026-04": 2}
        assert months(tz=ZoneInfo("America/New_York")) == {"2026-03": 1, "2026-04": 1}
        assert months(tz=ZoneInfo("America/Los_Angeles")) == {"2026-03": 2}


def test_spend_on_a_customer_by_an_agent_or_in_a_time(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), gave("g1", "+1h"), gave("g2", "+2h", actor=BEN))
        desk.case("c2", opened(customer_id="k2"), gave("g1", "+3h"))
        desk.customer("k2", customer_merged("k1", "+4h"))

        def count(**asked: Any) -> int:
            return sum(each.gestures for each in spend(desk, "kind", **asked))

        assert count() == count(customer="k1") == count(customer="k2") == 3
        assert count(customer="k2", as_of=moment("+3h")) == 1
        assert count(agent="ben") == count(team="south") == 1
        assert count(since=moment("+1h"), until=moment("+3h")) == 2
        assert count(case="c2") == 1
        assert count(as_of=moment("+2h")) == 2
