"""The histories of a case or a customer, and of what they are merged with, at one moment.

Reports read tables, which hold no words. Who shows the events themselves reads them here, up to
the same position as the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from casestore import CaseStore, StreamNotFound
from casestore.streams.history import History
from casestore.streams.policies import Policies
from projections.engine.links import links_of
from projections.history.case_history import NO_POLICIES, CaseHistory
from projections.history.family import families


class Histories:
    """Reads the histories of a store at a time and a position.

    Args:
        store: the store.
        as_of: only what had happened by then.
        known_at: as it was asked for; it is shown, and `position` decides.
        position: only what is on record up to here.
        reveal: read personal text too.
    """

    def __init__(
        self,
        store: CaseStore,
        as_of: datetime,
        known_at: datetime | None,
        position: int,
        *,
        reveal: bool = False,
    ) -> None:
        self._store, self._reveal = store, reveal
        self.as_of, self.known_at, self.position = as_of, known_at, position

    def history(self, stream: str) -> History:
        """A stream at that moment; it may be empty. Raises StreamNotFound, KeyFileError."""
        whole = self._store.history(stream, reveal=self._reveal)
        known = [r for r in whole.originals if (r.position or 0) <= self.position]
        return History(stream, known, as_of=self.as_of, known_at=self.known_at, until=self.position)

    def related(self, stream: str) -> list[History]:
        """A stream and all that were ever merged with it, without those that were empty then.

        Raises StreamNotFound if there is no such stream.
        """
        links = links_of(self._store)
        links.look(self._store, self.position)
        own = self.history(stream)
        found = [own, *self._others(links.related(stream, self.position), stream)]
        return [history for history in found if history.effective]

    def _others(self, names: list[str], stream: str) -> Iterator[History]:
        for name in names:
            if name != stream:
                with suppress(StreamNotFound):  # something merged into what never was
                    yield self.history(name)

    def case(self, case_id: str, policies: Policies = NO_POLICIES) -> CaseHistory | None:
        """The case with its family; None if it had not been opened then, or was not on record.

        Raises StreamNotFound if there is no such case.
        """
        stream = f"case:{case_id}"
        related = self.related(stream)
        if len(related) == 1 and related[0].stream == stream:
            return CaseHistory(related[0], None, policies)
        for family in families(related):
            if any(history.stream == stream for history in (family.root, *family.members)):
                return CaseHistory(family, None, policies)
        return None
