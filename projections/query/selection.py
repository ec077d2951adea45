"""What of a store a report is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypedDict

from casestore.events.policy_document import Document


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
    customer: str | None = None
    """And whoever is merged with them."""
    case: str | None = None
    """And what is merged into it."""
    agent: str | None = None
    team: str | None = None
    product: str | None = None
    region: str | None = None
    category: str | None = None
    tz: tzinfo = UTC
    """Where months and days begin."""

    def in_window(self, at: datetime) -> bool:
        """Whether a time is neither before `since` nor at or after `until`."""
        after = self.since is None or at >= self.since
        return after and (self.until is None or at < self.until)


class Asked(TypedDict, total=False):
    """What a report takes by name: fields of a Selection, and its own options."""

    as_of: datetime | None
    known_at: datetime | None
    since: datetime | None
    until: datetime | None
    customer: str | None
    case: str | None
    agent: str | None
    team: str | None
    product: str | None
    region: str | None
    category: str | None
    tz: tzinfo
    broken: bool
    by: str
    document: Document
    due: timedelta | None
    kind: str | None
    name: str
    outcome: str
    role: str
    rule: str | None
