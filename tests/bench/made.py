"""Plain events for the journal: cases of eight, in the order in which they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from casestore import Actor, CaseOpened, CaseStore, MessageReceived, ReplySent
from casestore.events import Event
from casestore.journal.rows import Row

AGENT = Actor(kind="agent", id="anna", role="first_line", team="north")
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
TEXT = "The parcel came late, and the box was open. I would like to know what happened to it."
PER_CASE = 8


def made(case: int, number: int, whose: str = "C") -> Event:
    """The n-th event of a case: opened, then messages and replies in turn."""
    at = START + timedelta(minutes=case, seconds=number)
    if number == 0:
        return CaseOpened(
            occurred_at=at,
            actor=AGENT,
            customer_id=f"{whose}-{case // 2}",
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
    """So many events of cases of eight, in the order in which they come."""
    for n in range(count):
        yield f"case:{n // PER_CASE}", made(n // PER_CASE, n % PER_CASE)


def lines(count: int) -> list[bytes]:
    """The same as NDJSON."""
    found = []
    for n, (stream, each) in enumerate(events(count)):
        cls: Any = type(each)
        data = json.loads(cls.__pydantic_serializer__.to_json(each, exclude_none=True))
        line = {"stream": stream, "type": cls.__name__, "data": data, "key": f"k{n}"}
        found.append(json.dumps(line, separators=(",", ":")).encode())
    return found


def rows(store: CaseStore) -> list[Row]:
    """What the store holds, as rows to insert elsewhere."""
    return [Row._make(row) for row in store.recorder.rows(0, 10_000_000)]
