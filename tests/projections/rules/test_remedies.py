"""Lessons about remedies, as stories."""

from __future__ import annotations

from typing import Any

from casestore.events import Event, OptionsOffered
from tests.support.lapses import family, findings, shown
from tests.support.lapses import with_issues as given
from tests.support.stories import (
    Story,
    chose,
    closed,
    decided,
    declined,
    gave,
    issue,
    make,
    not_content,
    offered,
    opened,
    reclaimed,
    remedied,
    reopened,
    replied,
    took_back,
)
from tests.support.stories import found as finding
from tests.support.stories import given as told

ON_1: dict[str, Any] = {"issue_ids": ["i1"]}
ON_2: dict[str, Any] = {"issue_ids": ["i2"]}
UNFOUNDED: dict[str, Any] = {"outcome": "not_upheld", "fault": "none"}
NO_ROW = dict[str, str]()

THERE: dict[str, Any] = {"issue_ids": ["c2/i1"]}
FAULT_THERE = [issue(loss={"amount": "20", "currency": "EUR"}), finding()]
"""The events of the case c2."""


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
