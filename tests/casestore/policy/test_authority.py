"""Who may give what: a role's authority, and what a customer may be given at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from casestore.events import Money
from casestore.events.policy_document import BUILT_IN, Document, read_document
from casestore.policy.authority import (
    YEAR,
    Bound,
    Given,
    bounds,
    could_give,
    exceeded,
    within_authority,
)
from tests.support.stories import Moment, moment

NOW = moment("+0h")
MICROSECOND = timedelta(microseconds=1)


def eur(amount: str | int, currency: str = "EUR") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


def house(goodwill: dict[str, Any] | None = None, **roles: dict[str, Any]) -> Document:
    return read_document({"roles": roles, "goodwill": goodwill or {}})


def euros(**limit: str) -> dict[str, Any]:
    """A role that may give so many euros."""
    return {"limits": {"EUR": limit}}


def gave(amount: str | int | Money | None, case_id: str = "c1", at: Moment = "-1d") -> Given:
    value = eur(amount) if isinstance(amount, str | int) else amount
    return Given(case_id, moment(at), value)


def beyond(
    policy: Document,
    value: Money | None,
    *given: Given,
    role: str | None = "agent",
    at: datetime = NOW,
) -> list[str]:
    """The limits that a gesture in the case c1 would go beyond."""
    return [bound.what for bound in exceeded(policy, role, value, given, case_id="c1", at=at)]


# --- a role's authority


def test_where_nobody_has_laid_down_anything_there_is_no_limit() -> None:
    assert beyond(BUILT_IN, eur(10**9)) == []
    assert beyond(BUILT_IN, eur(5), role=None) == []


def test_a_limit_may_be_reached_and_not_passed() -> None:
    policy = house(agent=euros(per_gesture="25"))
    assert beyond(policy, eur(25)) == []
    assert beyond(policy, eur("25.00000001")) == ["role per gesture"]
    assert beyond(policy, eur(25), gave(25), gave(25)) == []  # each on its own


def test_a_role_without_a_limit_in_a_currency_may_give_nothing_in_it() -> None:
    policy = house(agent=euros(per_gesture="25"), trainee={})
    for role, value in (("agent", eur(1, "USD")), ("trainee", eur(1)), ("nobody", eur(1))):
        assert beyond(policy, value, role=role) == ["role per gesture"]
    assert beyond(policy, eur(1), role=None) == ["role per gesture"]
    assert beyond(policy, eur(0), role="trainee") == []
    assert beyond(policy, eur(10**9)) == ["role per gesture"]


def test_a_currency_named_without_limits_has_none() -> None:
    assert beyond(house(agent=euros()), eur(10**9)) == []


def test_a_gesture_without_a_value_costs_no_authority_but_counts() -> None:
    policy = house(agent={"gestures_per_year": 1}, trainee={})
    assert beyond(policy, None) == []
    assert beyond(policy, None, role="trainee") == []
    assert beyond(policy, None, gave(None)) == ["role count per customer and year"]


def test_what_was_given_in_the_case_counts_whoever_gave_it() -> None:
    policy = house(agent=euros(per_case="30"))
    assert beyond(policy, eur(20), gave(10)) == []
    assert beyond(policy, eur(21), gave(10)) == ["role per case"]
    assert beyond(policy, eur(21), gave(10, case_id="c2")) == []
    assert beyond(policy, eur(21), gave(eur(10, "USD")), gave(None)) == []
    for_any_case = bounds(policy, "agent", "EUR", [gave(10)], case_id=None, at=NOW)
    assert list(for_any_case) == []


def test_what_the_customer_was_given_in_a_year_counts_over_all_cases() -> None:
    policy = house(agent=euros(per_year="30"))
    assert beyond(policy, eur(20), gave(10, case_id="c2")) == []
    assert beyond(policy, eur(21), gave(10, case_id="c2")) == ["role per customer and year"]
    assert beyond(policy, eur(21), gave(eur(10, "USD"))) == []


def test_how_often_the_customer_was_given_something_counts() -> None:
    policy = house(agent={"gestures_per_year": 2, **euros()})
    assert beyond(policy, eur(1), gave(1)) == []
    often = ["role count per customer and year"]
    assert beyond(policy, eur(1), gave(eur(1, "USD")), gave(None, case_id="c2")) == often
    assert beyond(house(agent={"gestures_per_year": 0, **euros()}), eur(1)) == often


def test_limits_are_named_in_the_order_in_which_they_are_laid_down() -> None:
    role = {"gestures_per_year": 0, **euros(per_gesture="1", per_case="1", per_year="1")}
    policy = house({"gestures_per_year": 0, "per_year": {"EUR": "1"}}, agent=role)
    assert beyond(policy, eur(2)) == [
        "role per gesture",
        "role per case",
        "role per customer and year",
        "role count per customer and year",
        "customer per year",
        "customer count per year",
    ]


# --- what a customer may be given, whoever gives


def test_a_customers_limits_hold_for_everybody() -> None:
    policy = house({"gestures_per_year": 1, "per_year": {"EUR": "30"}}, agent=euros())
    assert beyond(policy, eur(30)) == []
    assert beyond(policy, eur(31)) == ["customer per year"]
    assert beyond(policy, eur(0), gave(1, case_id="c2")) == ["customer count per year"]
    both = ["customer per year", "customer count per year"]
    assert beyond(policy, eur(30), gave(1, case_id="c2")) == both
    assert beyond(policy, eur(1, "USD"), gave(1), role="agent") == [
        "role per gesture",
        "customer count per year",
    ]


def test_they_hold_where_no_roles_are_laid_down_too() -> None:
    policy = house({"per_year": {"EUR": "30"}})
    assert beyond(policy, eur(31), role=None) == ["customer per year"]
    assert beyond(policy, eur(31, "USD")) == []


# --- the year


@pytest.mark.parametrize(
    ("given_at", "counts"),
    [
        (NOW - YEAR, False),
        (NOW - YEAR + MICROSECOND, True),
        (NOW, True),
        (NOW + MICROSECOND, False),
    ],
)
def test_the_year_is_the_365_days_that_end_with_the_gesture(
    given_at: datetime, counts: bool
) -> None:
    policy = house(agent=euros(per_year="30"))
    expected = ["role per customer and year"] if counts else []
    assert beyond(policy, eur(21), gave(10, at=given_at)) == expected


def test_any_time_at_all_has_a_year_before_it() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    policy = house(agent=euros(per_year="30"))
    for at in (first, last):
        assert beyond(policy, eur(21), gave(10, at=at), at=at) == ["role per customer and year"]
        other = last if at == first else first
        assert beyond(policy, eur(21), gave(10, at=other), at=at) == []


# --- what is left


def test_what_is_left_is_never_less_than_nothing() -> None:
    def bound(limit: str, used: str) -> Bound:
        return Bound("role per case", Decimal(limit), Decimal(used), "EUR")

    assert bound("30", "10").left == 20
    assert bound("30", "30").left == bound("30", "31").left == 0


def test_some_limits_are_a_matter_of_authority() -> None:
    role = {"gestures_per_year": 0, **euros(per_gesture="1", per_case="1", per_year="1")}
    policy = house({"gestures_per_year": 0, "per_year": {"EUR": "1"}}, agent=role)
    found = bounds(policy, "agent", "EUR", (), case_id="c1", at=NOW)
    assert [bound.of_role for bound in found] == [True] * 4 + [False] * 2


def test_sums_are_exact() -> None:
    policy = house(agent=euros(per_case="0.3"))
    assert beyond(policy, eur("0.1"), gave("0.1"), gave("0.1")) == []
    most = "9" * 15 + "." + "9" * 8
    assert beyond(house(agent=euros(per_case=most)), eur(most)) == []
    assert beyond(house(agent=euros(per_case=most)), eur(most), gave("0.00000001")) == [
        "role per case"
    ]


def test_a_sum_may_have_more_digits_than_an_amount() -> None:
    most = "9" * 16 + "." + "9" * 8
    policy = house(agent=euros(per_case=most))
    given = [gave(most) for _ in range(3)]
    (bound,) = bounds(policy, "agent", "EUR", given, case_id="c1", at=NOW)
    assert bound.used == Decimal("29999999999999999.99999997")
    assert bound.left == 0


# --- whether it was within authority

POLICY = house(
    {"per_year": {"EUR": "50"}},
    agent=euros(per_gesture="10"),
    lead=euros(per_gesture="25"),
)


UNRECORDED = "an approver whose role is not on record"


def within(
    value: Money | None,
    giver: str | None = None,
    approver: str | None = None,
    *given: Given,
    kind: str = "voucher",
    policy: Document = POLICY,
) -> str:
    """The verdict on a gesture in the case c1. Nobody approved it, if no approver is named."""
    return within_authority(
        policy,
        kind,
        value,
        given,
        giver=giver,
        approver=None if approver == UNRECORDED else approver,
        approved=approver is not None,
        case_id="c1",
        at=NOW,
    )


def test_who_gave_or_who_approved_needs_the_authority() -> None:
    assert within(eur(10), "agent") == "yes"
    assert within(eur(20), "agent") == "no"
    assert within(eur(20), "agent", "lead") == within(eur(20), "lead", "agent") == "yes"
    assert within(eur(30), "agent", "lead") == "no"
    assert within(eur(1), "nobody") == "no"


def test_two_do_not_add_up() -> None:
    assert within(eur(30), "lead", "lead") == "no"


VERDICTS = [
    # role of who gave it, role of who approved it
    ("agent", None, "no"),
    ("lead", None, "yes"),
    (None, None, "unknown"),
    ("agent", "agent", "no"),
    ("agent", "lead", "yes"),
    ("agent", UNRECORDED, "unknown"),
    ("lead", "agent", "yes"),
    ("lead", "lead", "yes"),
    ("lead", UNRECORDED, "yes"),
    (None, "agent", "unknown"),
    (None, "lead", "yes"),
    (None, UNRECORDED, "unknown"),
]
"""Of 20 EUR: an agent may not give them, a lead may."""


@pytest.mark.parametrize(("giver", "approver", "verdict"), VERDICTS)
def test_yes_if_either_may_else_unknown_if_either_is_unknown_else_no(
    giver: str | None, approver: str | None, verdict: str
) -> None:
    assert within(eur(20), giver, approver) == verdict


def test_until_somebody_lays_down_who_may_give_what_nothing_can_be_told() -> None:
    for policy in (BUILT_IN, house({"per_year": {"EUR": "5"}})):
        assert within(eur(20), "agent", policy=policy) == "unknown"
        assert within(None, "agent", kind="information", policy=policy) == "unknown"


def test_a_gesture_whose_value_was_not_recorded_may_be_beyond_a_limit_of_money() -> None:
    for kind in ("cash", "credit", "voucher", "gift", "other"):
        assert within(None, "lead", kind=kind) == "unknown"
        assert within(None, "nobody", kind=kind) == "unknown"


def test_information_and_invitations_have_no_limit_of_money() -> None:
    for kind in ("information", "invitation"):
        assert within(None, "agent", kind=kind) == "yes"
        assert within(eur(10**6), "nobody", kind=kind) == "yes"
        assert within(None, None, kind=kind) == "unknown"


def test_but_they_are_counted() -> None:
    policy = house(agent={"gestures_per_year": 1, **euros()})
    for kind in ("information", "voucher"):
        assert within(None, "agent", None, gave(None), kind=kind, policy=policy) == "no"


def test_a_customers_limit_is_no_matter_of_authority() -> None:
    rich = house({"per_year": {"EUR": "5"}}, agent=euros(per_gesture="10"))
    assert within(eur(10), "agent", policy=rich) == "yes"


def test_a_second_role_is_held_to_its_own_limits_only() -> None:
    policy = house(agent=euros(per_gesture="10"), lead=euros(per_gesture="25", per_case="30"))
    assert within(eur(10), "agent", "lead", gave(20), policy=policy) == "yes"
    assert within(eur(11), "agent", "lead", gave(20), policy=policy) == "no"


def test_what_was_given_in_the_case_is_never_forgotten() -> None:
    policy = house(agent=euros(per_case="25", per_year="25"))
    long_ago = gave(20, at="-9999d")
    assert beyond(policy, eur(20), long_ago) == ["role per case"]
    assert beyond(policy, eur(20), gave(20, case_id="c2", at="-9999d")) == []


def test_what_another_customer_was_given_in_the_case_counts_for_the_case_alone() -> None:
    role = {"gestures_per_year": 1, **euros(per_case="25", per_year="25")}
    policy = house({"per_year": {"EUR": "25"}, "gestures_per_year": 1}, agent=role)
    of_another = Given("c1", moment("-1d"), eur(20), to_them=False)
    assert beyond(policy, eur(20), of_another) == ["role per case"]


# --- whether somebody could


def test_whether_a_role_could_give_so_much() -> None:
    assert could_give(POLICY, "agent", eur(10)) is True
    assert could_give(POLICY, "agent", eur(11)) is False
    assert could_give(POLICY, "agent", eur(10, "USD")) is False
    assert could_give(POLICY, "nobody", eur(1)) is False
    assert could_give(POLICY, "agent", eur(60)) is False


def test_it_cannot_be_told_of_what_was_not_recorded() -> None:
    assert could_give(POLICY, None, eur(1)) is None
    assert could_give(POLICY, "agent", None) is None
    assert could_give(BUILT_IN, "agent", eur(1)) is None


def test_what_was_given_before_is_used_up() -> None:
    policy = house({"per_year": {"EUR": "5"}}, agent=euros(per_gesture="10", per_case="15"))
    assert could_give(policy, "agent", eur(10)) is True  # a customer's limit is no authority
    told = could_give(policy, "agent", eur(10), [gave(10)], case_id="c1", at=NOW)
    assert told is False
    assert could_give(policy, "agent", eur(10), [gave(10, "c2")], case_id="c1", at=NOW) is True
