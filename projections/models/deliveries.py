"""One row for each reply that is known not to have arrived."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from casestore.events import DeliveryFailed, MessageReceived
from projections.history.case_history import CaseHistory
from projections.history.happened import Happened, Moment
from projections.models.cases import due_by
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
    resend_due_at: datetime | None
    """When it is to be made good, by the policy in force when it failed; None once it was."""
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
    resent_by, answers = _resent_by(case), _Answers(case)
    for reply_id, failure in sorted(case.failures.items(), key=lambda item: item[1].at):
        reply = case.replies[reply_id]
        goods = [case.arrived(reply_id), answers.first_after(reply)]
        good = min((moment.at for moment in goods if moment is not None), default=None)
        due = due_by(case.policies, failure.at, "resend_within") if good is None else None
        yield DeliveryRow(
            reply_id=reply_id,
            case_id=case.case_id,
            customer_id=case.customer_id,
            channel=reply.event.channel,
            kind=failure.kind,
            code=failure.code,
            sent_at=reply.at,
            failed_at=failure.at,
            resent_by=resent_by.get(reply_id),
            made_good_at=good,
            resend_due_at=due,
            agent=reply.event.actor.id,
            team=case.team_of(reply),
            product=product,
            region=region,
            category=category,
        )


def _resent_by(case: CaseHistory) -> dict[str, str]:
    """Of each reply that was sent again, the first resend that arrived, else the latest."""
    replies = case.replies
    arrived = [reply_id for reply_id in replies if reply_id not in case.failures]
    found: dict[str, str] = {}
    for resend in (*arrived, *reversed(replies)):
        original = replies[resend].event.resend_of
        # What has one already is a resend of what has one, and so on.
        while original in replies and original not in found:
            found[original] = resend
            original = replies[original].event.resend_of
    return found


class _Answers:
    """When the human replies arrived, by what they are on."""

    def __init__(self, case: CaseHistory) -> None:
        self._on_all: list[Moment] = []
        """Of those that name no issues."""
        self._on_some: list[Moment] = []
        self._on: dict[str, list[Moment]] = {}
        for moment, answer in case.answers:
            if answer.addresses is None:
                self._on_all.append(moment)
            elif answer.addresses:
                self._on_some.append(moment)
                for issue_id in answer.addresses:
                    self._on.setdefault(issue_id, []).append(moment)

    def first_after(self, reply: Happened) -> Moment | None:
        """When the first one after a reply arrived that may be on the same issues."""
        issues = reply.event.addresses
        same = [self._on.get(i, []) for i in issues] if issues else [self._on_some]
        found = []
        for moments in (self._on_all, *same):
            place = bisect_right(moments, reply.moment)
            found += moments[place : place + 1]
        return min(found, default=None)


DELIVERIES = Projection(
    name="deliveries",
    version=4,
    row=DeliveryRow,
    rows=rows,
    on=(DeliveryFailed, MessageReceived),
    looks_at=frozenset({"policy"}),
    indexes=("customer_id", "agent", "team", "failed_at", "resend_due_at"),
)
