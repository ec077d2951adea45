"""Chatwoot's conversations: pages of messages, conversations, and bodies of webhooks.

Formats: Chatwoot's application API and its webhooks. The three tell the same messages otherwise:
`created_at` is a time in ISO 8601 in a webhook and seconds since 1970 elsewhere, `message_type` is
a word there and a number elsewhere. Times count in whole seconds, which all of them tell. When a
conversation was resolved or assigned, only webhooks tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

import msgspec

from casestore.errors import UnreadableInput
from casestore.intake import reading
from casestore.intake.chatwoot.formats import (
    Change,
    Contact,
    Conversation,
    Delivery,
    Message,
    Page,
    State,
    kept,
    second,
)
from casestore.intake.chatwoot.history import History
from casestore.intake.helpdesk import NO_TIME, HelpdeskReader
from casestore.intake.inputs import Input
from casestore.intake.json_records import records
from casestore.intake.options import Options
from casestore.intake.scratch import Scratch
from casestore.intake.values import NO_ID, NO_RECORD, Native, decode, moment
from casestore.transfer.lines import LeftOut, Read, Remark

_CREATED, _TOLD, _UPDATED = "2", "1", "0"
"""Which of a message's states is believed: the first one, before it was edited or deleted."""
_LATE = 10**15
"""A time in seconds that is later than any."""
_STATUSES = {"conversation_resolved": "resolved", "conversation_opened": "open"}
"""What status some webhooks tell by their names."""
_encode = msgspec.json.encode
Names = dict[str, msgspec.Raw]


