"""Lessons about the course of a case, as stories."""

from __future__ import annotations

from typing import Any

from casestore.events import Actor, Event
from tests.support.lapses import family, findings, found, in_one_store, lapse, shown
from tests.support.stories import (
    BOSS,
    Learnt,
    asked,
    assigned,
    bounced,
    closed,
    content,
    escalated,
    gave,
    given,
    inquired,
    learnt,
    merged,
    moment,
    not_content,
    opened,
    remedied,
    reopened,
    replied,
    returned,
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
    late = given(opened(), *FAILED, EXPERTS)
    assert shown("late-escalation", late, "case") == ("violated", 3, 6, [4, 5, 7])


def test_the_owner_answers_for_it_whoever_wrote_it_down() -> None:
    rejected = not_content(at="+3h", actor=BOSS)
    story = given(opened(), assigned("bob"), *FAILED[:4], rejected)
    assert lapse("late-escalation", story).agent == "bob"


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


def test_what_a_machine_wrote_does_not_make_failures_doubtful() -> None:
    silent = [wrote(f"m{n}", at=f"+{n}h", automated=True) for n in (1, 2, 3)]
    assert told("late-escalation", replied(), *silent, EXPERTS) == {"case": "satisfied"}


def test_failed_attempts_add_up_over_merged_cases() -> None:
    own, other = FAILED[:2], [asked("a2"), wrote("m1", "+1h", says_unanswered=["a2"])]
    two = family(*own, unanswered("m2", "+2h"), c2=other)
    assert findings("late-escalation", two, policy={"failed_attempts": 2}) == {"case": "violated"}
    assert findings("late-escalation", two) == {}
    passed_on = escalated(at="+90m", kind="expertise")
    three = family(*FAILED, c2=[passed_on])
    assert findings("late-escalation", three) == {"case": "satisfied"}, "after the first"


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
    assert (back.event.moment.position, [each.at for each in back.evidence]) == (
        2,
        [moment("+26h")],
    )
    assert told(rule, escalated(kind="authority")) == {}


def test_a_return_that_came_on_record_late_was_in_time() -> None:
    story = given(opened(), TO_THE_TOP, learnt("+90h", returned(at="+2h")))
    assert findings("executive-not-returned", story) == {"u1": "satisfied"}


def test_an_executive_case_is_fetched_back_by_who_had_it_then() -> None:
    up = [assigned("bob", "south"), TO_THE_TOP]
    before = family(assigned("anna", "north"), c2=up, at="+9d")
    assert lapse("executive-not-returned", before).agent == "bob"
    merged_by_then = family(assigned("anna", "north"), c2=up, at="+2h")
    row = lapse("executive-not-returned", merged_by_then)
    assert (row.subject, row.agent) == ("c2/u1", "anna")


# --- executive-bypass


def test_an_executive_bypasses_from_another_case_too() -> None:
    rule, act = "executive-bypass", replied(at="+3h", actor=CHIEF)
    assert findings(rule, family(act, c2=[TO_THE_TOP], at="+2h")) == {"c2/u1": "violated"}
    assert findings(rule, family(c2=[TO_THE_TOP, returned(at="+2h")])) == {"c2/u1": "satisfied"}


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
    assert shown(rule, given(opened(), TO_THE_TOP, back), "u1") == ("satisfied", 9, 3, [2])
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


def test_before_they_are_merged_each_case_is_accepted_and_reopened_by_itself() -> None:
    rule = "closed-without-acceptance"
    for at, outcome in {"+2h": "satisfied", "+4h": "violated"}.items():
        accepted_there = family(closed(at="+3h"), c2=[content("+1h")], at=at)
        assert findings(rule, accepted_there) == {"case": outcome}
    reopened_there = [closed("-2h", reason="withdrawn"), reopened("+1h")]
    for at, outcome in {"+2h": "satisfied", "+0h": "satisfied"}.items():
        own = (content("+0h"), closed(at="+3h"))
        assert findings(rule, family(*own, c2=reopened_there, at=at)) == {"case": outcome}
    rejected_there = [not_content("+2h")]
    for at, outcome in {"+1h": "violated", "+3h": "satisfied"}.items():
        own = (content("+0h"), closed(at="+4h"))
        assert findings(rule, family(*own, c2=rejected_there, at=at)) == {"case": outcome}


def test_a_closing_counts_as_long_as_its_case_was_not_merged() -> None:
    rule = "closed-without-acceptance"
    assert findings(rule, family(c2=[closed("+1h")], at="+2h")) == {"case": "violated"}
    assert findings(rule, family(c2=[closed("+3h")], at="+2h")) == {}


# --- too-slow


def slow(*events: Event | Learnt, **more: Any) -> tuple[Any, ...]:
    """The outcome, its time, and whether it holds only because time passed."""
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
    late = (closed(at="+6d"), reopened(at="+9d"))
    assert slow(*late) == ("violated", moment("+5d"), True), "it was open when it was due"


def test_who_gave_up_after_the_time_was_over_waited_too_long() -> None:
    for reason in ("withdrawn", "no_contact"):
        assert slow(closed(at="+4d", reason=reason)) == ()
        assert slow(closed(at="+6d", reason=reason)) == ("violated", moment("+5d"), False)
    for reason in ("duplicate", "not_a_complaint"):
        assert slow(closed(at="+6d", reason=reason)) == ()


def net(*events: Event | Learnt, within: str = "5 days", **more: Any) -> Any:
    """The outcome and its time, by a policy where waiting for the customer does not count."""
    policy = {"clock": "net", "resolve_within": within}
    judged = found("too-slow", given(opened(), *events), policy=policy, **more).get("case")
    return () if judged is None else (judged.outcome, judged.at)


def test_the_policy_says_whether_we_may_wait_for_the_customer() -> None:
    waited = (inquired(at="+1d"), wrote(at="+3d"))
    assert slow(*waited) == ("violated", moment("+5d"), True)
    assert net(*waited) == ("violated", moment("+7d"))
    assert net(*waited, closed(at="+7d")) == ("satisfied", moment("+7d"))
    assert net(*waited, closed(at="+8d")) == ("violated", moment("+7d"))
    assert net() == ("violated", moment("+5d"))


def test_while_we_wait_for_the_customer_nothing_is_late() -> None:
    asked_for = inquired(at="+1d")
    assert net(asked_for) == ()
    assert net(asked_for, closed(at="+90d")) == ("satisfied", moment("+90d"))
    assert net(asked_for, closed(at="+90d", reason="no_contact")) == ()
    too_late = inquired(at="+6d")
    assert net(too_late) == ("violated", moment("+5d"))
    assert net(too_late, closed(at="+7d")) == ("violated", moment("+5d"))


def test_only_a_contact_ends_the_waiting_and_only_what_arrived_begins_it() -> None:
    machine = wrote("m1", at="+2d", automated=True)
    assert net(inquired(at="+1d"), machine, wrote("m2", at="+3d")) == ("violated", moment("+7d"))
    sent = (replied(at="+1d"), inquired(at="+1d", reply_id="r1"))
    assert net(*sent, wrote(at="+3d")) == ("violated", moment("+7d"))
    assert net(*sent, bounced(at="+25h"), wrote(at="+3d")) == ("violated", moment("+5d"))
    again = replied("r2", at="+2d", resend_of="r1")
    assert net(*sent, bounced(at="+25h"), again, wrote(at="+3d")) == ("violated", moment("+6d"))


def test_what_overlaps_is_waited_for_once() -> None:
    two = (inquired("q1", at="+1d"), inquired("q2", at="+2d"), wrote(at="+3d"))
    assert net(*two) == ("violated", moment("+7d"))
    apart = (inquired("q1", at="+1d"), wrote("m1", at="+2d"))
    again = (inquired("q2", at="+6d"), wrote("m2", at="+8d"))  # after the first due time
    assert net(*apart, *again) == ("violated", moment("+6d"))
    before = (inquired("q2", at="+5d"), wrote("m2", at="+8d"))
    assert net(*apart, *before) == ("violated", moment("+9d"))


def test_in_business_time_we_wait_in_business_time() -> None:
    # START is a Monday at 09:00. The built-in calendar has 8 hours from Monday to Friday.
    assert net(within="10 business hours") == ("violated", moment("+26h"))
    over_night = (inquired(at="+6h"), wrote(at="+25h"))  # Monday 15:00 to Tuesday 10:00
    assert net(*over_night, within="10 business hours") == ("violated", moment("+29h"))
    at_night = (inquired(at="+9h"), wrote(at="+23h"))  # nobody works
    assert net(*at_night, within="10 business hours") == ("violated", moment("+26h"))
    # Due on Monday at 09:00; from Friday 13:00 to Monday 11:00 are 6 hours.
    weekend = (inquired(at="+100h"), wrote(at="+170h"))
    assert net(within="5 business days") == ("violated", moment("+7d"))
    assert net(*weekend, within="5 business days") == ("violated", moment("+174h"))


def test_a_receipt_that_is_not_known_is_judged_by_nothing_that_needs_it() -> None:
    assert slow(received_at=moment("+1h")) == ()
    assert slow(closed(at="+90d"), received_at=moment("+1h")) == ()


def test_a_family_is_as_slow_as_since_its_first_receipt() -> None:
    def slowness(*own: Event, at: str, **more: Any) -> tuple[Any, ...]:
        early = given(opened("+0h"), merged("c1", at), stream="case:c2")
        late = given(opened("+3d", **more), *own)
        judged = found("too-slow", in_one_store(late, early)).get("case")
        return () if judged is None else (judged.outcome, judged.at)

    for at in ("+4d", "+9d"):
        assert slowness(at=at) == ("violated", moment("+5d"))
        assert slowness(closed("+6d"), at=at) == ("violated", moment("+5d"))
    assert slowness(closed("+100h"), at="+4d") == ("satisfied", moment("+100h"))
    not_known = {"received_at": moment("+4d")}
    assert slowness(at="+4d", **not_known) == ("violated", moment("+5d"))


def test_who_had_the_case_that_reached_us_first_was_too_slow() -> None:
    early = given(opened(), assigned("bob", "south"), merged("c1", "+9d"), stream="case:c2")
    late = given(opened("+3d"), assigned("anna", "north", "+3d"))
    assert lapse("too-slow", in_one_store(late, early)).agent == "bob"
    in_time = given(opened(), assigned("bob", "south"), closed("+1h"))
    assert lapse("too-slow", in_time).agent == "bob"


def test_only_the_closing_of_the_family_ends_it() -> None:
    (judged,) = found("too-slow", family(c2=[closed("+1d")], at="+2d")).values()
    assert (judged.outcome, judged.at) == ("violated", moment("+5d"))
    while_merged = family(c2=[], at="+1d")
    while_merged = (while_merged[0], while_merged[1].plus(closed("+2d")))
    assert findings("too-slow", while_merged) == {"case": "violated"}
