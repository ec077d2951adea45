"""What becomes of made promises: one function for each fate, `FATES` weighs them."""

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
from tests.generate.story import DAY, HOUR, MACHINE, Story, Told, weighed

KINDS = ("callback", "callback", "reply", "reply", "update", "refund", "repair", "investigation")


class Promise(NamedTuple):
    """A promise in a story."""

    id: str
    due: int
    """Seconds since START; what is only thought of where the promise has no time."""
    made: Told


def promise(s: Story) -> None:
    """A promise, and its fate."""
    s.work(HOUR, 2 * DAY)
    made, dated = s.new("p"), s.dice.chance(0.92)
    length = s.dice.between(4 * HOUR, 10 * DAY)
    told = s.tell(
        PromiseMade,
        s.agent,
        promise_id=made,
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
        s.amend(told, "due_at", s.when(due - s.at).isoformat())
    s.dice.pick(FATES)(s, Promise(made, due, told))


def _before(s: Story, p: Promise) -> None:
    s.at = s.dice.between(s.at + 1, p.due)


def _past(s: Story, p: Promise) -> None:
    s.at = p.due + s.dice.between(HOUR, 9 * DAY)


# --- done ------------------------------------------------------------------------------------


def in_time(s: Story, p: Promise) -> None:
    """Kept before it was due."""
    _before(s, p)
    _keep(s, p)


def late(s: Story, p: Promise) -> None:
    """Kept after it was due."""
    _past(s, p)
    _keep(s, p)


def told_late(s: Story, p: Promise) -> None:
    """Kept in time, but put on record when it looked broken."""
    kept_at = s.dice.between(s.at + 1, p.due)
    _past(s, p)
    s.tell(PromiseKept, s.agent, ago=s.at - kept_at, promise_id=p.id)


def attempted(s: Story, p: Promise) -> None:
    """Nobody picked up the first time."""
    s.at = p.due - HOUR
    s.tell(PromiseAttempted, s.agent, promise_id=p.id)
    s.work(HOUR, DAY)
    _keep(s, p)


def bounced(s: Story, p: Promise) -> None:
    """Kept by a reply that proves undelivered: not kept, and it may be kept again."""
    _before(s, p)
    reply = s.reply()
    s.tell(PromiseKept, s.agent, promise_id=p.id, by=Ref(kind="reply", id=reply))
    unknown = s.dice.between(HOUR, 3 * DAY)
    s.at += HOUR + unknown
    s.tell(DeliveryFailed, MACHINE, ago=unknown, reply_id=reply, kind="permanent", code="5.1.1")
    if s.dice.chance(0.4):
        s.work(HOUR, 2 * DAY)
        s.tell(PromiseKept, s.agent, promise_id=p.id)
    elif s.dice.chance(0.5):
        s.work(HOUR, 2 * DAY)
        s.reply(resend_of=reply)


def _keep(s: Story, p: Promise) -> None:
    by = None
    if s.dice.chance(0.4):
        by = Ref(kind="reply", id=s.reply())
    elif s.dice.chance(0.3):
        by = Ref(kind="remedy", id=s.new("y"))
        value = s.money(5, 200)
        s.tell(RemedyGiven, s.agent, remedy_id=by.id, kind="refund", value=value)
    kept = s.tell(PromiseKept, s.agent, promise_id=p.id, by=by)
    if s.dice.chance(0.04):
        # It was done earlier than the record says, but not before it was promised.
        promised = p.made.event.occurred_at
        earlier = promised + (kept.event.occurred_at - promised) / 2
        s.work(HOUR, 2 * DAY)
        s.amend(kept, "occurred_at", earlier.isoformat())


# --- moved -----------------------------------------------------------------------------------


def agreed(s: Story, p: Promise) -> None:
    """Moved in time and with the customer, then kept."""
    _before(s, p)
    s.at = _move(s, p, agreed=True) - HOUR
    _keep(s, p)


def not_agreed(s: Story, p: Promise) -> None:
    """Moved without the customer: kept by the new time, late by the old one."""
    _before(s, p)
    s.at = _move(s, p, agreed=False) - HOUR
    _keep(s, p)


def agreed_too_late(s: Story, p: Promise) -> None:
    """Moved when it was broken already."""
    _past(s, p)
    _move(s, p, agreed=True)


def _move(s: Story, p: Promise, *, agreed: bool) -> int:
    """The new time it is due."""
    due = max(p.due, s.at) + s.dice.between(DAY, 5 * DAY)
    due_at = s.when(due - s.at)
    s.tell(
        PromiseRenegotiated,
        s.agent,
        promise_id=p.id,
        due_at=due_at,
        agreed_by_customer=agreed,
    )
    return due


# --- not done --------------------------------------------------------------------------------


def broken(s: Story, p: Promise) -> None:
    """Nothing happened, and the customer says so."""
    _past(s, p)
    s.hear(s.words.chase)


def released(s: Story, p: Promise) -> None:
    """The customer lets us off, before it is due or after."""
    s.at = p.due + s.dice.between(-2 * HOUR, DAY)
    s.tell(PromiseReleased, s.customer, promise_id=p.id, words=s.words.thanks)


def withdrawn(s: Story, p: Promise) -> None:
    """We go back on it."""
    _before(s, p)
    s.tell(PromiseWithdrawn, s.agent, promise_id=p.id, words=s.words.no)


def never_made(s: Story, p: Promise) -> None:
    """It was for another case."""
    s.work(HOUR, DAY)
    s.void(p.made, "wrong_case")


def never_kept(s: Story, p: Promise) -> None:
    """Somebody said that it was kept, and it was not."""
    s.at = p.due - HOUR
    kept = s.tell(PromiseKept, s.agent, promise_id=p.id)
    s.work(HOUR, 2 * DAY)
    s.void(kept, "misreported")


FATES: tuple[Callable[[Story, Promise], None], ...] = weighed(
    (in_time, 16),
    (late, 6),
    (broken, 6),
    (told_late, 3),
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
