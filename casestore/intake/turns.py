"""The closings and reopenings of a ticket, as far as a store takes them.

A store may have read the ticket before: what it was then, or a part of its history. It takes no
closing of a closed case, and none between those on record. So each closing has two keys to choose
from. Its own is that of the change at the source. The ticket's is that of the closing which was
read from an end state, and of the first closing of a history: the two are the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    own = [turn.key in on_record for turn in turns]
    same = [turn.closes and turn.at == ended and not own[n] for n, turn in enumerate(turns)]
    past = _past(turns, own, same, ended)
    closed = course is not None and course.closed
    chosen: list[Choice] = []
    taken = ended is not None
    for number, turn in enumerate(turns):
        if not turn.key:
            chosen.append("nothing" if closed and ended is None else "ticket")
        elif own[number]:
            chosen.append("own")
        elif number < past:
            mine = same[number] or (turn.first and ended is not None and not any(same))
            chosen.append("ticket" if mine else "note")
        elif turn.closes == closed:
            chosen.append("note")
        else:
            closed = turn.closes
            first = turn.closes and turn.first and not taken
            taken = taken or first
            chosen.append("ticket" if first else "own")
    return chosen


def _past(
    turns: Sequence[Turn], own: Sequence[bool], same: Sequence[bool], ended: datetime | None
) -> int:
    """How many turns are not after what the store has of them."""
    last = max((n for n in range(len(turns)) if own[n] or same[n]), default=-1) + 1
    if ended is None or any(same):
        return last
    return max(last, sum(turn.at <= ended for turn in turns))
