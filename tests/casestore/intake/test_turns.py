"""However a ticket's closings come, in parts, twice or after its end state, none is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from casestore.intake.turns import Turn, choose
from casestore.transfer.known import Course

TICKET = "ticket"
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def chain(begin: int, end: int) -> list[Turn]:
    """Days begin to end of a ticket that is closed each even day, and reopened each odd one."""
    turns: list[Turn] = []
    for number in range(begin, end):
        closes = number % 2 == 0
        # If the part begins with a reopening, it tells that there was a closing before.
        first = closes and not turns
        turns.append(Turn(closes, day(number), f"change {number}", first))
    return turns


def end_state(number: int) -> list[Turn]:
    """What the ticket says it is, half a day later: nothing, if it is open."""
    closed = number % 2 == 0
    return [Turn(True, day(number) + timedelta(hours=12), "", True)] if closed else []


class Store:
    """What a store does with what was chosen."""

    def __init__(self) -> None:
        self.turns: dict[str, datetime] = {}
        self.closed = False
        self.there = False

    def take(self, turns: list[Turn]) -> int:
        """How many were appended."""
        course = Course("", dict(self.turns), self.closed) if self.there else None
        appended = 0
        self.there = True
        for turn, choice in zip(turns, choose(turns, TICKET, course), strict=True):
            key = {"own": turn.key, "ticket": TICKET}.get(choice)
            if key is None or key in self.turns:
                continue
            assert turn.closes != self.closed, f"refused: {turn}"
            self.turns[key], self.closed = turn.at, turn.closes
            appended += 1
        return appended


days = st.integers(0, 8)
parts = st.tuples(days, days).map(lambda ends: chain(*sorted(ends)))
after_end_states = days.map(lambda number: end_state(number) + chain(number + 1, number + 3))
exports = st.lists(parts | days.map(end_state) | after_end_states, max_size=6)


@given(exports)
def test_nothing_is_refused_and_nothing_is_appended_twice(given: list[list[Turn]]) -> None:
    store = Store()
    for turns in given:
        store.take(turns)
        assert store.take(turns) == 0


@given(st.lists(st.integers(1, 8), min_size=1, max_size=4))
def test_longer_and_longer_exports_end_with_all_of_it(ends: list[int]) -> None:
    store = Store()
    for end in sorted(ends):
        store.take(chain(0, end))
    assert len(store.turns) == max(ends)
    assert store.closed == (max(ends) % 2 == 1)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=6))
def test_exports_of_what_was_new_end_with_all_of_it(lengths: list[int]) -> None:
    store = Store()
    begin = 0
    for length in lengths:
        store.take(chain(begin, begin + length))
        begin += length
    assert len(store.turns) == begin


@given(st.integers(0, 3), st.integers(1, 9))
def test_a_history_after_an_end_state_goes_on_from_there(closed: int, end: int) -> None:
    store = Store()
    store.take(end_state(closed * 2))
    store.take(chain(0, end))
    after = max(0, end - closed * 2 - 1)
    assert len(store.turns) == 1 + after
