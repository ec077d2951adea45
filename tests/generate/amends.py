"""What we give in generated cases: remedies and gestures."""

from __future__ import annotations

from casestore.events import (
    ApologyGiven,
    GestureDeclined,
    GestureGiven,
    GestureReversed,
    Ref,
    RemedyGiven,
    RemedyReversed,
)
from casestore.streams.history import stored_data
from tests.generate.story import DAY, HOUR, Entry, Story


def remedy(s: Story) -> None:
    """We give what was owed, mostly with an apology."""
    s.work(HOUR, 4 * DAY)
    remedy_id = s.new("y")
    given = s.record(
        RemedyGiven,
        s.agent,
        remedy_id=remedy_id,
        kind=s.dice.pick(("refund", "refund", "replacement", "repair", "compensation")),
        issue_ids=s.dice.maybe(0.6, tuple(s.issues)),
        value=s.dice.maybe(0.85, s.money(5, 400)),
        ask_id=s.dice.maybe(0.4, s.asks[-1]) if s.asks else None,
    )
    if s.dice.chance(0.6):
        reply_id = s.reply(s.words.sorry)
        solution = s.dice.maybe(0.7, Ref(kind="remedy", id=remedy_id))
        apology_id = s.new("z")
        s.record(ApologyGiven, s.agent, apology_id=apology_id, solution=solution, reply_id=reply_id)
    mistyped(s, given)
    if s.dice.chance(0.04):
        s.work(HOUR, 9 * DAY)
        s.record(RemedyReversed, s.agent, remedy_id=remedy_id, words=s.words.sorry)


def gesture(s: Story) -> None:
    """We give goodwill. Fields such as asked_for and conditions_told are often not recorded."""
    s.work(HOUR, 4 * DAY)
    gesture_id, supervisor = s.new("g"), s.supervisor()
    given = s.record(
        GestureGiven,
        s.agent,
        gesture_id=gesture_id,
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
    mistyped(s, given)
    if s.dice.chance(0.83):
        return
    s.work(HOUR, 9 * DAY)
    if s.dice.chance(0.4):
        s.record(GestureDeclined, s.customer, gesture_id=gesture_id, words=s.words.no)
    elif s.dice.chance(0.6):
        s.record(GestureReversed, s.agent, gesture_id=gesture_id, words=s.words.sorry)
    else:
        s.void(given, "duplicate")


def mistyped(s: Story, given: Entry) -> None:
    """Some amounts are corrected later."""
    before = stored_data(given.event).get("value")
    if before is not None and s.dice.chance(0.06):
        s.work(HOUR, 3 * DAY)
        s.amend(given, "value", before | {"amount": "10.00"})
