"""What happened in a ticket of OTRS's, as lines."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

import msgspec

from casestore.intake.cases import Case
from casestore.intake.fields import chosen
from casestore.intake.helpdesk import NO_TIME, Actor, HelpdeskReader
from casestore.intake.otrs.formats import Article, Row, Ticket
from casestore.intake.scratch import Stored
from casestore.intake.values import NO_EVENT, NOTIFICATION, Native, decode, in_turn, moment
from casestore.transfer.lines import LeftOut, Read

_NOBODY = "1"
"""The user that works by itself, and owns what nobody owns: root@localhost."""
_CHANNELS = {
    "email": "email", "phone": "phone", "sms": "sms", "fax": "other", "webrequest": "web",
    "chat": "chat",
}  # fmt: skip
"""By how an article's type begins."""
_SENT = ("email-external", "phone", "sms", "fax", "chat-external")
"""The types of an agent's articles that reach the customer."""
_NO_FACT = re.compile(
    "SendAgentNotification|SendCustomerNotification|Escalation.*|LoopProtection|TimeAccounting"
    "|Subscribe|Unsubscribe|Misc|EventNotification"
)
_CUSTOMER = re.compile(r"CustomerID=([^;]*);")


class TicketReader(HelpdeskReader):
    """What a ticket's history needs of its reader."""

    zone: tzinfo
    """The zone of the times."""

    @abstractmethod
    def over(self, state: str) -> bool:
        """Whether a ticket is over in a state."""


class _Step(NamedTuple):
    at: datetime
    rank: int
    number: tuple[int, str]
    native: str
    of: Article | Row
    where: str


class History:
    """A ticket's history."""

    def __init__(
        self, reader: TicketReader, native: str, ticket: Ticket, data: bytes, where: str
    ) -> None:
        self._reader = reader
        self._ticket = ticket
        self._data = data
        self._where = where
        self._native = native
        self._case = Case(reader, self._native)
        self._steps = self._ordered()
        self._rows = [step for step in self._steps if isinstance(step.of, Row)]
        self._articles = {step.native for step in self._steps if isinstance(step.of, Article)}
        updates = (step.of for step in self._rows if isinstance(step.of, Row))
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
            article = decode(stored.data, Article, stored.where)
            if not isinstance(article, LeftOut):
                told = article.created or article.create_time
                steps.extend(self._step(told, 1, article, stored))
        for stored in self._reader.scratch.of("row", self._native):
            row = decode(stored.data, Row, stored.where)
            if not isinstance(row, LeftOut):
                rank = 0 if row.history_type == "NewTicket" else 2
                steps.extend(self._step(row.create_time, rank, row, stored))
        return sorted(steps, key=lambda step: step[:3])

    def _step(
        self, told: str | None, rank: int, of: Article | Row, stored: Stored
    ) -> Iterator[_Step]:
        native, at = stored.id, moment(told, self._reader.zone)
        if at is None:
            self._case.tell(LeftOut(NO_TIME, stored.where, native))
            return
        yield _Step(at, rank, in_turn(native), native, of, stored.where)

    def lines(self) -> Iterator[Read]:
        """The lines."""
        ticket, case = self._ticket, self._case
        first = next((s for s in self._rows if s.rank == 0), None)
        at = first.at if first else moment(ticket.created or ticket.create_time, self._reader.zone)
        opening = next((s.of for s in self._steps if isinstance(s.of, Article)), None)
        is_ours = opening is not None and opening.sender_type.casefold() == "agent"
        fields = decode(self._data, dict[str, msgspec.Raw], self._where)
        more: dict[str, Any] = (
            {} if isinstance(fields, LeftOut) else {**chosen(self._reader, fields)}
        )
        case.open(
            at,
            self._by(opening.by) if opening is not None and is_ours else self._customer,
            where=self._where,
            customer_id=self._customer["id"],
            channel="other" if opening is None else _channel(opening.type),
            subject=ticket.title,
            **more,
        )
        for step in self._steps:
            if isinstance(step.of, Article):
                self._article(step, step.of)
            else:
                self._row(step, step.of)
        self._end()
        for merge in self._reader.merges_of(case.id):
            case.merge(merge)
        yield from case.told()

    # --- articles ---------------------------------------------------------------------------

    def _article(self, step: _Step, article: Article) -> None:
        case, kind, sender = self._case, article.type, article.sender_type.casefold()
        native, where = step.native, f"{step.where}, article {step.native}"
        text = article.body or None
        if "notification" in kind:
            case.tell(LeftOut(NOTIFICATION, where, kind, unreadable=False))
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

    def _row(self, step: _Step, row: Row) -> None:
        case, where = self._case, f"{step.where}, history {step.native}"
        native, by = f"history-{step.native}", self._by(row.create_by)
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
            case.tell(LeftOut(NOTIFICATION, where, kind, unreadable=False))
        else:
            self._changed(step.at, by, row, native, where)

    def _of_article(self, row: Row, where: str) -> None:
        is_read = str(row.article_id) in self._articles
        reason = (
            "a change that a message tells" if is_read else "a change whose article was not read"
        )
        self._case.tell(LeftOut(reason, where, row.history_type, unreadable=not is_read))

    def _state(self, at: datetime, by: Actor, row: Row, native: str, where: str) -> None:
        case, before, after = self._case, row.part(0), row.part(1)
        closes = self._reader.over(after)
        if closes == case.closed:
            case.changed(at, by, "state", before, after, native, where=where)
        elif closes:
            reason = "duplicate" if after.casefold().startswith("merged") else "resolved"
            case.close(at, by, native, where=where, reason=reason)
        else:
            case.reopen(at, by, native, where=where)

    def _changed(self, at: datetime, by: Actor, row: Row, native: str, where: str) -> None:
        if self._reader.options.changes == "note":
            said = ", ".join(part for part in row.parts if part)
            self._case.note(at, by, f"{row.history_type}: {said}", native, where=where)
        else:
            out = LeftOut(NO_EVENT, where, row.history_type, unreadable=False)
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
