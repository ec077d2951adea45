"""Lessons about gestures: what is given beyond what was owed.

Rules about how a gesture was made also judge gestures that were declined or reversed, since they
show how we treated the customer. Rules about what was given leave these out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from casestore.events import (
    ApologyGiven,
    GestureDeclined,
    GestureGiven,
    GestureReversed,
    RemedyGiven,
)
from projections.history.happened import Happened
from projections.history.issues import UNFOUNDED
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.rule import Finding, rule

WENT_WRONG: dict[bool | None, Outcome] = {True: "violated", False: "satisfied", None: "unknown"}
"""The outcome for an assertion that something went wrong; None was not recorded."""


def undone(case: Facts) -> frozenset[str]:
    """The ids of gestures that were declined or reversed."""
    ends = case.of(GestureDeclined, GestureReversed)
    return frozenset(each.event.gesture_id for each in ends)


@rule("goodwill-before-repair", "1", on=GestureGiven)
def goodwill_before_repair(case: Facts) -> Iterator[Finding]:
    """Where we were at fault, first say sorry or put it right; something sweet comes last."""
    # An apology or a remedy before the gesture is enough; in the same reply, it counts as before.
    # A remedy that had been reversed by then does not count.
    gestures = case.of(GestureGiven)
    faults = case.fault_since if gestures else {}
    if not faults:
        return
    made: dict[str, list[Happened]] = {}
    replies: dict[str | None, set[str]] = {}
    for each in case.of(ApologyGiven, RemedyGiven):
        for issue_id in case.matters(each):
            made.setdefault(issue_id, []).append(each)
            replies.setdefault(each.event.reply_id, set()).add(issue_id)
    replies.pop(None, None)
    for gesture in gestures:
        name, together = gesture.event.gesture_id, replies.get(gesture.event.reply_id, set())
        ours = sorted(case.matters(gesture) & faults.keys())
        if not ours:
            continue
        first = {issue_id: _first(case, made.get(issue_id, ()), gesture) for issue_id in ours}
        amends = [each for each in first.values() if each is not None]
        early = [
            issue_id
            for issue_id, each in first.items()
            if issue_id not in together and (each is None or each.moment > gesture.moment)
        ]
        evidence = (*(faults[issue_id] for issue_id in early or ours), *amends)
        yield Finding(name, "violated" if early else "satisfied", gesture.at, gesture, evidence)


def _first(case: Facts, amends: Sequence[Happened], gesture: Happened) -> Happened | None:
    """The first apology or remedy that still stood when a gesture was made."""
    for made in amends:
        taken_back = case.taken_back.get(getattr(made.event, "remedy_id", ""))
        if taken_back is None or taken_back.moment > gesture.moment:
            return made
    return None


@rule("gesture-late", "3", on=GestureGiven, numbers="gesture_within")
def gesture_late(case: Facts) -> Iterator[Finding]:
    """If you are going to give something for a fault of ours, give it quickly."""
    # Only the first gesture for an issue is judged; what is given on top of it is never late. A
    # gesture before the finding is in time. A gesture that was reversed does not count.
    gestures = case.of(GestureGiven)
    faults = dict(case.fault_since) if gestures else {}
    gone = {each.event.gesture_id for each in case.of(GestureReversed)} if faults else set()
    for gesture in gestures:
        ours = case.matters(gesture) & faults.keys()
        if not ours:
            continue
        found = min((faults[issue_id] for issue_id in ours), key=lambda each: each.moment)
        name, due = gesture.event.gesture_id, case.due(found.at, "gesture_within", gesture.at)
        if gesture.at > due:
            yield Finding(name, "violated", due, gesture, (found,))
        else:
            yield Finding(name, "satisfied", gesture.at, gesture, (found,))
        if name not in gone:
            for issue_id in ours:
                del faults[issue_id]


@rule("qualified-gesture", "3", on=GestureGiven)
def qualified_gesture(case: Facts) -> Iterator[Finding]:
    """Don't qualify a gift: what limits us is ours to keep, never a condition for the customer to
    hear."""
    for gesture in case.of(GestureGiven):
        event = gesture.event
        yield Finding(event.gesture_id, WENT_WRONG[event.conditions_told], gesture.at, gesture)


@rule(
    "repeat-goodwill",
    "3",
    "4",
    across_cases=True,
    numbers="goodwill.gestures_per_year goodwill.per_year",
)
def repeat_goodwill(_case: Facts) -> Iterable[Finding]:
    """A gesture is for once: who is given one for every complaint is taught to complain."""
    return ()  # judged in projections.reports.declared.repeat_goodwill


@rule("goodwill-on-unfounded", "4", on=GestureGiven)
def goodwill_on_unfounded(case: Facts) -> Iterator[Finding]:
    """Where we did what was promised, be kind and give nothing: a gift for nothing sets a
    precedent."""
    # A gesture is judged by the findings, at that time, on the issues that it is for. If it was
    # declined or reversed, it is no precedent and is not judged.
    gestures = case.of(GestureGiven)
    gone = undone(case) if gestures else ()
    for gesture in gestures:
        issues = sorted(case.matters(gesture))
        if not issues or gesture.event.gesture_id in gone:
            continue
        found = [case.finding_on(issue_id, before=gesture.moment) for issue_id in issues]
        made = tuple(each for each in found if each is not None)
        outcome: Outcome = "unknown"
        if any(each.event.outcome not in UNFOUNDED for each in made):
            outcome = "satisfied"
        elif len(made) == len(issues):
            outcome = "violated"
        yield Finding(gesture.event.gesture_id, outcome, gesture.at, gesture, made)


@rule("disproportionate-gesture", "4", on=GestureGiven, numbers="max_ratio")
def disproportionate_gesture(case: Facts) -> Iterator[Finding]:
    """Keep a gesture reasonable: it says sorry, it does not pay the loss."""
    # The losses of several issues are added up. If the loss is 0, only a gesture of 0 is in
    # proportion. If a loss was not recorded, or is in another currency, the outcome is unknown.
    gestures = case.of(GestureGiven)
    gone = undone(case) if gestures else ()
    for gesture in gestures:
        event = gesture.event
        issues = case.matters(gesture)
        if not issues or event.gesture_id in gone:
            continue
        raised = tuple(case.issues[issue_id] for issue_id in sorted(issues & case.issues.keys()))
        value = event.value
        outcome: Outcome = "unknown"
        if value is not None:
            losses = [each.event.loss for each in raised]
            same = [loss.amount for loss in losses if loss and loss.currency == value.currency]
            most = Decimal(str(case.number(gesture.at).max_ratio)) * sum(same, Decimal(0))
            if value.amount <= most:
                outcome = "satisfied"  # the unknown losses could only allow more
            elif len(same) == len(issues):
                outcome = "violated"
        yield Finding(event.gesture_id, outcome, gesture.at, gesture, raised)
