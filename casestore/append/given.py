"""What a customer was given, read inside the write lock: over all their cases, and those of whoever
is merged with them."""

from __future__ import annotations

from collections.abc import Sequence

from casestore.append.same_person import same_as
from casestore.events import GestureDeclined, GestureGiven, GestureReversed
from casestore.journal.recorder import Writing
from casestore.journal.rows import Row
from casestore.policy.authority import Given
from casestore.streams.codec import Codec
from casestore.streams.history import History


def given_to(
    customer_id: str, writing: Writing, pending: Sequence[Row], codec: Codec
) -> tuple[Given, ...]:
    """The gestures to a customer that stand.

    Args:
        customer_id: of the customer, under any of their ids.
        writing: the transaction; it holds the lock.
        pending: rows that the same commit will write.
        codec: of the store.
    """

    def history(stream: str) -> History:
        rows = [*writing.rows(stream, 0), *(row for row in pending if row.stream == stream)]
        return History(stream, list(codec.recorded(rows)))

    merges = [*writing.merges_of_customers(), *_of(pending, "CustomerMerged")]
    customers = same_as(customer_id, merges, codec, history) if merges else [customer_id]
    given = [*writing.gestures_to(customers), *_of(pending, "GestureGiven")]
    found = []
    for stream in sorted({row.stream for row in given if row.customer_id in customers}):
        events = [recorded.event for recorded in history(stream)]
        gone = {e.gesture_id for e in events if isinstance(e, GestureDeclined | GestureReversed)}
        found += [
            Given(stream.removeprefix("case:"), event.occurred_at, event.value)
            for event in events
            if isinstance(event, GestureGiven) and event.gesture_id not in gone
        ]
    return tuple(found)


def _of(pending: Sequence[Row], topic: str) -> list[Row]:
    return [row for row in pending if row.topic == topic]
