"""What becomes of promises in generated cases: one function for each fate.

`FATES` says how often each happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from casestore.events import (
    DeliveryFailed,
    PromiseAttempted,
    PromiseKept,
    PromiseMade,
    PromiseReleased,
    PromiseRenegotiated,
    PromiseWithdrawn,
    Ref,
    RemedyGiven,
)
from tests.generate.story import DAY, HOUR, MACHINE, Entry, Story, weighed

KINDS = ("callback", "callback", "reply", "reply", "update", "refund", "repair", "investigation")


class Promise(NamedTuple):
    """A promise in a story."""

    id: str
    due: int
    """Seconds since START. A promise without a due time has one here, too: its fate needs one."""
    made: Entry


def promise(s: Story) -> None:
    """A promise, and its fate."""
    s.work(HOUR, 2 * DAY)
    promise_id, dated = s.new("p"), s.dice.chance(0.92)
    length = s.dice.between(4 * HOUR, 10 * DAY)
    made = s.record(
        PromiseMade,
        s.agent,
        promise_id=promise_id,
        kind=s.dice.pick(KINDS),
        due_at=s.when(length) if dated else None,
        capability=s.dice.pick(("confirmed", "unconfirmed", None)),
        ask_id=s.asks[-1] if s.asks else None,
        reply_id=s.replies[-1] if s.replies and s.dice.chance(0.5) else None,
        words=s.dice.maybe(0.8, s.words.promise),
    )
    due = s.at + length
    if dated and s.dice.chance(0.06):
        s.at += HOUR
        due += DAY
        s.amend(made, "due_at", s.when(due - s.at).isoformat())
    s.dice.pick(FATES)(s, Promise(promise_id, due, made))


def _wait_until_before_due(s: Story, p: Promise) -> None:
    s.at = s.dice.between(s.at + 1, p.due)


def _wait_until_past_due(s: Story, p: Promise) -> None:
    s.at = p.due + s.dice.between(HOUR, 9 * DAY)


# --- kept ------------------------------------------------------------------------------------


def in_time(s: Story, p: Promise) -> None:
    """Kept before it was due."""
    _wait_until_before_due(s, p)
    _keep(s, p)


def late(s: Story, p: Promise) -> None:
    """Kept after it was due."""
    _wait_until_past_due(s, p)
    _keep(s, p)


def recorded_late(s: Story, p: Promise) -> None:
    """Kept in time, but recorded after it was due: until then the promise looks broken."""
    kept_at = s.dice.between(s.at + 1, p.due)
    _wait_until_past_due(s, p)
    s.record(PromiseKept, s.agent, ago=s.at - kept_at, promise_id=p.id)


def attempted(s: Story, p: Promise) -> None:
    """Kept on the second attempt."""
    s.at = p.due - HOUR
    s.record(PromiseAttempted, s.agent, promise_id=p.id)
    s.work(HOUR, DAY)
    _keep(s, p)


def bounced(s: Story, p: Promise) -> None:
    """Kept by a reply that proves undelivered: so not kept, and we may keep it again."""
    _wait_until_before_due(s, p)
    reply_id = s.reply()
    s.record(PromiseKept, s.agent, promise_id=p.id, by=Ref(kind="reply", id=reply_id))
    until_we_learn = s.dice.between(HOUR, 3 * DAY)
    s.at += HOUR + until_we_learn
    s.record(
        DeliveryFailed,
        MACHINE,
        ago=until_we_learn,
        reply_id=reply_id,
        kind="permanent",
        code="5.1.1",
    )
    if s.dice.chance(0.4):
        s.work(HOUR, 2 * DAY)
        s.record(PromiseKept, s.agent, promise_id=p.id)
    elif s.dice.chance(0.5):
        s.work(HOUR, 2 * DAY)
        s.reply(resend_of=reply_id)


def _keep(s: Story, p: Promise) -> None:
    by = None
    if s.dice.chance(0.4):
        by = Ref(kind="reply", id=s.reply())
    elif s.dice.chance(0.3):
        by = Ref(kind="remedy", id=s.new("y"))
        value = s.money(5, 200)
        s.record(RemedyGiven, s.agent, remedy_id=by.id, kind="refund", value=value)
    kept = s.record(PromiseKept, s.agent, promise_id=p.id, by=by)
    if s.dice.chance(0.04):
        # It was kept earlier than recorded, but not before it was made.
        promised = p.made.event.occurred_at
        earlier = promised + (kept.event.occurred_at - promised) / 2
        s.work(HOUR, 2 * DAY)
        s.amend(kept, "occurred_at", earlier.isoformat())


# --- renegotiated ----------------------------------------------------------------------------


def agreed(s: Story, p: Promise) -> None:
    """Moved to a later time before it was due, which the customer agreed to; then kept."""
    _wait_until_before_due(s, p)
    s.at = _move(s, p, agreed=True) - HOUR
    _keep(s, p)


def not_agreed(s: Story, p: Promise) -> None:
    """Moved without asking the customer: kept by the new due time, late by the old one."""
    _wait_until_before_due(s, p)
    s.at = _move(s, p, agreed=False) - HOUR
    _keep(s, p)


def agreed_too_late(s: Story, p: Promise) -> None:
    """Moved with the customer's agreement, but when it was broken already."""
    _wait_until_past_due(s, p)
    _move(s, p, agreed=True)


def _move(s: Story, p: Promise, *, agreed: bool) -> int:
    """Move the due time of a promise. Gives the new one."""
    due = max(p.due, s.at) + s.dice.between(DAY, 5 * DAY)
    due_at = s.when(due - s.at)
    s.record(
        PromiseRenegotiated,
        s.agent,
        promise_id=p.id,
        due_at=due_at,
        agreed_by_customer=agreed,
    )
    return due


# --- not kept --------------------------------------------------------------------------------


def broken(s: Story, p: Promise) -> None:
    """Nothing is done, and the customer asks again."""
    _wait_until_past_due(s, p)
    s.hear(s.words.chase)


def released(s: Story, p: Promise) -> None:
    """The customer releases us from it, before or after it is due."""
    s.at = p.due + s.dice.between(-2 * HOUR, DAY)
    s.record(PromiseReleased, s.customer, promise_id=p.id, words=s.words.thanks)


def withdrawn(s: Story, p: Promise) -> None:
    """We withdraw it."""
    _wait_until_before_due(s, p)
    s.record(PromiseWithdrawn, s.agent, promise_id=p.id, words=s.words.no)


def never_made(s: Story, p: Promise) -> None:
    """Voided: it was made in another case."""
    s.work(HOUR, DAY)
    s.void(p.made, "wrong_case")


def never_kept(s: Story, p: Promise) -> None:
    """Recorded as kept by mistake: that is voided."""
    s.at = p.due - HOUR
    kept = s.record(PromiseKept, s.agent, promise_id=p.id)
    s.work(HOUR, 2 * DAY)
    s.void(kept, "misreported")


FATES: tuple[Callable[[Story, Promise], None], ...] = weighed(
    (in_time, 16),
    (late, 6),
    (broken, 6),
    (recorded_late, 3),
    (attempted, 3),
    (bounced, 3),
    (agreed, 2),
    (not_agreed, 2),
    (agreed_too_late, 2),
    (released, 2),
    (withdrawn, 2),
    (never_made, 1),
    (never_kept, 1),
)
