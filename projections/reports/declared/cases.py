"""`cases`: every case and its state."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, get_args

from casestore.events import Channel
from casestore.streams.history import to_microseconds
from projections.models.cases import CASES, CaseRow
from projections.models.closings import CLOSINGS
from projections.models.promises import PROMISES, PromiseRow, state
from projections.projection import Row
from projections.query.lines import Lines, comparable
from projections.query.measures import grouped, percentile
from projections.query.report import Answer, CannotAsk, Line, Option, Report
from projections.query.selection import matching
from projections.query.view import View, is_complaint

STATUSES = ("open", "closed", "merged")


class CaseLine(Line, frozen=True, kw_only=True):
    """A case, together with the cases that are merged into it.

    A merged case has a row of its own, in which all counts are 0, so that a column's sum counts
    everything once.
    """

    case_id: str
    customer_id: str
    status: Literal["open", "closed", "merged"]
    channel: str
    product: str | None
    region: str | None
    category: str | None
    agent: str | None
    team: str | None
    opened_at: datetime
    received_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    messages: int
    replies: int
    agents: int
    handovers: int
    escalations: int
    reopens: int
    first_response_at: datetime | None
    first_response_s: int | None
    first_response_working_s: int | None
    resolution_s: int | None
    resolution_working_s: int | None
    resolution_net_s: int | None
    resolve_due_at: datetime | None
    waiting_since: datetime | None
    undelivered: int
    issues: int
    issues_open: int
    promises_open: int
    promises_broken: int
    next_due_at: datetime | None
    gestures: int
    last_event_at: datetime
    events: int
    merged_into: str | None


def _line(
    row: CaseRow, customer_id: str, promises: Sequence[PromiseRow], as_of: datetime
) -> CaseLine:
    states = [(state(promise, as_of), promise.due_at) for promise in promises]
    due = [due_at for now, due_at in states if now == "open" and due_at is not None]
    return CaseLine(
        case_id=row.case_id,
        customer_id=customer_id,
        status=row.status,
        channel=row.channel,
        product=row.product,
        region=row.region,
        category=row.category,
        agent=row.agent,
        team=row.team,
        opened_at=row.opened_at,
        received_at=row.received_at,
        closed_at=row.closed_at,
        close_reason=row.close_reason,
        messages=row.messages,
        replies=row.replies,
        agents=len(row.agents),
        handovers=row.handovers,
        escalations=row.escalations,
        reopens=row.reopens,
        first_response_at=row.first_response_at,
        first_response_s=row.first_response_s,
        first_response_working_s=row.first_response_working_s,
        resolution_s=row.resolution_s,
        resolution_working_s=row.resolution_working_s,
        resolution_net_s=row.resolution_net_s,
        resolve_due_at=row.resolve_due_at,
        waiting_since=next(iter(row.waiting), None),
        undelivered=row.undelivered,
        issues=row.issues,
        issues_open=row.issues_open,
        promises_open=sum(now in ("open", "undated") for now, _ in states),
        promises_broken=sum(now in ("late", "broken", "withdrawn") for now, _ in states),
        next_due_at=min(due, default=None),
        gestures=row.gestures,
        last_event_at=row.last_event_at,
        events=row.events,
        merged_into=row.merged_into,
    )


def _answer(
    view: View,
    *,
    status: Sequence[str] = (),
    channel: Sequence[str] = (),
    received_from: datetime | None = None,
    received_to: datetime | None = None,
    opened_from: datetime | None = None,
    opened_to: datetime | None = None,
    closed_from: datetime | None = None,
    closed_to: datetime | None = None,
    reopened_from: datetime | None = None,
    reopened_to: datetime | None = None,
    open_at: datetime | None = None,
) -> Answer[CaseLine]:
    where, params = conditions(
        view,
        status=status,
        channel=channel,
        received_from=received_from,
        received_to=received_to,
        opened_from=opened_from,
        opened_to=opened_to,
        closed_from=closed_from,
        closed_to=closed_to,
        reopened_from=reopened_from,
        reopened_to=reopened_to,
        open_at=open_at,
    )
    read: Any = partial(view.stream, CASES, *where, params=params, time="opened_at")
    total, summary = _summary(read(row=_Counted))
    columns = comparable(CaseRow, "customer_id")
    order = "opened_at, case_id"
    lines = Lines(read, partial(_lines, view, total), total=total, order=order, columns=columns)
    return Answer(lines, summary)


def _lines(view: View, total: int, rows: Sequence[CaseRow]) -> Iterator[CaseLine]:
    roots = view.roots((row.customer_id for row in rows), total)
    found = view.lookup(PROMISES, "case_id", {row.case_id for row in rows})
    promises: Any = grouped(found, lambda promise: promise.case_id)
    for row in rows:
        yield _line(row, roots[row.customer_id], promises.get(row.case_id, ()), view.as_of)


def conditions(
    view: View,
    *,
    status: Sequence[str] = (),
    channel: Sequence[str] = (),
    received_from: datetime | None = None,
    received_to: datetime | None = None,
    opened_from: datetime | None = None,
    opened_to: datetime | None = None,
    closed_from: datetime | None = None,
    closed_to: datetime | None = None,
    reopened_from: datetime | None = None,
    reopened_to: datetime | None = None,
    open_at: datetime | None = None,
) -> tuple[list[str], list[str]]:
    """The SQL conditions that the report's options stand for, and their parameters.

    Raises CannotAsk for a time that begins after it ends.
    """
    where = [
        *_between("coalesce(receipt, opened_at)", received_from, received_to),
        *_between("opened_at", opened_from, opened_to),
    ]
    params: list[str] = []
    few, streams = view.within()
    turns = f"SELECT case_id FROM {view.at(CLOSINGS)} WHERE turns = 1{few}"
    for what, begin, end in (
        ("closed", closed_from, closed_to),
        ("reopened", reopened_from, reopened_to),
    ):
        if within := _between("at", begin, end):
            meant = " AND ".join((turns, f"what = '{what}'", *within))
            where.append(f"case_id IN ({meant})")
            params += streams
    if open_at is not None:
        at = to_microseconds(open_at)
        # Merged cases are open or closed with the case that they lead to.
        where += [f"opened_at < {at}", "status <> 'merged'"]
        net = "sum(CASE what WHEN 'closed' THEN 1 ELSE -1 END)"
        closed = f"{turns} AND at < {at} GROUP BY case_id HAVING {net} > 0"
        where.append(f"case_id NOT IN ({closed})")
        params += streams
    more, values = matching(status=status, channel=channel)
    return [*where, *more], [*params, *values]


def _between(column: str, begin: datetime | None, end: datetime | None) -> list[str]:
    """The SQL conditions for begin <= column < end. A bound that is None does not count.

    Raises CannotAsk if begin is not before end.
    """
    if begin is not None and end is not None and begin >= end:
        raise CannotAsk(f"from {begin} to {end} is no time at all; give the earlier one first")
    limits = ((">=", begin), ("<", end))
    return [f"{column} {than} {to_microseconds(at)}" for than, at in limits if at is not None]


class _Counted(Row, frozen=True):
    """Of a case what is counted, as it is stored: see CaseRow."""

    status: str
    close_reason: str | None
    reopens: int
    reply_due_at: int | None
    first_response_s: int | None
    first_response_working_s: int | None


def _summary(rows: Iterable[_Counted]) -> tuple[int, dict[str, Any]]:
    """The number of cases, and their summary."""
    stand, not_complaints, reopened, waiting = Counter[str](), 0, 0, 0
    responses, working = array("q"), array("q")
    for row in rows:
        waiting += row.reply_due_at is not None
        if not is_complaint(row):
            not_complaints += 1
            continue
        stand[row.status] += 1
        if row.status == "merged":
            continue
        reopened += row.reopens > 0
        if row.first_response_s is not None:
            responses.append(row.first_response_s)
        if row.first_response_working_s is not None:
            working.append(row.first_response_working_s)
    complaints = stand["open"] + stand["closed"]
    return stand.total() + not_complaints, {
        "cases": complaints,
        **{status: stand[status] for status in STATUSES},
        "not_complaints": not_complaints,
        "reopened": reopened,
        **medians(first_response=responses, first_response_working=working),
        "waiting": waiting,
    }


def medians(**measures: Iterable[int]) -> dict[str, int | None]:
    """The median and the 90th percentile of durations in seconds, by what they measure."""
    found = {}
    for name, values in measures.items():
        ordered = sorted(values)
        found[f"{name}_median_s"] = percentile(ordered, 50)
        found[f"{name}_p90_s"] = percentile(ordered, 90)
    return found


CASES_REPORT = Report(
    "cases",
    "Every case and how it stands.",
    CaseLine,
    _answer,
    needs=(CASES, PROMISES, CLOSINGS),
    shown="case_id customer_id status agent opened_at messages replies agents "
    "promises_broken issues_open waiting_since",
    options=(
        Option("status", "Only those that stand so.", STATUSES, multiple=True),
        Option("channel", "Only those that came in so.", get_args(Channel), multiple=True),
        Option("received-from", "Only those received then or later.", datetime),
        Option("received-to", "Only those received before.", datetime),
        Option("opened-from", "Only those opened then or later.", datetime),
        Option("opened-to", "Only those opened before.", datetime),
        Option("closed-from", "Only those closed then or later, reopened or not.", datetime),
        Option("closed-to", "Only those closed before, reopened since or not.", datetime),
        Option("reopened-from", "Only those reopened then or later.", datetime),
        Option("reopened-to", "Only those reopened before.", datetime),
        Option("open-at", "Only those opened before, and not closed by then.", datetime),
    ),
    example="cases --team north --sort -opened_at --limit 20",
)
