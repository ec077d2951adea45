"""Lessons about judging a complaint, as stories."""

from __future__ import annotations

from typing import Any

from casestore.events import Event
from tests.support.lapses import family, findings, found, in_one_store, shown
from tests.support.stories import (
    ANNA,
    BOSS,
    Learnt,
    Story,
    apologised,
    bounced,
    closed,
    consulted,
    decided,
    escalated,
    explained,
    gave,
    given,
    issue,
    merged,
    moment,
    opened,
    reclassified,
    remedied,
    reopened,
    replied,
    said_no,
    stated,
    unmerged,
    wrote,
)
from tests.support.stories import found as judged


def at_fault(*told: Event | Learnt) -> Story:
    """A story: after an hour the issue i1 is found to be our fault, then these events happen."""
    return given(opened(), issue("i1"), judged("f1", at="+1h", issue_ids=["i1"]), *told)


# --- grievance-skipped


def test_every_issue_wants_a_reply_that_arrived_and_addresses_it() -> None:
    story = given(
        opened(),
        issue("tea"),
        issue("cup"),
        issue("spoon"),
        replied("r1", at="+1h", addresses=["tea"]),
        replied("r2", at="+2h", addresses=["cup"]),
        bounced("r2", at="+3h"),
        replied("bot", at="+4h", addresses=["spoon"], automated=True),
        closed(at="+5h"),
    )
    assert findings("grievance-skipped", story) == {
        "tea": "satisfied",
        "cup": "violated",
        "spoon": "violated",
    }
    assert found("grievance-skipped", story)["cup"].at == moment("+5h")


def test_a_reply_sent_again_addresses_what_it_did_if_that_was_before_the_close() -> None:
    sent = (opened(), issue(), replied(addresses=["i1"]), bounced(at="+1h"))
    in_time = given(*sent, replied("r2", at="+2h", resend_of="r1"), closed(at="+3h"))
    late = given(*sent, closed(at="+1h"), replied("r2", at="+2h", resend_of="r1"))
    assert findings("grievance-skipped", in_time) == {"i1": "satisfied"}
    assert findings("grievance-skipped", late) == {"i1": "violated"}


def test_a_reply_that_does_not_tell_its_issues_may_have_addressed_those_before_it() -> None:
    story = given(
        opened(), issue("old"), replied(at="+1h"), issue("new", at="+2h"), closed(at="+3h")
    )
    assert findings("grievance-skipped", story) == {"old": "unknown", "new": "violated"}


def test_issues_are_skipped_only_at_a_close_that_stands() -> None:
    begun = (opened(), issue())
    no_row: dict[str, str] = {}
    assert findings("grievance-skipped", given(opened(), closed())) == no_row
    assert findings("grievance-skipped", given(*begun)) == no_row
    for reason in ("withdrawn", "duplicate"):
        assert findings("grievance-skipped", given(*begun, closed(reason=reason))) == no_row
    again = given(*begun, closed(at="+1h"), reopened(at="+2h"))
    assert findings("grievance-skipped", again) == no_row
    after = given(opened(), closed(at="+1h"), issue(at="+2h"))
    assert findings("grievance-skipped", after) == no_row


def test_each_issue_is_judged_at_the_closing_that_was_for_its_case() -> None:
    rule, violated = "grievance-skipped", {"c2/i1": "violated"}
    there = [issue()]
    assert findings(rule, family(closed("+3h"), c2=there, at="+2h")) == violated
    assert findings(rule, family(closed("+1h"), c2=there, at="+2h")) == {}
    assert findings(rule, family(closed("+1h"), c2=[*there, closed("+1h")], at="+2h")) == violated
    answer = replied(at="+3h", addresses=["c2/i1"])
    assert findings(rule, family(answer, closed("+4h"), c2=there, at="+2h")) == {
        "c2/i1": "satisfied"
    }
    while_merged = [*there, closed("+3h")]
    assert findings(rule, family(c2=while_merged, at="+2h")) == {}
    reopened_there = [*there, reopened("+5h")]
    told = family(closed("+3h"), c2=[closed("-1h"), *reopened_there], at="+2h")
    assert findings(rule, told) == violated, "what is merged reopens nothing"


