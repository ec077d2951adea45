"""A customer under every id that they have: customers that were merged are one person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from casestore.journal.recorder import Row
from casestore.streams.codec import Codec
from casestore.streams.customer import Customer
from casestore.streams.history import History
from casestore.streams.kinds import fold_history


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
