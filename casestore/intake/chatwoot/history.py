"""What happened in a conversation of Chatwoot's, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from casestore.intake.cases import Case
from casestore.intake.chatwoot.formats import Change, Delivery, Kept, State
from casestore.intake.helpdesk import Actor, HelpdeskReader
from casestore.intake.values import decode, in_turn
from casestore.transfer.lines import LeftOut, Read, Remark

_RESOLVED = "resolved"
_CHANNELS = {
    "webwidget": "chat",
    "whatsapp": "chat",
    "telegram": "chat",
    "line": "chat",
    "email": "email",
    "sms": "sms",
    "twiliosms": "sms",
    "facebookpage": "social",
    "twitterprofile": "social",
    "instagram": "social",
    "tiktok": "social",
    "voice": "phone",
    "api": "other",
}
"""By the name of an inbox's kind, like Channel::WebWidget."""
_NOTED = ("label_list", "priority", "contact_id", "inbox_id", "custom_attributes")
"""The attributes whose changes are told in notes; others are counters and times of views."""
_Part = TypeVar("_Part", Kept, Delivery, Change)


class History:
    """A conversation's history."""

    def __init__(self, reader: HelpdeskReader, native: str) -> None:
        self._reader = reader
        self._native = native
        self._case = Case(reader, native)
        # Each closing is dated, by a webhook, and has a key of its own.
        self._case.was_closed = True
        self._channel = _channel(self._one("channel", str))
        self._messages = self._parts("message", Kept)
        self._owner = self._contact()
        self._is_assigned = False

    def lines(self) -> Iterator[Read]:
        """The lines."""
        messages = [(*each, 0) for each in self._messages]
        deliveries = [(*each, 1) for each in self._parts("delivery", Delivery)]
        changes = [(*each, 2) for each in self._parts("change", Change)]
        if changes and (before := _before(changes[0][0], "status")) is not None:
            self._case.before(closed=before == _RESOLVED)
        self._open()
        steps: list[tuple[Kept | Delivery | Change, str, int]]
        steps = [*messages, *deliveries, *changes]
        for part, where, _ in sorted(steps, key=lambda each: (_when(each[0]), each[2])):
            if isinstance(part, Kept):
                self._message(part, where)
            elif isinstance(part, Delivery):
                self._delivery(part, where)
            else:
                self._change(part, where)
        self._state()
        yield from self._case.told()

    def _parts(self, kind: str, of: type[_Part]) -> list[tuple[_Part, str]]:
        stored = self._reader.scratch.of(kind, self._native)
        found = [(decode(each.data, of, each.where), each.where) for each in stored]
        parts = [(part, where) for part, where in found if not isinstance(part, LeftOut)]
        return sorted(parts, key=lambda each: (_when(each[0]), _number(each[0])))

    def _one(self, kind: str, of: type[object]) -> object:
        stored = self._reader.scratch.get(kind, "", self._native)
        found = None if stored is None else decode(stored.data, of, stored.where)
        return None if isinstance(found, LeftOut) else found

    def _contact(self) -> str:
        """Whose conversation it is; where nothing says that, who wrote first."""
        contact = self._one("contact", str)
        if isinstance(contact, str):
            return contact
        written = (part.author for part, _ in self._messages if part.kind == "incoming")
        return next(filter(None, written), f"contact of {self._native}")

    def _open(self) -> None:
        messages = [(part.at, where) for part, where in self._messages if part.at]
        created = self._one("created", datetime)
        if isinstance(created, datetime):
            at, where = created, messages[0][1] if messages else f"conversation {self._native}"
        elif messages:
            at, where = messages[0]
        else:
            return
        customer = self._reader.customer(self._owner)
        self._case.open(
            at,
            customer,
            where=where,
            customer_id=customer["id"],
            channel=self._channel,
        )

    # --- messages ---------------------------------------------------------------------------

    def _message(self, message: Kept, where: str) -> None:
        case, at, text = self._case, message.at, message.text
        where = f"{where}, message {message.id}"
        channel = "email" if message.is_mail else self._channel
        if message.is_deleted:
            case.tell(Remark("a message that was deleted: its text is gone", where))
        if message.is_answered:
            case.tell(LeftOut("an answer to a survey", where, unreadable=False))
        actor = self._actor(message)
        # A message may be edited or deleted at the source: what was read first stays.
        if message.is_private or message.kind == "activity":
            case.note(at, actor, text or "", message.id, where=where, keep_first=True)
        elif message.kind == "incoming":
            case.message(
                at, actor, message.id, where=where, keep_first=True, channel=channel, text=text
            )
        elif message.kind in ("outgoing", "template"):
            case.reply(
                at,
                actor,
                message.id,
                where=where,
                keep_first=True,
                channel=channel,
                text=text,
                automated=actor["kind"] == "system",
            )
        else:
            case.tell(LeftOut("a message of another type", where, message.kind[:200]))

    def _actor(self, message: Kept) -> Actor:
        author = message.author
        if message.kind == "incoming" and message.by in ("contact", ""):
            return self._reader.customer(self._owner if author is None else author)
        if message.kind == "template" or author is None:
            return self._reader.system
        if message.by in ("user", ""):
            return self._reader.agent(author)
        kind = "customer" if message.by == "contact" else "system"
        named = author if kind == "customer" else f"bot-{author}"
        return {"kind": kind, "id": self._reader.id_of(named) or self._reader.name}

    def _delivery(self, delivery: Delivery, where: str) -> None:
        """Tell a status: statuses change, and each is an event of its own."""
        if not self._case.has_reply(delivery.message):
            return
        reply = {"reply_id": self._reader.plain(delivery.message)}
        if delivery.status == "failed":
            kind, more = "DeliveryFailed", {"kind": "permanent", "diagnostic": delivery.error}
        else:
            kind, more = "DeliveryConfirmed", {"evidence": delivery.status}
        self._case.add(
            kind,
            delivery.at,
            self._reader.system,
            reply | more,
            delivery.message,
            delivery.status,
            where=where,
            keep_first=True,
        )

    # --- the conversation -------------------------------------------------------------------

    def _change(self, change: Change, where: str) -> None:
        case, by = self._case, self._reader.system
        native = f"{self._native}-{int(change.at.timestamp())}"
        if change.status is not None:
            self._status(change, change.status, native, where)
        agent = team = None
        for attributes in change.attributes:
            for name, values in attributes.items():
                before, after = _values(values)
                if name == "status":
                    continue
                if name == "assignee_id" and isinstance(after, int | str):
                    agent = self._reader.id_of(after)
                elif name == "team_id" and isinstance(after, int | str):
                    team = self._reader.id_of(after)
                elif name in (*_NOTED, "assignee_id", "team_id"):
                    case.changed(change.at, by, name, before, after, native, name, where=where)
        self._is_assigned = self._is_assigned or bool(agent or team)
        case.assign(change.at, by, native, where=where, agent=agent, team=team)

    def _status(self, change: Change, after: str, native: str, where: str) -> None:
        case, by, before = self._case, self._reader.system, _before(change, "status")
        closes = after == _RESOLVED
        if closes and not case.closed:
            case.close(change.at, by, native, where=where)
        elif not closes and case.closed:
            case.reopen(change.at, by, native, where=where)
        elif before is not None and before != after and closes == (before == _RESOLVED):
            case.changed(change.at, by, "status", before, after, native, "status", where=where)

    def _state(self) -> None:
        """Tell of what is known without a date."""
        state = self._one("state", State)
        if not isinstance(state, State):
            return
        if state.status == _RESOLVED and not self._case.closed:
            what = "a conversation that is resolved; since when, only webhooks tell"
            self._case.tell(Remark(what, f"conversation {self._native}"))
        if self._is_assigned or (state.assignee is None and state.team is None):
            return
        named = {"agent": state.assignee, "team": state.team}
        self._case.add(
            "CaseAssigned",
            state.at,
            self._reader.system,
            {name: native and self._reader.id_of(native) for name, native in named.items()},
            self._native,
            "CaseAssigned",
            where=f"conversation {self._native}",
            keep_first=True,
            end_state=True,
        )


def _when(part: Kept | Delivery | Change) -> float:
    return 0.0 if part.at is None else part.at.timestamp()


def _number(part: Kept | Delivery | Change) -> tuple[int, str]:
    return in_turn(part.id if isinstance(part, Kept) else getattr(part, "message", ""))


def _values(told: object) -> tuple[object, object]:
    values = told if isinstance(told, dict) else {}
    return values.get("previous_value"), values.get("current_value")


def _before(change: Change, name: str) -> object:
    """What an attribute was before a change, as far as the change tells it."""
    found = (_values(each[name])[0] for each in change.attributes if name in each)
    return next(found, None)


def _channel(told: object) -> str:
    """By an inbox's kind; a page of messages does not tell it, and most of Chatwoot is chat."""
    name = str(told or "").casefold().removeprefix("channel::")
    return _CHANNELS.get(name, "other") if name else "chat"