# --- fault-without-apology


def test_our_fault_wants_an_apology_in_time() -> None:
    story = at_fault()
    assert findings("fault-without-apology", story, as_of="+49h") == {}
    assert findings("fault-without-apology", story, as_of="+50h") == {"i1": "violated"}
    (late,) = found("fault-without-apology", story).values()
    assert late.at == late.due_at == moment("+49h")
    for fault, outcome in {"shared": "violated", "third_party": None, "unknown": None}.items():
        other = given(opened(), issue(), judged(fault=fault))
        assert findings("fault-without-apology", other).get("i1") == outcome


def test_an_apology_in_time_is_one_for_that_issue_even_before_the_finding() -> None:
    for at in ("+0h", "+49h"):
        story = at_fault(apologised(at=at, issue_ids=["i1"]))
        assert findings("fault-without-apology", story) == {"i1": "satisfied"}
    late = found("fault-without-apology", at_fault(apologised(at="+50h")))["i1"]
    assert (late.outcome, late.at, late.due_at) == ("violated", moment("+49h"), None)
    other = at_fault(issue("i2", at="+2h"), apologised(at="+3h", issue_ids=["i2"]))
    assert findings("fault-without-apology", other) == {"i1": "violated"}


def test_an_apology_after_the_remedy_is_for_what_was_remedied() -> None:
    story = at_fault(remedied(at="+2h", issue_ids=["i1"]), apologised(at="+3h"))
    assert findings("fault-without-apology", story) == {"i1": "satisfied"}


def test_an_apology_in_a_reply_that_did_not_arrive_was_not_said() -> None:
    lost = at_fault(replied(at="+2h"), apologised(at="+2h", reply_id="r1"), bounced("r1", at="+3h"))
    assert findings("fault-without-apology", lost) == {"i1": "violated"}
    again = lost.plus(replied("r2", at="+4h", resend_of="r1"))
    assert found("fault-without-apology", again)["i1"].at == moment("+4h")
    assert findings("fault-without-apology", again) == {"i1": "satisfied"}
    too_late = lost.plus(replied("r2", at="+60h", resend_of="r1"))
    assert findings("fault-without-apology", too_late) == {"i1": "violated"}


def test_a_case_closed_before_the_apology_was_due_is_judged_then() -> None:
    (early,) = found("fault-without-apology", at_fault(closed(at="+2h"))).values()
    assert (early.outcome, early.at, early.due_at) == ("violated", moment("+2h"), None)
    (later,) = found("fault-without-apology", at_fault(closed(at="+90h"))).values()
    assert later.at == moment("+49h")
    withdrawn = at_fault(closed(at="+2h", reason="withdrawn"))
    assert findings("fault-without-apology", withdrawn, as_of="+3h") == {}


def test_time_for_an_apology_runs_from_when_the_fault_was_found_first() -> None:
    again = at_fault(judged("f2", at="+40h", fault="shared", supersedes="f1"))
    assert found("fault-without-apology", again)["i1"].due_at == moment("+49h")
    not_so = at_fault(judged("f2", at="+2h", fault="none", supersedes="f1"))
    assert findings("fault-without-apology", not_so) == {}


def test_a_case_without_issues_wants_an_apology_too() -> None:
    assert findings("fault-without-apology", given(opened(), judged())) == {"case": "violated"}
    sorry = given(opened(), judged(), apologised(at="+1h"))
    assert findings("fault-without-apology", sorry) == {"case": "satisfied"}


FAULT_THERE = [issue(), judged(at="+1h")]


