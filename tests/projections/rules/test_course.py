"""Lessons about the course of a case, as stories."""

from __future__ import annotations

from typing import Any

from casestore.events import Actor, Event
from tests.support.lapses import findings, found
from tests.support.stories import (
    Learnt,
    asked,
    closed,
    content,
    escalated,
    gave,
    given,
    learnt,
    merged,
    moment,
    not_content,
    opened,
    remedied,
    reopened,
    replied,
    returned,
    unmerged,
    wrote,
)

CHIEF = Actor(kind="executive", id="chief")


def told(rule: str, *events: Event | Learnt, **more: Any) -> dict[str, Any]:
    return dict(findings(rule, given(opened(), *events), **more))


# --- late-escalation


def unanswered(message_id: str, at: str) -> Event:
    return wrote(message_id, at, says_unanswered=["a1"])


FAILED = (
    asked(says_unanswered=[]),
    replied(),
    unanswered("m1", "+1h"),
    unanswered("m2", "+2h"),
    not_content(at="+3h"),
)
EXPERTS = escalated(at="+4h", kind="expertise")


def test_the_third_failed_attempt_is_one_too_many() -> None:
    assert told("late-escalation", *FAILED) == {"case": "violated"}
    assert told("late-escalation", *FAILED, EXPERTS) == {"case": "violated"}
    assert found("late-escalation", given(opened(), *FAILED))["case"].at == moment("+3h")
    assert told("late-escalation", *FAILED, policy={"failed_attempts": 4}) == {}


def test_after_two_it_is_not_too_late() -> None:
    assert told("late-escalation", *FAILED[:4], EXPERTS) == {"case": "satisfied"}
    assert told("late-escalation", *FAILED[:4], EXPERTS, not_content(at="+5h")) == {
        "case": "satisfied"
    }
    assert told("late-escalation", *FAILED[:4]) == {}
    assert told("late-escalation", *FAILED[:4], escalated(at="+4h")) == {}


def test_messages_may_have_told_of_failures_that_nobody_recorded() -> None:
    silent = [wrote(f"m{n}", at=f"+{n}h") for n in (1, 2, 3)]
    assert told("late-escalation", replied(), *silent, EXPERTS) == {"case": "unknown"}
    assert told("late-escalation", replied(), *silent[:2], EXPERTS) == {"case": "satisfied"}
    assert told("late-escalation", *silent, replied(at="+4h"), EXPERTS) == {"case": "satisfied"}


# --- executive-not-returned

TO_THE_TOP = escalated(at="+1h", kind="executive", to="chief")


def test_an_executive_hands_the_case_back_in_time() -> None:
    rule = "executive-not-returned"
    assert told(rule, TO_THE_TOP, returned(at="+25h")) == {"u1": "satisfied"}
    assert told(rule, TO_THE_TOP, returned(at="+26h")) == {"u1": "violated"}
    assert told(rule, TO_THE_TOP, as_of="+25h") == {}
    assert told(rule, TO_THE_TOP, as_of="+26h") == {"u1": "violated"}
    (late,) = found(rule, given(opened(), TO_THE_TOP)).values()
    assert late.at == late.due_at == moment("+25h")
    (back,) = found(rule, given(opened(), TO_THE_TOP, returned(at="+26h"))).values()
    assert (back.at, back.due_at) == (moment("+25h"), None)
    assert told(rule, escalated(kind="authority")) == {}


def test_a_return_that_came_on_record_late_was_in_time() -> None:
    story = given(opened(), TO_THE_TOP, learnt("+90h", returned(at="+2h")))
    assert findings("executive-not-returned", story) == {"u1": "satisfied"}


# --- executive-bypass


def test_an_executive_neither_answers_nor_gives() -> None:
    rule = "executive-bypass"
    back = returned(at="+9h")
    for act in (
        replied(at="+2h", actor=CHIEF),
        gave(at="+2h", actor=CHIEF),
        remedied(at="+2h", actor=CHIEF),
    ):
        assert told(rule, TO_THE_TOP, act) == {"u1": "violated"}
        assert told(rule, TO_THE_TOP, act, back) == {"u1": "violated"}
    assert told(rule, TO_THE_TOP, back) == {"u1": "satisfied"}
    assert told(rule, TO_THE_TOP) == {}
    assert told(rule, replied(actor=CHIEF)) == {}


