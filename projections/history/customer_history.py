"""A customer as their row reads them, with what they were merged with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from casestore.streams.history import History
from casestore.streams.merged import Roots, merges_in


class CustomerHistory(NamedTuple):
    """What happened to a customer."""

    history: History
    roots: Roots
    """What each customer that was ever merged with this one led to."""

    @property
    def customer_id(self) -> str:
        """The customer's id."""
        return self.history.stream.removeprefix("customer:")


def customer_histories(histories: Sequence[History]) -> Iterator[CustomerHistory]:
    """Customers that were ever merged with one another.

    Args:
        histories: of all of them to whom something had happened by the time asked for.
    """
    there = {history.stream.removeprefix("customer:") for history in histories}
    roots = Roots((merge for history in histories for merge in merges_in(history)), there)
    for history in histories:
        yield CustomerHistory(history, roots)
