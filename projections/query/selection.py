"""What of a store a report is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypedDict

from casestore.events.policy_document import Document

Several = str | Sequence[str] | None
"""One value, several of which any will do, or None: whatever it is."""


@dataclass(frozen=True)
class Selection:
    """What of the store a report is about."""

    as_of: datetime | None = None
    """Only what had happened by then; now, if left out."""
    known_at: datetime | None = None
    """Only what was on record by then."""
    since: datetime | None = None
    """Only rows whose own time is not before."""
    until: datetime | None = None
    """Only rows whose own time is before."""
    customer: Several = None
    """And whoever is merged with them."""
    case: Several = None
    """And what it is merged with."""
    agent: Several = None
    team: Several = None
    product: Several = None
    region: Several = None
    category: Several = None
    tz: tzinfo = UTC
    """Where months and days begin."""

    def in_window(self, at: datetime) -> bool:
        """Whether a time is neither before `since` nor at or after `until`."""
        after = self.since is None or at >= self.since
        return after and (self.until is None or at < self.until)

    def wanted(self, name: str) -> tuple[str, ...] | None:
        """The values of a field of which any will do; None: whatever it is."""
        value: Several = getattr(self, name)
        if value is None:
            return None
        return (value,) if isinstance(value, str) else tuple(value)

    def takes(self, name: str, value: str | None) -> bool:
        """Whether a value will do for a field."""
        wanted = self.wanted(name)
        return wanted is None or value in wanted


FIELDS = tuple(field.name for field in fields(Selection))


class Asked(TypedDict, total=False):
    """What a report takes by name: fields of a Selection, and its own options."""

    as_of: datetime | None
    known_at: datetime | None
    since: datetime | None
    until: datetime | None
    customer: Several
    case: Several
    agent: Several
    team: Several
    product: Several
    region: Several
    category: Several
    tz: tzinfo
    ages: str
    broken: bool
    by: str
    channel: Several
    closed_from: datetime | None
    closed_to: datetime | None
    document: Document
    due: timedelta | None
    kind: Several
    name: str
    opened_from: datetime | None
    opened_to: datetime | None
    outcome: str
    role: str
    rule: str | None
    state: Several
    status: Several
