"""Zendesk's records as its API gives them.

https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_audits/
https://developer.zendesk.com/documentation/ticketing/reference-guides/ticket-audit-events-reference
https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/

An audit is one update of a ticket, with an event for each thing in it. `ticket_events` are the same
audits in another shape: a change's field is a name of its own, and a creation is one event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from casestore.intake.values import NO_RECORD, Native
from casestore.system.decoders import decoder
from casestore.transfer.lines import LeftOut


class Ticket(msgspec.Struct):
    """A ticket as it is now."""

    id: Native
    requester_id: Native
    created_at: Any
    status: str
    updated_at: Any = None
    submitter_id: Native | None = None
    subject: str | None = None
    description: str | None = None
    is_public: bool = True
    via: Any = None
    custom_fields: Any = None
    url: Any = None
    """Where the API has it: it names the account."""


class User(msgspec.Struct):
    """A person."""

    id: Native
    role: str
    created_at: Any = None
    updated_at: Any = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None


class Event(msgspec.Struct):
    """One thing in an update."""

    id: Native
    type: str
    author_id: Native | None = None
    body: str | None = None
    plain_body: str | None = None
    public: bool = True
    field_name: str = ""
    value: Any = None
    previous_value: Any = None
    via: Any = None
    comment_id: Native | None = None


class Audit(msgspec.Struct):
    """An update. Its events are read one by one, so that a strange one spoils no other."""

    id: Native
    ticket_id: Native
    created_at: Any
    author_id: Native | None = None
    via: Any = None
    events: list[msgspec.Raw] = []


class _TicketEvent(msgspec.Struct):
    id: Native
    ticket_id: Native
    timestamp: Any = None
    created_at: Any = None
    updater_id: Native | None = None
    via: Any = None
    child_events: list[dict[str, Any]] = []
    merged_ticket_ids: list[Native] | None = None


_NO_FIELD = {
    "id",
    "type",
    "event_type",
    "via",
    "via_reference_id",
    "previous_value",
    "created_at",
    "custom_ticket_fields",
}
"""What stands beside the changed field in an event of `ticket_events`."""


def as_audit(data: bytes) -> bytes:
    """A record of `ticket_events` as an audit, in JSON.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: it has another shape.
    """
    given = decoder(_TicketEvent)(data)
    via: Any = {"channel": given.via}
    if given.merged_ticket_ids:
        via["source"] = {"rel": "merge", "from": {"ticket_ids": given.merged_ticket_ids}}
    made = {
        "id": given.id,
        "ticket_id": given.ticket_id,
        "created_at": given.timestamp if given.created_at is None else given.created_at,
        "author_id": given.updater_id,
        "via": via,
        "events": [event for child in given.child_events for event in _events(child)],
    }
    return msgspec.json.encode(made)


def _events(child: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = child.get("event_type", child.get("type"))
    if kind not in ("Create", "Change"):
        public = child.get("public", child.get("comment_public", True))
        # What a channel is called here ("Web form") says less than the audit's own.
        yield {**child, "type": kind, "public": public, "via": None}
        return
    custom = child.get("custom_ticket_fields")
    named = {name: value for name, value in child.items() if name not in _NO_FIELD}
    for name, value in {**named, **(custom if isinstance(custom, dict) else {})}.items():
        yield {
            "id": child.get("id"),
            "type": kind,
            "field_name": name,
            "value": value,
            "previous_value": child.get("previous_value"),
        }


def events(audit: Audit, where: str) -> Iterator[Event | LeftOut]:
    """The events of an audit."""
    for number, raw in enumerate(audit.events, 1):
        try:
            yield decoder(Event)(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield LeftOut(NO_RECORD, f"{where}, event {number}", str(error)[:200])


# --- via ------------------------------------------------------------------------------------

_CHANNELS = {
    "email": "email",
    "mail": "email",
    "web": "web",
    "web_form": "web",
    "chat": "chat",
    "native_messaging": "chat",
    "voice": "phone",
    "sms": "sms",
    "0": "web",
    "4": "email",
}
"""https://developer.zendesk.com/documentation/ticketing/reference-guides/via-types"""
_SOCIAL = ("facebook", "twitter", "instagram")


def channel(via: Any) -> str:
    """How something came in, by its via object."""
    given = via.get("channel") if isinstance(via, dict) else via
    named = str(given).strip().casefold().replace(" ", "_")
    if named.startswith(_SOCIAL):
        return "social"
    return _CHANNELS.get(named, "other")


def merged(audit: Audit) -> tuple[list[Native], list[Native]] | None:
    """The tickets with which an audit merges its own: those that it went into, and that came in.

    None if it merges nothing. Where the two are not told apart, the ticket that this very update
    closes is the one that was merged.
    """
    source = audit.via.get("source") if isinstance(audit.via, dict) else None
    if not isinstance(source, dict) or source.get("rel") != "merge":
        return None
    others = _tickets(source.get("from"), audit.ticket_id)
    into = _tickets(source.get("to"), audit.ticket_id)
    if into or not _closes(audit):
        return into, others
    return others[:1], []


def _tickets(end: Any, own: Native) -> list[Native]:
    if not isinstance(end, dict):
        return []
    several = end.get("ticket_ids")
    given = [end.get("ticket_id"), *(several if isinstance(several, list) else [])]
    found = [each for each in given if isinstance(each, int | str) and not isinstance(each, bool)]
    return [each for each in dict.fromkeys(found) if str(each) != str(own)]


def _closes(audit: Audit) -> bool:
    return any(
        isinstance(event, Event) and event.field_name == "status" and event.value in CLOSED
        for event in events(audit, "")
    )


CLOSED = ("solved", "closed")
