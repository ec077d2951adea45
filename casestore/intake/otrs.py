"""OTRS's and Znuny's tickets, with their articles and history.

Formats: what `TicketGet` and `HistoryGet` of Kernel::System::Ticket give, as JSON; the generic
interface's `TicketGet` (`Ticket`, `Article`) and `TicketHistoryGet`. The name of a history's row is
separated by `%%`, like `%%open%%closed successful%%` of a StateUpdate.

Times name no zone, so that `Options.timezone` must be given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any, ClassVar, NamedTuple

import msgspec

from casestore.errors import UnreadableInput
from casestore.intake import reading
from casestore.intake.cases import Case
from casestore.intake.fields import chosen
from casestore.intake.helpdesk import NO_TIME, Actor, HelpdeskReader
from casestore.intake.inputs import Input
from casestore.intake.json_records import records
from casestore.intake.options import Options
from casestore.intake.scratch import Scratch
from casestore.intake.values import NO_RECORD, Native, decode, moment
from casestore.transfer.lines import LeftOut, Read, Remark

_LISTS = ("Ticket", "Tickets", "TicketHistory", "tickets")
_OVER = ("closed", "merged", "removed")
"""The types of states in which a ticket is over; and how the names of such states begin."""
_NOBODY = "1"
"""The user that works by itself, and owns what nobody owns: root@localhost."""
_CHANNELS = {
    "email": "email", "phone": "phone", "sms": "sms", "fax": "other", "webrequest": "web",
    "chat": "chat",
}  # fmt: skip
"""By how an article's type begins."""
_SENT = ("email-external", "phone", "sms", "fax", "chat-external")
"""The types of an agent's articles that reach the customer."""
_COMMUNICATION = {"1": "email", "2": "phone", "3": "note", "4": "chat"}
"""How types begin of articles of OTRS 6 and later, by CommunicationChannelID."""
_NO_FACT = re.compile(
    "SendAgentNotification|SendCustomerNotification|Escalation.*|LoopProtection|TimeAccounting"
    "|Subscribe|Unsubscribe|Misc|EventNotification"
)
_MERGED = (
    re.compile(r"%%[^%]*%%(\d+)%%[^%]*%%(\d+)"),
    re.compile(r"Merged Ticket \([^/)]*/(\d+)\) to \([^/)]*/(\d+)\)"),
)
"""A Merged's name, in versions since 3 and before: the ticket that was merged, and into which."""
_CUSTOMER = re.compile(r"CustomerID=([^;]*);")


class _Ticket(msgspec.Struct, rename="pascal"):
    ticket_id: Native = msgspec.field(name="TicketID")
    title: str | None = None
    state: str | None = None
    created: str | None = None
    create_time: str | None = None
    changed: str | None = None
    closed: str | None = None
    customer_id: str | None = msgspec.field(name="CustomerID", default=None)
    customer_user_id: str | None = msgspec.field(name="CustomerUserID", default=None)
    articles: list[msgspec.Raw] = []
    article: list[msgspec.Raw] = []
    history: list[msgspec.Raw] = []


class _Article(msgspec.Struct, rename="pascal"):
    article_id: Native = msgspec.field(name="ArticleID")
    ticket_id: Native = msgspec.field(name="TicketID")
    sender_type: str = ""
    article_type: str | None = None
    communication_channel_id: Native | None = msgspec.field(
        name="CommunicationChannelID", default=None
    )
    is_visible_for_customer: Native | None = None
    subject: str | None = None
    body: str | None = None
    to: str | None = None
    created: str | None = None
    create_time: str | None = None
    created_by: Native | None = None
    create_by: Native | None = None

    @property
    def by(self) -> Native | None:
        return self.created_by or self.create_by

    @property
    def type(self) -> str:
        """Its type, as versions before 6 name them."""
        if self.article_type is not None:
            return self.article_type.casefold()
        begin = _COMMUNICATION.get(str(self.communication_channel_id), "note")
        kept = "external" if str(self.is_visible_for_customer) == "1" else "internal"
        return begin if begin == "phone" and kept == "external" else f"{begin}-{kept}"


