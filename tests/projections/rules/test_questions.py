"""Lessons about questions that we ask or that customers ask us, as stories."""

from __future__ import annotations

from typing import Any

from casestore.events import Event
from projections.models.lapses import Outcome
from tests.support.lapses import family, findings, found, shown
from tests.support.stories import (
    Learnt,
    Story,
    asked,
    assigned,
    bounced,
    closed,
    erased,
    given,
    given_customer,
    inquired,
    issue,
    knew,
    moment,
    opened,
    registered,
    reopened,
    replied,
    said_no,
    uid,
    wrote,
)


def case(*told: Event | Learnt) -> Story:
    return given(opened(), *told)


def customer(*told: Event | Learnt) -> Story:
    return given_customer(registered("-9d"), *told)


# --- asked-again


def asked_again(*told: Event | Learnt, known: Story | None = None) -> dict[str, Outcome]:
    return findings("asked-again", case(*told), known)


def need(at: str = "+1h", **more: Any) -> Event:
    return inquired("q1", at, purpose="need", **more)


def test_what_the_customer_told_us_is_not_asked_for_again() -> None:
    told = wrote("m1", provides=["order_no"])
    assert asked_again(told, need()) == {"q1": "violated"}
    assert asked_again(told, need(field="shoe_size")) == {"q1": "satisfied"}
    assert asked_again(need(), wrote("m1", "+2h", provides=["order_no"])) == {"q1": "satisfied"}
    assert asked_again(need()) == {"q1": "satisfied"}
    assert asked_again() == {}


def test_to_verify_is_not_to_ask_again() -> None:
    told = wrote("m1", provides=["order_no"])
    assert asked_again(told, inquired("q1", "+1h", purpose="verify")) == {}
    assert asked_again(told, inquired("q1", "+1h")) == {"q1": "unknown"}
    assert asked_again(inquired("q1", "+1h")) == {"q1": "satisfied"}, "whatever it was for"


def test_a_message_of_which_it_was_not_recorded_what_it_gave() -> None:
    assert asked_again(wrote("m1"), need()) == {"q1": "unknown"}
    told = wrote("m1"), wrote("m2", provides=["order_no"])
    assert asked_again(*told, need()) == {"q1": "violated"}
    assert asked_again(need(), wrote("m1", "+2h")) == {"q1": "satisfied"}


def test_what_stands_on_record_is_not_asked_for() -> None:
    known = customer(knew("order_no", "-1d", stale_after=moment("+5h")))
    assert asked_again(need("+5h"), known=known) == {"q1": "violated"}
    assert asked_again(need("+6h"), known=known) == {"q1": "satisfied"}, "stale"
    always = customer(knew("order_no", "-1d"))
    assert asked_again(need("+6h"), known=always) == {"q1": "violated"}, "nothing says it is stale"
    later = customer(knew("order_no", "+2h"))
    assert asked_again(need(), known=later) == {"q1": "satisfied"}
    evidence = found("asked-again", case(need()), always)["q1"].evidence
    assert [each.event_id for each in evidence] == [str(uid(2))], "of the customer's stream"


def test_what_was_erased_is_not_known_any_more() -> None:
    known = customer(knew("order_no", "-2d"), erased("-1d"), registered("-5m"))
    assert asked_again(need(), known=known) == {"q1": "satisfied"}


def test_what_a_machine_gave_is_known_too_but_what_it_did_not_tell_is_no_doubt() -> None:
    form = wrote("m1", automated=True, provides=["order_no"])
    assert asked_again(form, need()) == {"q1": "violated"}
    assert asked_again(wrote("m1", automated=True), need()) == {"q1": "satisfied"}


def test_what_was_told_in_the_other_case_is_not_asked_for_again() -> None:
    told = [wrote("m1", provides=["order_no"])]
    assert findings("asked-again", family(need(), c2=told, at="+2h")) == {"q1": "violated"}
    assert findings("asked-again", family(*told, c2=[need()], at="+2h")) == {"c2/q1": "violated"}


# --- wrong-question-answered


