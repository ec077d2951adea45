"""Whether gestures were within authority, and the allowance: what may be given now."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from casestore import Actor
from casestore.events import Money
from projections import reports
from tests.support.desk import Desk, desk_in
from tests.support.gifts import CAROL, NOBODY, TEMP, gift, house
from tests.support.stories import (
    BOSS,
    Moment,
    corrected,
    customer_merged,
    customer_unmerged,
    declined,
    learnt,
    moment,
    opened,
    remedied,
    took_back,
)

LATER = "+900d"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened())
        yield desk


def report_only(at: Moment = "+0h", **more: Any) -> Any:
    return house(at=at, enforcement="report", **more)


def within(desk: Desk, as_of: Moment = LATER, **asked: Any) -> dict[str, str]:
    """Whether each gesture was within authority, by its id."""
    told = reports.goodwill_history(desk.store, customer="k1", as_of=moment(as_of), **asked)
    return {each.id: each.within_authority for each in told.rows}


# --- within authority: first_line 25 at once, 40 a case, 60 a year; team_lead 50; manager any


def test_without_a_policy_it_is_unknown(desk: Desk) -> None:
    desk.case("c1", gift("g1", "1000"))
    assert within(desk) == {"g1": "unknown"}
    desk.tell("policy", house({}, at="+1h", per_year={"EUR": "1"}))
    desk.case("c1", learnt("+2h", gift("g2", "1000", "+90m")))
    assert within(desk) == {"g1": "unknown", "g2": "unknown"}  # nobody said who may give what


def test_the_authority_of_the_giver(desk: Desk) -> None:
    desk.tell("policy", report_only())
    desk.case(
        "c1",
        gift("all", "25"),
        gift("more", "25.01", "+1m"),
        gift("lead", "50", "+2m", actor=CAROL),
        gift("nobody-named-it", "1", "+3m", actor=TEMP),
        gift("who-knows", "1", "+4m", actor=NOBODY),
        gift("thing", None, "+5m"),
        gift("dollar", "1", "+6m", "USD"),
        gift("boss", "9999", "+7m", actor=BOSS),
        remedied("owed", "+8m", value={"amount": "99", "currency": "EUR"}),
    )
    assert within(desk) == {
        "all": "yes",
        "more": "no",
        "lead": "yes",
        "nobody-named-it": "no",
        "who-knows": "unknown",
        "thing": "unknown",  # its value was not recorded, and there are limits on money
        "dollar": "no",
        "boss": "yes",
        "owed": "unknown",
    }


def test_the_authority_of_the_approver(desk: Desk) -> None:
    desk.tell("policy", report_only())
    desk.case(
        "c1",
        gift("lead", "50", approved_by=CAROL),
        gift("beyond-both", "51", "+1m", approved_by=CAROL),
        gift("by-somebody", "50", "+2m", approved_by=NOBODY),
        gift("for-nobody", "50", "+3m", actor=NOBODY, approved_by=CAROL),
        gift("needless", "1", "+4m", actor=BOSS, approved_by=TEMP),
    )
    assert within(desk) == {
        "lead": "yes",
        "beyond-both": "no",
        "by-somebody": "unknown",  # the approver's role was not recorded
        "for-nobody": "yes",
        "needless": "yes",
    }


def test_what_was_given_before_in_the_case_and_in_the_year_counts(desk: Desk) -> None:
    desk.tell("policy", report_only())
    desk.case("c2", opened())
    desk.case("c1", gift("a", "25"), gift("b", "15", "+1d"), gift("c", "1", "+2d"))
    desk.case("c2", gift("d", "19", "+3d"), gift("e", "1", "+4d"), gift("f", "20", "+366d"))
    assert within(desk) == {"a": "yes", "b": "yes", "c": "no", "d": "yes", "e": "no", "f": "yes"}
    # The sums of the year are over the whole year, whatever part of it is asked for.
    assert within(desk, case="c2", since=moment("+4d")) == {"e": "no", "f": "yes"}


def test_what_does_not_stand_does_not_count(desk: Desk) -> None:
    desk.tell("policy", report_only())
    desk.case("c1", gift("a", "25"), gift("b", "16", "+1h"), declined("a", "+2h"))
    assert within(desk) == {"a": "yes", "b": "yes"}
    assert within(desk, "+1h") == {"a": "yes", "b": "no"}
    desk.case("c1", gift("c", "25", "+3h"), took_back("b", "+4h"))
    assert within(desk) == {"a": "yes", "b": "yes", "c": "yes"}
    desk.case("c1", corrected(5, "+5h", kind="voided", event_id=last_gesture(desk)))
    assert within(desk) == {"a": "yes", "b": "yes"}


def last_gesture(desk: Desk) -> UUID:
    gestures = (each for each in desk.store.history("case:c1") if each.type == "GestureGiven")
    return list(gestures)[-1].event_id


def test_all_cases_of_merged_customers_count(desk: Desk) -> None:
    desk.tell("policy", report_only())
    desk.case("c2", opened(customer_id="k2"))
    desk.case("c1", gift("a", "25"), gift("a2", "15"))
    desk.case("c2", gift("b", "25", "+1h"))
    assert within(desk) == {"a": "yes", "a2": "yes"}
    desk.customer("k2", customer_merged("k1", "+1d"))
    assert within(desk) == {"a": "yes", "a2": "yes", "b": "no"}
    desk.customer("k2", customer_unmerged("k1", "+2d"))
    assert within(desk) == {"a": "yes", "a2": "yes"}


def test_the_policy_of_its_own_time_judges_a_gesture(desk: Desk) -> None:
    roomy: dict[str, Any] = {"first_line": {"limits": {"EUR": {}}}}
    desk.case("c1", gift("before", "100"))
    desk.tell("policy", report_only("+1d"), report_only("+2d", roles=roomy, effective="+3d"))
    desk.case("c1", gift("strict", "100", "+2d"), gift("roomy", "100", "+3d"))
    assert within(desk) == {"before": "unknown", "strict": "no", "roomy": "yes"}


# --- the share beyond it, in spend


def spend(desk: Desk, by: str = "agent", **asked: Any) -> dict[str | None, float | None]:
    asked = {"as_of": moment(LATER), **asked}
    lines = reports.goodwill_spend(desk.store, by=by, **asked).rows
    return {each.group: each.beyond_authority_share for each in lines}


def test_the_share_beyond_authority_is_of_those_of_which_it_is_known(desk: Desk) -> None:
    ben = Actor(kind="agent", id="ben", role="team_lead", team="south")
    desk.case("c1", gift("before", "5"))
    desk.tell("policy", report_only("+1h"))
    desk.case(
        "c1",
        gift("a", "20", "+1h"),
        gift("b", "26", "+2h"),
        gift("c", "26", "+3h"),
        gift("d", "1000", "+4h"),
        declined("d", "+4h"),
        gift("e", "5", "+5h", actor=NOBODY),
        gift("f", "50", "+6h", actor=ben),
    )
    assert spend(desk) == {"anna": 0.6667, "nobody": None, "ben": 0.0}
    assert spend(desk, "team") == {"north": 0.6667, None: None, "south": 0.0}
    assert spend(desk, agent="anna", since=moment("+2h")) == {"anna": 1.0}
    assert spend(desk, as_of=moment("+30m")) == {"anna": None}


def test_a_part_of_the_spend_is_judged_after_the_whole_year(desk: Desk) -> None:
    desk.tell("policy", report_only())
    desk.case("c2", opened("+1h", region="emea"))
    desk.case("c1", gift("a", "25"), gift("b", "15"))
    desk.case("c2", gift("c", "21", "+2h"))
    assert spend(desk, "region", region="emea") == {"emea": 1.0}
    assert spend(desk, "kind", case="c2") == {"voucher": 1.0}


# --- the allowance


def euros(amount: str, currency: str = "EUR") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


def allowance(desk: Desk, role: str = "first_line", **asked: Any) -> list[tuple[Any, ...]]:
    asked = {"as_of": moment("+10d"), "customer": "k1", **asked}
    lines = reports.goodwill_allowance(desk.store, role=role, **asked).rows
    return [
        (each.limit, each.at_most, each.used, each.left, each.binds)
        for each in lines
    ]  # fmt: skip


def summary(desk: Desk, role: str = "first_line", **asked: Any) -> dict[str, Any]:
    asked = {"as_of": moment("+10d"), "customer": "k1", **asked}
    return dict(reports.goodwill_allowance(desk.store, role=role, **asked).summary)


def test_what_may_be_given_now_and_which_limit_binds(desk: Desk) -> None:
    desk.tell("policy", report_only(per_year={"EUR": "70"}, gestures_per_year=3))
    desk.case("c1", gift("a", "25"), gift("b", "25"))
    at_once = ("role per gesture", euros("25"), euros("0"), euros("25"))
    in_case = ("role per case", euros("40"), euros("50"), euros("0"))
    in_year = ("role per customer and year", euros("60"), euros("50"), euros("10"))
    of_customer = ("customer per year", euros("70"), euros("50"), euros("20"))
    count = ("customer count per year", 3, 2, 1, True)
    assert allowance(desk) == [
        (*at_once, False),
        (*in_year, True),
        (*of_customer, False),
        count,
    ]
    assert allowance(desk, case="c1") == [
        (*at_once, False),
        (*in_case, True),
        (*in_year, False),
        (*of_customer, False),
        count,
    ]
    assert summary(desk) == {
        "customers": ["k1"],
        "role": "first_line",
        "policy": "house",
        "enforcement": "report",
        "authority": "laid down",
        "gestures_left": 1,
        "may_give": [euros("10")],
    }
    assert summary(desk, case="c1")["may_give"] == [euros("0")]
    assert allowance(desk, "manager") == [(*of_customer, True), count]


def test_each_currency_is_bound_by_itself(desk: Desk) -> None:
    desk.tell("policy", report_only(per_year={"SEK": "300"}))
    desk.case("c1", gift("a", "45", actor=CAROL), gift("b", "100", currency="SEK", actor=BOSS))
    assert allowance(desk, "team_lead") == [
        ("role per gesture", euros("50"), euros("0"), euros("50"), True),
        ("role per gesture", euros("0", "SEK"), euros("0", "SEK"), euros("0", "SEK"), True),
        ("customer per year", euros("300", "SEK"), euros("100", "SEK"), euros("200", "SEK"), False),
        ("role per gesture", euros("50", "USD"), euros("0", "USD"), euros("50", "USD"), True),
    ]
    assert summary(desk, "team_lead")["may_give"] == [
        euros("50"),
        euros("0", "SEK"),
        euros("50", "USD"),
    ]


def test_what_has_no_value_is_bound_by_counts_alone(desk: Desk) -> None:
    roles = {"first_line": {"gestures_per_year": 5, "limits": {"EUR": {"per_gesture": "1"}}}}
    desk.tell("policy", report_only(roles=roles, gestures_per_year=2))
    desk.case("c1", gift("a", None))
    counts = [
        ("role count per customer and year", 5, 1, 4, False),
        ("customer count per year", 2, 1, 1, True),
    ]
    for kind in ("information", "invitation"):
        assert allowance(desk, kind=kind) == counts
    assert allowance(desk, kind="gift") == allowance(desk)
    assert len(allowance(desk)) == 3


def test_a_role_that_nobody_named_may_give_nothing(desk: Desk) -> None:
    assert allowance(desk) == []
    assert summary(desk)["authority"] == "nobody has laid down who may give what"
    desk.tell("policy", report_only(per_year={"EUR": "70"}))
    nothing = ("role per gesture", euros("0"), euros("0"), euros("0"), True)
    assert allowance(desk, "temp")[0] == nothing
    assert summary(desk, "temp")["authority"] == "none: the policy names no such role"


def test_the_allowance_is_of_its_time(desk: Desk) -> None:
    desk.tell("policy", report_only(roles={}, per_year={"EUR": "70"}))
    desk.case("c1", gift("a", "30", "+1d"))
    desk.tell("policy", report_only("+2d", roles={}, per_year={"EUR": "50"}, effective="+5d"))
    desk.customer("k2", customer_merged("k1", "+6d"))
    desk.case("c2", opened("+6d", customer_id="k2"))
    desk.case("c2", gift("b", "15", "+6d"))

    def left(**asked: Any) -> Money:
        (line,) = allowance(desk, **asked)
        found: Money = line[3]
        return found

    assert left(as_of=moment("+0h")) == euros("70")
    assert left(as_of=moment("+1d")) == euros("40")
    assert left(as_of=moment("+5d")) == euros("20")
    assert left(as_of=moment("+6d")) == left(as_of=moment("+6d"), customer="k2") == euros("5")
    assert left(as_of=moment("+366d")) == euros("35")
    assert left(known_at=moment("+1d"), as_of=moment("+9d")) == euros("40")
    assert summary(desk, customer="k2")["customers"] == ["k1", "k2"]


def test_the_allowance_is_what_a_store_that_refuses_takes(desk: Desk) -> None:
    desk.tell("policy", house(per_year={"EUR": "55"}))
    desk.case("c2", opened())
    desk.case("c1", gift("a", "20"), gift("b", "12.50"))
    for case_id in ("c1", "c2"):
        asked = summary(desk, case=case_id, as_of=moment("+1s"))
        (may,) = (money.amount for money in asked["may_give"])
        with pytest.raises(Exception, match="it goes beyond the limit"):
            desk.case(case_id, gift("c", str(may + Decimal("0.01")), "+1s"))
        desk.case(case_id, gift("c", str(may), "+1s"))
    assert summary(desk, as_of=moment("+1s"))["may_give"] == [euros("0.00")]


def test_money_and_counts_can_be_sorted_together(desk: Desk) -> None:
    desk.tell("policy", report_only(per_year={"EUR": "70"}, gestures_per_year=3))
    lines = allowance(desk, sort="-at_most")
    assert [line[1] for line in lines] == [euros("70"), euros("60"), euros("25"), 3]
