"""A customer under every id that they have: customers that were merged are one person."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from casestore.journal.rows import Row
from casestore.streams.codec import Codec
from casestore.streams.customer import Customer
from casestore.streams.history import History
from casestore.streams.kinds import fold
from casestore.streams.merged import closure, linked


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
    ever = closure([customer_id], linked(links))
    # As everything that an append rests on: in the order of recording.
    streams = [history(f"customer:{each}") for each in ever] if len(ever) > 1 else []
    states = [fold(each.stream, each.originals).state for each in streams]
    now = [
        (state.customer_id, state.merged_into)
        for state in states
        if isinstance(state, Customer) and state.merged_into is not None
    ]
    return sorted(closure([customer_id], linked(now)))
