"""What a customer was given, read inside the write lock: over all their cases, and those of whoever
is merged with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from casestore.events import GestureDeclined, GestureGiven, GestureReversed
from casestore.journal.codec import Codec
from casestore.journal.recorder import Row, Writing
from casestore.policy.authority import Given
from casestore.streams.customer import Customer
from casestore.streams.history import History
from casestore.streams.kinds import fold_history


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


def same_as(
    customer_id: str, merges: Sequence[Row], codec: Codec, history: Callable[[str], History]
) -> list[str]:
    """A customer under every id that they have now. Only who was ever merged with them is read.

    Args:
        customer_id: one of the ids.
        merges: the rows of all CustomerMerged.
        codec: of the store.
        history: gives a stream's.
    """
    links = [
        (row.stream.removeprefix("customer:"), codec.decode(row.topic, row.state).into)  # type: ignore[attr-defined]
        for row in merges
    ]
    ever = _linked(customer_id, links)
    states = [fold_history(history(f"customer:{each}")) for each in ever] if len(ever) > 1 else []
    now = [
        (state.customer_id, state.merged_into)
        for state in states
        if isinstance(state, Customer) and state.merged_into is not None
    ]
    return sorted(_linked(customer_id, now))


def _linked(each: str, links: Iterable[tuple[str, str]]) -> set[str]:
    """All that hangs together with one."""
    beside: dict[str, set[str]] = {}
    for one, other in links:
        beside.setdefault(one, set()).add(other)
        beside.setdefault(other, set()).add(one)
    found, new = {each}, {each}
    while new:
        new = {each for one in new for each in beside.get(one, ())} - found
        found |= new
    return found
