"""Lessons about promises."""

from __future__ import annotations

from collections.abc import Iterator

from casestore.events import CaseClosed, PromiseMade
from projections.lapses.facts import Facts
from projections.lapses.rule import Finding, Outcome, rule
from projections.promises import PromiseRow, rows
from projections.reading import Happened


def _promises(case: Facts) -> Iterator[tuple[Happened, PromiseRow]]:
    return zip(case.of(PromiseMade), rows(case.case), strict=True)


@rule("promise-beyond-capability", "001", "004")
def beyond_capability(case: Facts) -> Iterator[Finding]:
    """Promise only what you know can be done."""
    for made, _ in _promises(case):
        outcomes: dict[str | None, Outcome] = {"unconfirmed": "violated", "confirmed": "satisfied"}
        outcome = outcomes.get(made.event.capability, "unknown")
        yield Finding(made.event.promise_id, outcome, made.at, made)


@rule("promise-broken", "001", "004")
def broken(case: Facts) -> Iterator[Finding]:
    """What was promised is done, and in time."""
    for made, promise in _promises(case):
        due, kept = promise.due_at, promise.kept_at
        name = promise.promise_id
        if promise.withdrawn_at is not None:
            at = promise.withdrawn_at if due is None else min(due, promise.withdrawn_at)
            yield Finding(name, "violated", at, made)
        elif promise.released_at is not None and (due is None or promise.released_at <= due):
            yield Finding(name, "exempt", promise.released_at, made)
        elif kept is not None and (due is None or kept <= due):
            yield Finding(name, "satisfied", kept, made)
        elif kept is not None and due is not None:
            yield Finding(name, "violated", due, made)
        elif due is not None:
            yield Finding(name, "violated", due, made, due_at=due)


@rule("promise-open-at-close", "004")
def open_at_close(case: Facts) -> Iterator[Finding]:
    """Before a case is closed, what was promised in it is done."""
    closings = case.of(CaseClosed)
    if not closings:
        return
    for made, promise in _promises(case):
        ended = [at for at in (promise.withdrawn_at, promise.released_at, promise.kept_at) if at]
        end = min(ended, default=None)
        later = [each for each in closings if each.moment > made.moment]
        while_open = next((each for each in later if end is None or end > each.at), None)
        if while_open is not None:
            yield Finding(promise.promise_id, "violated", while_open.at, while_open, (made,))
        elif later:
            yield Finding(promise.promise_id, "satisfied", later[0].at, later[0], (made,))
