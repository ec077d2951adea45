"""Lessons about gestures, as stories."""

from __future__ import annotations

from typing import Any

from casestore.events import Event
from projections.rules.lapses import RULES
from tests.support.lapses import EUR_20, family, findings, found, lapse, shown
from tests.support.lapses import with_issues as given
from tests.support.stories import (
    apologised,
    content,
    declined,
    gave,
    issue,
    opened,
    reclaimed,
    remedied,
    replied,
    took_back,
)
from tests.support.stories import found as finding
from tests.support.stories import given as told

EUR_5 = {"amount": "5", "currency": "EUR"}
EUR_10 = {"amount": "10", "currency": "EUR"}
USD_5 = {"amount": "5", "currency": "USD"}
NOTHING = {"amount": "0", "currency": "EUR"}
ON_1: dict[str, Any] = {"issue_ids": ["i1"]}
ON_2: dict[str, Any] = {"issue_ids": ["i2"]}
UNFOUNDED: dict[str, Any] = {"outcome": "not_upheld", "fault": "none"}
VIOLATED, SATISFIED = {"g1": "violated"}, {"g1": "satisfied"}
UNKNOWN, NO_ROW = {"g1": "unknown"}, dict[str, str]()

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
    assert rule.stories == ("3", "4")
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
        another = gave("g2", "+4h", value=EUR_20)
        judged = findings(RATIO, given(gave(value=EUR_20), end, another))
        assert judged == {"g2": "violated"}
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
