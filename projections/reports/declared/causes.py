"""`causes`: the root causes of upheld complaints, with their losses, remedies and goodwill."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from casestore.events import Money
from projections.models.cases import UPHELD
from projections.models.findings import FINDINGS
from projections.models.goodwill import GOODWILL, Ledger
from projections.projection import Row
from projections.query.measures import grouped, month, shifted, sums
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View

BY = ("month", "product", "region", "category")


class CauseLine(Line, frozen=True, kw_only=True):
    """A root cause in one group. A remedy or gesture for issues of two causes counts for both."""

    group: str | None
    root_cause: str | None
    """None if it was not recorded."""
    findings: int
    """Findings that uphold an issue, wholly or in part."""
    cases: int
    change: int | None
    """The number of cases minus that of the period before: the month before, or as long a time
    before --from. None if there is no such period."""
    loss: list[Money]
    """The losses of the issues that the findings are on, a sum for each currency."""
    remedies: list[Money]
    goodwill: list[Money]
    """The gestures for these issues that stand, a sum for each currency."""


class _Found(Row, frozen=True):
    """What matters of a FindingRow."""

    case_id: str
    at: datetime
    root_cause: str | None
    issues: tuple[str, ...]
    losses: tuple[str, ...]
    given: tuple[str, ...]
    product: str | None
    region: str | None
    category: str | None


class _Given(Row, frozen=True):
    """What matters of a GoodwillRow."""

    event_id: str
    ledger: Ledger
    value: Money | None
    status: str


def _answer(view: View, *, by: str) -> Answer[CauseLine]:
    asked, zone = view.selection, view.selection.tz
    upheld = f"outcome IN ({', '.join('?' * len(UPHELD))})"
    every: list[_Found] = view.chosen(FINDINGS, upheld, time=None, params=UPHELD, row=_Found)
    rows = [row for row in every if asked.in_window(row.at)]
    of_these = {event_id for row in rows for event_id in row.given}
    given: list[_Given] = view.lookup(GOODWILL, "event_id", of_these, _Given)
    by_id = {row.event_id: row for row in given if row.status == "given"}

    def group(row: _Found) -> str | None:
        if by == "month":
            return month(row.at, zone)
        value: str | None = getattr(row, by)
        return value

    def key(row: _Found) -> tuple[str | None, str | None]:
        return group(row), row.root_cause

    before = grouped(_before(view, every), key) if by != "month" else grouped(every, key)
    lines = []
    for (name, cause), of_cause in grouped(rows, key).items():
        if by == "month":
            earlier = before.get((_month_before(str(name)), cause), [])
            known = True
        else:
            earlier = before.get((name, cause), [])
            known = asked.since is not None
        lines.append(_line(name, cause, of_cause, earlier if known else None, by_id))
    lines.sort(
        key=lambda line: (line.group is None, line.group or "", -line.cases, line.root_cause or "~")
    )
    summary = {
        "by": by,
        "findings": len(rows),
        "cases": len({row.case_id for row in rows}),
        "not_recorded": sum(row.root_cause is None for row in rows),
    }
    return Answer(lines, summary)


def _before(view: View, rows: Sequence[_Found]) -> list[_Found]:
    """The findings of the period before the one that is asked about, which is as long."""
    asked = view.selection
    if asked.since is None:
        return []
    end: datetime = asked.until or view.as_of
    begin = shifted(asked.since, asked.since - end)
    return [row for row in rows if begin <= row.at < asked.since]


def _month_before(name: str) -> str:
    year, number = map(int, name.split("-"))
    return f"{year - 1:04}-12" if number == 1 else f"{year:04}-{number - 1:02}"


def _line(
    group: str | None,
    cause: str | None,
    rows: Sequence[_Found],
    before: Sequence[_Found] | None,
    given: dict[str, _Given],
) -> CauseLine:
    losses = {
        (row.case_id, issue_id): loss
        for row in rows
        for issue_id, loss in zip(row.issues, row.losses, strict=True)
    }
    for_these = [given[uid] for uid in {u for row in rows for u in row.given} if uid in given]
    cases = len({row.case_id for row in rows})
    return CauseLine(
        group=group,
        root_cause=cause,
        findings=len(rows),
        cases=cases,
        change=None if before is None else cases - len({row.case_id for row in before}),
        loss=sums(map(_money, losses.values())),
        remedies=sums(row.value for row in for_these if row.ledger == "remedy"),
        goodwill=sums(row.value for row in for_these if row.ledger == "goodwill"),
    )


def _money(text: str) -> Money | None:
    amount, _, currency = text.partition(" ")
    return Money.exact(Decimal(amount), currency) if text else None


CAUSES = Report(
    "causes",
    "What caused the complaints that were upheld, and its cost.",
    CauseLine,
    _answer,
    needs=(FINDINGS, GOODWILL),
    shown="group root_cause cases change loss remedies goodwill",
    options=(Option("by", "What to group by.", BY, required=True),),
    example="causes --by month --from 2026-01-01",
)
