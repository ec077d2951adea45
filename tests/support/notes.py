"""The plainest events: a case opened by Anna, a note."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from casestore import Actor, CaseOpened, NoteAdded

ANNA = Actor(kind="agent", id="anna", team="north")
T = datetime(2026, 3, 2, 9, tzinfo=UTC)


def opened(customer: str = "c1", subject: str | None = "Late parcel") -> CaseOpened:
    return CaseOpened(
        occurred_at=T, actor=ANNA, customer_id=customer, channel="email", subject=subject
    )


def note(text: str | None = "seen", minutes: int = 1) -> NoteAdded:
    return NoteAdded(occurred_at=T + timedelta(minutes=minutes), actor=ANNA, text=text)