class _Row(msgspec.Struct, rename="pascal"):
    """A row of a history."""

    history_id: Native = msgspec.field(name="HistoryID")
    ticket_id: Native = msgspec.field(name="TicketID")
    history_type: str
    name: str | None = None
    article_id: Native | None = msgspec.field(name="ArticleID", default=None)
    create_by: Native | None = None
    create_time: str | None = None

    @property
    def parts(self) -> list[str]:
        """What its name is made of; "NULL" is nothing."""
        parts = (self.name or "").removeprefix("%%").split("%%")
        return ["" if part == "NULL" else part for part in parts]

    def part(self, place: int) -> str:
        """One of them; "" if it has fewer."""
        return parts[place] if place < len(parts := self.parts) else ""


class _State(msgspec.Struct, rename="pascal"):
    name: str
    type_name: str


class Reader(HelpdeskReader):
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
        self.zone: tzinfo = options.timezone
        self._over: set[str] | None = None

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep each ticket, article, row of a history and state."""
        for number, record in enumerate(records(given.stream, _LISTS), 1):
            self.read_one()
            where = f"{given.name}, record {number}"
            names = decode(record.data, dict[str, msgspec.Raw], where)
            if isinstance(names, LeftOut):
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
                reason = "names of priorities, queues and users"
                yield LeftOut(reason, where, unreadable=False)
            else:
                yield LeftOut(NO_RECORD, where, "neither a ticket nor an article, row or state")

    def _keep_ticket(
        self, data: bytes, names: dict[str, msgspec.Raw], where: str
    ) -> Iterator[LeftOut]:
        ticket = decode(data, _Ticket, where)
        if isinstance(ticket, LeftOut):
            yield ticket
            return
        for raw in (*ticket.articles, *ticket.article):
            yield from self._keep_article(bytes(raw), "1", where)
        for raw in ticket.history:
            yield from self._keep_row(bytes(raw), "1", where)
        if "Created" in names or "CreateTime" in names or "Title" in names:
            slim = {name: raw for name, raw in names.items() if name not in _PARTS}
            self.scratch.put(
                "ticket",
                str(ticket.ticket_id),
                msgspec.json.encode(slim, order="deterministic"),
                version=ticket.changed or "",
                where=where,
            )

    def _keep_article(self, data: bytes, rank: str, where: str) -> Iterator[LeftOut]:
        """Keep an article; one that its ticket tells is believed before one by itself."""
        article = decode(data, _Article, where)
        if isinstance(article, LeftOut):
            yield article
            return
        slim = msgspec.json.encode(article)  # without its attachments, which it holds in Base64
        parent, native = str(article.ticket_id), str(article.article_id)
        self.scratch.put("article", native, slim, parent=parent, version=rank, where=where)

    def _keep_row(self, data: bytes, rank: str, where: str) -> Iterator[LeftOut]:
        row = decode(data, _Row, where)
        if isinstance(row, LeftOut):
            yield row
            return
        parent, native = str(row.ticket_id), str(row.history_id)
        slim = msgspec.json.encode(row)
        self.scratch.put("row", native, slim, parent=parent, version=rank, where=where)
        found = (pattern.match(row.name or "") for pattern in _MERGED)
        merged = next((each for each in found if each), None)
        at = moment(row.create_time, self.zone)
        if row.history_type == "Merged" and merged is not None and at is not None:
            self.put_merge(
                merged[1],
                merged[2],
                at,
                by=row.create_by,
                where=where,
                told_by_loser=merged[1] == parent,
            )

    def _keep_state(self, data: bytes, where: str) -> Iterator[LeftOut]:
        state = decode(data, _State, where)
        if isinstance(state, LeftOut):
            yield state
            return
        self.scratch.put("state", state.name, data, where=where)

    def over(self, state: str) -> bool:
        """Whether a ticket is over in a state: by `--states`, the list of states, or its name."""
        if self.options.states.get("closed"):
            return self.closes(state, ())
        if self._over is None:
            found = (decode(each.data, _State, "") for each in self.scratch.all("state"))
            states = [each for each in found if not isinstance(each, LeftOut)]
            self._known = {each.name.casefold() for each in states}
            self._over = {each.name.casefold() for each in states if each.type_name in _OVER}
        name = state.strip().casefold()
        return name in self._over or (name not in self._known and name.startswith(_OVER))

    def lines(self) -> Iterator[Read]:
        """Each ticket's lines."""
        self.resolve_merges(self._opened_at)
        for native in self.scratch.parents("article", "row"):
            if self.scratch.get("ticket", native) is None:
                yield from self._alone(native)
        for stored in self.scratch.all("ticket"):
            ticket = decode(stored.data, _Ticket, stored.where)
            if not isinstance(ticket, LeftOut):
                yield from _Told(self, ticket, stored.data, stored.where).told()

    def _opened_at(self, case: str) -> datetime | None:
        native = case.removeprefix(self.id_of("0").removesuffix("0"))
        stored = self.scratch.get("ticket", native)
        if stored is None:
            return None
        ticket = decode(stored.data, _Ticket, stored.where)
        if isinstance(ticket, LeftOut):
            return None
        return moment(ticket.created or ticket.create_time, self.zone)

    def _alone(self, native: str) -> Iterator[LeftOut]:
        for kind, what in (("article", "an article"), ("row", "a row of a history")):
            for stored in self.scratch.of(kind, native):
                yield LeftOut(f"{what} whose ticket is not in the files", stored.where, native)


