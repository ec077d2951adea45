"""A long case: much said about a few issues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from casestore.events import CaseEvent
from casestore.streams.history import History, Recorded, to_microseconds
from tests.support.stories import (
    START,
    assessed,
    assigned,
    bounced,
    closed,
    escalated,
    inquired,
    issue,
    kept_by_reply,
    noted,
    opened,
    promised,
    rated,
    reopened,
    replied,
    returned,
    said_no,
    stated,
    uid,
    wrote,
)

ISSUES = 3


def long_case(rounds: int) -> Iterator[CaseEvent]:
    """The events of a case in which so many messages came, were answered, and so on."""
    minute = 0

    def at() -> datetime:
        nonlocal minute
        minute += 1
        return START + timedelta(minutes=minute)

    yield opened()
    for i in range(ISSUES):
        yield issue(f"i{i}", at())
    for i in range(rounds):
        about = [f"i{i % ISSUES}"] if i % 2 else None
        again = f"r{i - 1}" if i % 5 == 1 else None
        yield wrote(f"m{i}", at(), issue_ids=about)
        yield replied(f"r{i}", at(), addresses=about, resend_of=again)
        yield promised(f"p{i}", at(), due=at(), reply_id=f"r{i}")
        if i % 5 in (0, 3):
            yield bounced(f"r{i}", at())
        yield kept_by_reply(f"r{i}", f"p{i}", at())
        yield noted(at())
        if i % 4 == 0:
            yield assigned(f"agent-{i % 7}", at=at())
            yield stated(f"s{i}", at(), reply_id=f"r{i}")
            yield inquired(f"q{i}", at(), reply_id=f"r{i}")
        if i % 7 == 0:
            yield escalated(f"e{i}", at())
            yield returned(f"e{i}", at())
            yield rated(at=at())
        if i % 11 == 0:
            yield said_no(f"n{i}", at())
            yield assessed(at=at())
        if i % 2 == 0:
            yield closed(at())
            yield reopened(at())


def long_history(rounds: int) -> History:
    """The same, as it is read: each event was recorded when it happened."""
    return History(
        "case:c1",
        [
            Recorded(
                event,
                "case:c1",
                number,
                number,
                str(uid(number)),
                "anna-k",
                to_microseconds(event.occurred_at),
            )
            for number, event in enumerate(long_case(rounds), 1)
        ],
    )
