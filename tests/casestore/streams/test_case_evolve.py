"""How each event changes a case, and the state after one long story with every event."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal

import pytest

from casestore.events import EVENTS, CaseEvent, Event, Money
from casestore.streams.case import Case, Gesture, Keeping, Promise, Reply, evolve
from tests.support.stories import (
    START,
    amended,
    apologised,
    asked,
    assessed,
    assigned,
    attempted,
    bounced,
    chose,
    closed,
    consulted,
    content,
    decided,
    declined,
    delivered,
    escalated,
    explained,
    found,
    gave,
    given,
    inquired,
    issue,
    kept,
    kept_by_reply,
    merged,
    moment,
    moved,
    not_content,
    noted,
    offered,
    opened,
    promised,
    rated,
    reclaimed,
    reclassified,
    ref,
    released,
    remedied,
    reopened,
    replied,
    retracted,
    returned,
    said_no,
    stated,
    took_back,
    unmerged,
    voided,
    wished,
    withdrew,
    wrote,
)

A_LONG_STORY: list[Event] = [
    opened(product="kettle", region="north", received_at=moment("-1h"), subject="Broken!"),
    issue("i1", category="quality", loss={"amount": "49.90", "currency": "EUR"}),
    assigned("anna", "north"),
    asked("a1", "+1h", issue_ids=["i1"], provides=["order_no"], sentiment="upset", text="Why?"),
    replied("r1", "+2h", automated=True, purpose="acknowledgement"),
    inquired("q1", "+2h", field="photo", purpose="need", reply_id="r1"),
    wished("+3h", issue_ids=["i1"], wanted="A kettle that works."),
    promised("p1", "+3h", due="+5h", capability="confirmed", ask_id="a1", reply_id="r1"),
    attempted("p1", "+4h"),
    moved("p1", "+4h", due="+1d"),
    consulted("o1", "+6h", issue_ids=["i1"]),
    explained("o1", "+8h", facts="The batch was faulty."),
    found("f1", "+9h", issue_ids=["i1"], evidence=["batch-7"], root_cause="batch"),
    stated("s1", "+9h", value="5"),
    stated("s2", "+9h", value="7", supersedes="s1"),
    retracted("s1", "+9h", reason="untrue_when_made"),
    offered("x1", ["repair", "refund"], "+10h", issue_ids=["i1"]),
    chose("refund", "x1", "+11h"),
    apologised("y1", "+11h", issue_ids=["i1"], solution=ref("offer", "x1")),
    remedied("e1", "+12h", issue_ids=["i1"], value={"amount": "49.90", "currency": "EUR"}),
    reclaimed("e1", "+12h", words="Booked twice."),
    gave("g1", "+12h", value={"amount": "10", "currency": "EUR"}, note="For the wait."),
    declined("g1", "+13h"),
    gave("g2", "+14h", kind="gift"),
    took_back("g2", "+15h"),
    said_no("n1", "+15h", ask_id="a1", alternative_offer_id="x1"),
    replied("r2", "+20h", addresses=["i1"], answers=["a1"], purpose="substantive"),
    bounced("r2", "+20h"),
    replied("r3", "+21h", resend_of="r2", channel="letter"),
    delivered("r3", "+22h"),
    kept_by_reply("r3", "p1", "+22h"),
    promised("p2", "+22h", kind="update"),
    released("p2", "+23h"),
    promised("p3", "+22h", kind="visit"),
    withdrew("p3", "+23h"),
    assessed("+24h", reply_id="r3"),
    escalated("u1", "+25h"),
    returned("u1", "+26h"),
    decided("d1", "+26h", issue_ids=["i1"], reply_id="r3"),
    not_content("+27h"),
    content("+28h", issue_ids=["i1"]),
    rated(4, "+28h", reply_id="r3"),
    reclassified("+28h", category="batch-fault"),
    closed("+29h"),
    reopened("+30h"),
    noted("+31h", text="Wrong region."),
    amended(1, "+31h", region=("north", "south")),
    voided(46, "+31h"),
    merged("c2", "+32h"),
    unmerged("c2", "+33h"),
]


def test_a_long_story_holds_every_event_there_is() -> None:
    given(*A_LONG_STORY)
    assert {type(event) for event in A_LONG_STORY} == set(EVENTS["case"])


def test_the_state_after_a_long_story() -> None:
    case = given(*A_LONG_STORY).case
    told = {name: getattr(case, name) for name in case.__struct_fields__}
    assert {kind: sorted(each) for kind, each in told.pop("ids").items()} == {
        "apology": ["y1"],
        "ask": ["a1"],
        "consultation": ["o1"],
        "decision": ["d1"],
        "escalation": ["u1"],
        "finding": ["f1"],
        "gesture": ["g1", "g2"],
        "issue": ["i1"],
        "message": ["m-a1"],
        "offer": ["x1"],
        "option": ["refund", "repair"],
        "promise": ["p1", "p2", "p3"],
        "refusal": ["n1"],
        "remedy": ["e1"],
        "reply": ["r1", "r2", "r3"],
        "request": ["q1"],
        "statement": ["s1", "s2"],
    }
    assert [(ask.ask_id, ask.kind) for ask in told.pop("asks").values()] == [("a1", "question")]
    ten_euros = Money(amount=Decimal(10), currency="EUR")
    assert told == {
        "case_id": "c1",
        "status": "open",
        "customer_id": "k1",
        "channel": "email",
        "product": "kettle",
        "region": "south",
        "category": "batch-fault",
        "opened_at": START,
        "received_at": moment("-1h"),
        "closed_at": None,
        "close_reason": None,
        "agent": "anna",
        "team": "north",
        "merged_into": None,
        "issues": {"i1": "quality"},
        "replies": {
            "r1": Reply(moment("+2h"), "email", automated=True),
            "r2": Reply(
                moment("+20h"),
                "email",
                automated=False,
                undelivered=True,
                heard_at=moment("+20h"),
            ),
            "r3": Reply(
                moment("+21h"),
                "letter",
                automated=False,
                resend_of="r2",
                heard_at=moment("+22h"),
            ),
        },
        "promises": {
            "p1": Promise(
                "callback",
                moment("+3h"),
                moment("+1d"),
                status="kept",
                kept=(Keeping(moment("+22h"), ref("reply", "r3")),),
                renegotiations=1,
            ),
            "p2": Promise(
                "update", moment("+22h"), None, status="released", released_at=moment("+23h")
            ),
            "p3": Promise("visit", moment("+22h"), None, status="withdrawn"),
        },
        "offers": {"x1": ("repair", "refund")},
        "gestures": {
            "g1": Gesture("voucher", ten_euros, moment("+12h"), "declined"),
            "g2": Gesture("gift", None, moment("+14h"), "reversed"),
        },
        "escalations": {},
        "last_event_at": moment("+33h"),
    }


def test_evolve_leaves_the_case_before_as_it_was() -> None:
    story = given(*A_LONG_STORY)
    case = Case(case_id="c1")
    for recorded in story.history():
        before, words = deepcopy(case), repr(case)
        after = evolve(case, recorded.event)  # type: ignore[arg-type]  # one of the union
        assert case == before
        assert repr(case) == words
        case = after
    assert case == story.case


# --- the course of a case


def test_nobody_changes_a_state_in_place() -> None:
    """Several readers share it, and older states share its parts."""
    story = given(opened(), replied(), promised(), kept_by_reply(), gave()).case
    promise = story.promises["p1"]
    for part in (story, promise, promise.kept[0], story.replies["r1"], story.gestures["g1"]):
        name = part.__struct_fields__[0]
        with pytest.raises(AttributeError):
            setattr(part, name, "another")


def test_a_case_to_which_nothing_happened() -> None:
    assert given().case == Case(case_id="c1")
    assert given().case.status is None


def test_a_closed_case_says_when_and_why() -> None:
    case = given(opened(), closed("+2h", reason="no_contact")).case
    assert (case.status, case.closed_at, case.close_reason) == (
        "closed",
        moment("+2h"),
        "no_contact",
    )


def test_a_reopened_case_forgets_its_closing() -> None:
    case = given(opened(), closed("+2h"), reopened("+3h")).case
    assert (case.status, case.closed_at, case.close_reason) == ("open", None, None)


def test_the_last_closing_counts() -> None:
    story = given(opened(), closed("+2h"), reopened("+3h"), closed("+4h", reason="withdrawn"))
    assert (story.case.closed_at, story.case.close_reason) == (moment("+4h"), "withdrawn")


def test_a_message_leaves_a_closed_case_closed() -> None:
    assert given(opened(), closed(), wrote(at="+1h")).case.status == "closed"


def owner(*events: Event) -> tuple[str | None, str | None]:
    """Who has the case after some events: agent and team."""
    case = given(opened(), *events).case
    return case.agent, case.team


def test_naming_only_an_agent_leaves_the_team() -> None:
    assert owner(assigned("anna", "north"), assigned("bert")) == ("bert", "north")
    assert owner(assigned("anna"), assigned("bert")) == ("bert", None)


def test_naming_only_another_team_takes_the_case_from_its_agent() -> None:
    assert owner(assigned("anna", "north"), assigned(None, "south")) == (None, "south")
    assert owner(assigned("anna"), assigned(None, "south")) == (None, "south")
    assert owner(assigned("anna", "north"), assigned(None, "north")) == ("anna", "north")


def test_naming_agent_and_team_gives_the_case_to_both() -> None:
    assert owner(assigned("anna", "north"), assigned("bert", "south")) == ("bert", "south")
    assert owner(assigned(None, "north"), assigned("bert", "north")) == ("bert", "north")


def test_a_reclassification_leaves_what_it_does_not_name() -> None:
    case = given(opened(product="kettle", region="north"), reclassified(product="toaster")).case
    assert (case.product, case.region, case.category) == ("toaster", "north", None)


def test_an_escalation_is_open_until_it_returns() -> None:
    story = given(opened(), escalated("u1"), escalated("u2", to="ceo"))
    assert story.case.escalations == {"u1": "boss", "u2": "ceo"}
    assert story.when(returned("u1")).accepted().case.escalations == {"u2": "ceo"}


def test_a_merged_case_says_into_what() -> None:
    assert given(opened(), merged("c2")).case.merged_into == "c2"
    assert given(opened(), merged("c2"), merged("c3")).case.merged_into == "c3"
    assert given(opened(), merged("c2"), unmerged("c2")).case.merged_into is None


def test_the_last_event_is_the_one_that_happened_last() -> None:
    assert given(opened(), noted("+5h"), noted("+2h")).case.last_event_at == moment("+5h")


# --- promises


def test_a_promise_says_what_became_of_it() -> None:
    case = given(opened(), promised(due="+2h"), kept(at="+3h")).case
    assert case.promises["p1"].status == "kept"
    assert case.keeping("p1") == Keeping(moment("+3h"), None)


def test_a_case_that_closes_discharges_no_promise() -> None:
    assert given(opened(), promised(due="+2h"), closed()).case.promises["p1"].status == "open"


def test_an_attempt_keeps_nothing() -> None:
    assert given(opened(), promised(due="+2h"), attempted()).case.promises["p1"].status == "open"


def judged_at(*told: Event) -> tuple[str, int]:
    """The hour by which the promise must be kept, and how often it was renegotiated."""
    promise = given(opened(), *told).case.promises["p1"]
    hours = "never" if promise.due_at is None else f"+{(promise.due_at - START).seconds // 3600}h"
    return hours, promise.renegotiations


def test_a_new_time_counts_if_the_customer_agreed_before_the_old_one_had_passed() -> None:
    made = promised(due="+2h")
    assert judged_at(made, moved(at="+1h", due="+5h")) == ("+5h", 1)
    assert judged_at(made, moved(at="+2h", due="+5h")) == ("+5h", 1)
    assert judged_at(made, moved(at="+7201s", due="+5h")) == ("+2h", 1)
    assert judged_at(made, moved(at="+1h", due="+5h", agreed_by_customer=False)) == ("+2h", 1)


def test_each_new_time_is_held_to_the_one_before() -> None:
    first = moved(at="+1h", due="+5h")
    assert judged_at(promised(due="+2h"), first, moved(at="+4h", due="+9h")) == ("+9h", 2)
    assert judged_at(promised(due="+2h"), first, moved(at="+6h", due="+9h")) == ("+5h", 2)


def test_a_promise_without_a_time_may_be_given_one() -> None:
    assert judged_at(promised(), moved(at="+1h", due="+5h")) == ("+5h", 1)
    assert judged_at(promised(), moved(due="+5h", agreed_by_customer=False)) == ("never", 1)


def is_kept(*news: Event) -> bool:
    made = (opened(), promised(due="+1d"), replied("r1"), kept_by_reply("r1"))
    return given(*made, *news).case.keeping("p1") is not None


def test_a_reply_keeps_a_promise_unless_it_is_known_not_to_have_arrived() -> None:
    assert is_kept()
    assert is_kept(delivered())
    assert is_kept(bounced(kind="temporary"))
    assert not is_kept(bounced())
    assert not is_kept(wrote(says_not_received=["r1"]))
    assert is_kept(bounced(), delivered())
    assert not is_kept(delivered(), bounced())
    assert is_kept(bounced(), bounced(kind="temporary"), delivered())


def test_a_resend_keeps_the_promise_as_well() -> None:
    again = replied("r2", resend_of="r1")
    assert is_kept(bounced(), again)
    assert not is_kept(bounced(), again, bounced("r2"))
    assert is_kept(bounced(), again, bounced("r2"), delivered("r2"))
    assert is_kept(bounced(), again, bounced("r2"), replied("r3", resend_of="r1"))
    assert is_kept(bounced(), again, bounced("r2"), replied("r3", resend_of="r2"))
    assert not is_kept(bounced(), replied("r2"))


def test_a_bounced_reply_takes_nothing_from_a_remedy_of_the_same_id() -> None:
    by_remedy = kept(by=ref("remedy", "1"))
    story = given(opened(), promised(), replied("1"), bounced("1"), remedied("1"), by_remedy)
    assert story.case.keeping("p1") == Keeping(START, by_remedy.by)


def test_a_reply_may_have_been_resent_a_thousand_times() -> None:
    story = given(opened(), promised(), replied("r0"), kept_by_reply("r0"), bounced("r0"))
    case = story.case
    for n in range(1, 1500):
        for event in (replied(f"r{n}", resend_of=f"r{n - 1}"), bounced(f"r{n}")):
            case = evolve(case, event)
    assert case.keeping("p1") is None


KEPT_TWICE: list[Event] = [
    opened(),
    promised(due="+1d"),
    replied("r1", "+1h"),
    kept_by_reply("r1", at="+1h"),
    bounced("r1", at="+1h"),
    remedied(at="+3h"),
    kept(at="+3h", by=ref("remedy", "e1")),
]


def test_a_keeping_by_a_reply_that_bounced_does_not_count() -> None:
    assert given(*KEPT_TWICE).case.keeping("p1") == Keeping(moment("+3h"), ref("remedy", "e1"))


def test_of_two_keepings_that_count_the_first_decides() -> None:
    case = given(*KEPT_TWICE, delivered("r1", "+4h")).case
    assert case.keeping("p1") == Keeping(moment("+1h"), ref("reply", "r1"))


def test_a_promise_kept_by_a_reply_that_was_sent_again_is_kept_when_that_arrived() -> None:
    again = replied("r2", "+2d", resend_of="r1")
    case = given(*KEPT_TWICE[:-2], again).case
    assert case.keeping("p1") == Keeping(moment("+2d"), ref("reply", "r1"))
    assert case.promise_state("p1", moment("+9d")) == "late"


def test_a_promise_that_we_went_back_on_stays_withdrawn_whatever_arrives_later() -> None:
    case = given(*KEPT_TWICE[:-2], withdrew(at="+2h"), delivered("r1", "+4h")).case
    assert case.promise_state("p1", moment("+9d")) == "withdrawn"


def test_of_several_ends_of_a_promise_one_decides_in_whatever_order_they_came() -> None:
    """Structure refuses a second end in one case; two cases merged later may hold one each."""
    ends: dict[str, CaseEvent] = {
        "kept": kept(at="+1h"),
        "released": released(at="+1h"),
        "withdrawn": withdrew(at="+1h"),
    }
    for one, first in enumerate(ends):
        for other, second in enumerate(ends):
            case = evolve(given(opened(), promised(), ends[first]).case, ends[second])
            assert case.promises["p1"].status == list(ends)[max(one, other)]


def test_a_promise_released_after_it_was_due_may_prove_to_have_been_kept() -> None:
    story = given(*KEPT_TWICE[:-2], released(at="+2d"))
    assert story.case.promise_state("p1", moment("+9d")) == "broken"
    story = story.when(delivered("r1", "+3d")).accepted()
    assert story.case.promise_state("p1", moment("+9d")) == "kept"


# --- replies and gestures


def test_a_reply_is_undelivered_as_far_as_the_last_news_goes() -> None:
    def undelivered(*news: Event) -> bool:
        return given(opened(), replied(), *news).case.replies["r1"].undelivered

    assert not undelivered()
    assert undelivered(bounced(kind="no_answer"))
    assert undelivered(bounced(kind="reported_missing"))
    assert not undelivered(bounced(kind="temporary"))
    assert not undelivered(bounced(), delivered())
    assert undelivered(bounced(), delivered(), wrote(says_not_received=["r1"]))
    # Recorded late: the news that happened last counts, not the news that was recorded last.
    assert not undelivered(delivered(at="+3h"), bounced(at="+2h"))
    assert undelivered(bounced(at="+3h"), delivered(at="+2h"))


def test_a_gesture_says_what_became_of_it() -> None:
    def status(*told: Event) -> str:
        return given(opened(), gave(), *told).case.gestures["g1"].status

    assert status() == "given"
    assert status(declined()) == "declined"
    assert status(took_back()) == "reversed"
    assert status(declined(), took_back()) == "reversed"


def test_the_state_holds_asks_issues_and_offers_by_id() -> None:
    case = given(
        opened(), issue("i1"), issue("i2", category="delay"), asked("a1"), asked("a2")
    ).case
    assert case.issues == {"i1": None, "i2": "delay"}
    assert list(case.asks) == ["a1", "a2"]


def test_of_two_resends_the_first_that_arrived_counts() -> None:
    lost = given(opened(), replied("r1", "+1h"), bounced("r1", "+2h"))
    again = [replied(f"r{n}", f"+{n}h", resend_of="r1") for n in (3, 4)]
    for order in (again, again[::-1]):
        case = lost.plus(order[0]).plus(order[1]).case
        assert case.arrivals == {
            "r1": moment("+3h"),
            "r3": moment("+3h"),
            "r4": moment("+4h"),
        }
