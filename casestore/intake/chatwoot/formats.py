"""What Chatwoot tells, and what is kept of it: the same from whatever shape it was read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from casestore.intake.values import Native, moment

_WORDS = {"0": "incoming", "1": "outgoing", "2": "activity", "3": "template"}
Time = int | float | str | None


class Contact(msgspec.Struct):
    """A contact or a user, as far as something else names it; or a contact by itself."""

    id: Native | None = None
    type: str | None = None
    name: str | None = None
    email: str | None = None
    phone_number: str | None = None
    created_at: Time = None


class _Inbox(msgspec.Struct):
    contact_id: Native | None = None


class _Account(msgspec.Struct):
    id: Native | None = None


class Meta(msgspec.Struct):
    """Who has to do with a conversation."""

    sender: Contact | None = None
    contact: Contact | None = None
    assignee: Contact | None = None
    team: Contact | None = None
    channel: str | None = None


class Conversation(msgspec.Struct):
    """A conversation: as the API tells it, as a webhook about it, or in one about a message."""

    id: Native | None = None
    display_id: Native | None = None
    status: str | None = None
    channel: str | None = None
    meta: Meta | None = None
    contact_inbox: _Inbox | None = None
    messages: list[msgspec.Raw] = []
    account_id: Native | None = None
    account: _Account | None = None
    created_at: Time = None
    updated_at: Time = None
    timestamp: Time = None
    changed_attributes: list[dict[str, Any]] | None = None


class Message(msgspec.Struct):
    """A message."""

    id: Native
    message_type: Native | None = None
    content: str | None = None
    content_type: str | None = None
    content_attributes: Any = None
    created_at: Time = None
    updated_at: Time = None
    private: bool | None = None
    status: str | None = None
    sender: Contact | None = None
    sender_type: str | None = None
    sender_id: Native | None = None
    conversation_id: Native | None = None
    account_id: Native | None = None
    account: _Account | None = None
    conversation: Conversation | None = None


class _Payload(msgspec.Struct):
    payload: list[msgspec.Raw] = []


class Page(msgspec.Struct):
    """What is around a list of messages or conversations."""

    meta: Meta | None = None
    data: _Payload | None = None


class Kept(msgspec.Struct):
    """What is kept of a message."""

    id: str
    kind: str
    """incoming, outgoing, activity or template."""
    at: datetime | None
    text: str | None
    is_private: bool
    is_mail: bool
    by: str
    """contact, user or agentbot; "" if it is not told."""
    author: str | None
    error: str | None
    is_deleted: bool
    is_answered: bool
    """Whether it is a survey that was answered."""


class Delivery(msgspec.Struct):
    """That a message was delivered, read, or failed."""

    message: str
    status: str
    at: datetime
    error: str | None


class Change(msgspec.Struct):
    """What a webhook tells of a conversation."""

    at: datetime
    status: str | None
    attributes: list[dict[str, Any]]


class State(msgspec.Struct):
    """How a conversation is now."""

    at: datetime
    status: str
    assignee: Native | None
    team: Native | None


def second(given: object) -> datetime | None:
    """A time, in whole seconds."""
    at = moment(given)
    return None if at is None else at.replace(microsecond=0)


def kept(message: Message) -> Kept:
    """What is kept of a message."""
    attributes = message.content_attributes
    attributes = attributes if isinstance(attributes, dict) else {}
    sender = message.sender or Contact()
    by = (sender.type or message.sender_type or "").casefold().replace("_", "")
    author = sender.id if sender.id is not None else message.sender_id
    error = attributes.get("external_error")
    kind = str(message.message_type)
    return Kept(
        id=str(message.id),
        kind=_WORDS.get(kind, kind),
        at=second(message.created_at),
        text=message.content or None,
        is_private=bool(message.private),
        is_mail=message.content_type == "incoming_email",
        by=by,
        author=None if author is None else str(author),
        error=error if isinstance(error, str) else None,
        is_deleted=attributes.get("deleted") is True,
        is_answered="submitted_values" in attributes,
    )
