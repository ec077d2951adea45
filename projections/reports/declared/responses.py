"""`responses`: the customers' messages, with who answered each and how soon."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeVar

from casestore.streams.history import from_microseconds, to_microseconds
from projections.models.responses import RESPONSES, ResponseRow
from projections.projection import Row
from projections.query.lines import Lines, comparable
from projections.query.measures import STEPS, percentile, period, share
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


class _Counted(Row, frozen=True):
    """Of a message what is counted, as it is stored: see ResponseRow."""

    case_id: str
    channel: str
    at: int
    due_at: int
    answered_at: int | None
    seconds: int | None
    working_seconds: int | None
    agent: str | None
    team: str | None
    product: str | None
    category: str | None


class _Numbers:
    """How soon messages were answered, as they are told one after the other."""

    def __init__(self, as_of: datetime) -> None:
        self._as_of = to_microseconds(as_of)
        self._verdicts = Counter[str]()
        self._seconds, self._working = array("q"), array("q")

    def add(self, row: _Counted) -> None:
        self._verdicts[within(row.answered_at, row.due_at, self._as_of)] += 1
        if row.seconds is not None and row.working_seconds is not None:
            self._seconds.append(row.seconds)
            self._working.append(row.working_seconds)

    def told(self) -> dict[str, Any]:
        seconds, working = sorted(self._seconds), sorted(self._working)
        in_time = self._verdicts["yes"]
        return {
            "n": len(seconds),
            "unanswered": self._verdicts.total() - len(seconds),
            "median_s": percentile(seconds, 50),
            "p90_s": percentile(seconds, 90),
            "working_median_s": percentile(working, 50),
            "working_p90_s": percentile(working, 90),
            "within_share": share(in_time, in_time + self._verdicts["no"]),
        }


def _answer(view: View, *, complaints: bool = False) -> Answer[ResponseLine]:
    left_out, left, total = view.once(no_complaints), 0, 0
    numbers = _Numbers(view.as_of)
    for row in view.stream(RESPONSES, time="at", row=_Counted):
        total += 1
        if row.case_id in left_out:
            left += 1
        else:
            numbers.add(row)

    def lines(rows: Sequence[ResponseRow]) -> Iterator[ResponseLine]:
        roots = view.roots((row.customer_id for row in rows), total)
        for row in rows:
            if complaints and row.case_id in left_out:
                continue
            yield ResponseLine(
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

    shown = Lines(
        partial(view.stream, RESPONSES, time="at"),
        lines,
        total=total - left if complaints else total,
        order="at, case_id, message_id",
        columns=comparable(ResponseRow, "customer_id"),
        every=not complaints,
    )
    return Answer(shown, numbers.told())


def _by(view: View, *, by: str) -> Answer[ResponseCountLine]:
    left_out, whole = view.once(no_complaints), _Numbers(view.as_of)
    groups = defaultdict[str | None, _Numbers](lambda: _Numbers(view.as_of))

    def group(row: _Counted) -> str | None:
        if by in STEPS:
            return period(from_microseconds(row.at), by, view.selection.tz)
        value: str | None = getattr(row, by)
        return value

    for row in view.stream(RESPONSES, time="at", row=_Counted):
        if row.case_id not in left_out:
            whole.add(row)
            groups[group(row)].add(row)
    lines = [ResponseCountLine(group=name, **each.told()) for name, each in groups.items()]
    lines.sort(key=lambda line: (line.group is None, line.group or ""))
    return Answer(lines, {"by": by, **whole.told()})


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
