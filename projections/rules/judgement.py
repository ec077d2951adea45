"""Lessons about judging a complaint: every grievance, our faults, the evidence, the final say."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime

from casestore.events import (
    ApologyGiven,
    CaseClosed,
    CaseEscalated,
    FinalDecisionGiven,
    FindingMade,
    GestureGiven,
    IssueRaised,
    MessageReceived,
    OperationsConsulted,
    OperationsReplied,
    RemedyGiven,
    StatementMade,
)
from projections.history.happened import Happened, Moment
from projections.history.issues import UNFOUNDED
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.rule import Finding, rule


def _before(events: Sequence[Happened], moment: Moment) -> int:
    """How many of some events happened before a moment."""
    return bisect_left(events, moment, key=lambda each: each.moment)


@rule("grievance-skipped", "1", "4", on=CaseClosed)
def grievance_skipped(case: Facts) -> Iterator[Finding]:
    """Answer every grievance in a complaint, not only the first, before you close it."""
    # If nobody recorded which issues a reply addresses, it may have addressed any that had been
    # raised. A resend addresses what the original addresses. As long as cases were not merged, the
    # closing of one did not hold for another.
    answers: dict[Moment, _Answers] = {}
    for issue_id, raised in case.issues.items():
        close = case.close(raised.case_id)
        if close is None or raised.moment > close.moment:
            continue
        if close.moment not in answers:
            answers[close.moment] = _answers_before(case, close.moment)
        addressed, untold = answers[close.moment]
        if issue_id in addressed:
            answer = addressed[issue_id]
            yield Finding(issue_id, "satisfied", close.at, close, (raised, answer))
        elif untold is not None and untold[0] > raised.moment:
            yield Finding(issue_id, "unknown", close.at, close, (raised, untold[1]))
        else:
            yield Finding(issue_id, "violated", close.at, close, (raised,))


_Answers = tuple[dict[str, Happened], tuple[Moment, Happened] | None]
"""The first reply that addresses each issue, and the last reply whose issues were not recorded."""


def _answers_before(case: Facts, close: Moment) -> _Answers:
    addressed: dict[str, Happened] = {}
    untold: tuple[Moment, Happened] | None = None
    for moment, reply in case.case.answers:
        if moment > close:
            break
        sent = case.case.replies[reply.reply_id]
        for issue_id in reply.addresses or ():
            addressed.setdefault(issue_id, sent)
        if reply.addresses is None and reply.resend_of is None:
            untold = moment, sent
    return addressed, untold


# --- our faults


@rule("fault-without-apology", "1", "3", on=FindingMade, numbers="apology_within")
def fault_without_apology(case: Facts) -> Iterator[Finding]:
    """When it is our fault, even in part, say sorry: soon, and before the case is closed."""
    # Time runs from the finding. An apology before the finding is in time.
    if not case.fault_since:
        return
    said = _apologies(case)
    for issue_id, found in case.fault_since.items():
        close = case.close_of(issue_id, found)
        due = case.due(found.at, "apology_within")
        closing: tuple[Happened, ...] = ()
        if close is not None and found.moment < close.moment and close.at < due:
            due, closing = close.at, (close,)
        at, apology = said.get(issue_id, (None, None))
        if at is None or apology is None:
            over = None if closing else due
            yield Finding(issue_id, "violated", due, found, closing, due_at=over)
        elif at <= due:
            yield Finding(issue_id, "satisfied", at, found, (apology,))
        else:
            yield Finding(issue_id, "violated", due, found, (*closing, apology))


def _apologies(case: Facts) -> dict[str, tuple[datetime, Happened]]:
    """The first apology for each issue, and when the customer got it.

    An apology in a reply that did not arrive counts from when a resend arrived.
    """
    said: dict[str, tuple[datetime, Happened]] = {}
    for each in case.of(ApologyGiven):
        at, reply_id = each.at, each.event.reply_id
        if reply_id in case.case.failures:
            arrived = case.case.arrived(reply_id)
            if arrived is None:
                continue
            at = max(at, arrived.at)
        for issue_id in case.matters(each):
            if issue_id not in said or at < said[issue_id][0]:
                said[issue_id] = at, each
    return said


@rule("fault-admitted-late", "3", on=FindingMade, numbers="admit_within admit_contacts")
def fault_admitted_late(case: Facts) -> Iterator[Finding]:
    """Own up to a mistake at once; nobody should have to come back again and again for it."""
    # Time runs from the receipt. If an issue was raised after our first answer, it runs from then,
    # as the issue was not part of the complaint that we received. If the receipt is not known, the
    # issue is not judged.
    if not case.fault_since:
        return
    messages, answers = case.messages, case.case.answers
    for issue_id, found in case.fault_since.items():
        begun, first = case.case.receipt, 0
        raised = case.issues.get(issue_id)
        if raised is not None and answers and raised.moment > answers[0][0]:
            begun, first = raised.at, _before(messages, raised.moment)
        if begun is None:
            continue
        contacts = messages[first : _before(messages, found.moment)]
        allowed = case.number(found.at).admit_contacts
        too_many = contacts[: allowed + 1] if len(contacts) > allowed else []
        due = min([case.due(begun, "admit_within", found.at), *(m.at for m in too_many[-1:])])
        if too_many or due < found.at:
            yield Finding(issue_id, "violated", due, found, tuple(too_many))
        else:
            yield Finding(issue_id, "satisfied", found.at, found)


# --- evidence


@rule("rejected-without-evidence", "4", on=FindingMade)
def rejected_without_evidence(case: Facts) -> Iterator[Finding]:
    """The customer is not always right, but it takes evidence to say so."""
    for each in case.of(FindingMade):
        if each.event.outcome == "not_upheld":
            evidence = each.event.evidence
            outcome: Outcome = "satisfied" if evidence else "violated"
            if evidence is None:
                outcome = "unknown"
            yield Finding(each.event.finding_id, outcome, each.at, each)


@rule("operations-not-asked", "4", on=FindingMade, numbers="needs_operations")
def operations_not_asked(case: Facts) -> Iterator[Finding]:
    """Hear the department that did the work before you judge what happened."""
    # An issue without a category has the category that its case had then. A view counts for the
    # issues that operations were asked about; if none were named, for all issues of the case.
    if not case.of(FindingMade):
        return
    asked = {each.event.consultation_id: each for each in case.of(OperationsConsulted)}
    views: list[tuple[Happened, Happened]] = []
    for each in case.of(OperationsReplied, FindingMade):
        event = each.event
        if isinstance(event, OperationsReplied):
            if event.consultation_id in asked:
                views.append((asked[event.consultation_id], each))
            continue
        needing = case.number(each.at).needs_operations
        if not needing:
            continue
        of = {issue_id: _category(case, issue_id, each) for issue_id in case.matters(each)}
        subject = [i for i, its in of.items() if its is None or its in needing]
        heard = {i: _heard(case, views, i, each) for i in subject}
        unheard = [of[i] for i, view in heard.items() if view is None]
        if any(its is not None for its in unheard):
            yield Finding(event.finding_id, "violated", each.at, each)
        elif unheard:
            yield Finding(event.finding_id, "unknown", each.at, each)
        elif any(of[i] is not None for i in subject):
            shown = tuple(view for view in heard.values() if view is not None)
            yield Finding(event.finding_id, "satisfied", each.at, each, shown)


def _category(case: Facts, issue_id: str, found: Happened) -> str | None:
    raised = case.issues.get(issue_id, found)
    if isinstance(raised.event, IssueRaised) and raised.event.category is not None:
        return raised.event.category
    return case.case.standing_before(found.moment, raised.case_id).category


def _heard(
    case: Facts, views: list[tuple[Happened, Happened]], issue_id: str, found: Happened
) -> Happened | None:
    """The first view of operations on an issue."""
    return next((v for asked, v in views if case.is_about(asked, issue_id, found)), None)


# --- the final say


@rule("decision-overturned", "4", on=FinalDecisionGiven)
def decision_overturned(case: Facts) -> Iterator[Finding]:
    """Somebody is empowered to have the final say; then only new evidence changes it."""
    # What is given in the decision's own reply is part of the decision. A remedy that had been
    # found to be owed may be given after it. Until a policy names roles, it is unknown who has the
    # final say.
    decisions = case.of(FinalDecisionGiven)
    if not decisions:
        return
    overturned, perhaps = _overturned(case)
    for each in decisions:
        name = each.event.decision_id
        empowered = _final_say(case, each)
        if empowered is False:
            yield Finding(name, "violated", each.at, each)
        elif name in overturned:
            after = overturned[name]
            yield Finding(name, "violated", after.at, after, (each,))
        elif empowered is None or name in perhaps:
            shown = (perhaps[name],) if name in perhaps else ()
            yield Finding(name, "unknown", each.at, each, shown)
        else:
            yield Finding(name, "satisfied", each.at, each)


def _final_say(case: Facts, decision: Happened) -> bool | None:
    """Whether the person who decided, or who gave them authority, has the final say."""
    roles = case.policy(decision.at).roles
    told = [r for r in (decision.event.actor.role, decision.event.authority) if r is not None]
    if not roles or not told:
        return None
    return any(role in roles and roles[role].final_say for role in told)


def _overturned(case: Facts) -> tuple[dict[str, Happened], dict[str, Happened]]:
    """The first event that overturned each decision, and the first that may have, by decision.

    It may have if nobody recorded whether there was new evidence. Only the last decision on an
    issue can be overturned.
    """
    surely, perhaps = _news(case)
    overturned: dict[str, Happened] = {}
    doubtful: dict[str, Happened] = {}
    standing: dict[str, Happened] = {}
    owed: dict[str, bool] = {}
    for each in case.of(FinalDecisionGiven, FindingMade, RemedyGiven, GestureGiven):
        event = each.event
        for issue_id in case.matters(each):
            decision = standing.get(issue_id)
            if isinstance(event, FinalDecisionGiven):
                standing[issue_id] = each
            elif decision is not None and not _part_of(each, decision, owed.get(issue_id, False)):
                name = decision.event.decision_id
                if not _between(surely, decision, each):
                    some = doubtful if _between(perhaps, decision, each) else overturned
                    some.setdefault(name, each)
            if isinstance(event, FindingMade):
                owed[issue_id] = event.outcome not in UNFOUNDED and event.remedy_owed is not False
    return overturned, doubtful


def _part_of(each: Happened, decision: Happened, owed: bool) -> bool:
    if isinstance(each.event, FindingMade):
        return False
    if isinstance(each.event, RemedyGiven) and owed:
        return True
    return each.event.reply_id is not None and each.event.reply_id == decision.event.reply_id


def _news(case: Facts) -> tuple[list[Moment], list[Moment]]:
    """When new evidence came, and when it may have come, as nobody recorded it.

    New evidence is evidence that is named for the first time, and what the customer or operations
    told us. An external escalation counts too, because it overrides our final say.
    """
    known: set[str] = set()
    surely: list[Moment] = []
    perhaps: list[Moment] = []
    for each in case.of(
        FindingMade, StatementMade, MessageReceived, OperationsReplied, CaseEscalated
    ):
        event = each.event
        match event:
            case FindingMade() | StatementMade():
                new = not known.issuperset(event.evidence or ())
                known.update(event.evidence or ())
                untold = event.evidence is None and isinstance(event, FindingMade)
            case MessageReceived():
                new = bool(event.provides)
                untold = event.provides is None and not event.automated
            case CaseEscalated():
                new, untold = event.kind == "external", False
            case _:
                new, untold = True, False
        if new or untold:
            (surely if new else perhaps).append(each.moment)
    return surely, perhaps


def _between(moments: list[Moment], decision: Happened, each: Happened) -> bool:
    """Whether one of some moments is after the decision and not after a later event.

    The moment of the later event counts, because a finding brings its own evidence.
    """
    return bisect_right(moments, decision.moment) < bisect_right(moments, each.moment)
