"""Lessons about gestures that were given grudgingly, as stories."""

from __future__ import annotations

from typing import Any

import pytest

from casestore.events import Event
from casestore.events.policy_document import read_document
from casestore.streams.policies import Adopted, Policies
from projections.history.case_history import CaseHistory
from projections.rules.facts import Facts
from projections.rules.lapses import RULES
from tests.support.lapses import EUR_20, family, findings, shown
from tests.support.lapses import with_issues as given
from tests.support.stories import (
    asked,
    assessed,
    gave,
    issue,
    moment,
    promised,
    remedied,
    replied,
    said_no,
    took_back,
)
from tests.support.stories import found as finding

EUR_10 = {"amount": "10", "currency": "EUR"}
USD_5 = {"amount": "5", "currency": "USD"}
ON_1: dict[str, Any] = {"issue_ids": ["i1"]}
ON_2: dict[str, Any] = {"issue_ids": ["i2"]}
VIOLATED, SATISFIED = {"g1": "violated"}, {"g1": "satisfied"}
UNKNOWN, NO_ROW = {"g1": "unknown"}, dict[str, str]()

THERE: dict[str, Any] = {"issue_ids": ["c2/i1"]}


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
    document = read_document({"roles": ROLES})
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
