"""How a customer stands, from their events: what they prefer, what we know of them, merges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from casestore.events import (
    CustomerFactRecorded,
    CustomerMerged,
    CustomerRegistered,
    CustomerUnmerged,
    PreferenceStated,
    PreferenceWithdrawn,
)
from casestore.streams.customer import STORE
from casestore.streams.history import History, Recorded


def registered(own: History) -> dict[str, Any]:
    """Since when we know the customer; their name and contact only where they are revealed."""
    told = [r for r in own if isinstance(r.event, CustomerRegistered)]
    by_others = [r for r in told if r.event.actor != STORE] or told
    latest = by_others[-1] if by_others else None
    event: Any = None if latest is None else latest.event
    return {
        "registered_at": None if not by_others else by_others[0].occurred_at,
        "since": None if event is None else event.since,
        "name": None if latest is None else _words(latest, "name"),
        "contact": None if latest is None else _words(latest, "contact"),
    }


def preferences(events: Sequence[Recorded]) -> list[dict[str, Any]]:
    """The preferences in force, the latest of each kind."""
    found: dict[str, dict[str, Any]] = {}
    for recorded in events:
        match recorded.event:
            case PreferenceStated() as event:
                found.pop(event.preference, None)
                found[event.preference] = {
                    "preference": event.preference,
                    "value": event.value,
                    "since": event.occurred_at,
                    "words": _words(recorded, "words"),
                }
            case PreferenceWithdrawn() as event:
                found.pop(event.preference, None)
            case _:
                pass
    return list(found.values())


def facts(events: Sequence[Recorded], as_of: datetime) -> list[dict[str, Any]]:
    """The latest fact on each field, and whether it may still be relied on."""
    found: dict[str, dict[str, Any]] = {}
    for recorded in events:
        event = recorded.event
        if isinstance(event, CustomerFactRecorded):
            found.pop(event.field, None)
            found[event.field] = {
                "field": event.field,
                "recorded_at": event.occurred_at,
                "stale_after": event.stale_after,
                "stale": event.stale_after is not None and event.stale_after < as_of,
                "value": _words(recorded, "value"),
            }
    return list(found.values())


def merges(events: Sequence[Recorded]) -> Iterator[dict[str, Any]]:
    """Every merge and what undid it, in order."""
    for recorded in events:
        match recorded.event:
            case CustomerMerged() as event:
                what, other = "merged into", event.into
            case CustomerUnmerged() as event:
                what, other = "taken out of", event.out_of
            case _:
                continue
        yield {
            "at": recorded.occurred_at,
            "customer_id": recorded.stream.removeprefix("customer:"),
            "what": what,
            "other": other,
        }


def _words(recorded: Recorded, name: str) -> str | None:
    """Words as they may be shown; [withheld] or [erased] in their place; None without any."""
    held = recorded.words.get(name)
    return None if held is None else str(held)
