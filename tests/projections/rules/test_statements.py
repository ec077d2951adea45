"""Lessons about what we tell the customer, as stories."""

from __future__ import annotations

from typing import Any

from casestore.events import Event
from tests.support.lapses import family, findings, found, lapse, shown
from tests.support.stories import (
    Learnt,
    apologised,
    asked,
    decided,
    gave,
    given,
    issue,
    moment,
    offered,
    opened,
    promised,
    ref,
    remedied,
    replied,
    retracted,
    said_no,
    stated,
    wished,
    wrote,
)
from tests.support.stories import found as judged


def told(rule: str, *events: Event | Learnt, **more: Any) -> dict[str, Any]:
    return dict(findings(rule, given(opened(), *events), **more))


# --- apology-without-solution


def test_an_apology_names_a_solution() -> None:
    rule = "apology-without-solution"
    assert told(rule, apologised()) == {"y1": "violated"}
    assert told(rule, apologised(), as_of="+1h") == {}
    assert told(rule, remedied(), apologised(at="+9h", solution=ref("remedy", "e1"))) == {
        "y1": "satisfied"
    }
    assert told(rule, remedied()) == {}


def test_a_solution_may_come_in_the_same_reply() -> None:
    rule = "apology-without-solution"
    begun = (replied("r1"), replied("r2"), apologised(reply_id="r1"))
    for solution in (offered, promised, remedied, gave):
        assert told(rule, *begun, solution(reply_id="r1", at="+2h")) == {"y1": "satisfied"}
        assert told(rule, *begun, solution(reply_id="r2")) == {"y1": "violated"}


def test_a_solution_may_come_within_the_hour_if_either_names_no_reply() -> None:
    rule = "apology-without-solution"
    sent = (replied("r1"), replied("r2"))
    assert told(rule, *sent, apologised(), promised(at="+1h", reply_id="r2")) == {"y1": "satisfied"}
    assert told(rule, *sent, apologised(reply_id="r1"), promised(at="+1h")) == {"y1": "satisfied"}
    assert told(rule, promised(at="+1h"), apologised(at="+2h")) == {"y1": "satisfied"}
    assert told(rule, apologised(), promised(at="+61m")) == {"y1": "violated"}
    assert told(rule, promised(at="+1h"), apologised(at="+121m")) == {"y1": "violated"}
    (late,) = found(rule, given(opened(), apologised())).values()
    assert late.at == late.due_at == moment("+1h")


def test_a_solution_may_come_from_the_case_that_it_was_merged_into() -> None:
    rule, sorry = "apology-without-solution", [apologised()]
    assert findings(rule, family(promised(at="+1h"), c2=sorry)) == {"c2/y1": "satisfied"}
    assert findings(rule, family(promised(at="+2h"), c2=sorry)) == {"c2/y1": "violated"}
    named = [replied(), apologised(reply_id="r1")]
    with_it = promised(at="+5h", reply_id="c2/r1")
    assert findings(rule, family(with_it, c2=named, at="+4h")) == {"c2/y1": "satisfied"}


# --- correction-without-evidence


def correction(*events: Event | Learnt, **more: Any) -> dict[str, Any]:
    fields = {"corrects_customer": True, "evidence": ["log"], **more}
    return told("correction-without-evidence", stated(**fields), *events)


def test_a_customer_is_put_right_with_evidence_and_a_next_step() -> None:
    for next_step in (offered(), promised()):
        assert correction(next_step) == {"s1": "satisfied"}
        assert correction(next_step, evidence=[]) == {"s1": "violated"}
        assert correction(next_step, evidence=None) == {"s1": "unknown"}
    assert correction() == correction(evidence=None) == {"s1": "violated"}
    assert correction(remedied()) == {"s1": "violated"}
    assert correction(offered(at="+2h")) == {"s1": "violated"}


def test_only_what_corrects_the_customer_is_judged() -> None:
    assert correction(corrects_customer=False, evidence=[]) == {}
    assert correction(corrects_customer=None) == {"s1": "unknown"}


def test_without_a_next_step_it_is_violated_after_the_hour_without_evidence_at_once() -> None:
    rule = "correction-without-evidence"
    (late,) = found(rule, given(opened(), stated(corrects_customer=True, evidence=["x"]))).values()
    assert late.at == late.due_at == moment("+1h")
    (now,) = found(rule, given(opened(), stated(corrects_customer=True, evidence=[]))).values()
    assert (now.at, now.due_at) == (moment("+0h"), None)


