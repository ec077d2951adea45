"""The page of a case: what happened, what was promised and given, what went wrong, what is sealed.

A case is shown with its family: what is merged into it. So every number here is that of the report
asked with `--case`. What is merged into another case has a short page: see `merged_file`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from markupsafe import Markup

from casestore import History
from casestore.audit.explained import NOT_PROVEN
from casestore.events import (
    Actor,
    Ask,
    CaseEscalated,
    DeliveryConfirmed,
    DeliveryFailed,
    PromiseMade,
)
from projections import reports
from projections.history.case_history import CaseHistory
from projections.history.case_state import Issue, asks, escalations, issues
from projections.history.deliveries import Reply, replies
from projections.history.happened import Happened
from projections.pages.charts import Lane, Point, Span, timeline
from projections.pages.happenings import (
    Found,
    Lapse,
    Told,
    address_of,
    in_order,
    in_time,
    lapses,
    showing,
    told,
)
from projections.pages.merged_file import merged_into, merged_page, own_history
from projections.pages.page import Pages, telling_damage
from projections.query.histories import Histories
from projections.reports import CaseLine, GoodwillLine, PromiseLine
from projections.reports.explained import Evidence

WHOLE: Any = dict.fromkeys(
    ("since", "until", "customer", "case", "agent", "team", "product", "region", "category")
)
"""A case's or a customer's page leaves nothing out, whatever part of the store a site is about."""


@dataclass(frozen=True, kw_only=True)
class Party:
    """Somebody who had to do with a case."""

    kind: str
    id: str
    roles: Sequence[str]
    teams: Sequence[str]
    events: int
    """How many events they stand for."""
    known: bool
    """Whether it is the customer whose case it is, so that there is a page of them."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that was heard of a reply."""

    at: datetime
    position: int
    told: str
    good: bool | None
    """Whether it says that the reply arrived; None if it says neither."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A reply and what became of it."""

    reply: Reply
    steps: Sequence[Step]
    resends: Sequence[tuple[str, int]]
    """The replies that sent it again, each with the position of its event."""


@dataclass(frozen=True, kw_only=True)
class Escalated:
    """Where a case went up."""

    escalation_id: str
    kind: str
    to: str
    at: datetime
    position: int
    returned_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class CaseFile:
    """All that a case's page says."""

    case_id: str
    case: CaseLine | None
    """The case, or the one that it is merged into; None if its row could not be made."""
    family: Sequence[CaseLine]
    """The case and all that it is merged with; only the case itself, if it is not merged."""
    parties: Sequence[Party]
    issues: Sequence[Issue]
    asked: Sequence[tuple[Ask, Happened]]
    """What the customer asked for, and the message."""
    escalations: Sequence[Escalated]
    replies: Sequence[Chain]
    promises: Sequence[PromiseLine]
    made: Mapping[str, int]
    """The position of the event that made each promise, by its id."""
    gestures: Sequence[GoodwillLine]
    remedies: Sequence[GoodwillLine]
    given: Sequence[tuple[str, Mapping[str, Any]]]
    """Of each customer the summary of the report goodwill history."""
    lapses: Sequence[Lapse]
    unknown: Sequence[Lapse]
    """What the rules cannot tell, because it was not recorded."""
    timeline: Sequence[Told | Found]
    amended: Sequence[Told]
    """The events of which a later one says that they are wrong, in the order of happening."""
    events: int
    """The number of events, those that were voided included."""
    sealed: int
    """How many of them the newest seal covers."""


@telling_damage("Case")
def case_page(pages: Pages, case_id: str) -> str:
    """The page of a case; of one that was not there at that moment, a page that says so.

    Of one that is merged into another, it is what is on record under its own number.

    Raises:
        StreamNotFound: there is no such case, at any time.
        KeyFileError: words were asked for, and the key file is missing.
    """
    if (merged := merged_into(pages, case_id)) is not None:
        return merged_page(pages, *merged, own_history(pages, case_id))
    file = read_case(pages, case_id)
    return pages.render(
        "case_file.html",
        title=f"Case {case_id}",
        file=file,
        case_id=case_id,
        not_proven=NOT_PROVEN,
        address=partial(address_of, links=pages.links),
        chart=None if file is None else promises_chart(file, pages),
    )


