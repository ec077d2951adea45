"""Zammad: tickets, articles, histories and users as its API gives them."""

from __future__ import annotations

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
from casestore.intake.values import NO_RECORD, Native, decode, moment, version
from casestore.intake.zammad.formats import Article, Entry, State, Ticket, User, kind_of
from casestore.intake.zammad.history import Dated, History
from casestore.system.decoders import decoder
from casestore.transfer.lines import LeftOut, Read, Remark

_THINGS = {
    "entry": "history rows",
    "ticket": "tickets",
    "article": "articles",
    "user": "users",
    "state": "states",
    "group": "records",
    "priority": "records",
}
_NOTHING = (
    "none of Zammad's tickets, articles, histories and users is in it; export them with the API, "
    "with expand=true and without full=true"
)


class Reader(HelpdeskReader):
    """Reads Zammad's answers."""

    name: ClassVar[str] = "zammad"
    things: ClassVar[str] = "articles"

    # --- taking -----------------------------------------------------------------------------

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep each record by its ticket."""
        known = strange = 0
        for number, record in enumerate(records(given.stream, ("history",)), 1):
            where = f"{given.name}, record {number}"
            found = decode(record.data, dict[str, msgspec.Raw], where)
            if isinstance(found, LeftOut):
                yield found
                continue
            kind = "entry" if record.name else kind_of(found.keys())
            if kind is not None:
                known += 1
                self.read_one(_THINGS[kind])
                yield from self._take(kind, record.data, where)
            elif found.keys() != {"assets"}:
                strange += 1
                yield LeftOut(NO_RECORD, where, "neither a ticket nor an article, history or user")
        if strange and not known:
            raise UnreadableInput(_NOTHING)

    def _take(self, kind: str, data: bytes, where: str) -> Iterator[LeftOut]:
        if kind == "entry":
            yield from self._take_entry(data, where)
        if kind not in _KEPT:
            return
        found = decode(data, _KEPT[kind], where)
        if isinstance(found, LeftOut):
            yield found
            return
        if isinstance(found, Article):
            if moment(found.created_at) is None:
                yield LeftOut(NO_TIME, where, "article")
                return
            self._place(found.id, found.ticket_id, where)
        parent, own = ("", str(found.id))
        if isinstance(found, Ticket):
            parent, own = own, ""
        last = version(getattr(found, "updated_at", None))
        self.scratch.put(kind, own, data, parent=parent, version=last, where=where)

    def _place(self, article: Native, ticket: Native, where: str) -> None:
        """Remember that an article was seen in a ticket; a merge moves it to another one."""
        self.scratch.put("place", str(article), b"", parent=str(ticket), where=where)

    def _take_entry(self, data: bytes, where: str) -> Iterator[LeftOut]:
        entry = decode(data, Entry, where)
        if isinstance(entry, LeftOut):
            yield entry
            return
        at, ticket = moment(entry.created_at), entry.ticket()
        if at is None or ticket is None:
            yield LeftOut(
                NO_TIME if at is None else "a change that names no ticket", where, "history"
            )
            return
        self.scratch.put("entry", str(entry.id), data, parent=str(ticket), where=where)
        if (entry.object, entry.type) == ("Ticket::Article", "created"):
            self._place(entry.o_id, ticket, where)
            self.scratch.put("origin", str(entry.o_id), str(ticket).encode(), where=where)
        if entry.type not in ("merged_into", "received_merge"):
            return
        if entry.id_from is None or entry.id_to is None:
            yield LeftOut("a merge that names no other ticket", where)
            return
        self.put_merge(
            entry.id_from,
            entry.id_to,
            at,
            by=None if str(entry.created_by_id) == "1" else entry.created_by_id,
            where=where,
            told_by_loser=entry.type == "merged_into",
        )

    # --- lines ------------------------------------------------------------------------------

    def lines(self) -> Iterator[Read]:
        """The customers, then each ticket's articles and history."""
        self.resolve_merges(self._opened_at)
        for stored in self.scratch.all("user"):
            user = decoder(User)(stored.data)
            if user.is_customer() and (customer := self.person(user.id)):
                yield self.registered(
                    customer,
                    user.id,
                    moment(user.created_at),
                    name=" ".join(filter(None, (user.firstname, user.lastname))),
                    contact=user.email or user.mobile or user.phone,
                    where=stored.where,
                )
        for native in self.scratch.parents("place", "entry", "ticket", MERGED):
            ticket = self._ticket(native)
            history = History(self, native, ticket, self._is_customer)
            state = self._state(ticket[0]) if ticket else None
            yield from history.lines(list(self._told(native)), state)

    def _told(self, native: str) -> Iterator[Dated]:
        """A ticket's articles, as far as they were written in it, and its history."""
        for placed in self.scratch.of("place", native):
            stored = self.scratch.get("article", placed.id)
            if stored is None:
                continue
            article = decoder(Article)(stored.data)
            origin = self.scratch.get("origin", placed.id)
            place = str(article.ticket_id) if origin is None else origin.data.decode()
            if place == native:
                yield from _timed(article, stored.where)
        for stored in self.scratch.of("entry", native):
            yield from _timed(decoder(Entry)(stored.data), stored.where)

    def _ticket(self, native: str) -> tuple[Ticket, str] | None:
        stored = self.scratch.get("ticket", "", native)
        return stored and (decoder(Ticket)(stored.data), stored.where)

    def _state(self, ticket: Ticket) -> str | None:
        if ticket.state is not None:
            return ticket.state
        stored = self.scratch.get("state", str(ticket.state_id))
        return stored and decoder(State)(stored.data).name

    def _is_customer(self, native: Native) -> bool:
        stored = self.scratch.get("user", str(native))
        return stored is not None and decoder(User)(stored.data).is_customer()

    def _opened_at(self, case: str) -> datetime | None:
        ticket = self._ticket(case.rpartition("-")[2])
        return moment(ticket[0].created_at) if ticket else None


_KEPT: dict[str, type[Article] | type[Ticket] | type[User] | type[State]] = {
    "article": Article,
    "ticket": Ticket,
    "user": User,
    "state": State,
}


def _timed(what: Article | Entry, where: str) -> Iterator[Dated]:
    at = moment(what.created_at)
    if at is not None:  # `take` has left out those without a time
        yield Dated(at, what, where)


def events(data: bytes, options: Options) -> list[Read]:
    """The lines of one of Zammad's answers, as a service receives it."""
    return reading.events(Reader, data, options)