def wrong(*told: Event | Learnt) -> dict[str, Outcome]:
    return findings("wrong-question-answered", case(issue("i1"), *told))


def beside(reply_id: str = "r1", at: str = "+1h", **more: Any) -> Event:
    fields = {"answers": [], "addresses": [], "purpose": "substantive"}
    return replied(reply_id, at, **{**fields, **more})


def test_an_answer_to_a_question_that_nobody_asked() -> None:
    assert wrong(asked("a1"), beside()) == {"r1": "violated"}
    assert wrong(asked("a1"), beside(answers=["a1"])) == {"r1": "satisfied"}
    assert wrong(asked("a1"), beside(addresses=["i1"])) == {"r1": "satisfied"}
    finding = found("wrong-question-answered", case(asked("a1"), beside()))["r1"]
    assert finding.event is not None
    assert finding.event.event_id == str(uid(3))
    assert [each.event_id for each in finding.evidence] == [str(uid(2))]


def test_who_only_acknowledges_or_holds_means_to_answer_later() -> None:
    for purpose in ("acknowledgement", "holding"):
        assert wrong(asked("a1"), beside(purpose=purpose)) == {"r1": "exempt"}


def test_a_reply_of_which_it_was_not_recorded_what_it_answers() -> None:
    for missing in ({"answers": None}, {"addresses": None}, {"purpose": None}):
        assert wrong(asked("a1"), beside("r1", "+1h", **missing)) == {"r1": "unknown"}


def test_only_an_open_question_can_be_passed_by() -> None:
    right = beside("r1", answers=["a1"])
    assert wrong(beside()) == {}
    assert wrong(asked("a1", asks=[{"ask_id": "a1", "kind": "action"}]), beside()) == {}
    assert wrong(asked("a1"), right, beside("r2", "+2h")) == {"r1": "satisfied"}
    assert wrong(asked("a1"), said_no("n1", ask_id="a1"), beside()) == {}
    assert wrong(asked("a1"), beside(automated=True)) == {}
    assert wrong(asked("a1"), beside("r1"), beside("r2", "+2h", resend_of="r1")) == {
        "r1": "violated"
    }


def test_a_question_is_open_again_when_its_answer_got_lost_or_was_none() -> None:
    right, other = beside("r1", answers=["a1"]), beside("r2", "+3h")
    lost = wrong(asked("a1"), right, bounced("r1", "+2h"), other)
    assert lost == {"r1": "satisfied", "r2": "violated"}
    no_answer = wrong(asked("a1"), right, wrote("m2", "+2h", says_unanswered=["a1"]), other)
    assert no_answer == {"r1": "satisfied", "r2": "violated"}


def test_a_machine_asks_no_questions() -> None:
    assert wrong(asked("a1", automated=True), beside()) == {}
    assert unanswered(asked("a1", automated=True), closed("+2h")) == {}


def test_a_question_may_be_passed_by_in_the_other_case() -> None:
    rule, question = "wrong-question-answered", [asked("a1")]
    assert findings(rule, family(beside(), c2=question)) == {"r1": "violated"}
    answer = beside(at="+2h", answers=["c2/a1"])
    assert findings(rule, family(answer, c2=question, at="+1h")) == {"r1": "satisfied"}
    refused = said_no("n1", "+2h", ask_id="c2/a1")
    assert findings(rule, family(refused, beside(at="+3h"), c2=question, at="+1h")) == {}


# --- question-unanswered


def unanswered(*told: Event | Learnt) -> dict[str, Outcome]:
    return findings("question-unanswered", case(*told))


def test_a_case_is_not_closed_over_an_open_question() -> None:
    nothing = replied("r1", "+1h", answers=[])
    assert unanswered(asked("a1"), nothing, closed("+2h")) == {"a1": "violated"}
    finding = found("question-unanswered", case(asked("a1"), closed("+2h")))["a1"]
    assert [each.event.message_id for each in finding.evidence] == ["m-a1"]
    assert finding.at == moment("+2h")
    assert finding.event is not None, "who closed it answers for it"
    answer = replied("r1", "+1h", answers=["a1"])
    answered = case(asked("a1"), answer, closed("+2h"))
    assert shown("question-unanswered", answered, "a1") == ("satisfied", 2, 4, [2, 3])
    refused = said_no("n1", "+1h", ask_id="a1")
    assert unanswered(asked("a1"), refused, closed("+2h")) == {"a1": "satisfied"}