def test_others_may_answer_and_executives_before_and_after() -> None:
    rule = "executive-bypass"
    for act in (
        replied(at="+2h"),
        replied(at="+0h", actor=CHIEF),
        replied(at="+9h", actor=CHIEF),
        replied(at="+2h", actor=CHIEF, automated=True),
        replied(at="+2h", actor=CHIEF, purpose="acknowledgement"),
    ):
        assert told(rule, TO_THE_TOP, returned(at="+8h"), act) == {"u1": "satisfied"}


# --- closed-without-acceptance


def test_a_case_is_resolved_when_the_customer_says_so() -> None:
    rule = "closed-without-acceptance"
    assert told(rule, closed(at="+2h")) == {"case": "violated"}
    assert told(rule, content(at="+1h"), closed(at="+2h")) == {"case": "satisfied"}
    assert told(rule, closed(at="+2h"), content(at="+3h")) == {"case": "violated"}
    assert told(rule, closed(reason="final_response")) == {}
    assert told(rule, content()) == {}


def test_an_acceptance_holds_until_it_is_taken_back_or_the_case_is_reopened() -> None:
    rule = "closed-without-acceptance"
    assert told(rule, content(), not_content(at="+1h"), closed(at="+2h")) == {"case": "violated"}
    again = (content(), closed(at="+1h"), reopened(at="+2h"))
    assert told(rule, *again) == {"case": "satisfied"}
    assert told(rule, *again, closed(at="+4h")) == {"case": "violated"}
    assert told(rule, *again, content(at="+3h"), closed(at="+4h")) == {"case": "satisfied"}
    hasty = (closed(at="+1h"), reopened(at="+2h"), content(at="+3h"), closed(at="+4h"))
    assert found(rule, given(opened(), *hasty))["case"].at == moment("+1h")


# --- too-slow


def slow(*events: Event | Learnt, **more: Any) -> tuple[Any, ...]:
    """Outcome, when, and whether time alone decides it."""
    judged = found("too-slow", given(opened(**more), *events)).get("case")
    if judged is None:
        return ()
    return judged.outcome, judged.at, judged.due_at is not None


def test_a_complaint_is_resolved_within_days() -> None:
    assert told("too-slow", as_of="+5d") == {}
    assert told("too-slow", as_of="+6d") == {"case": "violated"}
    assert slow() == ("violated", moment("+5d"), True)
    assert slow(received_at=moment("-1d")) == ("violated", moment("+4d"), True)
    for reason in ("resolved", "final_response"):
        in_time, late = closed(at="+5d", reason=reason), closed(at="+6d", reason=reason)
        assert slow(in_time) == ("satisfied", moment("+5d"), False)
        assert slow(late) == ("violated", moment("+5d"), False)


def test_what_was_reopened_was_not_resolved() -> None:
    back = reopened(at="+4d")
    assert slow(closed(at="+1d"), back) == ("violated", moment("+5d"), True)
    assert slow(closed(at="+1d"), reopened(at="+9d")) == ("violated", moment("+9d"), False)
    assert slow(closed(at="+1d"), back, closed(at="+5d")) == ("satisfied", moment("+5d"), False)
    again = (closed(at="+1d"), reopened(at="+9d"), closed(at="+10d"))
    assert slow(*again) == ("violated", moment("+9d"), False)


def test_who_gave_up_after_the_time_was_over_waited_too_long() -> None:
    for reason in ("withdrawn", "no_contact"):
        assert slow(closed(at="+4d", reason=reason)) == ()
        assert slow(closed(at="+6d", reason=reason)) == ("violated", moment("+5d"), False)
    for reason in ("duplicate", "not_a_complaint"):
        assert slow(closed(at="+6d", reason=reason)) == ()


def test_what_goes_on_in_another_case_is_judged_there() -> None:
    assert slow(merged(at="+1h")) == ()
    assert slow(merged(at="+1h"), unmerged(at="+2h")) == ("violated", moment("+5d"), True)
    assert slow(closed(at="+6d"), merged(at="+7d")) == ("violated", moment("+5d"), False)
