"""A case or a customer of which corrections left nothing: all that was on record of it is voided.

It counts nowhere then. Nothing else may lead to it, and a customer who still has a case has to be
registered. Appends find that out under the write lock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from casestore.errors import EventRefused
from casestore.events import CustomerMerged
from casestore.journal.recorder import Writing
from casestore.journal.rows import Row
from casestore.streams.case import Case
from casestore.streams.codec import Codec
from casestore.streams.customer import Customer
from casestore.streams.kinds import Stream


def is_empty(stream: Stream) -> bool:
    """Whether a case is not opened, or a customer not registered."""
    match stream.state:
        case Case(status=status):
            return status is None
        case Customer(registrations=registrations):
            return registrations == 0
        case _:
            return False


def check_none_is_in(emptied: Stream, members: Collection[str]) -> None:
    """Refuse to leave nothing of a case or a customer whom others are merged into.

    Args:
        emptied: its stream.
        members: the ids of the cases or customers that are merged into it, with its own.

    Raises EventRefused.
    """
    own_id = emptied.id.partition(":")[2]
    if others := sorted(each for each in members if each != own_id):
        shown = ", ".join(map(repr, others[:3])) + (" and more" if len(others) > 3 else "")
        raise EventRefused(
            f"{emptied.id}: EventCorrected is refused: nothing would be left, and {shown} is "
            "merged into it; undo that merge first"
        )


class Customers:
    """What is on record of customers besides their own streams.

    Args:
        writing: the transaction. It must hold the lock.
        noted: the rows of CaseOpened and CustomerMerged that the same commit will write, by topic.
        codec: the store's codec.
        stream: gives a stream at present by its name.
        corrected: the customers whose streams the commit corrects. Their cases are looked up at
            once.
    """

    def __init__(
        self,
        writing: Writing,
        noted: Mapping[str, Sequence[Row]],
        *,
        codec: Codec,
        stream: Callable[[str], Stream],
        corrected: Sequence[str],
    ) -> None:
        self._writing = writing
        self._noted = noted
        self._codec = codec
        self._stream = stream
        self._merges: list[Row] | None = None
        self._openings: dict[str, list[Row]] = {}
        self._corrected = corrected

    def merges(self) -> list[Row]:
        """The rows of all CustomerMerged."""
        if self._merges is None:
            self._merges = self._writing.merges_of_customers()
        return [*self._noted["CustomerMerged"], *self._merges]

    def merged_into(self, customer_id: str) -> Iterator[str]:
        """The customers who are merged into one at present."""
        for row in self.merges():
            into = cast(CustomerMerged, self._codec.decode(row.topic, row.state)).into
            if into == customer_id and self._stream(row.stream).state.merged_into == customer_id:
                yield row.stream.partition(":")[2]

    def first_opened(self, customer_id: str) -> datetime | None:
        """When a case of a customer was opened, the first that was recorded; None without one."""
        new = (row for row in self._noted["CaseOpened"] if row.customer_id == customer_id)
        for row in (*self._recorded_openings(customer_id), *new):
            case: Case = self._stream(row.stream).state
            if case.customer_id == customer_id and case.opened_at is not None:
                return case.opened_at
        return None

    def _recorded_openings(self, customer_id: str) -> Sequence[Row]:
        if customer_id not in self._openings:
            found: defaultdict[str, list[Row]] = defaultdict(list)
            asked = {customer_id, *self._corrected}
            for row in self._writing.openings_of(sorted(asked)):
                found[cast(str, row.customer_id)].append(row)
            self._openings.update((each, found[each]) for each in asked)
        return self._openings[customer_id]
