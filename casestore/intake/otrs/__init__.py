"""OTRS's and Znuny's tickets, with their articles and history.

Formats: what the functions TicketGet and HistoryGet of Kernel::System::Ticket give, as JSON; and
the generic interface's answers, where tickets and articles are lists named Ticket and Article. The
name of a history's row is separated by %%, like %%open%%closed successful%% of a StateUpdate.

Times name no zone, so that `Options.timezone` must be given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

import msgspec

from casestore.errors import UnreadableInput
from casestore.intake import reading
from casestore.intake.cases import Case
from casestore.intake.helpdesk import MERGED
from casestore.intake.inputs import Input
from casestore.intake.json_records import records
from casestore.intake.options import Options
from casestore.intake.otrs.formats import Article, Row, State, Ticket
from casestore.intake.otrs.history import History, TicketReader
from casestore.intake.scratch import Scratch
from casestore.intake.values import NO_ID, NO_RECORD, NO_TICKET, decode, moment
from casestore.transfer.lines import LeftOut, Read, Remark

_LISTS = ("Ticket", "Tickets", "TicketHistory", "tickets")
_PARTS = {"Articles", "Article", "History"}
"""What of a ticket is kept by itself."""
_OVER = ("closed", "merged", "removed")
"""The types of states in which a ticket is over; and how the names of such states begin."""
_MERGED = (
    re.compile(r"%%[^%]*%%(\d+)%%[^%]*%%(\d+)"),
    re.compile(r"Merged Ticket \([^/)]*/(\d+)\) to \([^/)]*/(\d+)\)"),
)
"""A Merged's name, in versions since 3 and before: the ticket that was merged, and into which."""


