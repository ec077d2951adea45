"""The closings and reopenings of a ticket, as far as a store takes them.

A store may have read the ticket before: what it was then, or a part of its history. It takes no
closing of a closed case, and none between those on record. So each closing has two keys to choose
from. Its own is that of the change at the source. The ticket's is that of the closing which was
read from an end state, and of the first closing of a history: the two are the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from casestore.transfer.known import Course

Choice = Literal["own", "ticket", "note", "nothing"]
"""Under which key a turn becomes an event. "note": it becomes none, and is noted; "nothing": the
store has what an end state tells."""


class Turn(NamedTuple):
    """A closing or a reopening, as the source tells it."""

    closes: bool
    at: datetime
    key: str
    """Its own key; "" for what was read from an end state."""
    first: bool
    """Whether it closes a ticket that, as far as was read, was never closed before."""


def choose(turns: Sequence[Turn], ticket_key: str, course: Course | None) -> list[Choice]:
    """What becomes of each turn.

    The same turns get the same choices when they are read again, after what was chosen is in the
    store.

    Args:
        turns: all that were read of a ticket, in their order.
        ticket_key: the key of the ticket's own closing.
        course: what the store has of the case; None if it has no such case.
    """
    on_record = {} if course is None else course.turns
    ended = on_record.get(ticket_key)
    past = _past(turns, on_record, ended)
    closed = course is not None and course.closed
    taken = ended is not None
    chosen: list[Choice] = []
    for number, turn in enumerate(turns):
        if not turn.key:
            chosen.append("nothing" if closed and not taken else "ticket")
            closed, taken = closed or not taken, True
        elif turn.key in on_record:
            chosen.append("own")
        elif number < past:
            chosen.append("ticket" if turn.first and taken else "note")
        elif turn.closes == closed:
            chosen.append("note")
        else:
            closed = turn.closes
            chosen.append("ticket" if turn.first and not taken else "own")
    return chosen


def _past(turns: Sequence[Turn], on_record: Mapping[str, datetime], ended: datetime | None) -> int:
    """How many of the turns are not after what the store has of them."""
    past = (n for n, turn in enumerate(turns, 1) if turn.key in on_record)
    last = max(past, default=0)
    return last if ended is None else max(last, sum(turn.at <= ended for turn in turns))
