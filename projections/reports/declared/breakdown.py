"""`breakdown`: numbers of cases by agent, team, product and so on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from projections.models.cases import CASES
from projections.models.closings import CLOSINGS, ClosingRow
from projections.projection import Row
from projections.query.measures import grouped, month, share
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View
from projections.reports.declared.cases import medians

BY = ("agent", "team", "product", "region", "channel", "category", "month")


class BreakdownLine(Line, frozen=True, kw_only=True):
    """The complaints of one group. Each complaint is counted once.

    If the groups are agents or teams, each number belongs to the agent who caused it: an opening
    to whoever had the case then, a response to whoever gave it, a resolution to whoever closed the
    case, a reopening to whoever had closed it, an open case to whoever has it now.
    """

    group: str | None
    opened: int
    closed: int
    """Cases that are closed as of the report."""
    reopened: int
    """Cases that were reopened at least once; by agent or team, after they had closed them."""
    outstanding: int
    """Cases that are open as of the report."""
    first_response_median_s: int | None
    first_response_p90_s: int | None
    first_response_working_median_s: int | None
    first_response_working_p90_s: int | None
    resolution_median_s: int | None
    """Seconds from the receipt to the closing, if it is a resolution or a final response."""
    resolution_p90_s: int | None
    resolution_working_median_s: int | None
    resolution_working_p90_s: int | None
    resolution_net_median_s: int | None
    """The same without the seconds in which we waited for the customer."""
    resolution_net_p90_s: int | None
    upheld_share: float | None
    """The share of upheld cases, wholly or in part, among those with a finding."""
    contacts_per_case: float | None
    agents_per_case: float | None


class _Case(Row, frozen=True):
    """Of a case what is counted here: see CaseRow."""

    case_id: str
    status: str
    channel: str
    product: str | None
    region: str | None
    category: str | None
    agent: str | None
    team: str | None
    opened_at: datetime
    close_reason: str | None
    contacts: int
    agents: tuple[str, ...]
    reopens: int
    first_response_at: datetime | None
    first_response_s: int | None
    first_response_working_s: int | None
    responder: str | None
    responder_team: str | None
    resolution_s: int | None
    resolution_working_s: int | None
    resolution_net_s: int | None
    closer: str | None
    closer_team: str | None
    opener: str | None
    opener_team: str | None
    upheld: bool | None


def _answer(view: View, *, by: str) -> Answer[BreakdownLine]:
    cases = view.complaints(row=_Case)
    if by in ("agent", "team"):
        again = {case.case_id for case in cases if case.reopens}
        turns = view.lookup(CLOSINGS, "case_id", again)
        lines = _attributed(cases, [turn for turn in turns if turn.what == "reopened"], by)
    else:

        def group(case: _Case) -> str | None:
            if by == "month":
                return month(case.opened_at, view.selection.tz)
            value: str | None = getattr(case, by)
            return value

        lines = [
            _line(name, opened=each, responded=each, closed=each, owned=each, reopened=_again(each))
            for name, each in grouped(cases, group).items()
        ]
    lines.sort(key=lambda line: (line.group is None, line.group or ""))
    whole = _numbers(
        opened=cases, responded=cases, closed=cases, owned=cases, reopened=_again(cases)
    )
    return Answer(lines, {"by": by, **whole})


def _again(cases: Sequence[_Case]) -> int:
    return sum(case.reopens > 0 for case in cases)


def _attributed(
    cases: Sequence[_Case], reopenings: Sequence[ClosingRow], by: str
) -> list[BreakdownLine]:
    """A line for each agent or team, with the numbers that belong to them."""
    of_team = by == "team"
    opened = grouped(cases, lambda case: case.opener_team if of_team else case.opener)
    responded = grouped(
        (case for case in cases if case.first_response_at is not None),
        lambda case: case.responder_team if of_team else case.responder,
    )
    closed = grouped(
        (case for case in cases if case.status == "closed"),
        lambda case: case.closer_team if of_team else case.closer,
    )
    owned = grouped(
        (case for case in cases if case.status == "open"),
        lambda case: case.team if of_team else case.agent,
    )
    reopened = grouped(reopenings, lambda turn: turn.team if of_team else turn.agent)
    names = dict.fromkeys((*opened, *responded, *closed, *owned, *reopened))
    return [
        _line(
            name,
            opened=opened.get(name, ()),
            responded=responded.get(name, ()),
            closed=closed.get(name, ()),
            owned=owned.get(name, ()),
            reopened=len({turn.case_id for turn in reopened.get(name, ())}),
        )
        for name in names
    ]


def _line(group: str | None, **of: Any) -> BreakdownLine:
    return BreakdownLine(group=group, **_numbers(**of))


def _numbers(
    *,
    opened: Sequence[_Case],
    responded: Sequence[_Case],
    closed: Sequence[_Case],
    owned: Sequence[_Case],
    reopened: int,
) -> dict[str, Any]:
    findings = [case.upheld for case in opened if case.upheld is not None]
    count = len(opened)
    return {
        "opened": count,
        "closed": sum(case.status == "closed" for case in closed),
        "reopened": reopened,
        "outstanding": sum(case.status == "open" for case in owned),
        **_medians(responded, "first_response", "first_response_working"),
        **_medians(closed, "resolution", "resolution_working", "resolution_net"),
        "upheld_share": share(sum(findings), len(findings)),
        "contacts_per_case": _average(sum(case.contacts for case in opened), count),
        "agents_per_case": _average(sum(len(case.agents) for case in opened), count),
    }


def _medians(cases: Sequence[_Case], *measures: str) -> dict[str, int | None]:
    values = {name: [getattr(case, f"{name}_s") for case in cases] for name in measures}
    return medians(**{n: [s for s in each if s is not None] for n, each in values.items()})


def _average(total: int, count: int) -> float | None:
    return round(total / count, 2) if count else None


BREAKDOWN = Report(
    "breakdown",
    "Cases by agent, team, product and so on, and how they went.",
    BreakdownLine,
    _answer,
    needs=(CASES, CLOSINGS),
    shown="group opened closed reopened outstanding first_response_median_s "
    "resolution_median_s upheld_share contacts_per_case agents_per_case",
    options=(Option("by", "What to group by.", BY, required=True),),
    example="breakdown --by team --from 2026-01-01",
)
