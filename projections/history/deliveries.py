"""Every reply of a case and what is known of its delivery: sent, confirmed, failed, sent again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, NamedTuple

from casestore.events import DeliveryConfirmed, DeliveryFailed, MessageReceived
from projections.history.case_history import CaseHistory
from projections.history.happened import Happened

Delivery = Literal["confirmed", "unknown", "sent_again", "undelivered"]


class Reply(NamedTuple):
    """A reply."""

    reply_id: str
    sent: Happened
    delivery: Delivery
    """What holds in the end. unknown: sent, and nothing was heard of it. sent_again: it did not
    arrive, but another one in its place did."""
    arrived_at: datetime | None
    """When it, or another one in its place, counts as arrived; None if neither did."""
    resent_by: tuple[str, ...]
    """The replies that sent it again, in order."""
    news: tuple[Happened, ...]
    """What was heard of it, in order: DeliveryConfirmed, DeliveryFailed, or a message of the
    customer that says it never came."""


def replies(case: CaseHistory) -> Iterator[Reply]:
    """The replies of a case, human or automated, in the order in which they were sent."""
    news = _news(case)
    for reply_id, sent in case.replies.items():
        heard = news.get(reply_id, ())
        arrived = case.arrived(reply_id)
        if reply_id not in case.failures:
            known = any(_settles(each.event) for each in heard)
            delivery: Delivery = "confirmed" if known else "unknown"
        else:
            delivery = "undelivered" if arrived is None else "sent_again"
        yield Reply(
            reply_id=reply_id,
            sent=sent,
            delivery=delivery,
            arrived_at=None if arrived is None else arrived.at,
            resent_by=tuple(case.resends.get(reply_id, ())),
            news=tuple(heard),
        )


def _settles(event: Any) -> bool:
    """Whether news of a delivery says more than that it is still being tried."""
    return not (isinstance(event, DeliveryFailed) and event.kind == "temporary")


def _news(case: CaseHistory) -> dict[str, list[Happened]]:
    found: dict[str, list[Happened]] = {}
    for each in case.of(DeliveryConfirmed, DeliveryFailed, MessageReceived):
        event = each.event
        named = (
            event.says_not_received or ()
            if isinstance(event, MessageReceived)
            else (event.reply_id,)
        )
        for reply_id in named:
            found.setdefault(reply_id, []).append(each)
    return found
