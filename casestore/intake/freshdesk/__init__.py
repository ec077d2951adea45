"""Freshdesk's tickets, with their conversations, contacts and the export of their activities.

Formats: Freshdesk's REST API, version 2; and the daily "ticket activities" that it exports:

    {"activities_data": [{"performed_at": "24-01-2017 09:33:38 +0000", "ticket_id": 600,
      "performer_type": "user", "performer_id": 149018, "activity": {"status": "Open"}}]}

Only that export tells when a status changed. Without it a ticket tells its last status alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import ClassVar

import msgspec

from casestore.intake import reading
from casestore.intake.freshdesk.formats import Activity, Contact, Conversation, Ticket, performed
from casestore.intake.freshdesk.history import History
from casestore.intake.freshdesk.ticket import TicketHistory
from casestore.intake.helpdesk import NO_TIME, HelpdeskReader
from casestore.intake.inputs import Input
from casestore.intake.json_records import Record, records
from casestore.intake.options import Options
from casestore.intake.values import NO_ID, NO_RECORD, NO_TICKET, decode, moment, version
from casestore.transfer.lines import LeftOut, Read, Remark

_LISTS = ("activities_data", "conversations", "tickets", "results", "contacts")
_OTHERS = {
    "ticket_scope": "an agent, a group or a field",
    "escalate_to": "an agent, a group or a field",
    "agent_ids": "an agent, a group or a field",
    "label": "an agent, a group or a field",
    "survey_id": "an answer to a survey",
    "time_spent": "time spent",
    "domains": "a company",
}
"""What is no fact of a history, by a name that only its records have."""


class Reader(HelpdeskReader):
    """Reads Freshdesk's tickets."""

    name: ClassVar[str] = "freshdesk"

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep each record by its ticket."""
        for number, record in enumerate(records(given.stream, _LISTS), 1):
            where = f"{given.name}, record {number}"
            names = decode(record.data, dict[str, msgspec.Raw], where)
            if isinstance(names, LeftOut):
                self.read_one()
                yield names
                continue
            around = names and names.keys() <= {"metadata", "total", "export"}
            told = None if around else self._keep(record, names, where)
            if told is not None:
                yield told

    def _keep(
        self, record: Record, names: dict[str, msgspec.Raw], where: str
    ) -> LeftOut | Remark | None:
        if "requester_id" in names:
            return self._keep_ticket(record.data, "description" in names, where)
        for name, reason in _OTHERS.items():
            if name in names:
                self.read_one()
                return LeftOut(reason, where, unreadable=False)
        if "activity" in names:
            return self._keep_activity(record.data, where)
        if "ticket_id" in names:
            return self._keep_conversation(record.data, where)
        if "email" in names and "name" in names:
            return self._keep_contact(record.data, where)
        self.read_one()
        return LeftOut(NO_RECORD, where, "neither a ticket nor a conversation, activity or contact")

    def _keep_ticket(self, data: bytes, described: bool, where: str) -> LeftOut | None:
        self.read_one("tickets")
        ticket = decode(data, Ticket, where)
        if isinstance(ticket, LeftOut):
            return ticket
        last = version(ticket.updated_at)
        if not (parent := self.plain(ticket.id)):
            return LeftOut(NO_ID, where)
        self.scratch.put("ticket", "", data, parent=parent, version=last, where=where)
        # A list of tickets tells neither their descriptions nor, unless asked, their stats.
        if described:
            self.scratch.put("described", "", data, parent=parent, version=last, where=where)
        if ticket.stats is not None:
            self.scratch.put("stats", "", data, parent=parent, version=last, where=where)
        return None

    def _keep_conversation(self, data: bytes, where: str) -> LeftOut | None:
        self.read_one("conversations")
        said = decode(data, Conversation, where)
        if isinstance(said, LeftOut):
            return said
        native, parent = self.plain(said.id), self.plain(said.ticket_id)
        if not native or not parent:
            return LeftOut(NO_ID, where)
        last = version(said.updated_at)
        self.scratch.put("said", native, data, parent=parent, version=last, where=where)
        return None

    def _keep_activity(self, data: bytes, where: str) -> LeftOut | None:
        self.read_one("activities")
        done = decode(data, Activity, where)
        if isinstance(done, LeftOut):
            return done
        at = performed(done)
        if at is None:
            return LeftOut(NO_TIME, where, "performed_at")
        same = msgspec.json.encode((at, done.performer_id, done.activity), order="deterministic")
        native = f"{at.isoformat()} {sha256(same).hexdigest()[:16]}"
        self.scratch.put("done", native, data, parent=self.plain(done.ticket_id), where=where)
        return None

    def _keep_contact(self, data: bytes, where: str) -> LeftOut | None:
        self.read_one("contacts")
        contact = decode(data, Contact, where)
        if isinstance(contact, LeftOut):
            return contact
        if not (native := self.plain(contact.id)):
            return LeftOut(NO_ID, where)
        self.scratch.put("contact", native, data, where=where)
        return None

    def lines(self) -> Iterator[Read]:
        """The customers, then each ticket's lines."""
        for stored in self.scratch.all("contact"):
            contact = decode(stored.data, Contact, stored.where)
            if not isinstance(contact, LeftOut):
                yield self.registered(
                    self.person(stored.id),
                    stored.id,
                    moment(contact.created_at),
                    name=contact.name,
                    contact=contact.email or contact.mobile or contact.phone,
                    where=stored.where,
                )
        for native in self.scratch.parents("ticket", "said", "done"):
            yield from _told(self, native)


def _told(reader: Reader, native: str) -> Iterator[Read]:
    """The lines of a ticket. It must be there, or in the store: it names the customer."""
    stored = reader.scratch.get("ticket", "", native)
    if stored is not None:
        ticket = decode(stored.data, Ticket, stored.where)
        if not isinstance(ticket, LeftOut):  # `take` has left it out already
            yield from TicketHistory(reader, native, ticket, stored.data, stored.where).lines()
        return
    course = reader.options.known.course(reader.id_of(native))
    if course is not None:
        yield from History(reader, native, course.customer_id).lines()
        return
    for kind in ("said", "done"):
        for each in reader.scratch.of(kind, native):
            yield LeftOut(NO_TICKET, each.where, native)


def events(data: bytes, options: Options) -> list[Read]:
    """The lines of a ticket, or of a page of them, as the REST API gives it."""
    return reading.events(Reader, data, options)
