"""`goodwill given`: every gesture and remedy, of all customers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from casestore.events import Money
from projections.models.cases import CASES
from projections.models.goodwill import GOODWILL, GoodwillRow
from projections.query.measures import sums
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View
from projections.reports.declared.authority import Verdict, in_order
from projections.reports.declared.goodwill import verdicts

LEDGERS = ("goodwill", "remedy")
STATUSES = ("given", "declined", "reversed")


class GivenLine(Line, frozen=True, kw_only=True):
    """A gesture or a remedy, to whichever customer."""

    ledger: Literal["goodwill", "remedy"]
    id: str
    case_id: str
    customer_id: str
    given_at: datetime
    kind: str
    value: Money | None
    currency: str | None
    given_by: str
    role: str | None
    team: str | None
    product: str | None
    region: str | None
    category: str | None
    outcome: Literal["upheld", "not_upheld"] | None
    """The outcome of the findings of its case: upheld wholly or in part, or not; None: none yet."""
    asked_for: bool | None
    within_authority: Verdict
    status: Literal["given", "declined", "reversed"]


OUTCOMES: dict[bool | None, Literal["upheld", "not_upheld"] | None]
OUTCOMES = {True: "upheld", False: "not_upheld", None: None}


def conditions(
    ledger: Sequence[str] = (), status: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """The SQL conditions for the report's own options, and their parameters."""
    where, params = [], list[str]()
    for name, given in (("ledger", ledger), ("status", status)):
        values = [given] if isinstance(given, str) else list(given)
        if values:
            where.append(f"{name} IN ({', '.join('?' * len(values))})")
            params += values
    return where, params


def _answer(
    view: View, *, ledger: tuple[str, ...] = (), status: tuple[str, ...] = ()
) -> Answer[GivenLine]:
    where, params = conditions(ledger, status)
    rows: list[GoodwillRow] = view.chosen(
        GOODWILL, *where, params=params, time="given_at", agent="given_by"
    )
    rows.sort(key=in_order)
    upheld = view.upheld(GOODWILL)
    roots, within = view.roots(row.customer_id for row in rows), view.once(verdicts)
    lines = [
        GivenLine(
            ledger=row.ledger,
            id=row.id,
            case_id=row.case_id,
            customer_id=roots[row.customer_id],
            given_at=row.given_at,
            kind=row.kind,
            value=row.value,
            currency=None if row.value is None else row.value.currency,
            given_by=row.given_by,
            role=row.role,
            team=row.team,
            product=row.product,
            region=row.region,
            category=row.category,
            outcome=OUTCOMES[upheld.get(row.case_id)],
            asked_for=row.asked_for,
            within_authority=within.get(row.event_id, "unknown"),
            status=row.status,
        )
        for row in rows
    ]
    standing = [row for row in rows if row.status == "given"]
    gestures = [row for row in standing if row.ledger == "goodwill"]
    summary = {
        "gestures": len(gestures),
        "gestures_sum": sums(row.value for row in gestures),
        "beyond_authority": sum(
            line.within_authority == "no" and line.status == "given" for line in lines
        ),
        "remedies": len(standing) - len(gestures),
        "remedies_sum": sums(row.value for row in standing if row.ledger == "remedy"),
    }
    return Answer(lines, summary)


GIVEN = Report(
    "goodwill given",
    "Every gesture and remedy, of all customers.",
    GivenLine,
    _answer,
    needs=(CASES, GOODWILL),
    shown="given_at ledger kind value case_id customer_id given_by team within_authority status",
    options=(
        Option("ledger", "Only gestures (goodwill), or only remedies.", LEDGERS, multiple=True),
        Option("status", "Only those that stand so.", STATUSES, multiple=True),
    ),
    example="goodwill given --team north --from 2026-08",
)