class Reader(TicketReader):
    """Reads tickets of OTRS and Znuny.

    Raises:
        UnreadableInput: no zone is given.
    """

    name: ClassVar[str] = "otrs"

    def __init__(self, options: Options, scratch: Scratch) -> None:
        super().__init__(options, scratch)
        if options.timezone is None:
            raise UnreadableInput(
                "OTRS tells times without their zone: give that of its server, like "
                "--timezone Europe/Berlin"
            )
        self.zone = options.timezone
        self._over: set[str] | None = None

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep each ticket, article, row of a history and state."""
        for number, record in enumerate(records(given.stream, _LISTS), 1):
            where = f"{given.name}, record {number}"
            names = decode(record.data, dict[str, msgspec.Raw], where)
            if isinstance(names, LeftOut):
                self.read_one()
                yield names
            elif "HistoryID" in names:
                yield from self._keep_row(record.data, "0", where)
            elif "ArticleID" in names:
                yield from self._keep_article(record.data, "0", where)
            elif "TicketID" in names:
                yield from self._keep_ticket(record.data, names, where)
            elif "TypeName" in names:
                yield from self._keep_state(record.data, where)
            elif "Name" in names:
                self.read_one()
                reason = "the name of a priority, a queue or a user"
                yield LeftOut(reason, where, unreadable=False)
            else:
                self.read_one()
                yield LeftOut(NO_RECORD, where, "neither a ticket nor an article, row or state")

    def _keep_ticket(
        self, data: bytes, names: dict[str, msgspec.Raw], where: str
    ) -> Iterator[LeftOut]:
        self.read_one("tickets")
        ticket = decode(data, Ticket, where)
        if isinstance(ticket, LeftOut):
            yield ticket
            return
        if not (native := self.plain(ticket.ticket_id)):
            yield LeftOut(NO_ID, where)
            return
        for raw in (*ticket.articles, *ticket.article):
            yield from self._keep_article(bytes(raw), "1", where)
        for raw in ticket.history:
            yield from self._keep_row(bytes(raw), "1", where)
        if "Created" in names or "CreateTime" in names or "Title" in names:
            slim = {name: raw for name, raw in names.items() if name not in _PARTS}
            self.scratch.put(
                "ticket",
                native,
                msgspec.json.encode(slim, order="deterministic"),
                version=ticket.changed or "",
                where=where,
            )

    def _keep_article(self, data: bytes, rank: str, where: str) -> Iterator[LeftOut]:
        """Keep an article; one that its ticket tells is believed before one by itself."""
        self.read_one("articles")
        article = decode(data, Article, where)
        if isinstance(article, LeftOut):
            yield article
            return
        slim = msgspec.json.encode(article)  # without its attachments, which it holds in Base64
        native, parent = self.plain(article.article_id), self.plain(article.ticket_id)
        if not native or not parent:
            yield LeftOut(NO_ID, where)
            return
        self.scratch.put("article", native, slim, parent=parent, version=rank, where=where)

    def _keep_row(self, data: bytes, rank: str, where: str) -> Iterator[LeftOut]:
        self.read_one("history rows")
        row = decode(data, Row, where)
        if isinstance(row, LeftOut):
            yield row
            return
        native, parent = self.plain(row.history_id), self.plain(row.ticket_id)
        if not native or not parent:
            yield LeftOut(NO_ID, where)
            return
        self.scratch.put("row", native, data, parent=parent, version=rank, where=where)
        if row.history_type != "Merged":
            return
        found = (pattern.match(row.name or "") for pattern in _MERGED)
        merged = next((each for each in found if each), None)
        at = moment(row.create_time, self.zone)
        if merged is not None and at is not None:
            self.put_merge(
                merged[1],
                merged[2],
                at,
                by=row.create_by,
                where=where,
                told_by_loser=merged[1] == parent,
            )

    def _keep_state(self, data: bytes, where: str) -> Iterator[LeftOut]:
        self.read_one("states")
        state = decode(data, State, where)
        if isinstance(state, LeftOut):
            yield state
            return
        self.scratch.put("state", state.name, data, where=where)

    def over(self, state: str) -> bool:
        """Whether a ticket is over in a state: by `--states`, the list of states, or its name."""
        if self._over is None:
            found = (decode(each.data, State, "") for each in self.scratch.all("state"))
            states = [each for each in found if not isinstance(each, LeftOut)]
            self._known = {each.name.casefold() for each in states}
            self._over = {each.name.casefold() for each in states if each.type_name in _OVER}
        name = state.strip().casefold()
        is_over = name in self._over or (name not in self._known and name.startswith(_OVER))
        return self.closes(state, (state,) if is_over else ())

    def lines(self) -> Iterator[Read]:
        """Each ticket's lines."""
        self.resolve_merges(self._opened_at)
        for native in self.scratch.parents("article", "row", MERGED):
            if self.scratch.get("ticket", native) is None:
                yield from self._alone(native)
        for stored in self.scratch.all("ticket"):
            ticket = decode(stored.data, Ticket, stored.where)
            if not isinstance(ticket, LeftOut):
                yield from History(self, stored.id, ticket, stored.data, stored.where).lines()

    def _opened_at(self, case: str) -> datetime | None:
        native = case.removeprefix(self.id_of("0").removesuffix("0"))
        stored = self.scratch.get("ticket", native)
        if stored is None:
            return None
        ticket = decode(stored.data, Ticket, stored.where)
        if isinstance(ticket, LeftOut):
            return None
        return moment(ticket.created or ticket.create_time, self.zone)

    def _alone(self, native: str) -> Iterator[Read]:
        """Leave out what is told of a ticket that is not there, but that it was merged."""
        case = Case(self, native)
        for merge in self.merges_of(case.id):
            case.merge(merge)
        yield from case.told()
        for kind in ("article", "row"):
            for stored in self.scratch.of(kind, native):
                yield LeftOut(NO_TICKET, stored.where, native)


def events(data: bytes, options: Options) -> list[Read]:
    """The lines of a ticket with its articles and history."""
    return reading.events(Reader, data, options)
