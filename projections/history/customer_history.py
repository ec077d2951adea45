"""The history of a customer, from which the customer's row is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from casestore.streams.history import History
from casestore.streams.merged import Roots, merges_in


class CustomerHistory(NamedTuple):
    """What happened to a customer, and the customers that they were merged with."""

    history: History
    roots: Roots
    """The root of each customer that was ever merged with this one, at any time."""

    @property
    def customer_id(self) -> str:
        """The customer's id."""
        return self.history.stream.removeprefix("customer:")


def customer_histories(histories: Sequence[History]) -> Iterator[CustomerHistory]:
    """The histories of customers that were ever merged with one another.

    Args:
        histories: the events of each of these customers, without those to whom nothing had
            happened by the time that is asked about.
    """
    there = {history.stream.removeprefix("customer:") for history in histories}
    roots = Roots((merge for history in histories for merge in merges_in(history)), there)
    for history in histories:
        yield CustomerHistory(history, roots)
