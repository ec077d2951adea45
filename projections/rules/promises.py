"""Lessons about promises."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

from casestore.events import (
    CaseClosed,
    PromiseKept,
    PromiseMade,
    PromiseReleased,
    PromiseRenegotiated,
    PromiseWithdrawn,
)
from projections.history.happened import MOMENT, Happened
from projections.models.lapses import Outcome
from projections.models.promises import PromiseRow, rows
from projections.rules.facts import Facts
from projections.rules.rule import Finding, rule

_COURSE = (PromiseKept, PromiseRenegotiated, PromiseReleased, PromiseWithdrawn)


def _promises(case: Facts) -> Iterator[tuple[Happened, PromiseRow]]:
    return zip(case.of(PromiseMade), rows(case.case), strict=True)


@rule("promise-beyond-capability", "2", "5", on=PromiseMade)
def beyond_capability(case: Facts) -> Iterator[Finding]:
    """Promise only what you know can be done."""
    outcomes: dict[str | None, Outcome] = {"unconfirmed": "violated", "confirmed": "satisfied"}
    for made in case.of(PromiseMade):
        outcome = outcomes.get(made.event.capability, "unknown")
        yield Finding(made.event.promise_id, outcome, made.at, made)


@rule("promise-broken", "2", "5", on=PromiseMade)
def broken(case: Facts) -> Iterator[Finding]:
    """What was promised is done, and in time."""
    # The states are those of the report `promises`. A new time counts if the customer agreed to it
    # before the old one had passed. A reply that did not arrive keeps no promise.
    if not case.of(PromiseMade):
        return
    course: dict[str, list[Happened]] = {}
    for each in case.of(*_COURSE):
        course.setdefault(each.event.promise_id, []).append(each)
    for made, promise in _promises(case):
        due, kept, released = promise.due_at, promise.kept_at, promise.released_at
        name = promise.promise_id
        shown = tuple(course.get(name, ()))
        if promise.withdrawn_at is not None:
            at = promise.withdrawn_at if due is None else min(due, promise.withdrawn_at)
            yield Finding(name, "violated", at, made, shown)
        elif released is not None and (due is None or released <= due):
            yield Finding(name, "exempt", released, made, shown)
        elif kept is not None and (due is None or kept <= due):
            yield Finding(name, "satisfied", kept, made, shown)
        elif due is not None:
            over = due if kept is None else None
            yield Finding(name, "violated", due, made, shown, due_at=over)


@rule("promise-open-at-close", "5", on=PromiseMade)
def open_at_close(case: Facts) -> Iterator[Finding]:
    """Before a case is closed, what was promised in it is done."""
    # A closing discharges no promise, nor does the due time: it still has to be kept.
    closings = [turn for turn in case.case.closings if isinstance(turn.event, CaseClosed)]
    if not closings:
        return
    for made, promise in _promises(case):
        after = bisect_right(closings, made.moment, key=MOMENT)
        later = islice(closings, after, None)
        first = next((each for each in later if case.case.together(made, each)), None)
        if first is None:
            continue
        ended = [at for at in (promise.withdrawn_at, promise.released_at, promise.kept_at) if at]
        is_open = not ended or min(ended) > first.at
        yield Finding(
            promise.promise_id, "violated" if is_open else "satisfied", first.at, first, (made,)
        )