def test_an_apology_is_for_the_cases_that_were_one_when_it_was_given() -> None:
    rule = "fault-without-apology"
    assert findings(rule, family(c2=FAULT_THERE)) == {"c2/i1": "violated"}
    for at, outcome in {"+1h": "satisfied", "+3h": "violated"}.items():
        told = family(issue(), apologised(at="+2h"), c2=FAULT_THERE, at=at)
        assert findings(rule, told) == {"c2/i1": outcome}
    named = apologised(at="+4h", issue_ids=["c2/i1"])
    assert findings(rule, family(named, c2=FAULT_THERE, at="+3h")) == {"c2/i1": "satisfied"}


def test_a_case_without_issues_stays_judged_when_it_is_merged_with_one_that_has_some() -> None:
    rule, there = "fault-without-apology", [judged(at="+1h")]
    assert findings(rule, family(issue(), c2=there, at="+2h")) == {"case": "violated"}
    told = family(issue(), apologised(at="+3h"), c2=there, at="+2h")
    assert findings(rule, told) == {"case": "satisfied"}
    told = family(issue(), apologised(at="+1h"), c2=there, at="+2h")
    assert findings(rule, told) == {"case": "violated"}, "it was for the other case alone"
    told = family(issue(), c2=there, at="+0h")
    assert findings(rule, told) == {"i1": "violated"}, "merged before: it is on the open issue"


def test_a_fault_of_a_merged_case_is_to_be_apologised_for_by_its_close() -> None:
    def due_at(*own: Event, at: str) -> Any:
        (judged_,) = found("fault-without-apology", family(*own, c2=FAULT_THERE, at=at)).values()
        return judged_.at

    assert due_at(closed("+4h"), at="+2h") == moment("+4h")
    assert due_at(closed("+4h"), at="+5h") == moment("+49h")


def test_what_a_finding_names_in_a_case_that_is_not_of_the_family_is_nothing() -> None:
    rule, named = "fault-without-apology", judged(at="+3h", issue_ids=["c2/i1"])
    root, member = family(named, c2=[issue()], at="+2h")
    assert findings(rule, (root, member)) == {"c2/i1": "violated"}
    apart = in_one_store(root, member.plus(unmerged("c1", "+4h")))
    assert findings(rule, apart) == {}


# --- fault-admitted-late


def test_a_fault_is_owned_up_to_in_time() -> None:
    for at, outcome in {"+24h": "satisfied", "+25h": "violated"}.items():
        story = given(opened(), issue(), judged(at=at, issue_ids=["i1"]))
        assert findings("fault-admitted-late", story) == {"i1": outcome}
    assert found("fault-admitted-late", story)["i1"].at == moment("+24h")
    early = given(opened(received_at=moment("-9h")), issue(), judged(at="+20h"))
    assert found("fault-admitted-late", early)["i1"].at == moment("+15h")
    assert findings("fault-admitted-late", given(opened(), issue(), judged(fault="none"))) == {}
    assert findings("fault-admitted-late", given(opened(), judged(at="+25h"))) == {
        "case": "violated"
    }


def test_nobody_has_to_come_back_more_than_so_often() -> None:
    calls = [wrote(f"m{n}", at=f"+{n}h") for n in (1, 2, 3, 4)]
    for count, outcome in {3: "satisfied", 4: "violated"}.items():
        story = given(opened(), issue(), *calls[:count], judged(at="+5h"))
        assert findings("fault-admitted-late", story) == {"i1": outcome}
    (late,) = found("fault-admitted-late", story).values()
    assert late.at == moment("+4h")
    assert [each.event.message_id for each in late.evidence] == ["m1", "m2", "m3", "m4"]
    strict = findings("fault-admitted-late", story, policy={"admit_contacts": 4})
    assert strict == {"i1": "satisfied"}


def test_an_issue_that_came_up_after_our_answer_counts_from_then() -> None:
    calls = [wrote(f"m{n}", at=f"+{n}h") for n in (1, 2, 3)]
    story = given(
        opened(),
        *calls,
        replied(at="+4h"),
        issue(at="+30h"),
        wrote("m9", at="+31h"),
        judged(at="+32h", issue_ids=["i1"]),
    )
    assert findings("fault-admitted-late", story) == {"i1": "satisfied"}


