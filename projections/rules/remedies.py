"""Lessons about remedies: making good what is owed, and letting the customer choose how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from casestore.events import (
    FinalDecisionGiven,
    FindingMade,
    GestureGiven,
    OptionChosen,
    OptionsOffered,
    RemedyGiven,
)
from projections.history.happened import Happened
from projections.history.issues import UNFOUNDED
from projections.models.lapses import Outcome
from projections.rules.facts import Facts
from projections.rules.gestures import undone
from projections.rules.rule import Finding, rule


@rule("no-choice-offered", "4", on=FindingMade)
def no_choice_offered(case: Facts) -> Iterator[Finding]:
    """Present options and let the customer make the final choice: who is right has a say in how
    it is put right."""
    # What counts are the options offered and chosen before the first remedy that leaves room for a
    # choice. If there is no remedy, what counts are the options offered before the final decision
    # or with it. The choice may then come later, until the case is closed.
    if not case.of(RemedyGiven, FinalDecisionGiven):
        return
    remedies = _by_issue(case, case.of(RemedyGiven))
    decisions = _by_issue(case, case.of(FinalDecisionGiven))
    offers = _by_issue(case, case.of(OptionsOffered))
    chosen: dict[str, list[Happened]] = {}
    for each in case.of(OptionChosen):
        if each.event.option_id is not None:
            chosen.setdefault(each.event.offer_id, []).append(each)
    for issue_id in case.findings_on:
        finding = case.finding_on(issue_id)
        ends = remedies.get(issue_id) or decisions.get(issue_id)
        if finding is None or finding.event.outcome in UNFOUNDED or not ends:
            continue
        end = next((each for each in ends if not _correction(each)), None)
        if end is None or finding.event.remedy_owed is False:
            yield Finding(issue_id, "exempt", ends[0].at, ends[0], (finding,))
            continue
        made = [each for each in offers.get(issue_id, ()) if _in_time(each, end)]
        choices = [each for offer in made for each in chosen.get(offer.event.offer_id, ())]
        choice = min(choices, key=lambda each: each.moment, default=None)
        evidence = (finding, *made, *([choice] if choice else ()))
        enough = sum(len(offer.event.options) for offer in made) >= 2
        if not enough or (_remedy(end) and (choice is None or choice.moment > end.moment)):
            yield Finding(issue_id, "violated", end.at, end, evidence)
        elif choice is not None:
            yield Finding(issue_id, "satisfied", max(choice.at, end.at), end, evidence)
        elif (close := case.close_of(issue_id, finding)) is not None:
            at = max(close.at, end.at)
            yield Finding(issue_id, "violated", at, end, (*evidence, close))


@rule("terms-not-disclosed", "4", on=OptionChosen)
def terms_not_disclosed(case: Facts) -> Iterator[Finding]:
    """Full disclosure: nobody can choose well without knowing the terms."""
    # The actor who made the offer answers for it. If the customer chose more than once, the last
    # choice counts.
    offers = {each.event.offer_id: each for each in case.of(OptionsOffered)}
    last = {each.event.offer_id: each for each in case.of(OptionChosen)}
    outcomes: dict[bool | None, Outcome] = {True: "satisfied", False: "violated", None: "unknown"}
    for offer_id, choice in last.items():
        offer = offers.get(offer_id)
        if offer is None:
            continue
        for option in offer.event.options:
            if option.option_id == choice.event.option_id:
                outcome = outcomes[option.terms_disclosed]
                yield Finding(option.option_id, outcome, choice.at, offer, (choice,))


@rule("fault-without-remedy", "4", on=FindingMade)
def fault_without_remedy(case: Facts) -> Iterator[Finding]:
    """Where the customer had a poor experience and we are responsible, make it better."""
    # A remedy is owed unless the finding says that none is owed.
    yield from _at_close(case)


@rule("goodwill-instead-of-remedy", "4", on=GestureGiven)
def goodwill_instead_of_remedy(case: Facts) -> Iterator[Finding]:
    """Keep what is owed apart from what is kind: a gesture never stands in for the remedy."""
    # A gesture that was declined or reversed does not count.
    gestures = case.of(GestureGiven)
    gone = undone(case) if gestures else ()
    given = [each for each in gestures if each.event.gesture_id not in gone]
    if not given:
        return
    gestures_on = _by_issue(case, given)
    for finding in _at_close(case):
        gesture = next(iter(gestures_on.get(finding.subject, ())), None)
        if gesture is not None and gesture.moment < finding.event.moment:
            yield replace(finding, evidence=(gesture, *finding.evidence))


def _at_close(case: Facts) -> Iterator[Finding]:
    """Whether there was a remedy for each issue that was known to be our fault at the close."""
    # A reversed remedy does not count. If it was reversed after the close, the rule is violated
    # from then on.
    if not case.case.closings or not case.fault_since:
        return
    remedies = _by_issue(case, case.of(RemedyGiven))
    for issue_id, since in case.fault_since.items():
        finding, close = case.finding_on(issue_id), case.close_of(issue_id, since)
        if finding is None or close is None or since.moment > close.moment:
            continue
        given = [remedy for remedy in remedies.get(issue_id, ()) if remedy.moment < close.moment]
        taken_back = [case.taken_back.get(remedy.event.remedy_id) for remedy in given]
        if None in taken_back:
            stands = given[taken_back.index(None)]
            yield Finding(issue_id, "satisfied", close.at, close, (finding, stands))
        elif finding.event.remedy_owed is False:
            yield Finding(issue_id, "exempt", close.at, close, (finding,))
        else:
            gone = tuple(reversal for reversal in taken_back if reversal is not None)
            at = max([close.at, *(reversal.at for reversal in gone)])
            yield Finding(issue_id, "violated", at, close, (finding, *given, *gone))


def _by_issue(case: Facts, events: Sequence[Happened]) -> dict[str, list[Happened]]:
    found: dict[str, list[Happened]] = {}
    for each in events:
        for issue_id in case.matters(each):
            found.setdefault(issue_id, []).append(each)
    return found


def _remedy(each: Happened) -> bool:
    return isinstance(each.event, RemedyGiven)


def _correction(each: Happened) -> bool:
    return _remedy(each) and each.event.kind == "correction"


def _in_time(offer: Happened, end: Happened) -> bool:
    """Whether options were offered before or together with a remedy or decision."""
    together = offer.event.reply_id is not None and offer.event.reply_id == end.event.reply_id
    return offer.moment < end.moment or together
