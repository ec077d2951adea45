"""The standing of a case in the order in which things happened, whenever they were recorded."""

from __future__ import annotations

import pytest

from casestore.events import Event
from casestore.streams.case import Case
from casestore.streams.kinds import fold_history
from tests.support.stories import (
    Moment,
    Story,
    assigned,
    closed,
    given,
    learnt,
    merged,
    moment,
    noted,
    opened,
    reclassified,
    reopened,
    unmerged,
)


def told(*events: Event) -> Story:
    """A case whose events were all recorded at +9d, in this order."""
    return given(*(learnt("+9d", event) for event in events))


def stands(case: Case, *names: str) -> tuple[object, ...]:
    return tuple(getattr(case, name) for name in names)


# --- recorded late


LATE_CLOSE = told(
    opened(),
    closed("+5d"),
    reopened("+3d"),  # it ends the closing of +2d, which is recorded later
    closed("+2d", reason="withdrawn"),
)


def test_the_closing_that_happened_last_counts() -> None:
    assert stands(LATE_CLOSE.read, "status", "closed_at", "close_reason") == (
        "closed",
        moment("+5d"),
        "resolved",
    )


def test_checks_of_appends_use_the_order_of_recording() -> None:
    assert LATE_CLOSE.case.closed_at == moment("+2d")
    reopened_before = told(opened(), closed("+2d"), reopened("+1d"))
    assert (reopened_before.read.status, reopened_before.case.status) == ("closed", "open")
    reopened_before.when(reopened("+3d")).refused("the case is open already")
    reopened_before.when(closed("+3d")).accepted()


LATE_ASSIGN = told(
    opened(product="loan", region="south", category="service"),
    assigned("bob", "north", "+4d"),
    reclassified("+4d", category="fraud"),
    assigned("anna", "south", "+2d"),
    reclassified("+2d", category="fees", region="east"),
)


def test_the_assignment_and_the_classification_that_happened_last_count() -> None:
    assert stands(LATE_ASSIGN.read, "agent", "team") == ("bob", "north")
    assert stands(LATE_ASSIGN.read, "product", "region", "category") == ("loan", "east", "fraud")


@pytest.mark.parametrize(
    ("events", "owner"),
    [
        ([assigned(None, "south", "+2d"), assigned("anna", "north", "+1d")], (None, "south")),
        ([assigned("bob", None, "+2d"), assigned("anna", "north", "+1d")], ("bob", "north")),
        ([assigned(None, "north", "+2d"), assigned("anna", "north", "+1d")], ("anna", "north")),
    ],
)
def test_later_assignments_are_applied_after_a_late_one(
    events: list[Event], owner: tuple[str | None, str | None]
) -> None:
    assert stands(told(opened(), *events).read, "agent", "team") == owner


def test_facts_from_before_the_opening_hold() -> None:
    story = told(
        opened("+1d", product="loan", region="south"),
        assigned("anna", "north", "+0h"),
        reclassified("+0h", region="east"),
    )
    assert stands(story.read, "agent", "team", "product", "region", "status", "opened_at") == (
        *("anna", "north", "loan", "east", "open"),
        moment("+1d"),
    )


def test_what_happened_at_one_time_counts_in_the_order_of_recording() -> None:
    story = told(opened(), assigned("anna", "north"), closed(), reopened(), assigned("bob"))
    assert stands(story.read, "status", "agent", "team") == ("open", "bob", "north")


def test_a_merge_told_late_is_followed_by_what_happened_since() -> None:
    story = told(opened(), merged("c3", "+4d"), merged("c2", "+2d"))
    assert (story.read.merged_into, story.case.merged_into) == ("c3", "c2")
    story = told(opened(), merged("c2", "+4d"), unmerged("c2", "+2d"))
    assert (story.read.merged_into, story.case.merged_into) == ("c2", None)


# --- as of a time, and as known at one


@pytest.mark.parametrize(
    ("as_of", "closed_at", "status"),
    [
        ("+1d", None, "open"),
        ("+2d", "+2d", "closed"),
        ("+3d", None, "open"),
        ("+5d", "+5d", "closed"),
    ],
)
def test_as_of_a_time_it_stands_as_it_stood_then(
    as_of: str, closed_at: Moment | None, status: str
) -> None:
    case = fold_history(LATE_CLOSE.history(as_of=as_of))
    assert isinstance(case, Case)
    assert case.status == status
    assert case.closed_at == (None if closed_at is None else moment(closed_at))


def test_what_was_not_known_yet_changes_nothing() -> None:
    story = given(opened(), closed("+5d"), learnt("+7d", reopened("+6d")), noted("+8d"))
    for known_at, status in (("+5d", "closed"), ("+6d", "closed"), ("+7d", "open")):
        case = fold_history(story.history(known_at=known_at))
        assert isinstance(case, Case)
        assert case.status == status
