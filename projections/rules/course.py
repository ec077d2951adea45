"""Lessons about the course of a case: escalations, and how and when a case ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from casestore.events import (
    CaseClosed,
    CaseEscalated,
    CaseOpened,
    CaseReopened,
    EscalationReturned,
    GestureGiven,
    MessageReceived,
    RemedyGiven,
    ReplySent,
    ResolutionAccepted,
    ResolutionRejected,
)
from projections.history.case_history import CASE
from projections.history.happened import Happened
from projections.models.cases import NOT_COMPLAINTS, RESOLVED, resolution_due
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.rule import Finding, rule

# --- escalations


@rule(
    "late-escalation",
    "2",
    on=(MessageReceived, ResolutionRejected, CaseEscalated),
    numbers="failed_attempts",
)
def late_escalation(case: Facts) -> Iterator[Finding]:
    """When answers keep missing the point, pass the case to somebody who knows more."""
    # An attempt has failed if the customer says that a question was not answered, or rejects a
    # resolution. The owner of the case at that time answers for it. If nobody recorded what a
    # message after our first answer says was not answered, it may tell of a failed attempt.
    passed_on = next((e for e in case.of(CaseEscalated) if e.event.kind == "expertise"), None)
    answered = next((moment for moment, _ in case.case.answers), None)
    failed: list[Happened] = []
    untold: list[Happened] = []
    for each in case.of(MessageReceived, ResolutionRejected):
        if passed_on is not None and each.moment > passed_on.moment:
            break
        if isinstance(each.event, ResolutionRejected) or each.event.says_unanswered:
            failed.append(each)
            if len(failed) >= case.number(each.at).failed_attempts:
                late = () if passed_on is None else (passed_on,)
                evidence = (*failed[:-1], *late)
                yield Finding(CASE, "violated", each.at, each, evidence, by_owner=True)
                return
        elif _untold(each.event) and answered is not None and each.moment > answered:
            untold.append(each)
    if passed_on is not None:
        allowed = case.number(passed_on.at).failed_attempts
        doubtful = bool(untold) and len(failed) + len(untold) >= allowed
        outcome: Outcome = "unknown" if doubtful else "satisfied"
        yield Finding(CASE, outcome, passed_on.at, passed_on, tuple(failed))


def _untold(message: MessageReceived) -> bool:
    """Whether nobody recorded what a message says was not answered."""
    return message.says_unanswered is None and not message.automated


def _with_executives(case: Facts) -> Iterator[tuple[Happened, Happened | None]]:
    """The escalations to executives, each with its return, if there was one."""
    escalations = [e for e in case.of(CaseEscalated) if e.event.kind == "executive"]
    if escalations:
        returns = {e.event.escalation_id: e for e in reversed(case.of(EscalationReturned))}
        for each in escalations:
            yield each, returns.get(each.event.escalation_id)


@rule("executive-not-returned", "4", on=CaseEscalated, numbers="return_within")
def executive_not_returned(case: Facts) -> Iterator[Finding]:
    """A complaint that reaches an executive goes back to customer service, soon."""
    # The owner of the case answers for it, as they have to get it back.
    for each, returned in _with_executives(case):
        name = each.event.escalation_id
        due = case.due(each.at, "return_within")
        if returned is None:
            yield Finding(name, "violated", due, each, due_at=due, by_owner=True)
        elif returned.at <= due:
            yield Finding(name, "satisfied", returned.at, each, (returned,), by_owner=True)
        else:
            yield Finding(name, "violated", due, each, (returned,), by_owner=True)


@rule("executive-bypass", "4", on=CaseEscalated)
def executive_bypass(case: Facts) -> Iterator[Finding]:
    """An executive who is asked passes the customer on to customer service, and neither settles
    nor gives anything over its head."""
    # An acknowledgement does not count as an act. The rule judges when the case is returned, or as
    # soon as an executive acts.
    acts: list[Happened] | None = None
    for each, returned in _with_executives(case):
        acts = _of_executives(case) if acts is None else acts
        name = each.event.escalation_id
        end = None if returned is None else returned.moment
        while_there = [
            a for a in acts if a.moment > each.moment and (end is None or a.moment < end)
        ]
        if while_there:
            first, *more = while_there
            yield Finding(name, "violated", first.at, first, (each, *more))
        elif returned is not None:
            yield Finding(name, "satisfied", returned.at, returned, (each,))


def _of_executives(case: Facts) -> list[Happened]:
    """The replies, gestures and remedies of executives, without acknowledgements."""
    return [
        each
        for each in case.of(ReplySent, GestureGiven, RemedyGiven)
        if each.event.actor.kind == "executive"
        and not getattr(each.event, "automated", False)
        and getattr(each.event, "purpose", None) != "acknowledgement"
    ]


# --- the end


@rule("closed-without-acceptance", "1", on=CaseClosed)
def closed_without_acceptance(case: Facts) -> Iterator[Finding]:
    """A complaint is resolved when the customer says so, not when we do."""
    # Every closing as resolved is judged, even if the case was reopened later. An acceptance holds
    # until the customer rejects the resolution or the case is reopened. As long as cases were not
    # merged, an acceptance, rejection or reopening of one did not hold for another.
    accepted: list[Happened] = []
    found: Finding | None = None
    for each in case.of(ResolutionAccepted, ResolutionRejected, CaseClosed, CaseReopened):
        if isinstance(each.event, ResolutionAccepted):
            accepted.append(each)
        elif not isinstance(each.event, CaseClosed):
            accepted = [a for a in accepted if not case.case.covers(each, a.case_id)]
        elif each.event.reason == "resolved" and case.case.covers(each, each.case_id):
            held = [a for a in accepted if case.case.covers(each, a.case_id)]
            if not held:
                yield Finding(CASE, "violated", each.at, each)
                return
            found = Finding(CASE, "satisfied", each.at, each, tuple(held[-1:]))
    if found is not None:
        yield found


@rule("too-slow", "5", on=CaseOpened, numbers="resolve_within")
def too_slow(case: Facts) -> Iterator[Finding]:
    """A complaint is resolved within days, and stays so."""
    # The time is from the receipt to the closing that stands. The policy in force at the receipt
    # judges it, and says whether the time in which we waited for the customer counts. A case that
    # was resolved in time and reopened after that time is too slow from the reopening on. A case
    # that was closed for another reason is judged only if the customer gave up after the time was
    # over. A duplicate, and what is not a complaint, have nothing to resolve.
    received = case.case.received
    if received is None:
        return
    due = resolution_due(case.case)
    turns = [turn for turn in case.case.closings if turn.case_id == case.case.case_id]
    last = turns[-1] if turns else None
    if last is None or isinstance(last.event, CaseReopened):
        if due is not None:
            at = _open_from(turns, due)
            over = due if at == due else None
            evidence = tuple(turns[-1:])
            yield Finding(CASE, "violated", at, received, evidence, over, by_owner=True)
    elif last.event.reason in NOT_COMPLAINTS:
        return
    elif due is not None and last.at > due:
        at = _open_from(turns, due)
        yield Finding(CASE, "violated", at, received, (last,), by_owner=True)
    elif last.event.reason in RESOLVED:
        yield Finding(CASE, "satisfied", last.at, received, (last,), by_owner=True)


def _open_from(turns: Sequence[Happened], due: datetime) -> datetime:
    """The first time, from a given one on, at which a case was open."""
    is_open = True
    for each in turns:
        if each.at > due and is_open:
            return due
        is_open = isinstance(each.event, CaseReopened)
        if is_open and each.at >= due:
            return each.at
    return due
