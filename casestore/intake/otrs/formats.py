"""What OTRS tells of tickets, articles and histories."""

from __future__ import annotations

import msgspec

from casestore.intake.values import Native

_COMMUNICATION = {"1": "email", "2": "phone", "3": "note", "4": "chat"}
"""How types begin of articles of OTRS 6 and later, by CommunicationChannelID."""


class Ticket(msgspec.Struct, rename="pascal"):
    """A ticket."""

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


class Article(msgspec.Struct, rename="pascal"):
    """A message, a call or a note."""

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
        """Who wrote it down."""
        return self.created_by or self.create_by

    @property
    def type(self) -> str:
        """Its type, as versions before 6 name them."""
        if self.article_type is not None:
            return self.article_type.casefold()
        begin = _COMMUNICATION.get(str(self.communication_channel_id), "note")
        kept = "external" if str(self.is_visible_for_customer) == "1" else "internal"
        return begin if begin == "phone" and kept == "external" else f"{begin}-{kept}"


class Row(msgspec.Struct, rename="pascal"):
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


class State(msgspec.Struct, rename="pascal"):
    """A state, with its type."""

    name: str
    type_name: str