_PARTS = {"Articles", "Article", "History"}


class _Step(NamedTuple):
    at: datetime
    rank: int
    number: int
    of: _Article | _Row
    where: str


class _Told:
    """A ticket's history."""

    def __init__(self, reader: Reader, ticket: _Ticket, data: bytes, where: str) -> None:
        self._reader = reader
        self._ticket = ticket
        self._data = data
        self._where = where
        self._native = str(ticket.ticket_id)
        self._case = Case(reader, self._native)
        self._steps = self._ordered()
        self._rows = [step for step in self._steps if isinstance(step.of, _Row)]
        self._articles = {
            str(step.of.article_id) for step in self._steps if isinstance(step.of, _Article)
        }
        updates = (step.of for step in self._rows if isinstance(step.of, _Row))
        self._first_customer = next(
            (row for row in updates if row.history_type == "CustomerUpdate"), None
        )
        self._customer = reader.customer(self._owner())

    def _owner(self) -> str:
        """The customer at first: the ticket tells the one of now."""
        found = _CUSTOMER.search((self._first_customer and self._first_customer.name) or "")
        first = found[1] if found else ""
        ticket = self._ticket
        return (
            first or ticket.customer_id or ticket.customer_user_id or f"customer of {self._native}"
        )

    def _ordered(self) -> list[_Step]:
        """Articles and rows by time; at one time, the opening, articles, and other rows."""
        steps: list[_Step] = []
        for stored in self._reader.scratch.of("article", self._native):
            article = decode(stored.data, _Article, stored.where)
            if not isinstance(article, LeftOut):
                told = article.created or article.create_time
                self._add(steps, told, 1, article.article_id, article, stored.where)
        for stored in self._reader.scratch.of("row", self._native):
            row = decode(stored.data, _Row, stored.where)
            if not isinstance(row, LeftOut):
                rank = 0 if row.history_type == "NewTicket" else 2
                self._add(steps, row.create_time, rank, row.history_id, row, stored.where)
        return sorted(steps, key=lambda step: step[:3])

    def _add(
        self,
        steps: list[_Step],
        told: str | None,
        rank: int,
        native: Native,
        of: _Article | _Row,
        where: str,
    ) -> None:
        at = moment(told, self._reader.zone)
        if at is None:
            self._case.tell(LeftOut(NO_TIME, where, str(native)))
            return
        number = int(native) if str(native).isdecimal() else 0
        steps.append(_Step(at, rank, number, of, where))

    def told(self) -> Iterator[Read]:
        """The lines."""
        ticket, case = self._ticket, self._case
        first = next((s for s in self._rows if s.rank == 0), None)
        at = first.at if first else moment(ticket.created or ticket.create_time, self._reader.zone)
        opening = next((s.of for s in self._steps if isinstance(s.of, _Article)), None)
        is_ours = opening is not None and opening.sender_type.casefold() == "agent"
        fields = decode(self._data, dict[str, msgspec.Raw], self._where)
        more: dict[str, Any] = (
            {} if isinstance(fields, LeftOut) else {**chosen(self._reader, fields)}
        )
        case.open(
            at,
            self._by(opening.by) if opening is not None and is_ours else self._customer,
            where=self._where,
            keep_first=True,
            customer_id=self._customer["id"],
            channel="other" if opening is None else _channel(opening.type),
            subject=ticket.title,
            **more,
        )
        for step in self._steps:
            if isinstance(step.of, _Article):
                self._article(step, step.of)
            else:
                self._row(step, step.of)
        self._end()
        for merge in self._reader.merges_of(case.id):
            case.merge(merge)
        yield from case.told()

    # --- articles ---------------------------------------------------------------------------

    def _article(self, step: _Step, article: _Article) -> None:
        case, kind, sender = self._case, article.type, article.sender_type.casefold()
        native, where = str(article.article_id), f"{step.where}, article {article.article_id}"
        text = article.body or None
        if "notification" in kind:
            case.tell(LeftOut("notifications", where, unreadable=False))
        elif sender == "customer" and not kind.endswith("internal"):
            case.message(
                step.at, self._customer, native, where=where, channel=_channel(kind), text=text
            )
        elif (sender == "agent" and kind in _SENT) or (
            sender == "system" and kind == "email-external"
        ):
            machine = sender == "system"
            case.reply(
                step.at,
                self._reader.system if machine else self._by(article.by),
                native,
                where=where,
                channel=_channel(kind),
                text=text,
                to=article.to or None,
                automated=machine,
            )
        else:
            actor = self._customer if sender == "customer" else self._by(article.by)
            case.note(step.at, actor, text or article.subject or "", native, where=where)

    def _by(self, native: Native | None) -> Actor:
        return self._reader.agent(None if str(native) == _NOBODY else native)

    # --- history ----------------------------------------------------------------------------

    def _row(self, step: _Step, row: _Row) -> None:
        case, where = self._case, f"{step.where}, history {row.history_id}"
        native, by = f"history-{row.history_id}", self._by(row.create_by)
        kind = row.history_type
        if kind == "NewTicket":
            if self._reader.over(row.part(3)):
                case.close(step.at, by, native, where=where)
        elif kind == "StateUpdate":
            self._state(step.at, by, row, native, where)
        elif kind == "Move" and row.part(0):
            team = self._reader.id_of(row.part(0))
            case.assign(step.at, by, native, where=where, team=team)
        elif kind == "OwnerUpdate" and row.part(0) and row.part(1) != _NOBODY:
            agent = self._reader.id_of(row.part(1) or row.part(0))
            case.assign(step.at, by, native, where=where, agent=agent)
        elif kind == "Merged":
            pass  # `_keep_row` has put it among the merges
        elif row is self._first_customer:
            pass  # it is told by the opening
        elif str(row.article_id or 0) != "0":
            self._of_article(row, where)
        elif _NO_FACT.fullmatch(kind) or not any(row.parts):
            case.tell(LeftOut("notifications and rows that say nothing", where, kind, False))
        else:
            self._changed(step.at, by, row, native, where)

    def _of_article(self, row: _Row, where: str) -> None:
        is_read = str(row.article_id) in self._articles
        reason = "rows that an article tells" if is_read else "a row whose article is not there"
        self._case.tell(LeftOut(reason, where, row.history_type, unreadable=not is_read))

    def _state(self, at: datetime, by: Actor, row: _Row, native: str, where: str) -> None:
        case, before, after = self._case, row.part(0), row.part(1)
        closes = self._reader.over(after)
        if closes == case.closed:
            case.changed(at, by, "state", before, after, native, where=where)
        elif closes:
            reason = "duplicate" if after.casefold().startswith("merged") else "resolved"
            case.close(at, by, native, where=where, reason=reason)
        else:
            case.reopen(at, by, native, where=where)

    def _changed(self, at: datetime, by: Actor, row: _Row, native: str, where: str) -> None:
        if self._reader.options.changes == "note":
            said = ", ".join(part for part in row.parts if part)
            self._case.note(at, by, f"{row.history_type}: {said}", native, where=where)
        else:
            out = LeftOut("a change that has no event", where, row.history_type, unreadable=False)
            self._case.tell(out)

    def _end(self) -> None:
        """Close what is closed now, though no row tells of it."""
        ticket, case, zone = self._ticket, self._case, self._reader.zone
        if not case.was_closed and self._reader.over(ticket.state or ""):
            at = moment(ticket.closed, zone) or moment(ticket.changed, zone)
            by, native = self._reader.system, self._native
            case.close(at, by, native, where=self._where, end_state=True)


def _channel(kind: str) -> str:
    return next((name for begin, name in _CHANNELS.items() if kind.startswith(begin)), "other")


def events(data: bytes, options: Options) -> list[Read]:
    """The lines of a ticket with its articles and history."""
    return reading.events(Reader, data, options)
