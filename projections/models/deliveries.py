"""One row for each reply that is known not to have arrived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from projections.history.case_history import CaseHistory
from projections.projection import Projection, Row


class DeliveryRow(Row, frozen=True):
    """A reply that did not arrive."""

    reply_id: str
    case_id: str
    customer_id: str
    channel: str
    kind: Literal["permanent", "no_answer", "reported_missing"]
    code: str | None
    sent_at: datetime
    failed_at: datetime
    resent_by: str | None
    """The first resend that arrived, else the latest; a resend of a resend counts too."""
    made_good_at: datetime | None
    """When a resend, or a later human reply on the same issues, arrived. A reply that addresses no
    issue (`addresses` is empty) does not count."""
    agent: str
    """Who sent it: a person, or a system."""
    team: str | None
    product: str | None
    region: str | None
    category: str | None


def rows(case: CaseHistory) -> Iterator[DeliveryRow]:
    """The case's replies that did not arrive, in the order in which their failure was told."""
    if not case.failures:
        return
    product, region, category = case.about
    for reply_id, failure in sorted(case.failures.items(), key=lambda item: item[1].at):
        reply = case.replies[reply_id]
        yield DeliveryRow(
            reply_id=reply_id,
            case_id=case.case_id,
            customer_id=case.customer_id,
            channel=reply.event.channel,
            kind=failure.kind,
            code=failure.code,
            sent_at=reply.at,
            failed_at=failure.at,
            resent_by=_resent_by(case, reply_id),
            made_good_at=_made_good_at(case, reply_id),
            agent=reply.event.actor.id,
            team=case.team_of(reply),
            product=product,
            region=region,
            category=category,
        )


def _resent_by(case: CaseHistory, reply_id: str) -> str | None:
    resends: list[str] = []
    last = [reply_id]
    while last:
        last = [again for each in last for again in case.resends.get(each, ())]
        resends += last
    resends.sort(key=lambda each: case.replies[each].moment)
    arrived = (each for each in resends if each not in case.failures)
    return next(arrived, resends[-1] if resends else None)


def _made_good_at(case: CaseHistory, reply_id: str) -> datetime | None:
    reply = case.replies[reply_id]
    issues = set(reply.event.addresses or ())
    moments = [case.arrived(reply_id)]
    for moment, answer in case.answers:
        on = answer.addresses
        same = on is None or (bool(on) and (not issues or not issues.isdisjoint(on)))
        if same and moment > reply.moment:
            moments.append(moment)
            break
    return min((moment.at for moment in moments if moment is not None), default=None)


DELIVERIES = Projection(
    name="deliveries",
    version=3,
    row=DeliveryRow,
    rows=rows,
    indexes=("customer_id", "agent", "team", "failed_at"),
)