def test_a_fault_that_was_admitted_stays_admitted() -> None:
    story = at_fault(judged("f2", at="+60h", fault="shared", supersedes="f1"))
    assert findings("fault-admitted-late", story) == {"i1": "satisfied"}
    denied = given(
        opened(),
        issue(),
        judged("f1", at="+1h", fault="none", outcome="not_upheld"),
        judged("f2", at="+60h", issue_ids=["i1"], supersedes="f1"),
    )
    assert findings("fault-admitted-late", denied) == {"i1": "violated"}


def test_a_fault_is_owned_up_to_as_if_it_were_one_case() -> None:
    rule, there = "fault-admitted-late", [issue(), judged(at="+3h", issue_ids=["i1"])]
    assert findings(rule, family(c2=there)) == {"c2/i1": "satisfied"}
    received = opened(received_at=moment("-22h"))
    early = given(received, merged("c1"), stream="case:c2")
    assert findings(rule, in_one_store(given(opened(), *there), early)) == {"i1": "violated"}
    calls = [wrote(f"m{n}", at=f"+{n}h") for n in (1, 2)]
    assert findings(rule, family(*calls, c2=[*there, *calls])) == {"c2/i1": "violated"}
    mails = [wrote(f"m{n}", at=f"+{n}h", automated=True) for n in (1, 2)]
    assert findings(rule, family(*calls, c2=[*there, *mails])) == {"c2/i1": "satisfied"}


def test_where_the_receipt_is_not_known_nobody_can_tell_how_late_it_was() -> None:
    wrong = given(opened(received_at=moment("+9h")), issue(), judged(at="+90h"))
    assert findings("fault-admitted-late", wrong) == {}
    answered = (replied(at="+1h"), issue(at="+2h"), judged(at="+90h", issue_ids=["i1"]))
    later = given(opened(received_at=moment("+9h")), *answered)
    assert findings("fault-admitted-late", later) == {"i1": "violated"}, "from when it was raised"
    both = (issue("i0"), replied(at="+1h"), issue(at="+2h"), judged(at="+90h"))
    of_two = given(opened(received_at=moment("+9h")), *both)
    assert findings("fault-admitted-late", of_two) == {"i1": "violated"}, "the other one nobody can"


# --- rejected-without-evidence


def test_a_rejection_takes_evidence() -> None:
    def outcome(**more: Any) -> dict[str, Any]:
        fields = {"outcome": "not_upheld", "fault": "none", **more}
        return dict(findings("rejected-without-evidence", given(opened(), judged(**fields))))

    assert outcome(evidence=[]) == {"f1": "violated"}
    assert outcome(evidence=["log"]) == {"f1": "satisfied"}
    assert outcome() == {"f1": "unknown"}
    assert outcome(outcome="out_of_scope", evidence=[]) == {}
    assert outcome(outcome="upheld", evidence=[]) == {}


def test_a_rejection_of_a_merged_case_is_judged_once() -> None:
    there = [judged(outcome="not_upheld", fault="none", evidence=[])]
    assert findings("rejected-without-evidence", family(c2=there)) == {"c2/f1": "violated"}


# --- operations-not-asked

VENUE = {"needs_operations": ["venue"]}


def test_operations_are_heard_before_a_finding_in_their_category() -> None:
    hasty = given(opened(category="venue"), issue(), judged(at="+3h"))
    assert findings("operations-not-asked", hasty, policy=VENUE) == {"f1": "violated"}
    assert findings("operations-not-asked", hasty) == {}
    asked = given(opened(category="venue"), issue(), consulted(at="+1h"), judged(at="+3h"))
    assert findings("operations-not-asked", asked, policy=VENUE) == {"f1": "violated"}
    heard = given(
        opened(category="venue"),
        issue(),
        consulted(at="+1h"),
        explained(at="+2h"),
        judged(at="+3h"),
    )
    told = shown("operations-not-asked", heard, "f1", policy=VENUE)
    assert told == ("satisfied", 3, 5, [4])  # what operations replied


