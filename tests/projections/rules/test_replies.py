"""Lessons about replies, as stories."""

from __future__ import annotations

from typing import Any

from casestore.events import Actor, Event
from projections.models.lapses import Outcome
from tests.support.lapses import family, findings, found, lapse, shown
from tests.support.stories import (
    Learnt,
    Story,
    assigned,
    bounced,
    closed,
    content,
    delivered,
    given,
    issue,
    moment,
    opened,
    reclaimed,
    remedied,
    reopened,
    replied,
    uid,
    wrote,
)
from tests.support.stories import (
    found as judged,
)

MACHINE = Actor(kind="system", id="robot")


def agent(name: str) -> Actor:
    return Actor(kind="agent", id=name)


def case(*told: Event | Learnt) -> Story:
    return given(opened(), *told)


# --- undelivered-reply


def undelivered(*told: Event | Learnt, as_of: str = "+30d") -> dict[str, Outcome]:
    letter = replied("r1", addresses=["i1"])
    return findings("undelivered-reply", case(issue("i1"), issue("i2"), letter, *told), as_of=as_of)


def test_a_reply_that_did_not_arrive_is_sent_again_in_time() -> None:
    gone = bounced("r1", "+1h")
    assert undelivered(gone) == {"r1": "violated"}
    assert undelivered(gone, as_of="+25h") == {}, "24 hours from the news on"
    assert undelivered(gone, replied("r2", "+25h", resend_of="r1")) == {"r1": "satisfied"}
    assert undelivered(gone, replied("r2", "+26h", resend_of="r1")) == {"r1": "violated"}


def test_a_resend_must_arrive_itself_or_be_sent_again() -> None:
    again = bounced("r1", "+1h"), replied("r2", "+2h", resend_of="r1"), bounced("r2", "+3h")
    assert undelivered(*again) == {"r1": "violated", "r2": "violated"}
    third = replied("r3", "+4h", resend_of="r2")
    assert undelivered(*again, third) == {"r1": "satisfied", "r2": "satisfied"}


def test_a_later_reply_on_the_same_issues_makes_it_good() -> None:
    gone = bounced("r1", "+1h")
    assert undelivered(gone, replied("r2", "+2h", addresses=["i1"])) == {"r1": "satisfied"}
    assert undelivered(gone, replied("r2", "+2h", addresses=["i2"])) == {"r1": "violated"}
    assert undelivered(gone, replied("r2", "+2h", addresses=[])) == {"r1": "violated"}
    by_machine = replied("r2", "+2h", addresses=["i1"], automated=True)
    assert undelivered(gone, by_machine) == {"r1": "violated"}


def test_a_later_reply_of_which_the_issues_were_not_recorded() -> None:
    gone = bounced("r1", "+1h")
    assert undelivered(gone, replied("r2", "+2h")) == {"r1": "unknown"}
    letter = replied("r1", addresses=["i1"])
    told = case(issue("i1"), letter, gone, replied("r2", "+2h"))
    assert shown("undelivered-reply", told, "r1") == ("unknown", 2, 3, [4, 5])
    assert undelivered(gone, replied("r2", "+26h")) == {"r1": "violated"}, "too late, whatever"
    sure = replied("r3", "+3h", addresses=["i1"])
    assert undelivered(gone, replied("r2", "+2h"), sure) == {"r1": "satisfied"}
    without_issues = case(replied("r1"), gone, replied("r2", "+2h"))
    assert findings("undelivered-reply", without_issues) == {"r1": "satisfied"}
    nobody_knows = case(issue("i1"), replied("r1"), gone, replied("r2", "+2h", addresses=["i1"]))
    assert findings("undelivered-reply", nobody_knows) == {"r1": "unknown"}


def test_what_arrived_or_may_still_arrive_makes_no_row() -> None:
    assert undelivered() == {}
    assert undelivered(bounced("r1", "+1h", kind="temporary")) == {}
    assert undelivered(bounced("r1", "+1h"), delivered("r1", "+3d")) == {}


