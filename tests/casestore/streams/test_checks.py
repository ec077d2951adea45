"""The checks of an event's values on any stream: times, currencies, corrections."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from casestore.events import Event, Money, Option, OptionsOffered
from casestore.events.currencies import CURRENT, WITHDRAWN
from casestore.streams.checks import check_fields
from tests.support.stories import (
    ANNA,
    START,
    Story,
    adopted,
    amended,
    assigned,
    corrected,
    gave,
    given,
    given_customer,
    given_policy,
    issue,
    knew,
    moved,
    noted,
    opened,
    promised,
    registered,
    remedied,
    said_no,
    stamp,
)

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
TWO_DAYS = timedelta(days=2)
NEVER = "9999-12-31T23:59:59Z"
"""What some systems write for "no date"."""

OPEN = given(opened(), promised(due="+1d"))
KNOWN = given_customer(registered())
NONE = given_policy()


def euros(amount: str = "5", currency: str = "EUR") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


# --- times


@pytest.mark.parametrize(
    ("story", "event", "field"),
    [
        (OPEN, promised("p2", due_at=NEVER), "due_at"),
        (KNOWN, knew(stale_after=NEVER), "stale_after"),
        (given_customer(), registered(since="0001-01-01T00:00:00Z"), "since"),
        (given(), opened(received_at="0001-01-01T00:00:00Z"), "received_at"),
    ],
)
def test_a_time_at_an_end_of_the_calendar_is_refused(
    story: Story, event: Event, field: str
) -> None:
    story.when(event, now="+1d").refused(
        f"{field} {getattr(event, field).isoformat()} is at an end of the calendar; where there "
        f"is no such time, leave {field} out"
    )
    story.when(event).accepted()  # a replay: stored events are read as they are


@pytest.mark.parametrize(
    ("story", "event", "field"),
    [
        (OPEN, noted(occurred_at="0001-01-02T00:00:00Z"), "occurred_at"),
        (OPEN, moved(due_at=NEVER), "due_at"),
        (NONE, adopted(effective_from=NEVER), "effective_from"),
    ],
)
def test_nobody_is_told_to_leave_out_a_time_that_is_required(
    story: Story, event: Event, field: str
) -> None:
    at = getattr(event, field).isoformat()
    story.when(event, now="+1d").refused(
        f"{field} {at} is at an end of the calendar; check the year"
    )


def test_the_ends_of_the_calendar_are_two_days_long() -> None:
    for good in (LAST - TWO_DAYS, FIRST + TWO_DAYS):
        assert check_fields(knew(stale_after=good)) is None
    tick = timedelta(microseconds=1)
    for bad in (LAST, LAST - TWO_DAYS + tick, FIRST, FIRST + TWO_DAYS - tick):
        assert check_fields(knew(stale_after=bad)) is not None


def test_a_case_is_opened_when_it_came_in_or_later() -> None:
    why = "received_at is after occurred_at; a case is opened when, or after, it came in"
    for received_at in ("+1s", "+365d"):
        given().when(opened(received_at=stamp(received_at)), now="+0h").refused(why)
    for received_at in ("+0h", "-1s", "-365d"):
        given().when(opened(received_at=stamp(received_at)), now="+0h").accepted()
    given().when(opened(received_at=stamp("+365d"))).accepted()  # a replay


# --- currencies

TWO_OPTIONS = OptionsOffered(
    occurred_at=START,
    actor=ANNA,
    offer_id="x1",
    options=(
        Option(option_id="repair", kind="repair"),
        Option(option_id="money", kind="refund", value=Money(amount=Decimal(5), currency="ZZZ")),
    ),
)


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (issue(loss=euros(currency="ZZZ")), "loss"),
        (gave(value=euros(currency="ZZZ")), "value"),
        (remedied(value=euros(currency="ZZZ")), "value"),
        (said_no(amount=euros(currency="ZZZ")), "amount"),
        (TWO_OPTIONS, "options"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_an_amount_is_in_a_known_currency(event: Event, field: str) -> None:
    OPEN.when(event, now="+1d").refused(
        f"{field}: ZZZ is not a currency of ISO 4217; write its code, like EUR"
    )
    OPEN.when(event).accepted()


def test_an_amount_may_be_in_a_withdrawn_currency() -> None:
    for currency in ("EUR", "USD", "XXX", "XCG", "DEM", "HRK", "ANG"):
        OPEN.when(gave(value=euros(currency=currency)), now="+1d").accepted()
    assert not CURRENT & WITHDRAWN


# --- corrections


def test_a_correction_to_a_wrong_value_is_refused() -> None:
    story = given(opened(received_at=stamp("-1d")), promised(due="+1d"), gave(value=euros()))
    due = amended(2, due_at=(stamp("+1d"), NEVER))
    story.when(due, now="+1h").refused("PromiseMade: due_at 9999-12-31T23:59:59+00:00 is at an end")
    value = amended(3, value=(euros("5"), euros("5", "ZZZ")))
    story.when(value, now="+1h").refused("GestureGiven: value: ZZZ is not a currency")
    received = amended(1, received_at=(stamp("-1d"), stamp("+1s")))
    story.when(received, now="+1h").refused("CaseOpened: received_at is after occurred_at")
    earlier = amended(1, occurred_at=(stamp("+0h"), stamp("-2d")))
    story.when(earlier, now="+1h").refused("CaseOpened: received_at is after occurred_at")


WRONG = given(
    opened(received_at=stamp("+365d"), product="kettle"),
    promised(due_at=NEVER, capability="confirmed"),
    gave(value=euros("5", "ZZZ"), reason="delay"),
)
"""Events that an earlier version of casestore accepted."""


def test_a_stored_event_with_a_wrong_value_can_be_corrected_in_other_fields() -> None:
    other_fields: dict[int, dict[str, tuple[Any, Any]]] = {
        1: {"product": ("kettle", "toaster")},
        2: {"capability": ("confirmed", "unconfirmed")},
        3: {"reason": ("delay", "error")},
    }
    story = WRONG
    for position, changes in other_fields.items():
        story = story.when(amended(position, "+1h", **changes), now="+1h").accepted()
    assert story.case.product == "toaster"


def test_a_stored_wrong_value_can_be_corrected() -> None:
    right: dict[int, dict[str, tuple[Any, Any]]] = {
        1: {"received_at": (stamp("+365d"), stamp("-1d"))},
        2: {"due_at": (NEVER, None)},
        3: {"value": (euros("5", "ZZZ"), euros("5"))},
    }
    story = WRONG
    for position, changes in right.items():
        story = story.when(amended(position, "+1h", **changes), now="+1h").accepted()
    assert all(check_fields(recorded.event) is None for recorded in story.history())


def test_a_stored_wrong_value_cannot_be_replaced_by_another_one() -> None:
    wrong: list[tuple[int, dict[str, tuple[Any, Any]], str]] = [
        (1, {"received_at": (stamp("+365d"), stamp("+364d"))}, "received_at is after occurred_at"),
        (1, {"occurred_at": (stamp("+0h"), NEVER)}, "occurred_at 9999-12-31T23:59:59+00:00 is at"),
        (2, {"due_at": (NEVER, "9999-12-31T00:00:00Z")}, "due_at 9999-12-31T00:00:00+00:00 is at"),
        (3, {"value": (euros("5", "ZZZ"), euros("5", "YYY"))}, "YYY is not a currency"),
    ]
    for position, changes, why in wrong:
        WRONG.when(amended(position, "+1h", **changes), now="+1h").refused(why)


def test_a_stored_event_with_a_wrong_value_can_be_voided() -> None:
    WRONG.when(corrected(2, "+1h", kind="voided"), now="+1h").accepted()
    WRONG.when(assigned(at="+1h"), now="+1h").accepted()
