"""Lessons about gestures that were given grudgingly: asked for, denied first, or unwilling."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from casestore.events import (
    GestureGiven,
    MessageReceived,
    PromiseMade,
    QualityAssessed,
    RemedyGiven,
    ReplySent,
    RequestRefused,
)
from casestore.policy.authority import Given, could_give
from projections.history.happened import Happened, Moment
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.gestures import WENT_WRONG, undone
from projections.rules.rule import Finding, rule

_SAME_TIME = timedelta(hours=1)
"""If an event names no reply, it belongs to a reply that was sent at most so long before it."""


@rule("gesture-had-to-be-asked", "3", on=GestureGiven)
def gesture_had_to_be_asked(case: Facts) -> Iterator[Finding]:
    """Know where the conversation is going and get there first: no customer should have to ask
    for a gesture."""
    # An ask is not left unmet by an acknowledgement, a holding reply, a resend, or a promise of
    # what was asked for. It is left unmet by any other reply, and by a refusal, with or without a
    # reply on record.
    asks = _asks_answered(case)
    for gesture in case.of(GestureGiven):
        event = gesture.event
        left = [
            (ask.message, reply)
            for ask in asks[event.gesture_id]
            if ask.kind == "compensation" and (reply := _left_unmet(case, ask, gesture)) is not None
        ]
        outcome = "violated" if left else WENT_WRONG[event.asked_for]
        evidence = tuple(each for pair in left for each in pair)
        yield Finding(event.gesture_id, outcome, gesture.at, gesture, evidence)


@rule("said-cant-but-could", "3", on=RequestRefused)
def said_cant_but_could(case: Facts) -> Iterator[Finding]:
    """Never say that you can't if you can."""
    # What was given in this case before uses up the authority. Other cases of the customer do not
    # count: a refusal because of a yearly limit has the reason `policy`. Authority is only about
    # compensation, so a refusal of anything else is not judged by it.
    refusals = [
        each
        for each in case.of(RequestRefused)
        if each.event.reason in ("no_authority", "not_possible")
    ]
    if not refusals:
        return
    messages = case.of(MessageReceived)
    kinds = {ask.ask_id: ask.kind for message in messages for ask in message.event.asks or ()}
    gone = undone(case)
    gestures = [each for each in case.of(GestureGiven) if each.event.gesture_id not in gone]
    given = [Given(case.case.case_id, each.at, each.event.value) for each in gestures]
    for refusal in refusals:
        event = refusal.event
        if event.amount is None and kinds.get(event.ask_id, "compensation") != "compensation":
            continue
        could = could_give(
            case.policy(refusal.at),
            event.actor.role,
            event.amount,
            given[: bisect_left(gestures, refusal.moment, key=_moment)],
            case_id=case.case.case_id,
            at=refusal.at,
        )
        yield Finding(event.refusal_id, WENT_WRONG[could], refusal.at, refusal)


@rule("grudging-gesture", "3", on=GestureGiven)
def grudging_gesture(case: Facts) -> Iterator[Finding]:
    """Give it happily: a gesture that was refused first, or is made with reluctance, is a toy
    thrown at a sibling."""
    # Whether it was given with reluctance is unknown unless somebody assessed the reply; one poor
    # assessment is enough. A gesture after a refusal is fine if there was a new finding on its
    # issues in between.
    gestures = case.of(GestureGiven)
    if not gestures:
        return
    asks = _asks_answered(case)
    refused: dict[str, list[Happened]] = {}
    for each in case.of(RequestRefused):
        if each.event.ask_id is not None:
            refused.setdefault(each.event.ask_id, []).append(each)
    judged: dict[str | None, list[Happened]] = {}
    for each in case.of(QualityAssessed):
        if each.event.attribute == "reluctance" and each.event.reply_id is not None:
            judged.setdefault(each.event.reply_id, []).append(each)
    for gesture in gestures:
        event = gesture.event
        noes = [
            no
            for ask in asks[event.gesture_id]
            for no in refused.get(ask.ask_id, ())
            if no.moment < gesture.moment and not _found_anew(case, no.moment, gesture)
        ]
        verdicts = judged.get(event.reply_id, [])
        poor = [each for each in verdicts if each.event.verdict == "poor"]
        if noes or poor:
            yield Finding(event.gesture_id, "violated", gesture.at, gesture, (*noes, *poor))
        else:
            outcome: Outcome = "satisfied" if verdicts else "unknown"
            yield Finding(event.gesture_id, outcome, gesture.at, gesture, tuple(verdicts))