def test_the_customer_says_that_nothing_came_and_whoever_has_the_case_answers_for_it() -> None:
    story = case(replied("r1"), wrote("m1", "+1h", says_not_received=["r1"]))
    finding = found("undelivered-reply", story)["r1"]
    assert (finding.outcome, finding.at, finding.due_at) == (
        "violated",
        moment("+25h"),
        moment("+25h"),
    )
    assert finding.by_owner
    assert finding.event.event_id == str(uid(2))
    assert [each.event_id for each in finding.evidence] == [str(uid(3))]


def test_what_did_not_arrive_is_made_good_from_the_case_that_it_was_merged_into() -> None:
    rule = "undelivered-reply"
    gone = [issue("i1"), replied("r1", addresses=["i1"]), bounced("r1", "+1h")]
    for good in (
        replied("r2", "+3h", addresses=["c2/i1"]),
        replied("r2", "+3h", resend_of="c2/r1"),
    ):
        assert findings(rule, family(good, c2=gone, at="+2h")) == {"c2/r1": "satisfied"}
    nothing = replied("r2", "+3h", addresses=[])
    assert findings(rule, family(nothing, c2=gone)) == {"c2/r1": "violated"}
    elsewhere = replied("r2", "+3h", addresses=["i1"])
    assert findings(rule, family(issue("i1"), elsewhere, c2=gone)) == {"c2/r1": "violated"}
    news = wrote("m1", "+1h", automated=True, says_not_received=["c2/r1"])
    told = family(news, c2=gone[:2])
    assert findings(rule, told) == {"c2/r1": "violated"}, "a machine tells of deliveries too"


# --- too-many-hands


def hands(*told: Event | Learnt, **policy: Any) -> dict[str, Outcome]:
    return findings("too-many-hands", case(*told), policy=policy)


def test_a_customer_is_handed_from_agent_to_agent() -> None:
    told = [replied(f"r{n}", f"+{n}h", actor=agent(n)) for n in "1234"]
    assert hands(*told) == {"case": "violated"}
    assert hands(*told[:3], replied("r9", "+9h", actor=agent("1"))) == {"case": "satisfied"}
    assert hands(*told, max_agents=4) == {"case": "satisfied"}
    assert hands() == {}
    finding = found("too-many-hands", case(*told))["case"]
    assert (finding.at, len(finding.evidence)) == (moment("+4h"), 3)
    assert finding.event.event.reply_id == "r4"
    alike = found("too-many-hands", case(*told[:3]))["case"]
    assert [each.event.reply_id for each in (*alike.evidence, alike.event)] == ["r1", "r2", "r3"]


def test_machines_and_executives_are_no_hands_of_this_kind() -> None:
    boss = Actor(kind="executive", id="chief")
    others = replied("r1", automated=True, actor=MACHINE), replied("r2", actor=boss)
    assert hands(*others) == {}
    assert hands(*others, replied("r3"), max_agents=1) == {"case": "satisfied"}


def test_hands_are_counted_over_merged_cases() -> None:
    own = [replied(f"r{n}", f"+{n}h", actor=agent(n)) for n in "12"]
    other = [replied(f"r{n}", f"+{n}h", actor=agent(n)) for n in "234"]
    assert findings("too-many-hands", family(*own, c2=other)) == {"case": "violated"}
    assert findings("too-many-hands", family(*own, c2=other[:2])) == {"case": "satisfied"}
    row = lapse("too-many-hands", family(*own, assigned("anna", "north"), c2=other))
    assert (row.agent, row.at) == ("anna", moment("+4h"))


# --- pleasantry-on-unresolved


def wished(*told: Event | Learnt) -> dict[str, Outcome]:
    return findings("pleasantry-on-unresolved", case(*told))


GOOD_DAY: dict[str, Any] = {"closing_pleasantry": True}


def test_a_good_day_is_wished_to_nobody_whose_day_is_not_right() -> None:
    assert wished(issue("i1"), replied("r1", "+1h", **GOOD_DAY)) == {"r1": "violated"}
    plain = replied("r1", "+1h", closing_pleasantry=False)
    assert wished(issue("i1"), plain) == {"r1": "satisfied"}
    assert wished(issue("i1"), replied("r1", "+1h")) == {"r1": "unknown"}
    assert wished(replied("r1", "+1h", **GOOD_DAY)) == {"r1": "violated"}, "a case without issues"


