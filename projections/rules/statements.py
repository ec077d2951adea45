"""Lessons about what we tell the customer: apologies, statements and refusals."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import takewhile

from casestore.events import (
    ApologyGiven,
    DesiredOutcomeStated,
    Event,
    FinalDecisionGiven,
    GestureGiven,
    MessageReceived,
    OptionsOffered,
    PromiseMade,
    RemedyGiven,
    RequestRefused,
    StatementMade,
    StatementRetracted,
)
from projections.history.happened import Happened
from projections.history.issues import UNFOUNDED
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.rule import Finding, rule

_HOUR = timedelta(hours=1)


def _beside(case: Facts, *types: type[Event]) -> Callable[[Happened], Happened | None]:
    """A function that finds the event of some types that came together with another event.

    The two came together if they name the same reply; if one of them names no reply, if they
    happened within an hour of each other.
    """
    found = case.of(*types)
    in_reply: dict[str | None, Happened] = {e.event.reply_id: e for e in reversed(found)}

    def beside(said: Happened) -> Happened | None:
        reply_id = said.event.reply_id
        if reply_id is not None and reply_id in in_reply:
            return in_reply[reply_id]
        first = bisect_left(found, -_HOUR, key=lambda each: each.at - said.at)
        near = takewhile(lambda each: each.at - said.at <= _HOUR, found[first:])
        return next((e for e in near if reply_id is None or e.event.reply_id is None), None)

    return beside


# --- sorry


@rule("apology-without-solution", "5", on=ApologyGiven)
def apology_without_solution(case: Facts) -> Iterator[Finding]:
    """Say sorry only together with what you will do about it."""
    apologies = case.of(ApologyGiven)
    if not apologies:
        return
    beside = _beside(case, OptionsOffered, PromiseMade, RemedyGiven, GestureGiven)
    for each in apologies:
        apology = each.event
        solution = beside(each)
        if apology.solution is None and solution is None:
            due = each.at + _HOUR
            yield Finding(apology.apology_id, "violated", due, each, due_at=due)
        else:
            shown = () if solution is None else (solution,)
            yield Finding(apology.apology_id, "satisfied", each.at, each, shown)


# --- what is so


@rule("correction-without-evidence", "1", on=StatementMade)
def correction_without_evidence(case: Facts) -> Iterator[Finding]:
    """A customer who is mistaken is put right gently: show why, and say what they can do next."""
    # If it was not recorded whether a statement corrects the customer, or on what evidence, the
    # outcome is unknown. Without an option or a promise together with it, it is violated whatever
    # the evidence.
    statements = [e for e in case.of(StatementMade) if e.event.corrects_customer is not False]
    if not statements:
        return
    beside = _beside(case, OptionsOffered, PromiseMade)
    for each in statements:
        statement = each.event
        next_step = beside(each)
        shown = () if next_step is None else (next_step,)
        if statement.corrects_customer is None:
            yield Finding(statement.statement_id, "unknown", each.at, each)
        elif statement.evidence == ():
            yield Finding(statement.statement_id, "violated", each.at, each, shown)
        elif next_step is None:
            due = each.at + _HOUR
            yield Finding(statement.statement_id, "violated", due, each, due_at=due)
        else:
            outcome: Outcome = "unknown" if statement.evidence is None else "satisfied"
            yield Finding(statement.statement_id, outcome, each.at, each, shown)


@rule("untrue-statement", "4", "5", on=StatementMade)
def untrue_statement(case: Facts) -> Iterator[Finding]:
    """Tell the customer the truth, not what they want to hear."""
    # The words are not read. A statement was untrue, from the beginning, if we retracted it as
    # untrue when made. A statement that was retracted for another reason was true.
    untrue = {
        each.event.statement_id: each
        for each in case.of(StatementRetracted)
        if each.event.reason == "untrue_when_made"
    }
    for each in case.of(StatementMade):
        name = each.event.statement_id
        if name in untrue:
            yield Finding(name, "violated", each.at, each, (untrue[name],))
        else:
            yield Finding(name, "satisfied", each.at, each)


@rule("conflicting-statements", "5", across_cases=True)
def conflicting_statements(_case: Facts) -> Iterable[Finding]:
    """Talk to each other, so that the customer is not told one thing today and another tomorrow."""
    return ()  # judged in projections.reports.declared.conflicts


@rule("wants-not-asked", "2", "3", "4", on=(RequestRefused, FinalDecisionGiven))
def wants_not_asked(case: Facts) -> Iterator[Finding]:
    """Ask customers what they want, and listen, before you decide or say no."""
    # An issue is judged at the first refusal or final decision on it. A desired outcome that names
    # no issues is about the whole case, and so is an ask for an action or for compensation. If
    # nobody recorded what a message asked for, it may have told us what the customer wants.
    answers = case.of(RequestRefused, FinalDecisionGiven)
    if not answers:
        return
    wishes: list[Happened] = []
    untold: list[Happened] = []
    asks: set[str] = set()
    for each in case.of(DesiredOutcomeStated, MessageReceived):
        if isinstance(each.event, DesiredOutcomeStated):
            wishes.append(each)
        elif each.event.asks is not None:
            wanted = [a for a in each.event.asks if a.kind in ("action", "compensation")]
            asks.update(ask.ask_id for ask in wanted)
            if wanted:
                wishes.append(each)
        elif not each.event.automated:
            untold.append(each)
    judged: set[str] = set()
    for answer in answers:
        for issue_id in sorted(case.matters(answer) - judged):
            judged.add(issue_id)
            if wish := _before(case, answer, wishes, issue_id):
                yield Finding(issue_id, "satisfied", answer.at, answer, (wish,))
            elif getattr(answer.event, "ask_id", None) in asks:
                yield Finding(issue_id, "satisfied", answer.at, answer)
            elif perhaps := _before(case, answer, untold, issue_id):
                yield Finding(issue_id, "unknown", answer.at, answer, (perhaps,))
            else:
                yield Finding(issue_id, "violated", answer.at, answer)


def _before(case: Facts, answer: Happened, said: list[Happened], issue_id: str) -> Happened | None:
    """The first event that says something on an issue before an answer on it.

    An event that names the issue is preferred.
    """
    by_then = [each for each in said if each.moment < answer.moment]
    naming = (each for each in by_then if issue_id in (each.event.issue_ids or ()))
    about = (each for each in by_then if case.is_about(each, issue_id, answer))
    return next(naming, None) or next(about, None)


@rule("bare-no", "2", "4", on=RequestRefused)
def bare_no(case: Facts) -> Iterator[Finding]:
    """Never just say no: say why, and what can be done instead."""
    # If there is a finding with evidence that the complaint is unfounded, on each issue that the
    # refusal is about, a refusal without an alternative is exempt.
    for each in case.of(RequestRefused):
        no = each.event
        instead = True if no.alternative_offer_id is not None else no.alternative_told
        issues = case.matters(each)
        findings = [case.finding_on(issue_id, each.moment) for issue_id in issues]
        unfounded = [f for f in findings if f is not None and f.event.outcome in UNFOUNDED]
        grounds = findings and len(unfounded) == len(findings)
        evidence = [f.event.evidence for f in unfounded]
        shown = tuple(unfounded)
        outcome: Outcome
        if no.explained and instead:
            outcome, shown = "satisfied", ()
        elif grounds and all(evidence):
            outcome = "exempt"
        elif (grounds and () not in evidence) or (no.explained and instead is None):
            outcome = "unknown"
        else:
            outcome = "violated"
        yield Finding(no.refusal_id, outcome, each.at, each, shown)