def test_a_next_step_may_come_from_the_case_that_it_was_merged_into() -> None:
    rule = "correction-without-evidence"
    wrong = [stated(corrects_customer=True, evidence=["log"])]
    assert findings(rule, family(promised(at="+1h"), c2=wrong)) == {"c2/s1": "satisfied"}
    assert findings(rule, family(c2=wrong)) == {"c2/s1": "violated"}


# --- untrue-statement


def test_what_we_take_back_as_untrue_was_untrue_when_we_said_it() -> None:
    story = given(
        opened(),
        stated("s1", at="+1h"),
        stated("s2", at="+1h"),
        stated("s3", at="+1h"),
        retracted("s1", at="+9h", reason="untrue_when_made"),
        retracted("s2", at="+9h", reason="changed"),
    )
    assert findings("untrue-statement", story) == {
        "s1": "violated",
        "s2": "satisfied",
        "s3": "satisfied",
    }
    assert shown("untrue-statement", story, "s1") == ("violated", 1, 2, [5])
    assert findings("untrue-statement", story, as_of="+8h")["s1"] == "satisfied"
    assert told("untrue-statement") == {}


def test_a_statement_is_taken_back_from_the_case_that_it_was_merged_into() -> None:
    rule = "untrue-statement"
    gone = retracted("c2/s1", at="+2h", reason="untrue_when_made")
    both = family(stated(), gone, c2=[stated()], at="+1h")
    assert findings(rule, both) == {"s1": "satisfied", "c2/s1": "violated"}
    row = lapse(rule, family(gone, c2=[stated()], at="+1h"))
    assert (row.case_id, row.subject, row.outcome) == ("c1", "c2/s1", "violated")


# --- wants-not-asked


def test_ask_what_is_wanted_before_deciding_or_saying_no() -> None:
    for answer in (said_no(at="+5h"), decided(at="+5h")):
        assert told("wants-not-asked", issue(), answer) == {"i1": "violated"}
        assert told("wants-not-asked", answer) == {"case": "violated"}
        for unasked in (True, False):
            wish = wished(at="+4h", asked_by_us=unasked)
            assert told("wants-not-asked", issue(), wish, answer) == {"i1": "satisfied"}
        late = wished(at="+6h")
        assert told("wants-not-asked", issue(), answer, late) == {"i1": "violated"}
    assert told("wants-not-asked", issue()) == {}


def test_who_asks_for_something_to_be_done_or_paid_has_stated_a_wish() -> None:
    kinds = {
        "action": "satisfied",
        "compensation": "satisfied",
        "question": "violated",
        "future_contact": "violated",
    }
    for kind, outcome in kinds.items():
        message = asked(asks=[{"ask_id": "a1", "kind": kind}])
        assert told("wants-not-asked", issue(), message, said_no(at="+1h")) == {"i1": outcome}


def test_a_message_of_which_nobody_recorded_the_asks_may_have_held_a_wish() -> None:
    assert told("wants-not-asked", issue(), wrote(), said_no(at="+1h")) == {"i1": "unknown"}
    untold = given(opened(), issue(), wrote("m1"), wrote("m2", issue_ids=["i1"]), said_no(at="+1h"))
    assert shown("wants-not-asked", untold, "i1") == ("unknown", 1, 5, [4]), "it names the issue"
    nothing = wrote(asks=[])
    assert told("wants-not-asked", issue(), nothing, said_no(at="+1h")) == {"i1": "violated"}


def test_each_issue_is_judged_by_the_first_answer_to_it() -> None:
    story = given(
        opened(),
        issue("tea"),
        issue("cup"),
        wished(at="+1h", issue_ids=["tea"]),
        said_no("n1", at="+2h"),
        wished(at="+3h"),
        said_no("n2", at="+4h"),
    )
    assert findings("wants-not-asked", story) == {"tea": "satisfied", "cup": "violated"}
    assert found("wants-not-asked", story)["cup"].at == moment("+2h")