class Reader(HelpdeskReader):
    """Reads Chatwoot's conversations.

    Raises:
        UnreadableInput: the files are of several accounts.
    """

    name: ClassVar[str] = "chatwoot"

    def __init__(self, options: Options, scratch: Scratch) -> None:
        super().__init__(options, scratch)
        # What most records of a file tell again is put once.
        self._last_channel = ("", "")
        self._last_created: tuple[str, datetime | None] = ("", None)
        self._last_account: Native | None = None

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep each message, and what else is told of its conversation."""
        last, self._last_channel, self._last_account = "", ("", ""), None
        self._last_created = ("", None)  # what a file that is left out has put is gone
        for number, record in enumerate(records(given.stream, ("payload",)), 1):
            where = f"{given.name}, record {number}"
            names = decode(record.data, Names, where)
            if isinstance(names, LeftOut):
                self.read_one()
                yield names
            elif record.name == "" and names and names.keys() <= {"meta", "data"}:
                yield from self._keep_page(record.data, last, where)
            else:
                if "conversation_id" in names:
                    last = _text(names["conversation_id"])
                yield from self._keep(record.data, names, where)

    def _keep_page(self, data: bytes, conversation: str, where: str) -> Iterator[LeftOut]:
        """Keep what a page tells besides its payload, or has around it."""
        page = decode(data, Page, where)
        if isinstance(page, LeftOut):
            yield page
            return
        for number, raw in enumerate(page.data.payload if page.data else (), 1):
            place = f"{where}, item {number}"
            names = decode(raw, Names, place)
            if isinstance(names, LeftOut):
                self.read_one()
                yield names
            else:
                yield from self._keep(bytes(raw), names, place)
        contact = page.meta.contact if page.meta else None
        if conversation and contact is not None and contact.id is not None:
            self._put_contact(conversation, contact.id, 0, where)

    def _keep(self, data: bytes, names: Names, where: str) -> Iterator[LeftOut]:
        event = _text(names["event"]) if "event" in names else ""
        if "message_type" in names:
            yield from self._keep_message(data, event, where)
        elif event.startswith("conversation_") and "status" in names:
            yield from self._keep_conversation(data, event, where)
        elif event:
            self.read_one()
            yield LeftOut("a webhook of another kind", where, event[:200], unreadable=False)
        elif "status" in names and ("meta" in names or "messages" in names):
            yield from self._keep_conversation(data, "", where)
        elif "phone_number" in names:
            yield from self._keep_customer(data, where)
        else:
            self.read_one()
            yield LeftOut(NO_RECORD, where, "neither a message nor a conversation or contact")

    def _keep_message(self, data: bytes, event: str, where: str) -> Iterator[LeftOut]:
        self.read_one("messages")
        message = decode(data, Message, where)
        if isinstance(message, LeftOut):
            yield message
            return
        around = message.conversation
        native = message.conversation_id
        if around is not None:
            native = native or around.id or around.display_id
        parent = "" if native is None else self.plain(native)
        if not parent:
            yield LeftOut("a message that names no conversation", where, str(message.id)[:200])
            return
        if around is not None:
            yield from self._keep_around(parent, around, where)
        self._put_account(message.account.id if message.account else message.account_id)
        yield from self._put_message(parent, message, event, where)

    def _put_message(
        self, parent: str, message: Message, event: str, where: str
    ) -> Iterator[LeftOut]:
        made = kept(message, self.plain(message.id))
        if not made.id:
            yield LeftOut(NO_ID, where)
            return
        if made.at is None:
            yield LeftOut(NO_TIME, where, f"message {message.id}"[:200])
            return
        rank = {"": _TOLD, "message_created": _CREATED}.get(event, _UPDATED)
        self.scratch.put(
            "message", made.id, _encode(made), parent=parent, version=rank, where=where
        )
        if message.status in ("delivered", "read", "failed"):
            at = second(message.updated_at) or made.at
            came = Delivery(made.id, message.status, at, made.error)
            place = f"{made.id} {message.status}"
            self.scratch.put("delivery", place, _encode(came), parent=parent, where=where)

    def _keep_around(
        self, parent: str, conversation: Conversation, where: str
    ) -> Iterator[LeftOut]:
        """Keep what any shape tells of a conversation, with the messages in it."""
        meta = conversation.meta
        channel = conversation.channel or (meta.channel if meta else None)
        if channel and self._last_channel != (parent, channel):
            self._last_channel = parent, channel
            self.scratch.put("channel", "", _encode(channel), parent=parent, where=where)
        created = second(conversation.created_at)
        if created is not None and self._last_created != (parent, created):
            self._last_created = parent, created
            self.scratch.put("created", "", _encode(created), parent=parent, where=where)
        inbox = conversation.contact_inbox
        contact = meta.sender.id if meta and meta.sender else None
        contact = contact or (inbox.contact_id if inbox else None)
        if contact is not None:
            told = second(conversation.timestamp)
            self._put_contact(parent, contact, int(told.timestamp()) if told else 0, where)
        self._put_account(conversation.account_id)
        for raw in conversation.messages:
            message = decode(raw, Message, where)
            if isinstance(message, LeftOut):
                yield message
                continue
            self._put_account(message.account_id)
            yield from self._put_message(parent, message, "", where)

    def _keep_conversation(self, data: bytes, event: str, where: str) -> Iterator[LeftOut]:
        self.read_one("conversations")
        told = decode(data, Conversation, where)
        if isinstance(told, LeftOut):
            yield told
            return
        native = told.id or told.display_id
        parent = "" if native is None else self.plain(native)
        if not parent:
            yield LeftOut(NO_ID, where)
            return
        yield from self._keep_around(parent, told, where)
        self._put_account(told.account.id if told.account else None)
        at = second(told.timestamp) or second(told.updated_at)
        if at is None:
            yield LeftOut(NO_TIME, where, f"conversation {parent}"[:200])
        elif not event:
            meta = told.meta
            state = State(
                at,
                told.status or "",
                meta.assignee.id if meta and meta.assignee else None,
                meta.team.id if meta and meta.team else None,
            )
            version = at.isoformat()
            self.scratch.put(
                "state", "", _encode(state), parent=parent, version=version, where=where
            )
        elif event != "conversation_created":
            status = _STATUSES.get(event, told.status)
            change = Change(
                at,
                status if event != "conversation_updated" else None,
                told.changed_attributes or [],
            )
            encoded = _encode(change)
            place = f"{at.isoformat()} {event}"
            self.scratch.put("change", place, encoded, parent=parent, where=where)

    def _keep_customer(self, data: bytes, where: str) -> Iterator[LeftOut]:
        self.read_one("contacts")
        contact = decode(data, Contact, where)
        if isinstance(contact, LeftOut):
            yield contact
        elif contact.id is None or not (native := self.plain(contact.id)):
            yield LeftOut(NO_ID, where)
        else:
            self.scratch.put("customer", native, data, where=where)

    def _put_contact(self, conversation: str, contact: Native, at: int, where: str) -> None:
        """Keep whose conversation it is: the first contact that is told, should they be merged."""
        version = f"{_LATE - at:020d} {contact}"
        data = _encode(str(contact))
        self.scratch.put("contact", "", data, parent=conversation, version=version, where=where)

    def _put_account(self, account: Native | None) -> None:
        if account is not None and account != self._last_account:
            self._last_account = account
            self.scratch.put("account", str(account), b"", where="")

    def lines(self) -> Iterator[Read]:
        """The customers, then each conversation's lines."""
        accounts = [stored.id for stored in self.scratch.all("account")]
        if len(accounts) > 1:
            raise UnreadableInput(
                f"the files are of the accounts {', '.join(accounts[:5])}, which number their "
                "conversations alike: read those of each by themselves, with an --instance of "
                "its own"
            )
        for stored in self.scratch.all("customer"):
            contact = decode(stored.data, Contact, stored.where)
            if not isinstance(contact, LeftOut):
                yield self.registered(
                    self.person(stored.id),
                    stored.id,
                    moment(contact.created_at),
                    name=contact.name,
                    contact=contact.email or contact.phone_number,
                    where=stored.where,
                )
        for native in self.scratch.parents("message", "change", "state"):
            yield from History(self, native).lines()


def _text(raw: msgspec.Raw) -> str:
    value = decode(raw, object, "")
    return str(value) if isinstance(value, str | int) else ""


def events(data: bytes, options: Options) -> list[Read]:
    """The lines of the body of a webhook, or of what the API answers."""
    return reading.events(Reader, data, options)
