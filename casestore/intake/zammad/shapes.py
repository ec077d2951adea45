"""Zammad's records as its API gives them.

    GET /api/v1/tickets?expand=true                          a list of tickets
    GET /api/v1/ticket_articles/by_ticket/ID?expand=true     a list of articles
    GET /api/v1/ticket_history/ID                            {"history": [...], "assets": {...}}
    GET /api/v1/users?expand=true                            a list of users

https://docs.zammad.org/en/latest/api/ticket/index.html; a history is what `History.list` in
Zammad's app/models/history.rb makes, a merge what `merge_to` in its app/models/ticket.rb writes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from casestore.intake.values import Native


class Ticket(msgspec.Struct):
    """A ticket as it is now; names only where it was asked for with expand=true."""

    id: Native
    customer_id: Native
    created_at: Any
    updated_at: Any = None
    close_at: Any = None
    title: str | None = None
    state: str | None = None
    state_id: Native | None = None
    created_by_id: Native | None = None
    create_article_type: str | None = None


class Article(msgspec.Struct):
    """A mail, a call, a note in a ticket."""

    id: Native
    ticket_id: Native
    sender: str
    type: str
    created_at: Any
    updated_at: Any = None
    body: str | None = None
    to: str | None = None
    internal: bool = False
    preferences: Any = None
    created_by_id: Native | None = None
    origin_by_id: Native | None = None


class Entry(msgspec.Struct):
    """An entry of a history. Its values are names as they were then."""

    id: Native
    object: str
    type: str
    o_id: Native
    created_at: Any
    attribute: str = ""
    related_o_id: Native | None = None
    id_from: Native | None = None
    id_to: Native | None = None
    value_from: Any = None
    value_to: Any = None
    created_by_id: Native | None = None

    def ticket(self) -> Native | None:
        """The ticket that it is about."""
        return self.o_id if self.object == "Ticket" else self.related_o_id


class User(msgspec.Struct):
    """A person."""

    id: Native
    created_at: Any = None
    updated_at: Any = None
    firstname: str | None = None
    lastname: str | None = None
    email: str | None = None
    mobile: str | None = None
    phone: str | None = None
    roles: list[str] | None = None
    role_ids: list[Native] = []

    def is_customer(self) -> bool:
        """Whether they are a customer and nothing else; 3 is that role in every Zammad."""
        if self.roles is not None:
            return self.roles == ["Customer"]
        return [str(each) for each in self.role_ids] == ["3"]


class State(msgspec.Struct):
    """What a state is called."""

    id: Native
    name: str


def kind_of(names: Collection[str]) -> str | None:
    """What a record is, by the names in it; None if it is none of Zammad's."""
    for kind, needed in _NEEDED.items():
        if needed <= set(names):
            return kind
    return None


_NEEDED = {
    "article": {"id", "ticket_id", "created_at", "sender_id"},
    "entry": {"id", "object", "type", "o_id"},
    "ticket": {"id", "customer_id", "group_id"},
    "user": {"id", "firstname", "lastname", "login"},
    "state": {"id", "name", "state_type_id"},
    "group": {"id", "name", "follow_up_possible"},
    "priority": {"id", "name", "default_create"},
}

_CHANNELS = {
    "email": "email",
    "web": "web",
    "phone": "phone",
    "sms": "sms",
    "chat": "chat",
    "telegram personal-message": "chat",
    "whatsapp message": "chat",
}


def channel(kind: str | None) -> str:
    """How something came in, by the type of its article."""
    named = (kind or "").casefold()
    if named.startswith(("twitter", "facebook")):
        return "social"
    return _CHANNELS.get(named, "other")