def read_case(pages: Pages, case_id: str) -> CaseFile | None:
    """All that a case's page says; None if the case was not there at that read.

    Raises StreamNotFound, KeyFileError: see `case_page`.
    """
    ask, zone = pages.ask, pages.zone
    read = Histories(pages.store, pages.as_of, pages.known_at, ask.position, reveal=pages.reveal)
    case = read.case(case_id, ask.policies)
    if case is None:
        return None
    histories = (case.history, *case.members)
    covered = pages.sealed.position if pages.sealed else 0
    events = [each for history in histories for each in told(history, zone, covered)]
    about = WHOLE | {"case": case_id}
    rows = ask(reports.cases, **about).rows
    customers = sorted({row.customer_id for row in rows} or {case.customer_id})
    promises = ask(reports.promises, **about).rows
    given = [ask(reports.goodwill_history, **about | {"customer": each}) for each in customers]
    goodwill = [line for result in given for line in result.rows]
    found = ask(reports.lapses, **about | {"customer": customers}, outcome="all").rows
    unwell = [line for line in found if line.outcome in ("violated", "unknown")]
    show = showing(events, histories, Evidence(pages.store, read.history), zone)
    judged = list(lapses(unwell, ask.policies, show))
    return CaseFile(
        case_id=case_id,
        case=next((row for row in rows if row.case_id == case.case_id), None),
        family=rows,
        parties=list(_parties(histories, customers)),
        issues=list(issues(case)),
        asked=list(asks(case)),
        escalations=list(_escalations(case)),
        replies=[_chain(reply, case) for reply in replies(case)],
        promises=promises,
        made={each.event.promise_id: each.moment.position for each in case.of(PromiseMade)},
        gestures=[line for line in goodwill if line.ledger == "goodwill"],
        remedies=[line for line in goodwill if line.ledger == "remedy"],
        given=[(each, result.summary) for each, result in zip(customers, given, strict=True)],
        lapses=[lapse for lapse in judged if lapse.outcome == "violated"],
        unknown=[lapse for lapse in judged if lapse.outcome == "unknown"],
        timeline=in_order(events, judged),
        amended=[each for each in in_time(events) if each.corrections],
        events=len(events),
        sealed=sum(event.sealed for event in events),
    )


def _parties(histories: Iterable[History], customers: Sequence[str]) -> Iterator[Party]:
    """Who had to do with the case, in the order in which they first did.

    Args:
        histories: of the case and its family.
        customers: whose cases they are. An event may name any other customer as its actor, also
            one who was never registered.
    """
    found: dict[tuple[str, str], list[Actor]] = {}
    events = [recorded for history in histories for recorded in history]
    for recorded in sorted(events, key=lambda each: each.moment):
        actor = recorded.event.actor
        found.setdefault((actor.kind, actor.id), []).append(actor)
    for (kind, actor_id), acted in found.items():
        yield Party(
            kind=kind,
            id=actor_id,
            roles=list(dict.fromkeys(each.role for each in acted if each.role is not None)),
            teams=list(dict.fromkeys(each.team for each in acted if each.team is not None)),
            events=len(acted),
            known=kind == "customer" and actor_id in customers,
        )


def _escalations(case: CaseHistory) -> Iterator[Escalated]:
    for went, back in escalations(case):
        event: CaseEscalated = went.event
        yield Escalated(
            escalation_id=event.escalation_id,
            kind=event.kind,
            to=event.to,
            at=went.at,
            position=went.moment.position,
            returned_at=None if back is None else back.at,
        )


def _chain(reply: Reply, case: CaseHistory) -> Chain:
    return Chain(
        reply=reply,
        steps=[_step(each) for each in reply.news],
        resends=[(each, case.replies[each].moment.position) for each in reply.resent_by],
    )


def _step(news: Happened) -> Step:
    good: bool | None = None
    match news.event:
        case DeliveryConfirmed(evidence=evidence):
            text, good = "confirmed" if evidence is None else f"confirmed, by {evidence}", True
        case DeliveryFailed(kind=kind, code=code):
            text = f"failed: {kind.replace('_', ' ')}" + ("" if code is None else f", {code}")
            good = None if kind == "temporary" else False
        case _:
            text, good = "the customer says that it never came", False
    return Step(at=news.at, position=news.moment.position, told=text, good=good)


def promises_chart(file: CaseFile, pages: Pages) -> Markup | None:
    """The promises on a line of time each: made, due, kept; None without any."""
    if not file.promises:
        return None
    lanes = [_lane(line, file.made.get(line.promise_id), pages.as_of) for line in file.promises]
    times = [point.at for lane in lanes for point in lane.points]
    return timeline(
        "Promises: when they were made, due and kept", min(times), max(times), lanes, pages.zone
    )


def _lane(line: PromiseLine, position: int | None, as_of: datetime) -> Lane:
    address = None if position is None else f"#e{position}"
    points = [Point(line.made_at, "made", "ring", address=address)]
    if line.due_at is not None:
        points.append(Point(line.due_at, "due", "square"))
    if line.first_due_at is not None and line.first_due_at != line.due_at:
        points.append(Point(line.first_due_at, "first due", "diamond"))
    spans: list[Span] = []
    if line.kept_at is not None:
        late = line.state == "late"
        points.append(Point(line.kept_at, "kept late" if late else "kept", "dot", bad=late))
    elif line.state in ("broken", "withdrawn") and line.broken_at is not None:
        points.append(Point(line.broken_at, line.state, "cross", bad=True))
    if line.due_at is not None and line.late_by_s is not None:
        end = line.due_at + timedelta(seconds=line.late_by_s)
        spans.append(Span(line.due_at, min(end, max(as_of, line.due_at)), "late", bad=True))
    return Lane(f"{line.promise_id} ({line.kind}): {line.state}", points, spans)