def test_a_finding_that_was_superseded_settles_nothing_any_more() -> None:
    no = judged("f1", "+1h", outcome="not_upheld", issue_ids=["i1"])
    yes = judged("f2", "+3h", outcome="upheld", issue_ids=["i1"], supersedes="f1")
    before, after = replied("r1", "+2h", **GOOD_DAY), replied("r2", "+4h", **GOOD_DAY)
    assert wished(issue("i1"), no, before, yes, after) == {"r2": "violated"}
    given_too = remedied(at="+90m", issue_ids=["i1"])
    assert wished(issue("i1"), no, given_too, before, yes, after) == {}


def test_when_all_is_settled_a_good_day_may_be_wished() -> None:
    kind = replied("r1", "+2h", **GOOD_DAY)
    assert wished(issue("i1"), content("+1h"), kind) == {}
    assert wished(issue("i1"), issue("i2"), content("+1h", issue_ids=["i1"]), kind) == {
        "r1": "violated"
    }
    assert wished(issue("i1"), judged("f1", "+1h", outcome="out_of_scope"), kind) == {}
    assert wished(closed("+1h"), kind) == {}
    assert wished(closed("+1h"), reopened("+1h"), kind) == {"r1": "violated"}


def test_with_the_remedy_a_good_day_may_be_wished() -> None:
    kind = replied("r1", "+1h", **GOOD_DAY)
    assert wished(issue("i1"), kind, remedied("e1", "+2h", reply_id="r1")) == {}
    assert wished(issue("i1"), kind, remedied("e1", "+2h")) == {"r1": "violated"}
    assert wished(kind, remedied("e1", "+2h", reply_id="r1")) == {}, "a case without issues"


def test_a_remedy_that_was_taken_back_settles_nothing_from_then_on() -> None:
    undo = reclaimed("e1", "+3h")
    before, after = replied("r1", "+2h", **GOOD_DAY), replied("r2", "+4h", **GOOD_DAY)
    told = (remedied("e1", "+1h"), before, undo, after)
    assert wished(issue("i1"), *told) == {"r2": "violated"}
    assert wished(*told) == {"r2": "violated"}, "a case without issues"
    assert wished(remedied("e2", "+1h"), *told) == {}, "booked twice"
    early_by_its_clock = (remedied("e1", "+2h"), reclaimed("e1", "+1h"), after)
    assert wished(issue("i1"), *early_by_its_clock) == {"r2": "violated"}
    assert wished(*early_by_its_clock) == {"r2": "violated"}


def test_no_good_day_is_wished_over_what_is_unsettled_in_the_other_case() -> None:
    rule, kind = "pleasantry-on-unresolved", replied("r1", "+3h", **GOOD_DAY)
    own = (issue("i1"), content("+1h"), kind)
    assert findings(rule, family(*own, c2=[issue("i1")], at="+2h")) == {"r1": "violated"}
    assert findings(rule, family(*own, c2=[issue("i1")])) == {}, "accepted for both"
    accepted = content("+2h", issue_ids=["c2/i1"])
    assert findings(rule, family(*own[:2], accepted, kind, c2=[issue("i1")], at="+90m")) == {}


def test_each_of_two_cases_without_issues_is_settled_while_it_is_by_itself() -> None:
    rule, kind = "pleasantry-on-unresolved", replied("r1", "+3h", **GOOD_DAY)
    assert findings(rule, family(content("+1h"), kind, c2=[], at="+2h")) == {"r1": "violated"}
    assert findings(rule, family(content("+1h"), kind, c2=[content()], at="+2h")) == {}
    assert findings(rule, family(content("+1h"), kind, c2=[], at="+0h")) == {}
    closing = [closed("+90m")]
    assert findings(rule, family(content("+1h"), kind, c2=closing, at="+2h")) == {}
    assert findings(rule, family(kind, c2=closing, at="+1h")) == {"r1": "violated"}
