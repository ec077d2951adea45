"""What a ticket of Freshdesk's says itself, as lines: how it was opened, and its end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from casestore.intake.fields import chosen
from casestore.intake.freshdesk.formats import Stats, Ticket
from casestore.intake.freshdesk.history import History
from casestore.intake.helpdesk import HelpdeskReader
from casestore.intake.values import decode, moment
from casestore.transfer.lines import LeftOut, Remark

_OUTBOUND = 10
"""The source of a ticket that we opened by a mail of ours."""
_CHANNELS = {
    1: "email", 2: "web", 3: "phone", 4: "web", 5: "social", 6: "social", 7: "chat", 8: "chat",
    9: "web", 10: "email", 12: "chat", 13: "chat",
}  # fmt: skip
"""By a ticket's source: portal, forum and feedback widget are web."""


class TicketHistory(History):
    """What happened in a ticket that was read."""

    def __init__(
        self, reader: HelpdeskReader, native: str, ticket: Ticket, data: bytes, where: str
    ) -> None:
        super().__init__(reader, native, reader.customer(ticket.requester_id)["id"])
        self._ticket = ticket
        self._data = data
        self._where = where
        self._created = moment(ticket.created_at)
        self._channel = _CHANNELS.get(ticket.source or 0, "other")

    def _begin(self) -> None:
        ticket, case = self._ticket, self._case
        by = self._reader.system if ticket.source == _OUTBOUND else self._customer
        held = decode(self._data, dict[str, msgspec.Raw], self._where)
        fields: dict[str, Any] = {} if isinstance(held, LeftOut) else held
        custom = decode(bytes(fields.get("custom_fields", b"{}")), dict[str, msgspec.Raw], "")
        own = {} if isinstance(custom, LeftOut) else custom
        more: dict[str, Any] = {**chosen(self._reader, fields | own)}
        case.open(
            self._created,
            by,
            where=self._where,
            customer_id=self._customer["id"],
            channel=self._channel,
            subject=ticket.subject,
            **more,
        )
        stored = self._reader.scratch.get("described", "", self._native)
        described = None if stored is None else decode(stored.data, Ticket, stored.where)
        if described is None or isinstance(described, LeftOut):
            case.tell(
                Remark("a ticket from a list, which does not tell what was asked", self._where)
            )
            return
        text = described.description_text or described.description or None
        case.description(self._created, by, where=self._where, channel=self._channel, text=text)

    def _ending(self) -> datetime | None:
        """When the ticket got its last status, if that closes it and nothing else tells of it."""
        ticket = self._ticket
        if not self._closes(ticket.status):
            return None
        stored = self._reader.scratch.get("stats", "", self._native)
        found = None if stored is None else decode(stored.data, Ticket, stored.where)
        stats = Stats() if found is None or isinstance(found, LeftOut) else found.stats or Stats()
        times = (stats.closed_at, stats.resolved_at, ticket.updated_at)
        return next((at for at in map(moment, times) if at is not None), None)

    def _finish(self) -> None:
        ticket, at = self._ticket, moment(self._ticket.updated_at)
        for mark, text in (("deleted", "deleted at the source"), ("spam", "spam at the source")):
            if getattr(ticket, mark):
                self._case.add(
                    "NoteAdded",
                    at,
                    self._reader.system,
                    {"text": text},
                    self._native,
                    mark,
                    where=self._where,
                    keep_first=True,
                    end_state=True,
                )
