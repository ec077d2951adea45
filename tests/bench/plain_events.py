"""Plain events for measuring the journal: cases of eight events, one case after another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from casestore import Actor, CaseOpened, CaseStore, MessageReceived, ReplySent
from casestore.events import Event
from casestore.events.made import making
from casestore.journal.rows import Row

AGENT = Actor(kind="agent", id="anna", role="first_line", team="north")
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
TEXT = "The parcel came late, and the box was open. I would like to know what happened to it."
PER_CASE = 8


def event_of(case: int, number: int, customers: str = "C") -> Event:
    """Event `number` of a case: CaseOpened is 0, messages and replies follow in turn.

    Args:
        case: the case's number; two cases have the same customer.
        number: from 0 to 7.
        customers: the prefix of customer ids.
    """
    at = START + timedelta(minutes=case, seconds=number)
    if number == 0:
        return CaseOpened(
            occurred_at=at,
            actor=AGENT,
            customer_id=f"{customers}-{case // 2}",
            channel="email",
            subject=TEXT,
        )
    if number % 2:
        return MessageReceived(
            occurred_at=at, actor=AGENT, message_id=f"m{number}", channel="email", text=TEXT
        )
    return ReplySent(
        occurred_at=at,
        actor=AGENT,
        reply_id=f"r{number}",
        channel="email",
        language="en",
        text=TEXT,
    )


def events(count: int) -> Iterator[tuple[str, Event]]:
    """The first `count` events, each with its stream, in the order of recording."""
    for n in range(count):
        yield f"case:{n // PER_CASE}", event_of(n // PER_CASE, n % PER_CASE)


def lines(count: int) -> list[bytes]:
    """The same events as lines of NDJSON."""
    encoded = []
    for n, (stream, event) in enumerate(events(count)):
        cls: Any = type(event)
        data = json.loads(making(cls).serializer.to_json(event, exclude_none=True))
        line = {"stream": stream, "type": cls.__name__, "data": data, "key": f"k{n}"}
        encoded.append(json.dumps(line, separators=(",", ":")).encode())
    return encoded


def rows(store: CaseStore) -> list[Row]:
    """All that the store holds, as rows to insert elsewhere."""
    found: list[Row] = []
    # One answer holds no more than is large: it is asked for until there are no more.
    while some := store._recorder.rows(found[-1].position if found else 0, 10_000):
        found += map(Row._make, some)
    return found
