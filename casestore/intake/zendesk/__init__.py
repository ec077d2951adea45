"""Zendesk: audits, ticket_events, tickets, users and groups as its API gives them.

Files are its answers: pages of a list, incremental exports, the answer to a creation
(`{ticket, audit}`), or NDJSON of records. Pages may overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

import msgspec

from casestore.errors import UnreadableInput
from casestore.intake import reading
from casestore.intake.helpdesk import MERGED, NO_TIME, HelpdeskReader
from casestore.intake.inputs import Input
from casestore.intake.json_records import records
from casestore.intake.options import Options
from casestore.intake.scratch import Scratch
from casestore.intake.values import NO_RECORD, Native, decode, in_turn, moment, version
from casestore.intake.zendesk.formats import Audit, Ticket, User, as_audit, merged
from casestore.intake.zendesk.history import Dated, History, first
from casestore.system.decoders import decoder
from casestore.transfer.lines import LeftOut, Read, Remark

_LISTS = {
    "audits": "audit",
    "ticket_events": "ticket_event",
    "tickets": "ticket",
    "users": "user",
    "groups": "group",
}
_ALONE = {
    "comments": "comments alone do not say whose ticket they are in; export the audits",
    "attachment": "an attachment alone is no record of a ticket; export the audits",
    "attachments": "attachments alone are no records of a ticket; export the audits",
}
_OF_PAGES = {
    *("count", "next_page", "previous_page", "meta", "links"),
    *("after_url", "after_cursor", "before_url", "before_cursor", "end_of_stream", "end_time"),
}
"""What a page tells of itself."""
_NOTHING = (
    "none of Zendesk's audits, ticket_events, tickets, users and groups is in it; export them with "
    "the API"
)
_ACCOUNT = re.compile(r"https?://([^/\s]{1,200})/api/")
_ACCOUNTS = "tickets of several accounts: give each account its own --instance"


class Reader(HelpdeskReader):
    """Reads Zendesk's exports."""

    name: ClassVar[str] = "zendesk"
    things: ClassVar[str] = "audits"

    def __init__(self, options: Options, scratch: Scratch) -> None:
        super().__init__(options, scratch)
        self._accounts: dict[str, str] = {}
        """The hosts that tickets name, each with where it was read first."""

    def person(self, native: Native) -> str:
        """No two instances of Zendesk share an id, but for those of tickets."""
        return self.id_everywhere(native)

    # --- taking -----------------------------------------------------------------------------

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep each record by its ticket."""
        known = 0
        strange: list[str] = []
        for number, record in enumerate(records(given.stream, _LISTS), 1):
            where = f"{given.name}, record {number}"
            if record.name:
                known += 1
                yield from self._take(_LISTS[record.name], record.data, where)
                continue
            found = decode(record.data, dict[str, msgspec.Raw], where)
            if isinstance(found, LeftOut):
                yield found
                continue
            kinds = _kinds(found, record.data)
            known += len(kinds)
            for kind, data in kinds:
                yield from self._take(kind, data, where)
            if not kinds:
                strange += found or [""]
        if not known and not _OF_PAGES.issuperset(strange):
            alone = (why for name, why in _ALONE.items() if name in strange)
            raise UnreadableInput(next(alone, _NOTHING))

    def _take(self, kind: str, data: bytes, where: str) -> Iterator[LeftOut]:
        if kind == "ticket_event":
            self.read_one("ticket events")
            try:
                data = as_audit(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield LeftOut(NO_RECORD, where, str(error)[:200])
                return
            yield from self._take_audit(data, where)
        elif kind == "audit":
            self.read_one()
            yield from self._take_audit(data, where)
        elif kind == "ticket":
            self.read_one("tickets")
            yield from self._take_ticket(data, where)
        elif kind == "user":
            self.read_one("users")
            yield from self._take_user(data, where)
        else:
            self.read_one("groups")

    def _take_audit(self, data: bytes, where: str) -> Iterator[LeftOut]:
        audit = decode(data, Audit, where)
        if isinstance(audit, LeftOut):
            yield audit
            return
        at = moment(audit.created_at)
        if at is None:
            yield LeftOut(NO_TIME, where, "audit")
            return
        self.scratch.put("audit", str(audit.id), data, parent=str(audit.ticket_id), where=where)
        ends = merged(audit)
        if ends is None:
            return
        into, came = ends
        for winner in into:
            self.put_merge(audit.ticket_id, winner, at, by=audit.author_id, where=where)
        for loser in came:
            self.put_merge(
                loser, audit.ticket_id, at, by=audit.author_id, where=where, told_by_loser=False
            )
        if not into and not came:
            yield LeftOut("a merge that names no other ticket", where)

    def _take_ticket(self, data: bytes, where: str) -> Iterator[LeftOut]:
        ticket = decode(data, Ticket, where)
        if isinstance(ticket, LeftOut):
            yield ticket
            return
        if isinstance(ticket.url, str) and (account := _ACCOUNT.match(ticket.url)):
            self._accounts.setdefault(account[1], where)
        last, parent = version(ticket.updated_at), str(ticket.id)
        self.scratch.put("ticket", "", data, parent=parent, version=last, where=where)

    def _take_user(self, data: bytes, where: str) -> Iterator[LeftOut]:
        user = decode(data, User, where)
        if isinstance(user, LeftOut):
            yield user
            return
        last = version(user.updated_at)
        self.scratch.put("user", str(user.id), data, version=last, where=where)

    # --- lines ------------------------------------------------------------------------------

    def lines(self) -> Iterator[Read]:
        """The customers, then each ticket's audits in their order."""
        if len(self._accounts) > 1:
            for account, where in sorted(self._accounts.items()):
                yield Remark(_ACCOUNTS, f"{account}: {where}")
        self.resolve_merges(self._opened_at)
        for stored in self.scratch.all("user"):
            user = decoder(User)(stored.data)
            if user.role == "end-user" and (customer := self.person(user.id)):
                yield self.registered(
                    customer,
                    user.id,
                    moment(user.created_at),
                    name=user.name,
                    contact=user.email or user.phone,
                    where=stored.where,
                )
        for native in self.scratch.parents("audit", "ticket", MERGED):
            history = History(self, native, self._ticket(native), self._is_end_user)
            yield from history.lines(self._audits(native))

    def _audits(self, native: str) -> list[Dated]:
        found = []
        for stored in self.scratch.of("audit", native):
            audit = decoder(Audit)(stored.data)
            if (at := moment(audit.created_at)) is not None:
                found.append(Dated(at, audit, stored.where))
        return sorted(found, key=lambda told: (told.at, in_turn(told.audit.id)))

    def _ticket(self, native: str) -> tuple[Ticket, str] | None:
        stored = self.scratch.get("ticket", "", native)
        return stored and (decoder(Ticket)(stored.data), stored.where)

    def _is_end_user(self, native: Native) -> bool:
        stored = self.scratch.get("user", str(native))
        return stored is not None and decoder(User)(stored.data).role == "end-user"

    def _opened_at(self, case: str) -> datetime | None:
        native = case.rpartition("-")[2]
        audits = self._audits(native)
        if first(audits):
            return audits[0].at
        ticket = self._ticket(native)
        return moment(ticket[0].created_at) if ticket else None


def _kinds(found: dict[str, msgspec.Raw], data: bytes) -> list[tuple[str, bytes]]:
    """The records in an object: those under names of their own, or the object itself."""
    inner: list[tuple[str, bytes]] = [
        (name, bytes(found[name]))
        for name in ("ticket", "audit", "user", "group")
        if name in found and bytes(found[name]).startswith(b"{")
    ]
    if inner:
        return inner
    names = found.keys()
    if names >= {"ticket_id", "events"}:
        return [("audit", data)]
    if names >= {"ticket_id", "child_events"}:
        return [("ticket_event", data)]
    if names >= {"id", "requester_id", "status"}:
        return [("ticket", data)]
    if names >= {"id", "role"}:
        return [("user", data)]
    return []


def events(data: bytes, options: Options) -> list[Read]:
    """The lines of one of Zendesk's answers, as a service receives it."""
    return reading.events(Reader, data, options)
