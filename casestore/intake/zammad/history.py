"""A Zammad ticket, its articles and its history as a case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from casestore.intake.cases import Case
from casestore.intake.helpdesk import Actor, HelpdeskReader
from casestore.intake.values import NOTIFICATION, Native, in_turn, moment, smtp_code
from casestore.intake.zammad.formats import Article, Entry, Ticket, channel
from casestore.transfer.lines import LeftOut, Read, Remark

NO_HISTORY = "a ticket without its history: what is told of it is what it is now"
NO_NAME = "a ticket without the name of its state; export it with expand=true"
CLOSED = ("closed", "merged")
_SYSTEM = "1"
"""The user that Zammad itself is."""
_SENT = ("email", "sms", "whatsapp message", "telegram personal-message")
_NO_EVENT = {"notification", "email", "escalation", "escalation_warning", "reminder_reached"}
_MERGE = {"merged_into", "received_merge"}


class Dated(NamedTuple):
    """An article or an entry of a history, with its time and where it was read."""

    at: datetime
    what: Article | Entry
    where: str

    def turn(self) -> tuple[datetime, bool, tuple[int, str]]:
        """By time; what was said comes before what was changed at the same time."""
        return self.at, isinstance(self.what, Entry), in_turn(self.what.id)


class History:
    """Makes the lines of a ticket."""

    def __init__(
        self,
        reader: HelpdeskReader,
        native: Native,
        ticket: tuple[Ticket, str] | None,
        is_customer: Callable[[Native], bool],
    ) -> None:
        self._reader = reader
        self._case = Case(reader, native)
        self._ticket = ticket
        self._is_customer = is_customer
        self._customer = ""
        """Our id of whose ticket it is."""
        self._articles: set[str] = set()

    def lines(self, told: list[Dated], state: str | None) -> Iterator[Read]:
        """The lines of the ticket, and what is told besides.

        Args:
            told: its articles and the entries of its history.
            state: the name of the state in which it is now, if that is known.
        """
        told = sorted(told, key=Dated.turn)
        entries = [each.what for each in told if isinstance(each.what, Entry)]
        self._articles = {str(each.what.id) for each in told if isinstance(each.what, Article)}
        if self._ticket is not None:
            self._open(*self._ticket, told, entries)
        elif (course := self._reader.options.known.course(self._case.id)) is not None:
            self._customer = course.customer_id
        for each in told:
            self._case.merge_before(each.at)
            if isinstance(each.what, Article):
                self._article(each.at, each.what, each.where)
            else:
                self._entry(each.at, each.what, each.where)
        self._case.merge_before(None)
        if self._ticket is not None:
            self._end(*self._ticket, state)
        return self._case.told()

    # --- the ticket -------------------------------------------------------------------------

    def _open(self, ticket: Ticket, where: str, told: list[Dated], entries: list[Entry]) -> None:
        """Open the case with what the ticket was at first, as far as its history tells that."""
        case, at = self._case, moment(ticket.created_at)
        changed = {each.attribute: each for each in reversed(entries) if each.type == "updated"}
        customer, title = ticket.customer_id, ticket.title
        if "customer" in changed and changed["customer"].id_from is not None:
            customer = changed["customer"].id_from
        if "title" in changed and isinstance(changed["title"].value_from, str):
            title = changed["title"].value_from
        self._customer = self._reader.person(customer)
        kind = ticket.create_article_type or next(
            (
                each.what.type
                for each in told
                if isinstance(each.what, Article) and at is not None and each.at >= at
            ),
            None,
        )
        if not entries:
            case.tell(Remark(NO_HISTORY, where))
        actor = self._actor(ticket.created_by_id)
        case.open(
            at,
            actor,
            where=where,
            end_state=not entries,
            customer_id=self._customer,
            channel=channel(kind),
            subject=title,
        )
        first = changed.get("state")
        begins = any(each.object == "Ticket" and each.type == "created" for each in entries)
        if first is not None and begins and self._closes(first.value_from):
            case.close(at, actor, first.id, where=where)  # it was created in that state

    def _end(self, ticket: Ticket, where: str, state: str | None) -> None:
        """Close the case if the ticket is closed now, and nothing else told so."""
        case = self._case
        if state is None:
            case.tell(Remark(NO_NAME, where))
        elif self._closes(state) and not case.was_closed:
            at = moment(ticket.updated_at if ticket.close_at is None else ticket.close_at)
            case.close(at, self._reader.system, case.native, where=where, end_state=True)

    def _closes(self, state: object) -> bool:
        return isinstance(state, str) and self._reader.closes(state, CLOSED)

    # --- articles ---------------------------------------------------------------------------

    def _article(self, at: datetime, article: Article, where: str) -> None:
        case, reader = self._case, self._reader
        author = article.created_by_id if article.origin_by_id is None else article.origin_by_id
        how = channel(article.type)
        note = article.type == "note"
        sent = article.type in _SENT
        if article.sender == "Customer" and not note:
            who = self._customer if author is None else reader.person(author)
            actor = {"kind": "customer", "id": who or reader.name}
            case.message(at, actor, article.id, where=where, channel=how, text=article.body)
        elif note or (article.internal and not sent):
            case.note(at, self._actor(author), article.body or "", article.id, where=where)
        else:
            if article.internal:
                case.tell(Remark("an internal article that was sent all the same", where))
            automated = article.sender == "System"
            case.reply(
                at,
                reader.system if automated else self._actor(author),
                article.id,
                where=where,
                channel=how,
                text=article.body,
                to=article.to or None,
                automated=automated or None,
            )
            self._delivery(article, where)

    def _delivery(self, article: Article, where: str) -> None:
        how = article.preferences if isinstance(article.preferences, dict) else {}
        if how.get("delivery_status") != "fail":
            return
        why = how.get("delivery_status_message")
        why = why if isinstance(why, str) else None
        at = moment(how.get("delivery_status_date")) or moment(article.updated_at)
        self._case.failed(
            at,
            self._reader.system,
            article.id,
            where=where,
            keep_first=True,  # the message of the last try
            kind="permanent",
            code=smtp_code(why),
            diagnostic=why,
            recipient=article.to or None,
        )

    # --- the history ------------------------------------------------------------------------

    def _entry(self, at: datetime, entry: Entry, where: str) -> None:
        case = self._case
        if entry.type in _MERGE:
            return  # told by the one that was merged, with its merges
        if entry.type in _NO_EVENT:
            case.tell(LeftOut(NOTIFICATION, where, entry.type, unreadable=False))
        elif entry.type == "created":
            if entry.object == "Ticket::Article" and str(entry.o_id) not in self._articles:
                case.tell(LeftOut("an article that was not read", where, str(entry.o_id)[:200]))
        elif (entry.object, entry.type) == ("Ticket", "updated"):
            self._updated(at, entry, where)
        else:
            named = "" if entry.object == "Ticket" else f"{entry.object} {entry.o_id} "
            self._changed(at, f"{named}{entry.attribute or entry.type}", entry, where)

    def _updated(self, at: datetime, entry: Entry, where: str) -> None:
        case, actor = self._case, self._actor(entry.created_by_id)
        before, after = self._closes(entry.value_from), self._closes(entry.value_to)
        if entry.attribute == "state":
            case.before(closed=before)
        if entry.attribute == "state" and after:
            case.close(at, actor, entry.id, where=where)
        elif entry.attribute == "state" and before:
            case.reopen(at, actor, entry.id, where=where)
        elif entry.attribute == "owner" and entry.id_to is not None and str(entry.id_to) != _SYSTEM:
            case.assign(at, actor, entry.id, where=where, agent=self._reader.person(entry.id_to))
        elif entry.attribute == "group" and isinstance(entry.value_to, str) and entry.value_to:
            team = self._reader.plain(entry.value_to)
            case.assign(at, actor, entry.id, where=where, team=team)
        else:
            if entry.attribute == "owner":
                case.agent = None
            elif entry.attribute == "customer" and entry.id_to is not None:
                self._customer = self._reader.person(entry.id_to)
            self._changed(at, entry.attribute or "updated", entry, where)

    def _changed(self, at: datetime, field: str, entry: Entry, where: str) -> None:
        actor = self._actor(entry.created_by_id)
        before, after = entry.value_from, entry.value_to
        self._case.changed(at, actor, field, before, after, entry.id, where=where)

    def _actor(self, native: Native | None) -> Actor:
        if native is None or str(native) == _SYSTEM:
            return self._reader.system
        if self._reader.person(native) == self._customer or self._is_customer(native):
            return self._reader.customer(native)
        return self._reader.agent(native)
