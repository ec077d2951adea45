"""`responses`: the customers' messages, with who answered each and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

from projections.models.responses import RESPONSES, ResponseRow
from projections.query.measures import STEPS, grouped, percentile, period, share
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View, no_complaints

BY = ("agent", "team", "channel", "product", "category", *STEPS)


class ResponseLine(Line, frozen=True, kw_only=True):
    """A customer's message that waited, and who answered it."""

    message_id: str
    case_id: str
    customer_id: str
    channel: str
    at: datetime
    answered_at: datetime | None
    answered_by: str | None
    team: str | None
    """The team of whoever answered; for an unanswered message, the team that has the case now."""
    seconds: int | None
    working_seconds: int | None
    within: Literal["yes", "no", "open"]
    """Whether it was answered in the time that the policy of then allows. "open" means that it is
    not answered and not due yet."""


class ResponseCountLine(Line, frozen=True, kw_only=True):
    """How soon the messages of one group were answered."""

    group: str | None
    n: int
    """The number of answered messages."""
    unanswered: int
    median_s: int | None
    p90_s: int | None
    working_median_s: int | None
    working_p90_s: int | None
    within_share: float | None
    """The share answered in time, among those that are answered or due."""


T = TypeVar("T", datetime, int)


def within(answered_at: T | None, due_at: T, as_of: T) -> Literal["yes", "no", "open"]:
    """Whether a message was answered in time: see ResponseLine.

    The times are all in microseconds, or none is.
    """
    if answered_at is not None:
        return "yes" if answered_at <= due_at else "no"
    return "no" if due_at < as_of else "open"


def _rows(view: View) -> list[ResponseRow]:
    rows: list[ResponseRow] = view.chosen(RESPONSES, time="at")
    rows.sort(key=lambda row: (row.at, row.case_id, row.message_id))
    return rows


def _answer(view: View, *, complaints: bool = False) -> Answer[ResponseLine]:
    rows = _rows(view)
    if complaints:
        rows = _of_complaints(view, rows)
    roots = view.roots(row.customer_id for row in rows)
    lines = [
        ResponseLine(
            message_id=row.message_id,
            case_id=row.case_id,
            customer_id=roots[row.customer_id],
            channel=row.channel,
            at=row.at,
            answered_at=row.answered_at,
            answered_by=row.answered_by,
            team=row.team,
            seconds=row.seconds,
            working_seconds=row.working_seconds,
            within=within(row.answered_at, row.due_at, view.as_of),
        )
        for row in rows
    ]
    return Answer(lines, _numbers(_of_complaints(view, rows), view.as_of))


def _of_complaints(view: View, rows: Sequence[ResponseRow]) -> list[ResponseRow]:
    left_out = view.once(no_complaints)
    return [row for row in rows if row.case_id not in left_out]


def _numbers(rows: Sequence[ResponseRow], as_of: datetime) -> dict[str, Any]:
    answered = [row for row in rows if row.seconds is not None]
    seconds = [row.seconds for row in answered]
    working = [row.working_seconds for row in answered]
    verdicts = [within(row.answered_at, row.due_at, as_of) for row in rows]
    in_time = verdicts.count("yes")
    return {
        "n": len(answered),
        "unanswered": len(rows) - len(answered),
        "median_s": percentile(seconds, 50),
        "p90_s": percentile(seconds, 90),
        "working_median_s": percentile(working, 50),
        "working_p90_s": percentile(working, 90),
        "within_share": share(in_time, in_time + verdicts.count("no")),
    }


def _by(view: View, *, by: str) -> Answer[ResponseCountLine]:
    rows = _of_complaints(view, _rows(view))

    def group(row: ResponseRow) -> str | None:
        if by in STEPS:
            return period(row.at, by, view.selection.tz)
        value: str | None = getattr(row, by)
        return value

    lines = [
        ResponseCountLine(group=name, **_numbers(each, view.as_of))
        for name, each in grouped(rows, group).items()
    ]
    lines.sort(key=lambda line: (line.group is None, line.group or ""))
    return Answer(lines, {"by": by, **_numbers(rows, view.as_of)})


RESPONSE_COUNTS = Report(
    "responses",
    "How soon customers are answered.",
    ResponseCountLine,
    _by,
    needs=(RESPONSES,),
    shown="group n unanswered median_s p90_s working_median_s within_share",
    options=(Option("by", "What to group by.", BY, required=True),),
)
RESPONSES_REPORT = Report(
    "responses",
    "Customer messages, who answered each and how soon.",
    ResponseLine,
    _answer,
    needs=(RESPONSES,),
    shown="message_id case_id channel at answered_at answered_by team seconds within",
    options=(
        Option("complaints", "Only those that --by counts: of cases that are complaints."),
        Option(
            "by",
            "How soon, by agent, team, channel, product, category, day, week or month.",
            BY,
            instead=RESPONSE_COUNTS,
        ),
    ),
    example="responses --by team --from 2026-03-01",
)
