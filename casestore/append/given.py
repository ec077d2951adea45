"""What a customer was given, read inside the write lock: over all their cases, and those of whoever
is merged with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from casestore.append.families import Cases, Families
from casestore.events import GestureDeclined, GestureGiven, GestureReversed
from casestore.policy.authority import Given
from casestore.streams.case import Case


def given_to(
    customers: Sequence[str], cases: Sequence[Case], families: Families
) -> Iterator[Given]:
    """The gestures that stand, to a customer or in a family of cases.

    Args:
        customers: the customer, under every id.
        cases: those in which the customer was given something, and any of the family.
        families: as they are at present.
    """
    left = {case.case_id: case for case in cases}
    while left:
        _, case = left.popitem()
        members = families.members(case)
        yield from _in_family(members, families.root(case), customers, families)
        left = {case_id: each for case_id, each in left.items() if case_id not in members}


def _in_family(
    members: Cases, root: str, customers: Sequence[str], families: Families
) -> Iterator[Given]:
    events = list(families.events(members, root))
    gone = {
        event.gesture_id
        for _, event in events
        if isinstance(event, GestureDeclined | GestureReversed)
    }
    for case, event in events:
        if isinstance(event, GestureGiven) and event.gesture_id not in gone:
            yield Given(root, event.occurred_at, event.value, case.customer_id in customers)
