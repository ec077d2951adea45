"""Which of a customer's messages wait for a reply, and who answered the others.

A message waits until a human reply that was sent after it arrives. A message without an ask, a new
issue or a says_… field is taken for a word of thanks: the closing of the case ends its waiting,
unless a reply to it did not arrive. If a case has no message at all, it waits from its receipt
until a human reply arrives, as long as it is open. Automated messages never wait.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from casestore.events import CaseClosed, MessageReceived
from projections.history.case_history import CaseHistory
from projections.history.happened import MOMENT, Happened, Moment
from projections.history.kept import kept


class Waited(NamedTuple):
    """A message that waited, or still does."""

    message: Happened
    reply: Happened | None
    """The reply that answered it: the one that arrived, which may be a resend. None: it waits."""


@kept
def waited(case: CaseHistory) -> Iterator[Waited]:
    """The customer's messages that waited for an answer or still wait, in order."""
    answers = [moment for moment, _ in case.answers]
    lost = [
        reply.moment
        for reply_id, reply in case.replies.items()
        if not reply.event.automated and reply_id in case.failures
    ]
    named: set[str] = set()
    for message in case.of(MessageReceived):
        event: MessageReceived = message.event
        new = {*(event.issue_ids or ())} - named
        named |= new
        if event.automated:
            continue
        place = bisect_right(answers, message.moment)
        answered = answers[place] if place < len(answers) else None
        asks = event.asks or new or event.says_not_received or event.says_unanswered
        if not asks and _ended(case, message, answered, lost):
            continue
        yield Waited(message, None if answered is None else case.reply_at(answered))


def _ended(
    case: CaseHistory, message: Happened, answered: Moment | None, lost: list[Moment]
) -> bool:
    """Whether a closing ended the waiting of a word of thanks.

    Args:
        case: whose message it is.
        message: the word of thanks.
        answered: when a human reply after it arrived.
        lost: when the human replies that did not arrive were sent, in order.
    """
    after = bisect_right(case.closings, message.moment, key=MOMENT)
    closing = next(
        (
            each.moment
            for each in islice(case.closings, after, None)
            if isinstance(each.event, CaseClosed) and case.covers(each, message.case_id)
        ),
        None,
    )
    if closing is None or (answered is not None and answered < closing):
        return False
    place = bisect_right(lost, message.moment)
    if place == len(lost):
        return True
    return answered is not None and lost[place] >= answered


def waiting(case: CaseHistory) -> tuple[datetime, ...]:
    """For each of the customer's messages that still waits, the time since when; earliest first."""
    if case.of(MessageReceived):
        return tuple(each.message.at for each in waited(case) if each.reply is None)
    if case.answers or case.standing.status != "open":
        return ()
    return (case.receipt or case.opened.at,)
