"""What is given in made cases: remedies and gestures."""

from __future__ import annotations

from casestore.events import (
    ApologyGiven,
    GestureDeclined,
    GestureGiven,
    GestureReversed,
    Ref,
    RemedyGiven,
)
from casestore.streams.history import stored_data
from tests.generate.story import DAY, HOUR, Story, Told


def remedy(s: Story) -> None:
    """What was owed is made good, mostly with an apology."""
    s.work(HOUR, 4 * DAY)
    given = s.new("y")
    told = s.tell(
        RemedyGiven,
        s.agent,
        remedy_id=given,
        kind=s.dice.pick(("refund", "refund", "replacement", "repair", "compensation")),
        issue_ids=s.dice.maybe(0.6, tuple(s.issues)),
        value=s.dice.maybe(0.85, s.money(5, 400)),
        ask_id=s.dice.maybe(0.4, s.asks[-1]) if s.asks else None,
    )
    if s.dice.chance(0.6):
        reply = s.reply(s.words.sorry)
        solution = s.dice.maybe(0.7, Ref(kind="remedy", id=given))
        s.tell(ApologyGiven, s.agent, apology_id=s.new("z"), solution=solution, reply_id=reply)
    mistyped(s, told)


def gesture(s: Story) -> None:
    """Goodwill; often nobody wrote down whether it was asked for, or its conditions told."""
    s.work(HOUR, 4 * DAY)
    given, supervisor = s.new("g"), s.supervisor()
    told = s.tell(
        GestureGiven,
        s.agent,
        gesture_id=given,
        kind=s.dice.pick(("voucher", "voucher", "credit", "credit", "cash", "gift", "invitation")),
        value=s.dice.maybe(0.9, s.money(5, 80)),
        reason=s.dice.pick(("apology", "delay", "error", "inconvenience", "loyalty", None)),
        asked_for=s.dice.pick((True, False, False, None)),
        conditions_told=s.dice.pick((True, False, None)),
        ask_id=s.dice.maybe(0.3, s.asks[-1]) if s.asks else None,
        approved_by=s.dice.maybe(0.3, supervisor),
        policy=s.dice.maybe(0.5, "goodwill"),
        conditions=s.dice.maybe(0.3, "To be used within a year."),
        note=s.dice.maybe(0.2, s.words.sorry),
    )
    mistyped(s, told)
    if s.dice.chance(0.83):
        return
    s.work(HOUR, 9 * DAY)
    if s.dice.chance(0.4):
        s.tell(GestureDeclined, s.customer, gesture_id=given, words=s.words.no)
    elif s.dice.chance(0.6):
        s.tell(GestureReversed, s.agent, gesture_id=given, words=s.words.sorry)
    else:
        s.void(told, "duplicate")


def mistyped(s: Story, told: Told) -> None:
    """Now and then an amount is put right."""
    before = stored_data(told.event).get("value")
    if before is not None and s.dice.chance(0.06):
        s.work(HOUR, 3 * DAY)
        s.amend(told, "value", before | {"amount": "10.00"})
