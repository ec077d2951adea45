"""What a server that shows words notes in the access log: who saw which page of whom, and when.

It has no words: ids, times, and who asked.
"""

from __future__ import annotations

from datetime import UTC, datetime

from casestore.privacy.access_log import AccessLog
from projections.serve.asked import Asked, told


class ViewsLog(AccessLog):
    """An access log, as `casestore.privacy.access_log` has it, of pages."""

    def note(self, who: str, asked: Asked, position: int, store_id: str) -> None:
        """Note that a page is shown. Raises OSError: then it must not be shown.

        Args:
            who: who asked for it.
            asked: which page, at which moment.
            position: of the last event that the page takes into account.
            store_id: of which store.
        """
        moment, address = asked
        rows = address.rows or address.about.rows
        kind, id_ = address.page, address.id
        if address.page == "changed":
            kind, id_ = address.about.kind, address.about.id
        self.append(
            {
                "at": told(datetime.now(UTC)),
                "who": who,
                "page": address.page,
                "list": None if rows is None else rows.report,
                "case": id_ if kind == "case" else None,
                "customer": id_ if kind == "customer" else None,
                "as_of": None if moment.as_of is None else told(moment.as_of),
                "known_at": None if moment.known_at is None else told(moment.known_at),
                "since": None if address.since is None else told(address.since),
                "position": position,
                "store_id": store_id,
            }
        )
