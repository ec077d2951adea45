"""Lessons about gestures, grudging gestures, and remedies, as stories."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from casestore import events
from casestore.events import Event, OptionsOffered
from casestore.events.policy_document import DOCUMENT
from casestore.streams.policies import Adopted, Policies
from projections.history.case_history import CaseHistory
from projections.rules.facts import Facts
from projections.rules.lapses import RULES
from tests.support.lapses import family, findings, found, lapse
from tests.support.laws import law, seeds, story_of, times
from tests.support.stories import (
    START,
    Story,
    apologised,
    asked,
    assessed,
    chose,
    closed,
    content,
    decided,
    declined,
    gave,
    issue,
    make,
    moment,
    not_content,
    offered,
    opened,
    promised,
    reclaimed,
    remedied,
    reopened,
    replied,
    said_no,
    took_back,
)
from tests.support.stories import found as finding
from tests.support.stories import given as told

EUR_5 = {"amount": "5", "currency": "EUR"}
EUR_10 = {"amount": "10", "currency": "EUR"}
EUR_20 = {"amount": "20", "currency": "EUR"}
USD_5 = {"amount": "5", "currency": "USD"}
NOTHING = {"amount": "0", "currency": "EUR"}
ON_1: dict[str, Any] = {"issue_ids": ["i1"]}
ON_2: dict[str, Any] = {"issue_ids": ["i2"]}
UNFOUNDED: dict[str, Any] = {"outcome": "not_upheld", "fault": "none"}

VIOLATED, SATISFIED = {"g1": "violated"}, {"g1": "satisfied"}
EXEMPT, UNKNOWN, NO_ROW = {"g1": "exempt"}, {"g1": "unknown"}, dict[str, str]()


def given(*more: Event, issues: int = 1) -> Story:
    """A case with the issues i1, i2 …"""
    raised = [issue(f"i{number}", loss=EUR_20) for number in range(1, issues + 1)]
    return told(opened(), *raised, *more)


def shown(rule: str, story: Story, subject: str = "g1", **more: Any) -> tuple[Any, ...]:
    """The outcome, hours after START, and the versions of the judged event and the evidence."""
    each = found(rule, story, **more)[subject]
    judged = each.event.moment.position
    evidence = sorted({e.moment.position for e in each.evidence})
    return each.outcome, (each.at - START) / timedelta(hours=1), judged, evidence


# --- goodwill-before-repair

BEFORE = "goodwill-before-repair"


def test_something_sweet_before_an_apology_or_a_remedy_is_too_soon() -> None:
    story = given(finding(at="+1h"), gave(at="+2h"), apologised(at="+3h"), remedied(at="+4h"))
    assert findings(BEFORE, story) == VIOLATED
    assert shown(BEFORE, story) == ("violated", 2, 4, [3, 5])
    assert (
        findings(BEFORE, given(finding(), gave(at="+2h"))) == VIOLATED
    )  # nothing follows it either


def test_one_of_the_two_before_it_is_enough() -> None:
    assert findings(BEFORE, given(finding(), apologised(at="+1h"), gave(at="+2h"))) == SATISFIED
    assert findings(BEFORE, given(finding(), remedied(at="+1h"), gave(at="+2h"))) == SATISFIED


def test_in_one_reply_none_comes_before_the_other() -> None:
    together = {"reply_id": "r1"}
    story = given(
        finding(), replied(at="+1h"), gave(at="+1h", **together), apologised(at="+2h", **together)
    )
    assert findings(BEFORE, story) == SATISFIED
    apart = given(finding(), replied(), gave(at="+1h"), apologised(at="+2h", **together))
    assert findings(BEFORE, apart) == VIOLATED


def test_it_is_about_the_issues_at_which_we_are_at_fault() -> None:
    both = finding(), finding("f2", fault="none", **ON_2)
    story = given(finding(**ON_1), both[1], gave(at="+2h", **ON_2), issues=2)
    assert findings(BEFORE, story) == NO_ROW
    story = given(*both[:1], apologised(at="+1h", **ON_1), gave(at="+2h"), issues=2)
    assert findings(BEFORE, story) == VIOLATED  # the second issue had no apology
    assert findings(BEFORE, given(gave())) == NO_ROW
    assert findings(BEFORE, given(finding())) == NO_ROW


def test_the_fault_may_be_found_later_and_be_shared() -> None:
    assert findings(BEFORE, given(gave(at="+1h"), finding(at="+2h", fault="shared"))) == VIOLATED
    overturned = given(finding(), gave(at="+1h"), finding("f2", at="+2h", fault="none"))
    assert findings(BEFORE, overturned) == NO_ROW


def test_a_gesture_that_was_declined_or_taken_back_was_made_all_the_same() -> None:
    for end in (declined(at="+3h"), took_back(at="+3h")):
        story = given(finding(), gave(at="+1h", conditions_told=True), end)
        assert findings(BEFORE, story) == VIOLATED
        assert findings("qualified-gesture", story) == VIOLATED


def test_a_gesture_after_the_remedy_settled_all_is_for_all_of_it() -> None:
    story = given(finding(), remedied(at="+1h"), content(at="+2h"), gave(at="+3h"))
    assert findings(BEFORE, story) == SATISFIED
    assert findings(BEFORE, given(finding(), gave(at="+3h", issue_ids=[]))) == NO_ROW


def test_a_case_without_issues_is_one() -> None:
    assert findings(BEFORE, told(opened(), finding(), gave(at="+1h"))) == VIOLATED
    story = told(opened(), finding(), apologised(), gave(at="+1h"))
    assert findings(BEFORE, story) == SATISFIED


def test_a_remedy_that_was_taken_back_before_put_nothing_right() -> None:
    story = given(finding(), remedied(at="+1h"), reclaimed(at="+2h"), gave(at="+3h"))
    assert findings(BEFORE, story) == VIOLATED
    story = given(finding(), remedied(at="+1h"), gave(at="+2h"), reclaimed(at="+3h"))
    assert findings(BEFORE, story) == SATISFIED
    twice = (remedied(at="+1h"), remedied("e2", at="+1h"), reclaimed(at="+2h"))
    assert findings(BEFORE, given(finding(), *twice, gave(at="+3h"))) == SATISFIED


THERE: dict[str, Any] = {"issue_ids": ["c2/i1"]}
FAULT_THERE = [issue(loss=EUR_20), finding()]
"""The events of the case c2."""


def test_amends_are_for_the_cases_that_were_one_when_they_were_made() -> None:
    assert findings(BEFORE, family(gave(at="+2h"), c2=FAULT_THERE, at="+1h")) == VIOLATED
    sorry = apologised(at="+2h", **THERE)
    told_ = family(sorry, gave(at="+3h"), c2=FAULT_THERE, at="+1h")
    assert findings(BEFORE, told_) == SATISFIED
    elsewhere = family(issue(), apologised(at="+1h"), gave(at="+3h"), c2=FAULT_THERE, at="+2h")
    assert findings(BEFORE, elsewhere) == VIOLATED
    assert findings(BEFORE, family(issue(), gave(at="+1h"), c2=FAULT_THERE, at="+2h")) == NO_ROW


# --- gesture-late

LATE = "gesture-late"


def test_a_gesture_long_after_the_finding_of_fault_is_late_from_when_it_was_due() -> None:
    story = given(finding(at="+1h"), gave(at="+50h"))
    assert shown(LATE, story) == ("violated", 49, 4, [3])
    assert found(LATE, story)["g1"].due_at is None
    assert shown(LATE, given(finding(at="+1h"), gave(at="+49h"))) == ("satisfied", 49, 4, [3])


def test_how_long_is_the_policys_to_say() -> None:
    story = given(finding(), gave(at="+2h"))
    assert findings(LATE, story, policy={"gesture_within": "1 hour"}) == VIOLATED
    assert findings(LATE, story, policy={"gesture_within": "2 hours"}) == SATISFIED


def test_a_gesture_before_the_finding_is_quick() -> None:
    assert findings(LATE, given(gave(), finding(at="+9d"))) == SATISFIED


def test_it_counts_from_when_we_first_found_our_fault_and_stood_by_it() -> None:
    again = finding("f2", at="+3d", supersedes="f1")
    assert shown(LATE, given(finding(), again, gave(at="+4d")))[:2] == ("violated", 48)
    other = finding(at="+0h", fault="none")
    assert findings(LATE, given(other, again, gave(at="+4d"))) == SATISFIED


def test_what_is_given_on_top_is_never_late() -> None:
    story = given(finding(), gave(at="+1h"), gave("g2", at="+9d"))
    assert findings(LATE, story) == SATISFIED
    story = given(finding(), gave(at="+1h"), declined(at="+2h"), gave("g2", at="+9d"))
    assert findings(LATE, story) == SATISFIED  # the customer had the choice in time


def test_what_we_took_back_did_not_come() -> None:
    story = given(finding(), gave(at="+1h"), took_back(at="+2h"), gave("g2", at="+9d"))
    assert findings(LATE, story) == {"g1": "satisfied", "g2": "violated"}


def test_without_a_fault_of_ours_or_without_a_gesture_nothing_is_late() -> None:
    assert findings(LATE, given(finding(fault="third_party"), gave(at="+9d"))) == NO_ROW
    assert findings(LATE, given(gave(at="+9d"))) == NO_ROW
    assert findings(LATE, given(finding())) == NO_ROW


def test_a_gesture_for_a_fault_of_a_merged_case_may_be_late() -> None:
    for at, outcome in {"+48h": SATISFIED, "+49h": VIOLATED}.items():
        assert findings(LATE, family(gave(at=at, **THERE), c2=FAULT_THERE)) == outcome
    two = family(gave(at="+9d", **THERE), c2=[*FAULT_THERE, gave(at="+1h")], at="+2h")
    assert findings(LATE, two) == {"c2/g1": "satisfied"}, "on top of the first"


# --- gesture-had-to-be-asked

ASKED = "gesture-had-to-be-asked"


def ask(ask_id: str = "a1", at: str = "+1h", kind: str = "compensation", **more: Any) -> Event:
    return asked(ask_id, at, asks=[{"ask_id": ask_id, "kind": kind}], **more)


def test_whether_it_was_asked_for_is_as_recorded() -> None:
    assert findings(ASKED, given(gave(asked_for=True))) == VIOLATED
    assert findings(ASKED, given(gave(asked_for=False))) == SATISFIED
    assert findings(ASKED, given(gave())) == UNKNOWN
    assert findings(ASKED, given(ask())) == NO_ROW


def test_an_ask_that_a_reply_left_unmet_tells_it_too() -> None:
    story = given(ask(), replied(at="+3h"), gave(at="+9h", asked_for=False))
    assert shown(ASKED, story) == ("violated", 9, 5, [3, 4])
    assert findings(ASKED, given(ask(), gave(at="+9h", asked_for=False))) == SATISFIED
    assert findings(ASKED, given(ask(), gave(at="+9h"))) == UNKNOWN


def test_an_ask_that_was_refused_shows_it_too() -> None:
    story = given(ask(), said_no(at="+2h", ask_id="a1"), gave(at="+9h", asked_for=False))
    assert shown(ASKED, story) == ("violated", 9, 5, [3, 4])


@pytest.mark.parametrize(
    "kind",
    [{"automated": True}, {"purpose": "acknowledgement"}, {"purpose": "holding"}],
)
def test_what_is_no_answer_leaves_nothing_unmet(kind: dict[str, Any]) -> None:
    story = given(ask(), replied(at="+3h", **kind), gave(at="+9h", asked_for=False))
    assert findings(ASKED, story) == SATISFIED


def test_an_earlier_reply_or_a_resend_leaves_nothing_unmet() -> None:
    story = given(
        replied(at="+0h"),
        ask(at="+1h"),
        replied("r2", at="+3h", resend_of="r1"),
        gave(at="+9h", asked_for=False),
    )
    assert findings(ASKED, story) == SATISFIED


def test_the_reply_that_gave_it_does_not_leave_it_unmet() -> None:
    named = given(ask(), replied(at="+3h"), gave(at="+9h", asked_for=False, reply_id="r1"))
    assert findings(ASKED, named) == SATISFIED
    soon = given(ask(), replied(at="+3h"), gave(at="+4h", asked_for=False))
    assert findings(ASKED, soon) == SATISFIED  # no reply named: within the hour


def test_a_promise_of_it_meets_the_ask() -> None:
    promise = promised(at="+3h", ask_id="a1", reply_id="r1")
    again = replied("r2", at="+5h")
    story = given(ask(), replied(at="+3h"), promise, again, gave(at="+2d", asked_for=False))
    assert findings(ASKED, story) == SATISFIED
    late = given(
        ask(), replied("r0", at="+2h"), replied(at="+3h"), promise, gave(at="+2d", asked_for=False)
    )
    assert findings(ASKED, late) == VIOLATED


def test_only_asks_for_compensation_count_and_on_the_same_issues() -> None:
    question = given(ask(kind="action"), replied(at="+3h"), gave(at="+9h", asked_for=False))
    assert findings(ASKED, question) == SATISFIED
    named = given(
        ask(kind="action"), replied(at="+3h"), gave(at="+9h", ask_id="a1", asked_for=False)
    )
    assert findings(ASKED, named) == SATISFIED
    other = given(ask(**ON_2), replied(at="+3h"), gave(at="+9h", asked_for=False, **ON_1), issues=2)
    assert findings(ASKED, other) == SATISFIED
    same = given(ask(**ON_2), replied(at="+3h"), gave(at="+9h", asked_for=False), issues=2)
    assert findings(ASKED, same) == VIOLATED


def test_what_something_else_had_met_is_not_asked_for_any_more() -> None:
    first = ask(), replied(at="+3h")
    last = gave(at="+9h", asked_for=False)
    assert findings(ASKED, given(*first, remedied(at="+5h"), last)) == SATISFIED
    assert findings(ASKED, given(*first, remedied(at="+5h", ask_id="a1"), last)) == SATISFIED
    assert findings(ASKED, given(*first, remedied(at="+5h", kind="correction"), last)) == VIOLATED
    two = given(*first, gave("g0", at="+5h", asked_for=False), last)
    assert findings(ASKED, two) == {"g0": "violated", "g1": "satisfied"}
    later = given(*first, gave("g0", at="+5h", asked_for=False), gave(at="+9h", ask_id="a1"))
    assert findings(ASKED, later) == {"g0": "satisfied", "g1": "violated"}


def test_a_machine_asks_for_nothing() -> None:
    mail = ask(automated=True)
    assert findings(ASKED, given(mail, replied(at="+3h"), gave(at="+9h", asked_for=False))) == (
        SATISFIED
    )
    named = gave(at="+9h", ask_id="a1", asked_for=False)
    assert findings(ASKED, given(mail, replied(at="+3h"), named)) == SATISFIED


def test_an_ask_of_a_merged_case_may_be_left_unmet_by_the_other() -> None:
    gesture = gave(at="+9h", asked_for=False)
    left = replied(at="+3h")
    for gift in (gesture, gave(at="+9h", ask_id="c2/a1", asked_for=False)):
        assert findings(ASKED, family(left, gift, c2=[ask()], at="+2h")) == VIOLATED
    assert findings(ASKED, family(gesture, c2=[ask()], at="+2h")) == SATISFIED
    refused = said_no(at="+3h", ask_id="c2/a1")
    assert findings(ASKED, family(refused, gesture, c2=[ask()], at="+2h")) == VIOLATED
    own = issue(), left, gave(at="+9h", asked_for=False, **ON_1)
    assert findings(ASKED, family(*own, c2=[issue(), ask()], at="+2h")) == SATISFIED
    assert findings(ASKED, family(*own, c2=[issue(), ask()], at="+0h")) == VIOLATED


# --- said-cant-but-could

CANT = "said-cant-but-could"
ROLES: dict[str, Any] = {
    "first_line": {"limits": {"EUR": {"per_gesture": "10", "per_case": "15"}}},
    "trainee": {},
}


def cant(amount: dict[str, str] | None = EUR_10, **more: Any) -> Event:
    return said_no("g1", "+2h", **{"reason": "not_possible", "amount": amount, **more})


def test_a_no_to_what_the_role_may_give_is_untrue() -> None:
    assert shown(CANT, given(cant()), roles=ROLES) == ("violated", 2, 3, [])
    assert findings(CANT, given(cant(reason="no_authority")), roles=ROLES) == VIOLATED


def test_a_no_to_what_it_may_not_give_is_true() -> None:
    assert findings(CANT, given(cant(EUR_20)), roles=ROLES) == SATISFIED
    assert findings(CANT, given(cant(USD_5)), roles=ROLES) == SATISFIED
    trainee = {"kind": "agent", "id": "tom", "role": "trainee"}
    assert findings(CANT, given(cant(actor=trainee)), roles=ROLES) == SATISFIED
    assert findings(CANT, given(cant(actor={**trainee, "role": "night"})), roles=ROLES) == SATISFIED


def test_what_was_given_in_the_case_before_is_used_up() -> None:
    first = gave("g0", at="+1h", value=EUR_10)
    assert findings(CANT, given(first, cant()), roles=ROLES) == SATISFIED
    assert findings(CANT, given(first, took_back("g0"), cant()), roles=ROLES) == VIOLATED
    later = gave("g0", at="+3h", value=EUR_10)
    assert findings(CANT, given(cant(), later), roles=ROLES) == VIOLATED


def test_what_was_given_in_a_merged_case_is_used_up_however_long_ago() -> None:
    there = [gave("g0", at="-800d", value=EUR_10)]
    story = family(cant(), c2=there, begun="-900d", at="+1h")
    assert findings(CANT, story, roles=ROLES) == SATISFIED
    assert findings(CANT, family(cant(), c2=[]), roles=ROLES) == VIOLATED
    question = [ask(kind="action")]
    named = family(cant(None, ask_id="c2/a1"), c2=question, at="+1h")
    assert findings(CANT, named, roles=ROLES) == NO_ROW


def test_what_nobody_recorded_or_laid_down_cannot_be_told() -> None:
    nobody = {"kind": "agent", "id": "tom"}
    assert findings(CANT, given(cant())) == UNKNOWN
    assert findings(CANT, given(cant(None)), roles=ROLES) == UNKNOWN
    assert findings(CANT, given(cant(actor=nobody)), roles=ROLES) == UNKNOWN
    assert findings(CANT, given(ask(), cant(None, ask_id="a1")), roles=ROLES) == UNKNOWN


def test_other_reasons_and_other_asks_are_not_a_matter_of_authority() -> None:
    assert findings(CANT, given(cant(reason="policy")), roles=ROLES) == NO_ROW
    story = given(ask(kind="action"), cant(None, ask_id="a1"))
    assert findings(CANT, story, roles=ROLES) == NO_ROW
    mail = given(ask(kind="action", automated=True), cant(None, ask_id="a1"))
    assert findings(CANT, mail, roles=ROLES) == NO_ROW


def test_the_policy_of_that_time_judges() -> None:
    document = DOCUMENT.validate_python({"roles": ROLES})
    policies = Policies(adopted=(Adopted("house", moment("+2h"), document),))
    judge = RULES[CANT].judge
    for at, outcome in (("+119m", "unknown"), ("+2h", "violated")):
        case = Facts(CaseHistory(given(cant(occurred_at=moment(at))).history(), None, policies))
        assert [each.outcome for each in judge(case)] == [outcome]


# --- grudging-gesture

GRUDGING = "grudging-gesture"


def test_giving_what_was_refused_before_is_grudging() -> None:
    story = given(ask(), said_no(at="+2h", ask_id="a1"), gave(at="+9h", ask_id="a1"))
    assert shown(GRUDGING, story) == ("violated", 9, 5, [4])
    unnamed = given(ask(), said_no(at="+2h", ask_id="a1"), gave(at="+9h"))
    assert findings(GRUDGING, unnamed) == VIOLATED


def test_a_new_finding_is_a_good_reason_to_think_again() -> None:
    no, yes = said_no(at="+2h", ask_id="a1"), gave(at="+9h", ask_id="a1", **ON_1)
    assert findings(GRUDGING, given(ask(), no, finding(at="+5h"), yes)) == UNKNOWN
    assert findings(GRUDGING, given(finding(), ask(), no, yes)) == VIOLATED
    assert findings(GRUDGING, given(ask(), no, yes, finding(at="+10h"))) == VIOLATED
    elsewhere = given(ask(), no, finding(at="+5h", **ON_2), yes, issues=2)
    assert findings(GRUDGING, elsewhere) == VIOLATED


def test_a_reply_judged_reluctant_tells_it() -> None:
    def judged(*verdicts: str, attribute: str = "reluctance", **more: Any) -> dict[str, Any]:
        about = {"attribute": attribute, "reply_id": "r1", **more}
        verdict = [assessed(f"+{n}h", verdict=v, **about) for n, v in enumerate(verdicts, 3)]
        story = given(replied(), gave(at="+1h", reply_id="r1"), *verdict)
        return dict(findings(GRUDGING, story))

    assert judged("poor") == VIOLATED
    assert judged("good") == SATISFIED
    assert judged("good", "poor") == judged("poor", "good") == VIOLATED
    assert judged("good", attribute="sincerity") == UNKNOWN
    assert judged("good", reply_id=None) == UNKNOWN


def test_it_was_grudging_when_it_was_given() -> None:
    poor = assessed("+3h", attribute="reluctance", reply_id="r1")
    story = given(replied(), gave(at="+1h", reply_id="r1"), poor)
    assert shown(GRUDGING, story) == ("violated", 1, 4, [5])


def test_without_a_verdict_nobody_can_tell() -> None:
    assert findings(GRUDGING, given(gave())) == UNKNOWN
    reply = assessed(attribute="reluctance", verdict="good")
    assert findings(GRUDGING, given(gave(), reply)) == UNKNOWN
    assert findings(GRUDGING, given(ask(), said_no(at="+2h", ask_id="a1"))) == NO_ROW


def test_what_was_refused_in_the_merged_case_is_given_in_the_other() -> None:
    there = [issue(), ask(), said_no(at="+2h", ask_id="a1")]
    yes = gave(at="+9h", ask_id="c2/a1", **THERE)
    assert findings(GRUDGING, family(yes, c2=there, at="+3h")) == VIOLATED
    anew = finding(at="+5h", **THERE)
    assert findings(GRUDGING, family(anew, yes, c2=there, at="+3h")) == UNKNOWN
    elsewhere = family(issue(), finding(at="+3h"), yes, c2=there, at="+4h")
    assert findings(GRUDGING, elsewhere) == VIOLATED


# --- qualified-gesture


def test_conditions_are_never_told() -> None:
    rule = "qualified-gesture"
    assert shown(rule, given(gave(at="+1h", conditions_told=True))) == ("violated", 1, 3, [])
    assert findings(rule, given(gave(conditions_told=False))) == SATISFIED
    assert findings(rule, given(gave())) == UNKNOWN
    assert findings(rule, given()) == NO_ROW


def test_a_gesture_of_a_merged_case_is_judged_once_and_under_the_root() -> None:
    row = lapse("qualified-gesture", family(c2=[gave(conditions_told=True)]))
    assert (row.case_id, row.subject, row.outcome) == ("c1", "c2/g1", "violated")


# --- repeat-goodwill


def test_repeated_goodwill_is_no_matter_of_one_case() -> None:
    assert findings("repeat-goodwill", given(gave(), gave("g2"), gave("g3"))) == NO_ROW
    rule = RULES["repeat-goodwill"]
    assert rule.stories == ("002", "003")
    assert rule.numbers == ("goodwill.gestures_per_year", "goodwill.per_year")


# --- goodwill-on-unfounded

UNFOUNDED_RULE = "goodwill-on-unfounded"


def test_a_gift_for_nothing_sets_a_precedent() -> None:
    story = given(finding(at="+1h", **UNFOUNDED), gave(at="+2h"))
    assert shown(UNFOUNDED_RULE, story) == ("violated", 2, 4, [3])
    out = given(finding(outcome="out_of_scope", fault="none"), gave(at="+2h"))
    assert findings(UNFOUNDED_RULE, out) == VIOLATED


def test_one_issue_that_was_upheld_is_enough() -> None:
    no, yes = finding(**UNFOUNDED, **ON_1), finding("f2", outcome="partly_upheld", **ON_2)
    assert findings(UNFOUNDED_RULE, given(no, yes, gave(at="+2h"), issues=2)) == SATISFIED
    for_one = given(no, yes, gave(at="+2h", **ON_1), issues=2)
    assert findings(UNFOUNDED_RULE, for_one) == VIOLATED


def test_it_is_judged_by_what_was_found_by_then() -> None:
    then = finding("f2", at="+3h", supersedes="f1")
    assert findings(UNFOUNDED_RULE, given(finding(**UNFOUNDED), gave(at="+2h"), then)) == VIOLATED
    assert findings(UNFOUNDED_RULE, given(finding(**UNFOUNDED), then, gave(at="+4h"))) == SATISFIED
    assert findings(UNFOUNDED_RULE, given(gave(), finding(at="+1h", **UNFOUNDED))) == UNKNOWN
    assert findings(UNFOUNDED_RULE, given(gave())) == UNKNOWN


def test_an_issue_that_was_not_looked_at_may_be_founded() -> None:
    story = given(finding(**UNFOUNDED, **ON_1), gave(at="+2h", issue_ids=["i1", "i2"]), issues=2)
    assert findings(UNFOUNDED_RULE, story) == UNKNOWN


def test_what_was_not_given_in_the_end_is_no_precedent() -> None:
    for end in (declined(at="+3h"), took_back(at="+3h")):
        assert findings(UNFOUNDED_RULE, given(finding(**UNFOUNDED), gave(at="+2h"), end)) == NO_ROW
    assert findings(UNFOUNDED_RULE, given(finding(**UNFOUNDED))) == NO_ROW
    story = given(finding(**UNFOUNDED), gave(at="+2h", issue_ids=[]))
    assert findings(UNFOUNDED_RULE, story) == NO_ROW  # for no issue, so it is said


def test_a_gift_may_be_for_what_was_unfounded_in_the_merged_case() -> None:
    there = [issue(), finding(**UNFOUNDED)]
    assert findings(UNFOUNDED_RULE, family(gave(at="+2h", **THERE), c2=there)) == VIOLATED
    own = issue(), finding(at="+1h"), gave(at="+2h")
    assert findings(UNFOUNDED_RULE, family(*own, c2=there)) == SATISFIED
    assert findings(UNFOUNDED_RULE, family(gave(at="+2h"), c2=there)) == VIOLATED
    before = family(gave(at="+2h"), c2=there, at="+3h")
    assert findings(UNFOUNDED_RULE, before) == UNKNOWN, "for its own case, without issues"


# --- disproportionate-gesture

RATIO = "disproportionate-gesture"


def loss(*losses: dict[str, str] | None) -> list[Event]:
    return [issue(f"i{n}", loss=each) for n, each in enumerate(losses, 1)]


def test_a_gesture_is_at_most_so_much_of_the_loss() -> None:
    assert findings(RATIO, given(gave(value=EUR_10))) == SATISFIED
    story = given(gave(at="+1h", value={"amount": "10.01", "currency": "EUR"}))
    assert shown(RATIO, story) == ("violated", 1, 3, [2])


def test_how_much_is_the_policys_to_say() -> None:
    assert findings(RATIO, given(gave(value=EUR_10)), policy={"max_ratio": 0.49}) == VIOLATED
    assert findings(RATIO, given(gave(value=EUR_5)), policy={"max_ratio": 0}) == VIOLATED
    assert findings(RATIO, given(gave(value=EUR_10)), policy={"max_ratio": 1e300}) == SATISFIED


def test_losses_of_several_issues_count_together() -> None:
    two = given(gave(value=EUR_20), issues=2)
    assert findings(RATIO, two) == SATISFIED
    assert findings(RATIO, given(gave(value=EUR_20, **ON_1), issues=2)) == VIOLATED


def test_what_was_not_recorded_or_is_in_another_currency_cannot_be_compared() -> None:
    assert findings(RATIO, given(gave())) == UNKNOWN
    assert findings(RATIO, given(gave(value=USD_5))) == UNKNOWN
    assert findings(RATIO, told(opened(), *loss(None), gave(value=EUR_5))) == UNKNOWN
    assert findings(RATIO, told(opened(), *loss(EUR_5, None), gave(value=EUR_5))) == UNKNOWN
    assert findings(RATIO, told(opened(), *loss(EUR_20, None), gave(value=EUR_5))) == SATISFIED
    assert findings(RATIO, told(opened(), gave(value=EUR_5))) == UNKNOWN


def test_a_gesture_of_nothing_is_never_too_much_and_for_a_loss_of_nothing_any_other_is() -> None:
    assert findings(RATIO, told(opened(), *loss(NOTHING), gave(value=NOTHING))) == SATISFIED
    assert findings(RATIO, told(opened(), *loss(None), gave(value=NOTHING))) == SATISFIED
    assert findings(RATIO, told(opened(), *loss(NOTHING), gave(value=EUR_5))) == VIOLATED


def test_what_was_not_given_in_the_end_was_not_too_much() -> None:
    for end in (declined(at="+3h"), took_back(at="+3h")):
        assert findings(RATIO, given(gave(value=EUR_20), end)) == NO_ROW
    assert findings(RATIO, given(gave(value=EUR_20, issue_ids=[]))) == NO_ROW
    assert findings(RATIO, given()) == NO_ROW


def test_the_loss_may_be_of_an_issue_of_the_merged_case() -> None:
    there = [issue(loss=EUR_20)]
    assert findings(RATIO, family(gave(value=EUR_10, **THERE), c2=there)) == SATISFIED
    assert findings(RATIO, family(gave(value=EUR_20, **THERE), c2=there)) == VIOLATED
    both = family(issue(loss=EUR_20), gave(at="+1h", value=EUR_20), c2=there)
    assert findings(RATIO, both) == SATISFIED, "of both together"
    by_itself = family(issue(loss=EUR_20), gave(value=EUR_20), c2=there, at="+1h")
    assert findings(RATIO, by_itself) == VIOLATED


# --- no-choice-offered

CHOICE = "no-choice-offered"
I1_VIOLATED, I1_SATISFIED, I1_EXEMPT = ({"i1": o} for o in ("violated", "satisfied", "exempt"))


def test_who_is_right_chooses_how_it_is_put_right() -> None:
    story = given(finding(), offered(at="+1h"), chose(at="+2h"), remedied(at="+3h"))
    assert shown(CHOICE, story, "i1") == ("satisfied", 3, 6, [3, 4, 5])


def test_a_remedy_without_a_choice_is_ours_alone() -> None:
    assert shown(CHOICE, given(finding(), remedied(at="+3h")), "i1") == ("violated", 3, 4, [3])
    one = given(finding(), offered("x1", ["red"]), chose("red"), remedied(at="+3h"))
    assert findings(CHOICE, one) == I1_VIOLATED
    none = given(finding(), offered(at="+1h"), remedied(at="+3h"))
    assert findings(CHOICE, none) == I1_VIOLATED
    neither = given(finding(), offered(at="+1h"), chose(None, at="+2h"), remedied(at="+3h"))
    assert findings(CHOICE, neither) == I1_VIOLATED
    after = given(finding(), remedied(at="+3h"), offered(at="+4h"), chose(at="+5h"))
    assert findings(CHOICE, after) == I1_VIOLATED


def test_options_add_up_over_offers_on_the_issue() -> None:
    one, more = offered("x1", ["red"]), offered("x2", ["blue"], at="+1h")
    story = given(finding(), one, more, chose("blue", "x2", at="+2h"), remedied(at="+3h"))
    assert findings(CHOICE, story) == I1_SATISFIED
    other = given(
        finding(**ON_1), offered(**ON_2), chose(at="+2h"), remedied(at="+3h", **ON_1), issues=2
    )
    assert findings(CHOICE, other) == I1_VIOLATED


def test_a_decision_without_options_leaves_no_choice() -> None:
    assert shown(CHOICE, given(finding(), decided(at="+3h")), "i1") == ("violated", 3, 4, [3])


def test_options_with_a_decision_wait_for_the_choice_until_the_close() -> None:
    with_it = decided(at="+3h", reply_id="r1"), offered(at="+4h", reply_id="r1")
    story = given(finding(), replied(at="+3h"), *with_it)
    assert findings(CHOICE, story) == NO_ROW
    chosen = told_on(story, chose(at="+5h"))
    assert shown(CHOICE, chosen, "i1") == ("satisfied", 5, 5, [3, 6, 7])
    over = told_on(story, closed("+9h", reason="final_response"))
    assert shown(CHOICE, over, "i1") == ("violated", 9, 5, [3, 6, 7])


def told_on(story: Story, *more: Event) -> Story:
    for event in more:
        story = story.when(event).accepted()
    return story


def test_a_correction_leaves_no_room_for_a_choice() -> None:
    story = given(finding(), remedied(at="+3h", kind="correction"))
    assert shown(CHOICE, story, "i1") == ("exempt", 3, 4, [3])
    more = remedied("e2", at="+4h")
    assert findings(CHOICE, told_on(story, more)) == I1_VIOLATED


def test_where_no_remedy_is_owed_no_choice_is() -> None:
    story = given(finding(remedy_owed=False), remedied(at="+3h"))
    assert findings(CHOICE, story) == I1_EXEMPT
    assert findings(CHOICE, given(finding(remedy_owed=False), decided(at="+3h"))) == I1_EXEMPT


def test_only_what_was_upheld_and_decided_or_remedied_is_judged() -> None:
    assert findings(CHOICE, given(finding(**UNFOUNDED), decided(at="+3h"))) == NO_ROW
    assert findings(CHOICE, given(finding())) == NO_ROW
    assert findings(CHOICE, given(remedied())) == NO_ROW
    partly = given(finding(outcome="partly_upheld", fault="shared"), remedied(at="+1h"))
    assert findings(CHOICE, partly) == I1_VIOLATED
    assert findings(CHOICE, told(opened(), finding(), remedied())) == {"case": "violated"}


def test_the_choice_for_an_issue_of_a_merged_case_may_be_offered_by_the_other() -> None:
    rest = (remedied(at="+4h", **THERE), closed("+9h"))
    own = (offered(at="+2h", **THERE), chose(at="+3h"))
    satisfied, violated = {"c2/i1": "satisfied"}, {"c2/i1": "violated"}
    assert findings(CHOICE, family(*own, *rest, c2=FAULT_THERE, at="+1h")) == satisfied
    assert findings(CHOICE, family(*rest, c2=FAULT_THERE, at="+1h")) == violated
    decision = [*FAULT_THERE, offered(), decided(at="+1h")]
    assert findings(CHOICE, family(closed("+9h"), c2=decision, at="+2h")) == violated
    assert findings(CHOICE, family(closed("+1h"), c2=decision, at="+2h")) == {}
    unnamed = family(issue(), offered(at="+2h"), chose(at="+3h"), *rest, c2=FAULT_THERE, at="+3h")
    assert findings(CHOICE, unnamed) == violated, "offered for the other case alone"


# --- terms-not-disclosed

TERMS = "terms-not-disclosed"


def options(*disclosed: bool | None, offer_id: str = "x1") -> Event:
    each = [
        {"option_id": f"{offer_id}-{number}", "kind": "seat", "terms_disclosed": terms}
        for number, terms in enumerate(disclosed, 1)
    ]
    return make(OptionsOffered, "+0h", {}, offer_id=offer_id, options=each)


def test_the_terms_of_what_was_chosen_were_disclosed() -> None:
    offer = options(False, True, None)
    for number, outcome in enumerate(("violated", "satisfied", "unknown"), 1):
        option = f"x1-{number}"
        story = given(offer, chose(option, at="+2h"))
        assert findings(TERMS, story) == {option: outcome}
        assert shown(TERMS, story, option) == (outcome, 2, 3, [4])  # who offered answers for it


def test_of_several_choices_from_an_offer_the_last_counts() -> None:
    offer = options(False, True)
    story = given(offer, chose("x1-1", at="+1h"), chose("x1-2", at="+2h"))
    assert findings(TERMS, story) == {"x1-2": "satisfied"}
    assert findings(TERMS, told_on(story, chose(None, at="+3h"))) == NO_ROW
    other = options(None, offer_id="x2")
    more = told_on(story, other, chose("x2-1", "x2", at="+3h"))
    assert findings(TERMS, more) == {"x1-2": "satisfied", "x2-1": "unknown"}


def test_what_nobody_chose_is_not_judged() -> None:
    assert findings(TERMS, given(options(False, False))) == NO_ROW
    assert findings(TERMS, given()) == NO_ROW


def test_a_choice_in_a_merged_case_is_judged_once() -> None:
    there = [options(False), chose("x1-1", at="+2h")]
    assert findings(TERMS, family(c2=there)) == {"c2/x1-1": "violated"}
    both = family(options(True), chose("x1-1", at="+2h"), c2=there)
    assert findings(TERMS, both) == {"x1-1": "satisfied", "c2/x1-1": "violated"}


# --- fault-without-remedy, goodwill-instead-of-remedy

WITHOUT, INSTEAD = "fault-without-remedy", "goodwill-instead-of-remedy"


def test_closing_without_having_made_good_a_fault_of_ours() -> None:
    story = given(finding(), closed("+9h"))
    assert shown(WITHOUT, story, "i1") == ("violated", 9, 4, [3])
    assert findings(INSTEAD, story) == NO_ROW
    final = given(finding(fault="shared"), closed("+9h", reason="final_response"))
    assert findings(WITHOUT, final) == I1_VIOLATED


def test_a_gesture_does_not_make_it_good() -> None:
    story = given(finding(), gave(at="+1h"), closed("+9h"))
    assert findings(WITHOUT, story) == I1_VIOLATED
    assert shown(INSTEAD, story, "i1") == ("violated", 9, 5, [3, 4])


def test_a_remedy_makes_it_good() -> None:
    story = given(finding(), remedied(at="+1h"), gave(at="+2h"), closed("+9h"))
    assert shown(WITHOUT, story, "i1") == ("satisfied", 9, 6, [3, 4])
    assert shown(INSTEAD, story, "i1") == ("satisfied", 9, 6, [3, 4, 5])
    late = given(finding(), gave(at="+2h"), closed("+9h"), remedied(at="+10h"))
    assert (findings(WITHOUT, late), findings(INSTEAD, late)) == (I1_VIOLATED, I1_VIOLATED)
    other = given(finding(), remedied(**ON_2), closed("+9h"), issues=2)
    assert findings(WITHOUT, other) == {"i1": "violated", "i2": "satisfied"}


def test_where_none_is_owed_none_is_missed() -> None:
    story = given(finding(remedy_owed=False), gave(at="+1h"), closed("+9h"))
    assert shown(WITHOUT, story, "i1") == ("exempt", 9, 5, [3])
    assert findings(INSTEAD, story) == I1_EXEMPT


def test_it_is_judged_at_the_close_that_stands_and_for_good() -> None:
    for more in (
        (),
        (closed("+9h", reason="withdrawn"),),
        (closed("+9h"), reopened("+10h")),
    ):
        story = given(finding(), gave(at="+1h"), *more)
        assert (findings(WITHOUT, story), findings(INSTEAD, story)) == (NO_ROW, NO_ROW)
    again = given(finding(), closed("+9h"), reopened("+10h"), remedied(at="+11h"), closed("+12h"))
    assert shown(WITHOUT, again, "i1")[:2] == ("satisfied", 12)


def test_only_a_fault_that_was_known_at_the_close_is_judged() -> None:
    assert findings(WITHOUT, given(closed("+9h"), finding(at="+10h"))) == NO_ROW
    assert findings(WITHOUT, given(finding(fault="third_party"), closed("+9h"))) == NO_ROW
    assert findings(WITHOUT, given(finding(fault="none"), closed("+9h"))) == NO_ROW
    rejected = given(finding(), remedied(), not_content("+2h"), closed("+9h"))
    assert findings(WITHOUT, rejected) == I1_SATISFIED


def test_a_gesture_that_does_not_stand_stands_in_for_nothing() -> None:
    for end in (declined(at="+3h"), took_back(at="+3h")):
        story = given(finding(), gave(at="+1h"), end, closed("+9h"))
        assert findings(INSTEAD, story) == NO_ROW
    after = given(finding(), closed("+9h"), gave(at="+10h"))
    assert findings(INSTEAD, after) == NO_ROW
    assert findings(INSTEAD, told(opened(), finding(), gave(), closed())) == {"case": "violated"}


def test_a_remedy_that_was_taken_back_is_none() -> None:
    gone = (remedied(at="+1h"), reclaimed(at="+2h"))
    story = given(finding(), *gone, gave(at="+3h"), closed("+9h"))
    assert shown(WITHOUT, story, "i1") == ("violated", 9, 7, [3, 4, 5])
    assert findings(INSTEAD, story) == I1_VIOLATED
    later = given(finding(), remedied(at="+1h"), closed("+9h"), reclaimed(at="+10h"))
    assert shown(WITHOUT, later, "i1")[:2] == ("violated", 10), "from then on"
    assert findings(WITHOUT, later, as_of="+9h") == I1_SATISFIED
    twice = given(finding(), remedied("e2", at="+1h"), *gone, closed("+9h"))
    assert findings(WITHOUT, twice) == I1_SATISFIED
    assert findings(WITHOUT, given(finding(remedy_owed=False), *gone, closed("+9h"))) == I1_EXEMPT


def test_each_fault_is_judged_at_the_closing_that_was_for_its_case() -> None:
    satisfied, violated = {"c2/i1": "satisfied"}, {"c2/i1": "violated"}
    gift = gave(at="+3h", **THERE)
    for rule in (WITHOUT, INSTEAD):
        told_ = family(gift, closed("+9h"), c2=FAULT_THERE, at="+2h")
        assert findings(rule, told_) == violated
        assert findings(rule, family(closed("+1h"), gift, c2=FAULT_THERE, at="+2h")) == {}
        refund = remedied(at="+4h", **THERE)
        told_ = family(gift, refund, closed("+9h"), c2=FAULT_THERE, at="+2h")
        assert findings(rule, told_) == satisfied
        own_closing = [*FAULT_THERE, gave("g0", at="+1h"), closed("+1h")]
        assert findings(rule, family(c2=own_closing, at="+2h")) == violated
    refund = remedied(at="+1h", issue_ids=None)
    told_ = family(issue(), refund, closed("+9h"), c2=FAULT_THERE, at="+2h")
    assert findings(WITHOUT, told_) == violated, "remedied for the other case alone"


# --- the rules as they are declared

MINE = {
    "gestures": (BEFORE, LATE, "qualified-gesture", "repeat-goodwill", UNFOUNDED_RULE, RATIO),
    "grudging": (ASKED, CANT, GRUDGING),
    "remedies": (CHOICE, TERMS, WITHOUT, INSTEAD),
}
NAMES = sorted(name for names in MINE.values() for name in names)


def test_each_rule_is_declared_with_its_lesson() -> None:
    for module, names in MINE.items():
        for name in names:
            assert RULES[name].judge.__module__ == f"projections.rules.{module}"
            assert RULES[name].lesson.endswith(".")


# --- the demo's stories

DEMO = Path(__file__).parents[3] / "cli" / "stories.ndjson"
HOUSE = {
    "agent": {},
    "specialist": {},
    "supervisor": {"limits": {"USD": {"per_gesture": "25"}}},
    "care-lead": {"final_say": True, "limits": {"CAD": {"per_gesture": "8"}}},
}


def demo(case_id: str) -> Story:
    story = Story(f"case:{case_id}")
    for line in DEMO.read_text(encoding="utf-8").splitlines():
        given_ = json.loads(line)
        if given_["stream"] == story.stream:
            story = told_on(story, getattr(events, given_["type"])(**given_["data"]))
    return story


@pytest.mark.parametrize(
    ("case_id", "violated"),
    [
        ("roadshow", []),
        ("upload-limit", []),
        (
            "roaming-bill",
            [LATE, ASKED, GRUDGING, "qualified-gesture", CANT],
        ),
        ("no-ushers", []),
        ("free-flight", []),
        ("nine-days", []),
    ],
)
def test_the_demo_tells_what_its_stories_tell(case_id: str, violated: list[str]) -> None:
    policy = {"needs_operations": ["venue"]}
    judged = {name: found(name, demo(case_id), None, policy, roles=HOUSE) for name in NAMES}
    those = [name for name, by in judged.items() for f in by.values() if f.outcome == "violated"]
    assert sorted(those) == sorted(violated)


# --- any history


@law
@hypothesis.given(seeds, times)
def test_any_history_is_judged_once_for_each_subject_and_always_alike(
    seed: int, as_of: datetime | None
) -> None:
    story = story_of("case", seed, 150)
    if not len(story.history(as_of)):
        return
    known = {each.uid for each in story.history(as_of)}
    for name in NAMES:
        by_subject = found(name, story, as_of=as_of, roles=ROLES)
        assert by_subject == found(name, story, as_of=as_of, roles=ROLES)
        for each in by_subject.values():
            assert known.issuperset(e.event_id for e in (each.event, *each.evidence))