class _Ask(NamedTuple):
    ask_id: str
    kind: str
    message: Happened


def _asks_answered(case: Facts) -> dict[str, list[_Ask]]:
    """By the gesture's id, the customer's asks that the gesture answers.

    They are the ask that it names; if it names none, the asks for compensation on the same issues
    that nothing had met before.
    """
    given = case.of(RemedyGiven, GestureGiven)
    if not case.of(GestureGiven):
        return {}
    asks = {
        each.ask_id: _Ask(each.ask_id, each.kind, message)
        for message in case.messages
        for each in message.event.asks or ()
    }
    named = {each.event.ask_id for each in given}
    answered: dict[str, list[_Ask]] = {}
    waiting: list[_Ask] = []
    for each in case.of(MessageReceived, RemedyGiven, GestureGiven):
        event = each.event
        if isinstance(event, MessageReceived):
            new = (ask.ask_id for ask in event.asks or () if ask.kind == "compensation")
            waiting += [asks[ask_id] for ask_id in new if ask_id in asks and ask_id not in named]
            continue
        met: list[_Ask] = []
        if event.ask_id is not None:
            met = [asks[event.ask_id]] if event.ask_id in asks else []
        elif waiting and not (isinstance(event, RemedyGiven) and event.kind in _NO_MONEY):
            issues = case.matters(each)
            met = [ask for ask in waiting if _on(case, ask.message, issues, each)]
            waiting = [ask for ask in waiting if ask not in met]
        if isinstance(event, GestureGiven):
            answered[event.gesture_id] = met
    return answered


_NO_MONEY = ("repair", "correction")
"""Kinds of remedy that do not answer an ask for compensation."""


def _on(case: Facts, message: Happened, issues: frozenset[str], given: Happened) -> bool:
    """Whether a message may be about one of the issues that something was given for."""
    return not issues or any(case.is_about(message, issue_id, given) for issue_id in issues)


def _left_unmet(case: Facts, ask: _Ask, gesture: Happened) -> Happened | None:
    """What left the ask unmet between the ask and the gesture that met it: a reply or a refusal."""
    promises = (each for each in case.of(PromiseMade) if each.event.ask_id == ask.ask_id)
    end = min([gesture, *promises], key=lambda each: each.moment)
    for each in case.of(RequestRefused):
        if each.event.ask_id == ask.ask_id and each.moment < gesture.moment:
            return each
    replies = case.of(ReplySent)
    start = bisect_right(replies, ask.message.moment, key=_moment)
    for reply in replies[start : bisect_right(replies, end.moment, key=_moment)]:
        event = reply.event
        if event.automated or event.resend_of is not None:
            continue
        if event.purpose not in ("acknowledgement", "holding") and not _carries(reply, end):
            return reply
    return None


def _moment(each: Happened) -> Moment:
    return each.moment


def _carries(reply: Happened, deed: Happened) -> bool:
    """Whether a reply, which was sent before, is the one that gave or promised something."""
    if deed.event.reply_id is not None:
        return bool(deed.event.reply_id == reply.event.reply_id)
    return deed.at - reply.at <= _SAME_TIME


def _found_anew(case: Facts, since: Moment, gesture: Happened) -> bool:
    """Whether there was a finding on a gesture's issues between a moment and the gesture."""
    issues = case.matters(gesture)
    lists = [case.findings_on.get(issue_id, ()) for issue_id in issues]
    return any(since < each.moment < gesture.moment for made in lists for each in made)