def test_an_issue_has_its_own_category_or_the_cases_at_that_time() -> None:
    own = given(opened(category="venue"), issue(category="snacks"), judged())
    assert findings("operations-not-asked", own, policy=VENUE) == {}
    then = given(
        opened(category="snacks"),
        issue(),
        judged("f1", at="+1h"),
        reclassified(at="+2h", category="venue"),
        judged("f2", at="+3h"),
    )
    assert findings("operations-not-asked", then, policy=VENUE) == {"f2": "violated"}
    nobody_knows = given(opened(), issue(), judged())
    doubtful = shown("operations-not-asked", nobody_knows, "f1", policy=VENUE)
    assert doubtful == ("unknown", 0, 3, [])
    without_issues = given(opened(category="venue"), judged())
    assert findings("operations-not-asked", without_issues, policy=VENUE) == {"f1": "violated"}


def test_a_view_counts_for_the_issues_on_which_it_was_asked_for() -> None:
    story = given(
        opened(category="venue"),
        issue("noise"),
        issue("seats"),
        consulted(at="+1h", issue_ids=["noise"]),
        explained(at="+2h"),
        judged("f1", at="+3h", issue_ids=["noise"]),
        judged("f2", at="+4h", issue_ids=["seats"]),
    )
    assert findings("operations-not-asked", story, policy=VENUE) == {
        "f1": "satisfied",
        "f2": "violated",
    }


def test_an_issue_has_the_category_of_the_case_that_it_led_to_then() -> None:
    rule, there = "operations-not-asked", [issue(), judged(at="+3h", issue_ids=["i1"])]
    venue = reclassified(at="+1h", category="venue")
    snacks = reclassified(at="+1h", category="snacks")
    for at, outcome in {"+2h": {"c2/f1": "violated"}, "+4h": {}}.items():
        told = family(venue, c2=[snacks, *there], at=at)
        assert findings(rule, told, policy=VENUE) == outcome
    told = family(venue, judged(at="+3h"), c2=[snacks], at="+4h")
    assert findings(rule, told, policy=VENUE) == {"f1": "violated"}, "a case without issues"


def test_a_view_counts_for_the_cases_that_were_one_when_it_was_asked_for() -> None:
    rule, there = "operations-not-asked", [issue(category="venue"), judged(at="+5h")]
    heard = (consulted(at="+1h"), explained(at="+2h"))
    for at, outcome in {"+0h": "satisfied", "+3h": "violated"}.items():
        told = family(*heard, c2=there, at=at)
        assert findings(rule, told, policy=VENUE) == {"c2/f1": outcome}
    named = (consulted(at="+4h", issue_ids=["c2/i1"]), explained(at="+4h"))
    told = family(*named, c2=there, at="+3h")
    assert findings(rule, told, policy=VENUE) == {"c2/f1": "satisfied"}


# --- decision-overturned

ROLES: dict[str, Any] = {"manager": {"final_say": True}, "first_line": {}}


def overturned(*told: Event | Learnt, roles: Any = ROLES) -> Any:
    """The finding of the rule when the boss has decided, at +2h, on i1, which was not upheld."""
    story = given(
        opened(),
        issue("i1"),
        judged("f1", at="+1h", outcome="not_upheld", fault="none", evidence=["log"]),
        decided(at="+2h", issue_ids=["i1"], actor=BOSS),
        *told,
    )
    return findings("decision-overturned", story, roles=roles)


def test_a_final_decision_stands() -> None:
    assert overturned() == {"d1": "satisfied"}
    assert overturned(gave(at="+3h", issue_ids=["i1"])) == {"d1": "violated"}
    assert overturned(remedied(at="+3h", issue_ids=["i1"])) == {"d1": "violated"}
    assert overturned(judged("f2", at="+3h", issue_ids=["i1"], evidence=["log"])) == {
        "d1": "violated"
    }
    assert overturned(issue("i2", at="+3h"), gave(at="+4h", issue_ids=["i2"])) == {
        "d1": "satisfied"
    }
    assert findings("decision-overturned", given(opened(), gave()), roles=ROLES) == {}


