"""Zendesk: audits, ticket_events, tickets, users and groups as its API gives them.

Files are its answers: pages of a list, incremental exports, the answer to a creation
(`{ticket, audit}`), or NDJSON of records. Pages may overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from casestore.errors import UnreadableInput
from casestore.intake import reading
from casestore.intake.helpdesk import MERGED, NO_TIME, HelpdeskReader
from casestore.intake.inputs import Input
from casestore.intake.json_records import records
from casestore.intake.options import Options
from casestore.intake.values import Native, decode, moment
from casestore.intake.zendesk.formats import Audit, Ticket, User, as_audit, merged
from casestore.intake.zendesk.told import History, Told, first
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


class Reader(HelpdeskReader):
    """Reads Zendesk's exports."""

    name: ClassVar[str] = "zendesk"
    things: ClassVar[str] = "audits"

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
            self.read_one("ticket_events")
            try:
                data = as_audit(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield LeftOut("a record of another shape", where, str(error)[:200])
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
        version = _version(ticket.updated_at)
        self.scratch.put("ticket", "", data, parent=str(ticket.id), version=version, where=where)

    def _take_user(self, data: bytes, where: str) -> Iterator[LeftOut]:
        user = decode(data, User, where)
        if isinstance(user, LeftOut):
            yield user
            return
        version = _version(user.updated_at)
        self.scratch.put("user", str(user.id), data, version=version, where=where)

    # --- lines ------------------------------------------------------------------------------

    def lines(self) -> Iterator[Read]:
        """The customers, then each ticket's audits in their order."""
        self.resolve_merges(self._opened_at)
        for stored in self.scratch.all("user"):
            user = msgspec.json.decode(stored.data, type=User)
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

    def _audits(self, native: str) -> list[Told]:
        found = []
        for stored in self.scratch.of("audit", native):
            audit = msgspec.json.decode(stored.data, type=Audit)
            if (at := moment(audit.created_at)) is not None:
                found.append(Told(at, audit, stored.where))
        return sorted(found, key=lambda told: (told.at, _number(told.audit.id)))

    def _ticket(self, native: str) -> tuple[Ticket, str] | None:
        stored = self.scratch.get("ticket", "", native)
        return stored and (msgspec.json.decode(stored.data, type=Ticket), stored.where)

    def _is_end_user(self, native: Native) -> bool:
        stored = self.scratch.get("user", str(native))
        return stored is not None and msgspec.json.decode(stored.data, type=User).role == "end-user"

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


def _version(updated_at: Any) -> str:
    at = moment(updated_at)
    return "" if at is None else at.isoformat(timespec="microseconds")


def _number(native: Native) -> tuple[int, str]:
    """By number, where it is one."""
    text = str(native)
    return (int(text), "") if text.isdecimal() and len(text) < 30 else (0, text)


def events(data: bytes, options: Options = Options()) -> list[Read]:  # noqa: B008  (it is frozen)
    """The lines of one of Zendesk's answers, as a service receives it."""
    return reading.events(Reader, data, options)
