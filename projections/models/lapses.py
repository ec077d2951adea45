"""One row for each finding of the rules: see `projections.rules.lapses`, which makes them.

They stand apart from the rules, because a report that only reads them needs no rule.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from projections.projection import Row

Outcome = Literal["violated", "satisfied", "exempt", "unknown"]
OUTCOMES: tuple[Outcome, ...] = ("violated", "satisfied", "exempt", "unknown")


class LapseRow(Row, frozen=True):
    """The finding of a rule on one subject."""

    rule: str
    subject: str
    case_id: str
    customer_id: str
    outcome: Outcome
    at: datetime
    due_at: datetime | None
    """Set if it is violated because time passed: the finding holds only after this time."""
    agent: str | None
    team: str | None
    evidence: tuple[str, ...]
    """The ids of the events that show it, in the order of happening."""
    product: str | None
    region: str | None
    category: str | None
