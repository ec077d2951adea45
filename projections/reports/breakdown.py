"""`breakdown`: the cases of each agent, team, product and so on, and how they went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from projections.models.cases import CASES
from projections.query.measures import grouped, month, percentile, share
from projections.query.merged_cases import Family, counted_cases
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View

BY = ("agent", "team", "product", "region", "channel", "category", "month")


class BreakdownLine(Line, frozen=True, kw_only=True):
    """The cases of one group, each counted once; all numbers are about the same cases."""

    group: str | None
    opened: int
    closed: int
    """Of them, closed now."""
    reopened: int
    """Of them, reopened at least once."""
    outstanding: int
    """Of them, open now."""
    first_response_median_s: int | None
    first_response_p90_s: int | None
    resolution_median_s: int | None
    """From receipt to the closing as resolved, or with a final response."""
    resolution_p90_s: int | None
    upheld_share: float | None
    """Of the cases with a finding, those that it upholds, or in part."""
    contacts_per_case: float | None
    agents_per_case: float | None


def _line(group: str | None, cases: Sequence[Family]) -> BreakdownLine:
    return BreakdownLine(group=group, **_numbers(cases))


def _numbers(cases: Sequence[Family]) -> dict[str, Any]:
    responses = [each.first_response_s for each in cases if each.first_response_s is not None]
    resolutions = [each.resolution_s for each in cases if each.resolution_s is not None]
    findings = [each.upheld for each in cases if each.upheld is not None]
    count = len(cases)
    return {
        "opened": count,
        "closed": sum(each.case.status == "closed" for each in cases),
        "reopened": sum(any(row.reopens for row in each.all) for each in cases),
        "outstanding": sum(each.case.status == "open" for each in cases),
        "first_response_median_s": percentile(responses, 50),
        "first_response_p90_s": percentile(responses, 90),
        "resolution_median_s": percentile(resolutions, 50),
        "resolution_p90_s": percentile(resolutions, 90),
        "upheld_share": share(sum(findings), len(findings)),
        "contacts_per_case": _average(sum(each.contacts for each in cases), count),
        "agents_per_case": _average(sum(len(each.agents) for each in cases), count),
    }


def _average(total: int, count: int) -> float | None:
    return round(total / count, 2) if count else None


def _answer(view: View, *, by: str) -> Answer[BreakdownLine]:
    def group(family: Family) -> str | None:
        if by == "month":
            return month(family.case.opened_at, view.selection.tz)
        value: str | None = getattr(family.case, by)
        return value

    cases = counted_cases(view)
    lines = [_line(name, each) for name, each in grouped(cases, group).items()]
    lines.sort(key=lambda line: (line.group is None, line.group or ""))
    return Answer(lines, {"by": by, **_numbers(cases)})


BREAKDOWN = Report(
    "breakdown",
    "Cases by agent, team, product and so on, and how they went.",
    BreakdownLine,
    _answer,
    needs=(CASES,),
    shown="group opened closed reopened outstanding first_response_median_s "
    "resolution_median_s upheld_share contacts_per_case agents_per_case",
    options=(Option("by", "What to group by.", BY, required=True),),
    example="breakdown --by team --from 2026-01-01",
)