def test_a_refused_wish_was_stated_whatever_the_issue() -> None:
    story = given(
        opened(),
        issue("tea"),
        issue("cup"),
        wrote(asks=[{"ask_id": "a1", "kind": "action"}], issue_ids=["cup"]),
        said_no(at="+1h", ask_id="a1", issue_ids=["tea"]),
    )
    assert findings("wants-not-asked", story) == {"tea": "satisfied"}


def test_a_machine_may_tell_a_wish_but_leaves_none_in_doubt() -> None:
    rule, no = "wants-not-asked", said_no(at="+1h")
    assert told(rule, issue(), wrote(automated=True), no) == {"i1": "violated"}
    asks = [{"ask_id": "a1", "kind": "action"}]
    assert told(rule, issue(), wrote(automated=True, asks=asks), no) == {"i1": "satisfied"}


def test_a_wish_is_for_the_cases_that_were_one_when_it_was_stated() -> None:
    rule, no = "wants-not-asked", said_no(at="+5h", issue_ids=["i1"])
    for at, outcome in {"+1h": "satisfied", "+3h": "violated"}.items():
        elsewhere = family(issue(), no, c2=[wished(at="+2h")], at=at)
        assert findings(rule, elsewhere) == {"i1": outcome}
        without_issues = family(said_no(at="+5h"), c2=[wished(at="+2h")], at=at)
        assert findings(rule, without_issues) == {"case": "satisfied"}
    merged_later = family(said_no(at="+5h"), c2=[wished(at="+2h")], at="+6h")
    assert findings(rule, merged_later) == {"case": "violated"}
    named = wished(at="+4h", issue_ids=["c2/i1"])
    about_it = said_no(at="+5h", issue_ids=["c2/i1"])
    two = family(issue(), named, about_it, c2=[issue()], at="+3h")
    assert findings(rule, two) == {"c2/i1": "satisfied"}


# --- bare-no


def no(*before: Event | Learnt, **more: Any) -> Any:
    return told("bare-no", *before, said_no(at="+5h", **more)).get("n1")


def test_a_no_is_explained_and_names_an_alternative() -> None:
    assert no(explained=True, alternative_told=True) == "satisfied"
    assert no(offered(), explained=True, alternative_offer_id="x1") == "satisfied"
    assert no(explained=True, alternative_told=False) == "violated"
    assert no(explained=False, alternative_told=True) == "violated"
    assert no(explained=True) == "unknown"
    assert no(explained=False) == "violated"
    assert told("bare-no", issue()) == {}


def unfounded(finding_id: str = "f1", **more: Any) -> Event:
    fields = {"outcome": "not_upheld", "fault": "none", "evidence": ["log"], **more}
    return judged(finding_id, **{"at": "+1h", **fields})


def test_a_finding_with_evidence_may_be_all_that_there_is() -> None:
    for each in (unfounded(), unfounded(outcome="out_of_scope")):
        assert no(issue(), each) == "exempt"
        assert no(each) == "exempt"
    assert no(issue(), unfounded(evidence=[])) == "violated"
    assert no(issue(), unfounded(evidence=None)) == "unknown"
    assert no(issue(), unfounded(outcome="upheld")) == "violated"
    assert no(issue(), unfounded(at="+6h")) == "violated"
    assert no(issue(), unfounded(), explained=True, alternative_told=True) == "satisfied"


def test_the_finding_stands_and_is_on_all_that_the_no_is_about() -> None:
    both = (issue("tea"), issue("cup"), unfounded(issue_ids=["tea"]))
    assert no(*both, issue_ids=["tea"]) == "exempt"
    assert no(*both, issue_ids=["tea", "cup"]) == "violated"
    overtaken = judged("f2", at="+2h", supersedes="f1")
    assert no(issue(), unfounded(), overtaken) == "violated"


def test_a_no_may_be_about_what_was_found_in_the_other_case() -> None:
    there = [issue(), unfounded(issue_ids=["i1"])]
    no_to_it = said_no(at="+5h", issue_ids=["c2/i1"])
    assert findings("bare-no", family(issue(), no_to_it, c2=there)) == {"n1": "exempt"}
    no_to_all = said_no(at="+5h")
    assert findings("bare-no", family(issue(), no_to_all, c2=there)) == {"n1": "violated"}
    for at, outcome in {"+2h": "exempt", "+9h": "violated"}.items():
        told = family(no_to_all, c2=there, at=at)
        assert findings("bare-no", told) == {"n1": outcome}, "without issues of its own"
