"""What Freshdesk tells of tickets, conversations, activities and contacts."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from casestore.intake.values import Native, moment

_DAY_FIRST = re.compile(r"(\d\d)-(\d\d)-(\d{4}) (\S+) ([+-]\d{4})")


class Stats(msgspec.Struct):
    """When a ticket reached its states: asked for by `include=stats`."""

    closed_at: str | None = None
    resolved_at: str | None = None


class Ticket(msgspec.Struct):
    """A ticket."""

    id: Native
    requester_id: Native
    status: int | None = None
    """A number; a ticket whose status is a word is another system's."""
    source: int | None = None
    subject: str | None = None
    description_text: str | None = None
    description: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    deleted: bool | None = None
    spam: bool | None = None
    stats: Stats | None = None


class Conversation(msgspec.Struct):
    """A reply, a note, or a message of the requester's."""

    id: Native
    ticket_id: Native
    user_id: Native | None = None
    body_text: str | None = None
    body: str | None = None
    incoming: bool | None = None
    private: bool | None = None
    auto_response: bool | None = None
    source: int | None = None
    to_emails: list[str] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    last_edited_at: str | None = None
    email_failure_count: int | None = None
    outgoing_failures: Any = None


class Activity(msgspec.Struct):
    """What was done to a ticket at one moment: which fields hold what since then."""

    ticket_id: Native
    activity: dict[str, Any]
    performed_at: str | None = None
    performer_type: str | None = None
    performer_id: Native | None = None


class Contact(msgspec.Struct):
    """A contact: who asks."""

    id: Native
    name: str | None = None
    email: str | None = None
    mobile: str | None = None
    phone: str | None = None
    created_at: str | None = None


def performed(done: Activity) -> datetime | None:
    """When something was done: the export has the day first."""
    text = _DAY_FIRST.sub(r"\3-\2-\1T\4\5", done.performed_at or "")
    return moment(text)