def test_an_answer_counts_that_arrived_before_the_close() -> None:
    lost = asked("a1"), replied("r1", "+1h", answers=["a1"]), bounced("r1", "+2h")
    assert unanswered(*lost, closed("+5h")) == {"a1": "violated"}
    again = replied("r2", "+3h", resend_of="r1")
    assert unanswered(*lost, again, closed("+5h")) == {"a1": "satisfied"}
    late = replied("r2", "+6h", resend_of="r1")
    assert unanswered(*lost, closed("+5h"), late) == {"a1": "violated"}


def test_it_was_not_recorded_what_the_reply_answered() -> None:
    end = closed("+3h")
    assert unanswered(asked("a1"), replied("r1", "+1h"), end) == {"a1": "unknown"}
    assert unanswered(asked("a1"), said_no("n1", "+1h"), end) == {"a1": "unknown"}
    assert unanswered(replied("r1"), asked("a1", "+1h"), end) == {"a1": "violated"}
    for more in ({"automated": True}, {"purpose": "holding"}):
        assert unanswered(asked("a1"), replied("r1", "+1h", **more), end) == {"a1": "violated"}


def test_when_the_customer_says_that_it_was_not_answered_it_was_not() -> None:
    says = wrote("m2", "+2h", says_unanswered=["a1"])
    told = asked("a1"), replied("r1", "+1h", answers=["a1"]), says
    assert unanswered(*told) == {"a1": "violated"}
    assert unanswered(*told, wrote("m3", "+3h", says_unanswered=["a1"])) == {"a1": "violated"}
    assert unanswered(*told, closed("+3h")) == {"a1": "violated"}
    wish = asked("a1", asks=[{"ask_id": "a1", "kind": "action"}])
    assert unanswered(wish, says) == {"a1": "violated"}, "whatever was asked"


def test_before_the_close_and_after_other_ends_nothing_is_judged() -> None:
    assert unanswered(asked("a1")) == {}
    assert unanswered(asked("a1"), closed("+1h", reason="withdrawn")) == {}
    assert unanswered(asked("a1"), closed("+1h"), reopened("+2h")) == {}
    assert unanswered(closed("+1h"), asked("a1", "+2h")) == {}
    assert unanswered(wrote("m1"), closed("+1h")) == {}


def test_each_question_is_judged_at_the_closing_that_was_for_its_case() -> None:
    rule, question = "question-unanswered", [asked("a1")]
    violated = {"c2/a1": "violated"}
    assert findings(rule, family(closed("+3h"), c2=question, at="+2h")) == violated
    assert findings(rule, family(closed("+1h"), c2=question, at="+2h")) == {}
    closed_there = [*question, closed("+1h")]
    assert findings(rule, family(c2=closed_there, at="+2h")) == violated
    assert findings(rule, family(c2=[*question, closed("+3h")], at="+2h")) == {}, "merged by then"
    answer = replied("r1", "+3h", answers=["c2/a1"])
    told = family(answer, closed("+4h"), c2=closed_there, at="+2h")
    assert findings(rule, told) == {"c2/a1": "satisfied"}, "at the last closing"
    again = family(closed("+3h"), reopened("+4h"), c2=closed_there, at="+2h")
    assert findings(rule, again) == {}


def test_what_was_not_answered_may_be_said_in_the_other_case() -> None:
    says = wrote("m2", "+2h", says_unanswered=["c2/a1"])
    told = family(says, c2=[asked("a1"), assigned("bob")], at="+1h")
    assert findings("question-unanswered", told) == {"c2/a1": "violated"}
    unknown = family(says, c2=[asked("a9")], at="+1h")
    assert findings("question-unanswered", unknown) == {}, "it names nothing"
