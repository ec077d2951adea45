"""A Zendesk ticket's audits, and what it is now, as a case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from casestore.intake.cases import Case
from casestore.intake.helpdesk import Actor, HelpdeskReader
from casestore.intake.values import NOTIFICATION, Native, moment
from casestore.intake.zendesk.formats import CLOSED, Audit, Event, Ticket, channel, events
from casestore.transfer.lines import LeftOut, Read, Remark

FROM_NOW = "a ticket without its first audit: opened from what it is now"
NO_HISTORY = "a ticket without audits: what is told of it is what it is now"
WHOSE = "a comment in a ticket whose requester is not known; give its ticket, or its first audit"
_COMMENTS = {"Comment", "VoiceComment", "FacebookComment", "TweetComment"}
_NO_EVENT = {
    "AgentMacroReference",
    "AttachmentRedactionEvent",
    "Cc",
    "ChatEndedEvent",
    "EmailCcChange",
    "Error",
    "External",
    "FacebookEvent",
    "FollowerChange",
    "FollowerNotification",
    "LogMeInTranscript",
    "MacroReference",
    "Notification",
    "NotificationWithCcs",
    "OrganizationActivity",
    "Push",
    "SatisfactionRating",
    "ScheduleAssignment",
    "SlaTargetChange",
    "SmsNotification",
    "SMSNotification",
    "SuspendedTicketRecovery",
    "TicketSharingEvent",
    "Tweet",
    "WebhookEvent",
}
_AUTOMATIC = "-1"
"""The author of what Zendesk itself did."""


class Dated(NamedTuple):
    """An audit with its time and where it was read."""

    at: datetime
    audit: Audit
    where: str


def first(audits: list[Dated]) -> bool:
    """Whether the audit that created the ticket is among them; it is the first one then."""
    return bool(audits) and any(
        isinstance(event, Event) and event.type == "Create" for event in events(audits[0].audit, "")
    )


class History:
    """Makes the lines of a ticket."""

    def __init__(
        self,
        reader: HelpdeskReader,
        native: Native,
        ticket: tuple[Ticket, str] | None,
        is_end_user: Callable[[Native], bool],
    ) -> None:
        self._reader = reader
        self._case = Case(reader, native)
        self._ticket = ticket
        self._is_end_user = is_end_user
        self._requester = ""
        self._status: str | None = None

    def lines(self, audits: list[Dated]) -> Iterator[Read]:
        """The lines of the ticket, and what is told besides.

        Args:
            audits: its audits in their order.
        """
        case = self._case
        whole = first(audits)
        if not whole:
            self._requester = str(self._first_requester(audits))
        if not whole and self._ticket is not None:
            self._open_from_now(*self._ticket, FROM_NOW if audits else NO_HISTORY)
        for number, told in enumerate(audits):
            case.merge_before(told.at)
            self._audit(told, creates=whole and number == 0)
        case.merge_before(None)
        if self._ticket is not None:
            self._end(*self._ticket)
        return case.told()

    # --- from what the ticket is now --------------------------------------------------------

    def _open_from_now(self, ticket: Ticket, where: str, remark: str) -> None:
        case = self._case
        at = moment(ticket.created_at)
        submitter = self._requester if ticket.submitter_id is None else ticket.submitter_id
        actor = self._actor(submitter)
        case.tell(Remark(remark, where))
        case.open(
            at,
            actor,
            where=where,
            end_state=True,
            customer_id=self._reader.person(self._requester),
            channel=channel(ticket.via),
            subject=ticket.subject,
            **self._classes(_custom(ticket)),
        )
        first = Event("description", "Comment", submitter, ticket.description)
        first.public, first.via = ticket.is_public, ticket.via
        self._describe(at, first, where)

    def _describe(self, at: datetime | None, said: Event, where: str) -> None:
        """Tell the first thing said in the ticket, whether the ticket has it or its first audit."""
        case, author = self._case, _AUTOMATIC if said.author_id is None else said.author_id
        actor, text = self._actor(author), _text(said)
        if said.public:
            case.description(
                at,
                actor,
                said.id,
                where=where,
                channel=channel(said.via),
                text=text,
                automated=_automated(author),
            )
        elif text:
            fields, key = {"text": text}, (case.native, "description")
            case.add("NoteAdded", at, actor, fields, *key, where=where, keep_first=True)

    def _end(self, ticket: Ticket, where: str) -> None:
        """Tell what the ticket is now, where its audits do not tell it."""
        at, case = moment(ticket.updated_at), self._case
        if ticket.status in CLOSED and not case.was_closed:
            case.close(at, self._reader.system, case.native, where=where, end_state=True)
        if ticket.status == "deleted" and not case.closed:
            case.tell(Remark("a deleted ticket, whose case stays open", where))
        if ticket.status == "deleted" and self._status != "deleted":
            case.add(
                "NoteAdded",
                at,
                self._reader.system,
                {"text": "deleted at the source"},
                case.native,
                "deleted",
                where=where,
                keep_first=True,
                end_state=True,
            )

    def _first_requester(self, audits: list[Dated]) -> Native:
        """Who asked, before the first audit that was read; "" if nothing tells that."""
        for told in audits:
            for event in events(told.audit, told.where):
                if isinstance(event, Event) and event.field_name == "requester_id":
                    return _native(event.previous_value)
        if self._ticket is not None:
            return self._ticket[0].requester_id
        course = self._reader.options.known.course(self._case.id)
        return "" if course is None else course.customer_id.removeprefix(f"{self._reader.name}-")

    # --- audits -----------------------------------------------------------------------------

    def _audit(self, told: Dated, *, creates: bool) -> None:
        at, audit, where = told
        found = list(events(audit, where))
        read = [event for event in found if isinstance(event, Event)]
        if creates:
            self._open(told, {e.field_name: e.value for e in read if e.type == "Create"})
        self._assign(told, read)
        described = False
        for event in found:
            if isinstance(event, LeftOut):
                self._case.tell(event)
            elif event.type in _COMMENTS:
                self._comment(at, audit, event, where, first=creates and not described)
                described = True
            elif event.type in ("Create", "Change"):
                self._changed(at, audit, event, where)
            else:
                self._other(at, audit, event, where)

    def _open(self, told: Dated, created: dict[str, Any]) -> None:
        at, audit, where = told
        requester = _native(created.get("requester_id"))
        if requester == "" and self._ticket is not None:
            requester = self._ticket[0].requester_id
        self._requester = str(requester)
        subject = created.get("subject")
        self._case.open(
            at,
            self._actor(audit.author_id),
            where=where,
            customer_id=self._reader.person(self._requester),
            channel=channel(audit.via),
            subject=subject if isinstance(subject, str) else None,
            **self._classes(created),
        )

    def _comment(self, at: datetime, audit: Audit, said: Event, where: str, *, first: bool) -> None:
        said.author_id = audit.author_id if said.author_id is None else said.author_id
        said.via = audit.via if said.via is None else said.via
        if said.type == "VoiceComment":
            said.via = "voice"
        case, actor, text = self._case, self._actor(said.author_id), _text(said)
        if text is None:
            case.tell(Remark("a comment without its text", where))
        if first:
            self._describe(at, said, where)
        elif not said.public:
            case.note(at, actor, text or "", said.id, where=where)
        elif actor["kind"] == "agent" and not self._requester:
            case.tell(LeftOut(WHOSE, where, str(said.id)[:200]))
        elif actor["kind"] == "customer":
            case.message(at, actor, said.id, where=where, channel=channel(said.via), text=text)
        else:
            case.reply(
                at,
                actor,
                said.id,
                where=where,
                channel=channel(said.via),
                text=text,
                automated=_automated(said.author_id),
            )

    def _assign(self, told: Dated, read: list[Event]) -> None:
        """Agent and team of one audit are one event."""
        to = {
            event.field_name: event
            for event in read
            if event.field_name in ("assignee_id", "group_id") and _is_native(event.value)
        }
        if not to:
            return
        agent, team = to.get("assignee_id"), to.get("group_id")
        key = next(event.id for event in (agent, team) if event is not None)
        self._case.assign(
            told.at,
            self._actor(told.audit.author_id),
            key,
            where=told.where,
            agent=None if agent is None else self._reader.person(agent.value),
            team=None if team is None else self._reader.person(team.value),
        )

    def _changed(self, at: datetime, audit: Audit, event: Event, where: str) -> None:
        name, case, actor = event.field_name, self._case, self._actor(audit.author_id)
        if name in ("assignee_id", "group_id"):
            if _is_native(event.value):
                return  # it is assigned already
            if name == "assignee_id":
                case.agent = None
        elif name == "requester_id":
            self._requester = str(_native(event.value))
        elif name == "status":
            if self._changed_status(at, actor, event, where):
                return
        elif event.type == "Change" and (classes := self._classes({name: event.value})):
            case.add("CaseReclassified", at, actor, classes, event.id, "Reclassified", where=where)
            return
        if event.type == "Change":
            case.changed(at, actor, name, event.previous_value, event.value, event.id, where=where)

    def _changed_status(self, at: datetime, actor: Actor, event: Event, where: str) -> bool:
        """Whether the change of status is a closing or a reopening, or says nothing more."""
        case, before, after = self._case, event.previous_value, event.value
        if event.type == "Change":
            case.before(closed=before in CLOSED)
        self._status = after if isinstance(after, str) else None
        if after in CLOSED:
            case.close(at, actor, event.id, where=where)
            return True
        if before in CLOSED and after != "deleted" and case.closed:
            case.reopen(at, actor, event.id, where=where)
            return True
        return False

    def _other(self, at: datetime, audit: Audit, event: Event, where: str) -> None:
        case, actor = self._case, self._actor(audit.author_id)
        if event.type == "CommentPrivacyChange":
            state = "public" if event.public else "private"
            case.changed(at, actor, "comment", event.comment_id, state, event.id, where=where)
        elif event.type == "CommentRedactionEvent":
            case.changed(at, actor, "comment", event.comment_id, "redacted", event.id, where=where)
        elif event.type in _NO_EVENT:
            case.tell(LeftOut(NOTIFICATION, where, event.type, unreadable=False))
        else:
            case.tell(LeftOut("an event of another type", where, event.type[:200]))

    # --- people and classes -----------------------------------------------------------------

    def _actor(self, native: Native | None) -> Actor:
        if native is None or str(native) == _AUTOMATIC:
            return self._reader.system
        if str(native) == self._requester or self._is_end_user(native):
            return self._reader.customer(native)
        return self._reader.agent(native)

    def _classes(self, values: dict[str, Any]) -> dict[str, Any]:
        """The category, product and region among the values of custom fields."""
        found = {
            name: self._reader.plain(values[field])
            for field, name in self._reader.options.fields.items()
            if isinstance(values.get(field), int | str)
        }
        return {name: value for name, value in found.items() if value}


def _text(said: Event) -> str | None:
    return said.body if said.plain_body is None else said.plain_body


def _automated(author: Native | None) -> bool | None:
    return True if author is None or str(author) == _AUTOMATIC else None


def _native(value: object) -> Native:
    return value if isinstance(value, int | str) and not isinstance(value, bool) else ""


def _is_native(value: object) -> bool:
    return _native(value) != ""


def _custom(ticket: Ticket) -> dict[str, Any]:
    if not isinstance(ticket.custom_fields, list):
        return {}
    fields = [each for each in ticket.custom_fields if isinstance(each, dict)]
    return {str(each.get("id")): each.get("value") for each in fields}
