"""Every id of a customer: customers that are merged are one person."""

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
    """Every id that a customer has now, sorted.

    Only the streams of customers who were ever merged with them are read.

    Args:
        customer_id: one of the ids.
        merges: the rows of all CustomerMerged.
        codec: the store's codec.
        history: gives a stream's history by its name.
    """
    links = [
        (row.stream.removeprefix("customer:"), codec.decode(row.topic, row.state).into)  # type: ignore[attr-defined]
        for row in merges
    ]
    ever = closure([customer_id], linked(links))
    # Checks fold in the order of recording.
    streams = [history(f"customer:{each}") for each in ever] if len(ever) > 1 else []
    states = [fold(each.stream, each.originals).state for each in streams]
    now = [
        (state.customer_id, state.merged_into)
        for state in states
        if isinstance(state, Customer) and state.merged_into is not None
    ]
    return sorted(closure([customer_id], linked(now)))