def test_new_evidence_may_overturn_a_final_decision() -> None:
    coupon = gave(at="+9h", issue_ids=["i1"])
    for news in (
        [wrote(at="+3h", provides=["ticket"])],
        [consulted(at="+3h"), explained(at="+4h")],
        [judged("f2", at="+3h", issue_ids=["i1"], evidence=["log", "rota"])],
        [stated(at="+3h", evidence=["rota"])],
        [escalated(at="+3h", kind="external")],
    ):
        assert overturned(*news, coupon) == {"d1": "satisfied"}
    for no_news in (
        [wrote(at="+3h", provides=[])],
        [stated(at="+3h", evidence=["log"])],
        [escalated(at="+3h", kind="executive")],
    ):
        assert overturned(*no_news, coupon) == {"d1": "violated"}


def test_whether_there_was_new_evidence_may_be_unknown() -> None:
    coupon = gave(at="+9h", issue_ids=["i1"])
    assert overturned(wrote(at="+3h"), coupon) == {"d1": "unknown"}
    assert overturned(judged("f2", at="+3h", issue_ids=["i1"])) == {"d1": "unknown"}


def test_what_the_decision_gave_does_not_overturn_it() -> None:
    with_it = [
        replied("r1", at="+2h"),
        decided("d2", at="+3h", issue_ids=["i1"], actor=BOSS, reply_id="r1"),
        gave(at="+3h", issue_ids=["i1"], reply_id="r1"),
    ]
    assert overturned(*with_it) == {"d1": "satisfied", "d2": "satisfied"}
    owed = given(
        opened(),
        issue("i1"),
        judged("f1", at="+1h", evidence=["log"]),
        decided(at="+2h", issue_ids=["i1"], actor=BOSS),
        remedied(at="+3h", issue_ids=["i1"]),
    )
    assert findings("decision-overturned", owed, roles=ROLES) == {"d1": "satisfied"}


def test_only_the_last_decision_on_an_issue_is_overturned() -> None:
    again = decided("d2", at="+3h", issue_ids=["i1"], actor=BOSS)
    coupon = gave(at="+9h", issue_ids=["i1"])
    assert overturned(again, coupon) == {"d1": "satisfied", "d2": "violated"}


def test_not_everybody_has_the_final_say() -> None:
    def outcome(roles: Any = ROLES, **more: Any) -> Any:
        story = given(opened(), issue(), decided(**more))
        return findings("decision-overturned", story, roles=roles)["d1"]

    assert ANNA.role == "first_line"
    assert outcome(actor=ANNA) == "violated"
    assert outcome(actor=ANNA, authority="manager") == "satisfied"
    assert outcome(actor={"kind": "agent", "id": "kim"}) == "unknown"
    assert outcome(actor=BOSS, roles={}) == "unknown"
    assert outcome(actor=BOSS, roles=None) == "unknown"


def test_a_gesture_on_a_closed_case_overturns_the_decision_on_what_it_was_about() -> None:
    assert overturned(said_no(at="+2h"), closed(at="+3h"), gave(at="+4h")) == {"d1": "violated"}


def test_what_a_machine_wrote_leaves_no_doubt_of_new_evidence() -> None:
    coupon = gave(at="+9h", issue_ids=["i1"])
    assert overturned(wrote(at="+3h", automated=True), coupon) == {"d1": "violated"}


def test_a_decision_may_be_overturned_from_the_case_that_it_was_merged_into() -> None:
    rule, there = "decision-overturned", [issue(), decided(at="+2h", actor=BOSS)]
    for at, outcome in {"+3h": "violated", "+5h": "satisfied"}.items():
        told = family(gave(at="+4h"), c2=there, at=at)
        assert findings(rule, told, roles=ROLES) == {"c2/d1": outcome}
    coupon = gave(at="+5h", issue_ids=["c2/i1"])
    told = family(wrote(provides=["ticket"], at="+4h"), coupon, c2=there, at="+3h")
    assert findings(rule, told, roles=ROLES) == {"c2/d1": "satisfied"}
