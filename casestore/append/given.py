"""The gestures that a customer was given, under every id of theirs and in every family of cases.

Appends read them under the write lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from casestore.append.families import Cases, Families
from casestore.events import GestureDeclined, GestureGiven, GestureReversed
from casestore.policy.authority import Given
from casestore.streams.case import Case


def given_to(
    customers: Sequence[str], cases: Sequence[Case], families: Families
) -> Iterator[Given]:
    """The gestures in the families of some cases, without those that were declined or reversed.

    Args:
        customers: every id of the customer. Each gesture says whether it went to them.
        cases: the cases in which the customer was given something, and the case at hand.
        families: gives the families of cases at present.
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
