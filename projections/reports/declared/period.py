"""`period`: complaints received, closed, reopened and outstanding by day, week or month."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from casestore.errors import quoted
from casestore.events import Money
from projections.models.cases import CASES
from projections.models.closings import CLOSINGS, ClosingRow
from projections.models.goodwill import GOODWILL, GoodwillRow
from projections.models.ratings import RATINGS, RatingRow
from projections.projection import Row
from projections.query.measures import (
    STEPS,
    TICK,
    Step,
    grouped,
    period,
    periods,
    share,
    shifted,
    sums,
)
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View, is_complaint

AGES = "3d,4w,8w"
Ages = Mapping[str, timedelta]
"""Ages by their names, like "3d"."""


class PeriodLine(Line, frozen=True, kw_only=True):
    """A day, a week or a month.

    outstanding = outstanding of the period before + opened + reopened - closed.
    """

    period: str
    """The name: 2026-05-20, 2026-W21 (ISO 8601) or 2026-05."""
    received: int
    """Complaints whose receipt is in it."""
    opened: int
    closed: int
    """Closings that found the case open."""
    reopened: int
    """Reopenings that found it closed."""
    outstanding_at_start: int
    outstanding_at_end: int
    closed_within: dict[str, int]
    """For each age, the closings that came no later than that after the receipt. JSON and CSV have
    a column for each, like closed_within_3d."""
    upheld_share: float | None
    """The share of upheld cases, among those closed in it that have a finding."""
    remedies: list[Money]
    goodwill: list[Money]
    """The gestures given in it that stand, a sum for each currency."""
    ratings: int
    satisfaction: float | None
    """The mean of (rating - 1) / (scale - 1): 0 is the worst, 1 the best."""
    not_complaints: int
    """Cases closed in it as a duplicate or as not a complaint. No other number counts them."""


class _Case(Row, frozen=True):
    """Of a case what is counted here: see CaseRow."""

    case_id: str
    status: str
    opened_at: datetime
    receipt: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    upheld: bool | None


def _answer(view: View, *, by: Step = "month", ages: Ages | None = None) -> Answer[PeriodLine]:
    zone, limits = view.selection.tz, read_ages(AGES) if ages is None else ages
    every: list[_Case] = view.cases(time=None, row=_Case)
    cases = {case.case_id: case for case in every if is_complaint(case)}
    turns: list[ClosingRow] = [
        turn
        for turn in view.lookup(CLOSINGS, "case_id", set(cases))
        if turn.turns and turn.case_id in cases
    ]

    def named(at: datetime) -> str:
        return period(at, by, zone)

    closed = grouped((t for t in turns if t.what == "closed"), lambda turn: named(turn.at))
    reopened = Counter(named(turn.at) for turn in turns if turn.what == "reopened")
    received = Counter(named(case.receipt or case.opened_at) for case in cases.values())
    opened = Counter(named(case.opened_at) for case in cases.values())
    left_out = Counter(
        named(case.closed_at)
        for case in every
        if case.closed_at is not None and not is_complaint(case)
    )
    given: list[GoodwillRow] = view.chosen(
        GOODWILL, "status = 'given'", time=None, agent="given_by"
    )
    money = grouped(given, lambda row: (row.ledger, named(row.given_at)))
    rated_at: list[RatingRow] = view.chosen(RATINGS, time=None)
    ratings = grouped(rated_at, lambda row: named(row.at))
    lines, outstanding = [], 0
    besides = [*(row.given_at for row in given), *(row.at for row in rated_at)]
    for name in _periods(view, every, turns, besides, by):
        closings = closed.get(name, [])
        start = outstanding
        outstanding += opened[name] + reopened[name] - len(closings)
        rated = [(row.rating - 1) / (row.scale - 1) for row in ratings.get(name, ())]
        lines.append(
            PeriodLine(
                period=name,
                received=received[name],
                opened=opened[name],
                closed=len(closings),
                reopened=reopened[name],
                outstanding_at_start=start,
                outstanding_at_end=outstanding,
                closed_within=_within(closings, cases, limits),
                upheld_share=_upheld(closings, cases),
                remedies=sums(row.value for row in money.get(("remedy", name), ())),
                goodwill=sums(row.value for row in money.get(("goodwill", name), ())),
                ratings=len(rated),
                satisfaction=round(sum(rated) / len(rated), 4) if rated else None,
                not_complaints=left_out[name],
            )
        )
    asked = view.selection
    first = None if asked.since is None else named(asked.since)
    shown = [
        line
        for line in lines
        if (first is None or line.period >= first)
        and (asked.until is None or line.period <= named(shifted(asked.until, -TICK)))
    ]
    return Answer(shown, _summary(by, shown))


_AT_ONCE = timedelta()


def _periods(
    view: View,
    cases: Sequence[_Case],
    turns: Sequence[ClosingRow],
    besides: Sequence[datetime],
    by: Step,
) -> Iterator[str]:
    """Every period from the first receipt to as-of, and earlier where something else happened."""
    begins = [case.receipt or case.opened_at for case in cases]
    # If clocks differ, a case may have been opened or closed before its receipt.
    begins += [case.opened_at for case in cases]
    begins += [case.closed_at for case in cases if case.closed_at is not None]
    begins += [turn.at for turn in turns]
    # Who gives something has not always a case of their own.
    begins += besides
    if not begins:
        return iter(())
    return periods(min(begins), view.as_of, by, view.selection.tz)


def _within(
    closings: Sequence[ClosingRow], cases: dict[str, _Case], limits: Ages
) -> dict[str, int]:
    ages = [
        turn.at - receipt
        for turn in closings
        if (receipt := cases[turn.case_id].receipt) is not None
    ]
    return {name: sum(_AT_ONCE <= age <= limit for age in ages) for name, limit in limits.items()}


def _upheld(closings: Sequence[ClosingRow], cases: dict[str, _Case]) -> float | None:
    of_cases = {turn.case_id: cases[turn.case_id].upheld for turn in closings}
    judged = [upheld for upheld in of_cases.values() if upheld is not None]
    return share(sum(judged), len(judged))


def read_ages(text: str) -> Ages:
    """Parse ages like "3d,4w,8w". Returns them by name.

    Raises:
        ValueError: the text says no ages.
    """
    found = {}
    for age in text.split(","):
        number, unit = age.strip()[:-1], age.strip()[-1:]
        if unit not in ("h", "d", "w") or not number.isascii() or not number.isdigit():
            raise ValueError(f"{quoted(age)} is not an age; write them like 3d,4w,8w")
        if int(number) > 10_000:
            raise ValueError(f"{quoted(age)} is more than anybody waits; write ages like 3d,4w,8w")
        hours = {"h": 1, "d": 24, "w": 168}[unit]
        found[age.strip()] = timedelta(hours=hours * int(number))
    return found


def _summary(by: str, lines: Sequence[PeriodLine]) -> dict[str, Any]:
    return {
        "by": by,
        "received": sum(line.received for line in lines),
        "opened": sum(line.opened for line in lines),
        "closed": sum(line.closed for line in lines),
        "reopened": sum(line.reopened for line in lines),
        "outstanding": lines[-1].outstanding_at_end if lines else 0,
        "not_complaints": sum(line.not_complaints for line in lines),
    }


PERIOD = Report(
    "period",
    "Complaints by day, week or month: in, out, outstanding.",
    PeriodLine,
    _answer,
    needs=(CASES, CLOSINGS, GOODWILL, RATINGS),
    shown="period received opened closed reopened outstanding_at_end closed_within upheld_share "
    "remedies goodwill satisfaction",
    options=(
        Option("by", "The length of a period.", STEPS, default="month"),
        Option(
            "ages",
            "Ages from receipt to count closings by, like 3d,4w,8w.",
            read_ages,
            default=AGES,
        ),
    ),
    example="period --by month --tz Europe/Berlin",
)
