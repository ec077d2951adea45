"""`goodwill given`: every gesture and remedy, of all customers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal

from casestore.events import Money
from projections.models.cases import CASES
from projections.models.goodwill import GOODWILL, GoodwillRow
from projections.projection import Row
from projections.query.lines import Lines, comparable
from projections.query.measures import Sums
from projections.query.report import Answer, Line, Option, Report
from projections.query.selection import matching
from projections.query.view import View
from projections.reports.declared.authority import Verdict
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


class _Counted(Row, frozen=True):
    """Of a gesture or a remedy what is counted: see GoodwillRow."""

    ledger: Literal["goodwill", "remedy"]
    value: Money | None
    status: str
    event_id: str


def _answer(
    view: View, *, ledger: tuple[str, ...] = (), status: tuple[str, ...] = ()
) -> Answer[GivenLine]:
    where, params = matching(ledger=ledger, status=status)
    read: Any = partial(
        view.stream, GOODWILL, *where, params=params, time="given_at", agent="given_by"
    )
    upheld, within = view.upheld(GOODWILL), view.once(verdicts)
    total, summary = _summary(read(row=_Counted), within)

    def lines(rows: Sequence[GoodwillRow]) -> Iterator[GivenLine]:
        roots = view.roots((row.customer_id for row in rows), total)
        for row in rows:
            yield GivenLine(
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

    columns = comparable(GoodwillRow, "customer_id")
    return Answer(
        Lines(read, lines, total=total, order="given_at, position", columns=columns), summary
    )


def _summary(rows: Iterable[_Counted], within: Mapping[str, Verdict]) -> tuple[int, dict[str, Any]]:
    """The number of rows, and their summary."""
    total, given, beyond = 0, Counter[str](), 0
    values = {ledger: Sums() for ledger in LEDGERS}
    for row in rows:
        total += 1
        if row.status == "given":
            given[row.ledger] += 1
            values[row.ledger].add(row.value)
            beyond += within.get(row.event_id) == "no"
    return total, {
        "gestures": given["goodwill"],
        "gestures_sum": values["goodwill"].told(),
        "beyond_authority": beyond,
        "remedies": given["remedy"],
        "remedies_sum": values["remedy"].told(),
    }


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
