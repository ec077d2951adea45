"""What structure refuses on a case, and the bad practice and late facts that it records."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import ValidationError

from casestore.events import Event
from casestore.events.policy_document import read_document
from casestore.policy.authority import GoodwillLimits
from casestore.streams.case import check
from casestore.streams.checks import Context
from tests.support.gifts import ROLES, gift
from tests.support.stories import (
    ANNA,
    Story,
    apologised,
    asked,
    asked_to_be_forgotten,
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
    given_policy,
    inquired,
    issue,
    kept,
    kept_by_reply,
    merged,
    moved,
    not_content,
    noted,
    offered,
    opened,
    promised,
    reclassified,
    ref,
    registered,
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


def name(told: Event | str) -> str:
    return told if isinstance(told, str) else type(told).__name__


# --- the first event

OPEN = given(opened())


@pytest.mark.parametrize("event", [issue(), wrote(), closed(), reopened(), noted(), voided(1)])
def test_a_case_begins_with_its_opening(event: Event) -> None:
    given().when(event).refused("its first event must be CaseOpened")


def test_a_case_is_opened_once() -> None:
    OPEN.when(opened("+1h")).refused("open already")
    given(opened(), closed()).when(opened("+1h")).refused("CaseReopened")


def test_an_event_belongs_to_its_kind_of_stream() -> None:
    OPEN.when(registered()).refused("append it to customer:<id>")
    given(stream="customer:k1").when(opened()).refused("append it to case:<id>")
    given_policy().when(voided(1)).refused("append it to case:<id> or customer:<id>")
    OPEN.when(asked_to_be_forgotten()).refused("append it to customer:<id>")


# --- ids

NEW: list[Event] = [
    issue("1"),
    wrote("1"),
    asked("1"),
    replied("1"),
    inquired("1"),
    consulted("1"),
    found("1"),
    stated("1"),
    said_no("1"),
    offered("1", ["1"]),
    apologised("1"),
    promised("1"),
    remedied("1"),
    gave("1"),
    escalated("1"),
    decided("1"),
]


@pytest.mark.parametrize("event", NEW, ids=name)
def test_a_new_id_must_not_be_in_use(event: Event) -> None:
    given(opened(), event).when(event).refused("is there already; give a new id")


def test_an_id_is_new_only_within_its_kind() -> None:
    given(opened(), *NEW)


def test_an_ask_has_an_id_of_its_own_in_every_message() -> None:
    ask = {"ask_id": "a1", "kind": "question"}
    OPEN.when(wrote(asks=[ask, ask])).refused("ask 'a1' is there already")
    given(opened(), asked("a1")).when(wrote("m2", asks=[ask])).refused("ask 'a1' is there already")


def test_an_option_has_an_id_of_its_own_in_every_offer() -> None:
    OPEN.when(offered(options=["red", "red"])).refused("option 'red' is there already")
    given(opened(), offered()).when(offered("x2")).refused("option 'red' is there already")


UNKNOWN: list[tuple[Event, str]] = [
    (wrote(issue_ids=["?"]), "issue"),
    (wrote(says_not_received=["?"]), "reply"),
    (wrote(says_unanswered=["?"]), "ask"),
    (replied(addresses=["?"]), "issue"),
    (replied(answers=["?"]), "ask"),
    (replied(resend_of="?"), "reply"),
    (delivered("?"), "reply"),
    (bounced("?"), "reply"),
    (inquired(reply_id="?"), "reply"),
    (wished(issue_ids=["?"]), "issue"),
    (consulted(issue_ids=["?"]), "issue"),
    (explained("?"), "consultation"),
    (found(issue_ids=["?"]), "issue"),
    (found(supersedes="?"), "finding"),
    (stated(reply_id="?"), "reply"),
    (stated(supersedes="?"), "statement"),
    (retracted("?"), "statement"),
    (said_no(ask_id="?"), "ask"),
    (said_no(issue_ids=["?"]), "issue"),
    (said_no(alternative_offer_id="?"), "offer"),
    (said_no(reply_id="?"), "reply"),
    (offered(issue_ids=["?"]), "issue"),
    (offered(reply_id="?"), "reply"),
    (chose(None, "?"), "offer"),
    (apologised(issue_ids=["?"]), "issue"),
    (apologised(reply_id="?"), "reply"),
    *((apologised(solution=ref(kind, "?")), kind) for kind in ("remedy", "gesture", "offer")),
    (promised(ask_id="?"), "ask"),
    (promised(reply_id="?"), "reply"),
    (kept("?"), "promise"),
    (attempted("?"), "promise"),
    (moved("?"), "promise"),
    (released("?"), "promise"),
    (withdrew("?"), "promise"),
    (remedied(issue_ids=["?"]), "issue"),
    (remedied(ask_id="?"), "ask"),
    (remedied(reply_id="?"), "reply"),
    (gave(issue_ids=["?"]), "issue"),
    (gave(ask_id="?"), "ask"),
    (gave(reply_id="?"), "reply"),
    (declined("?"), "gesture"),
    (took_back("?"), "gesture"),
    (returned("?"), "escalation"),
    (decided(issue_ids=["?"]), "issue"),
    (decided(reply_id="?"), "reply"),
    (content(issue_ids=["?"]), "issue"),
    (not_content(issue_ids=["?"]), "issue"),
    (assessed(reply_id="?"), "reply"),
]


@pytest.mark.parametrize(("event", "kind"), UNKNOWN, ids=name)
def test_an_event_refers_only_to_known_ids(event: Event, kind: str) -> None:
    OPEN.when(event).refused(f"{kind} '?' is not known here")


def test_one_unknown_id_among_known_ones_is_refused() -> None:
    given(opened(), issue("i1")).when(found(issue_ids=["i1", "i2"])).refused("issue 'i2'")


def test_an_id_of_another_kind_is_not_known() -> None:
    given(opened(), gave("1"), promised()).when(kept(by=ref("remedy", "1"))).refused("remedy '1'")


def test_a_reply_is_not_a_resend_of_itself() -> None:
    OPEN.when(replied("r1", resend_of="r1")).refused("reply 'r1' is not known here")


def test_the_id_of_a_voided_event_is_free_again() -> None:
    story = given(opened(), promised("p1"), voided(2))
    story.when(kept("p1")).refused("promise 'p1' is not known here")
    story.when(promised("p1", due="+2h")).accepted().when(kept("p1")).accepted()


# --- open and closed


def test_a_closed_case_is_not_closed_again() -> None:
    given(opened(), closed()).when(closed("+1h")).refused("closed already")


def test_an_open_case_is_not_reopened() -> None:
    OPEN.when(reopened()).refused("open already")
    given(opened(), closed(), reopened()).when(reopened("+1h")).refused("open already")


def test_a_case_can_be_closed_and_reopened_any_number_of_times() -> None:
    given(opened(), closed(), reopened(), closed(), reopened(), closed())


# --- promises

PAST = {"kept": kept(), "released": released(), "withdrawn": withdrew()}
OVER = [kept(at="+1h"), moved(at="+1h"), released(at="+1h"), withdrew(at="+1h")]


@pytest.mark.parametrize("status", PAST)
@pytest.mark.parametrize("event", OVER, ids=name)
def test_a_promise_that_has_ended_cannot_end_again(status: str, event: Event) -> None:
    given(opened(), promised(), PAST[status]).when(event).refused(f"is {status} already")


@pytest.mark.parametrize("status", PAST)
def test_an_attempt_is_recorded_after_the_promise_has_ended(status: str) -> None:
    given(opened(), promised(), PAST[status]).when(attempted(at="+1h")).accepted()


@pytest.mark.parametrize("event", OVER, ids=name)
def test_a_promise_can_end_or_move_after_it_was_due(event: Event) -> None:
    given(opened(), promised(due="+30m")).when(event).accepted()


def test_a_promise_can_be_moved_any_number_of_times() -> None:
    given(opened(), promised(due="+1h"), moved(due="+2h"), moved(due="+3h"), moved(due="+2h"))


KEPT_BY_R1 = [opened(), promised(due="+1d"), replied("r1"), kept_by_reply("r1")]


@pytest.mark.parametrize(
    "news", [bounced(), bounced(kind="no_answer"), bounced(kind="reported_missing")]
)
def test_a_promise_kept_by_a_reply_that_bounced_can_be_kept_again(news: Event) -> None:
    story = given(*KEPT_BY_R1, news, replied("r2"))
    story.when(kept_by_reply("r2")).accepted().when(kept()).refused("kept already")


@pytest.mark.parametrize("event", OVER, ids=name)
def test_a_promise_kept_by_a_reply_that_bounced_is_open(event: Event) -> None:
    given(*KEPT_BY_R1, bounced()).when(event).accepted()


def test_a_reply_that_the_customer_never_got_keeps_no_promise() -> None:
    given(*KEPT_BY_R1, wrote(says_not_received=["r1"])).when(kept()).accepted()


def test_a_temporary_failure_leaves_the_promise_kept() -> None:
    given(*KEPT_BY_R1, bounced(kind="temporary")).when(kept()).refused("kept already")


def test_a_reply_that_arrived_after_all_keeps_the_promise() -> None:
    given(*KEPT_BY_R1, bounced(), delivered()).when(kept()).refused("kept already")


def test_a_resend_that_arrived_counts_for_the_reply_that_bounced() -> None:
    story = given(*KEPT_BY_R1, bounced(), replied("r2", resend_of="r1"))
    story.when(kept()).refused("kept already")
    given(*KEPT_BY_R1, replied("r2", resend_of="r1"), bounced()).when(kept()).refused("kept")


def test_a_resend_that_bounced_too_does_not_count_until_one_arrives() -> None:
    story = given(*KEPT_BY_R1, bounced(), replied("r2", resend_of="r1"), bounced("r2"))
    story.when(kept()).accepted()
    story = story.when(replied("r3", resend_of="r2")).accepted()
    story.when(kept()).refused("kept already")


def test_another_reply_does_not_count_as_a_resend() -> None:
    given(*KEPT_BY_R1, bounced(), replied("r2")).when(kept()).accepted()


@pytest.mark.parametrize("kind", ["remedy", "gesture", "offer", "promise"])
def test_a_promise_may_be_kept_by_a_remedy_gesture_offer_or_promise(kind: str) -> None:
    story = given(opened(), promised("1"), remedied("1"), gave("1"), offered("1"))
    story.when(kept("1", by=ref(kind, "1"))).accepted().when(kept("1")).refused("kept already")


# --- times


def test_a_promise_is_due_after_it_is_made() -> None:
    OPEN.when(promised(at="+2h", due="+2h")).refused("due_at is not after occurred_at")
    OPEN.when(promised(at="+2h", due="+1h")).refused("due_at is not after occurred_at")
    OPEN.when(promised(at="+2h", due="+7201s")).accepted()
    OPEN.when(promised()).accepted()


def test_a_new_time_for_a_promise_is_after_the_renegotiation() -> None:
    story = given(opened(), promised(due="+1d"))
    story.when(moved(at="+2h", due="+2h")).refused("due_at is not after occurred_at")
    story.when(moved(at="+2h", due="+7201s")).accepted()


def test_an_event_is_at_most_five_minutes_ahead_of_the_clock() -> None:
    OPEN.when(noted("+5m"), now="+0h").accepted()
    OPEN.when(noted("+301s"), now="+0h").refused(
        "it happened at 2026-03-02T09:05:01Z, more than five minutes ahead of the store's clock "
        "(2026-03-02T09:00:00Z)"
    )
    given().when(opened("+6m"), now="+0h").refused("five minutes")


def test_a_promise_may_be_due_any_time_ahead() -> None:
    OPEN.when(promised(due="+9999d"), now="+0h").accepted()


def test_a_fact_may_be_of_any_age() -> None:
    OPEN.when(wrote(at="-9999d"), now="+0h").accepted()


def test_a_time_without_its_zone_is_refused() -> None:
    naive = datetime(2026, 3, 2, 9)  # noqa: DTZ001  (that is what is refused)
    for field in ("occurred_at", "received_at"):
        with pytest.raises(ValidationError, match="has no time zone"):
            opened(**{field: naive})
    with pytest.raises(ValidationError, match="has no time zone"):
        moved(due=naive)


# --- merging

C2 = given(opened(), stream="case:c2")


def test_a_case_is_not_merged_into_itself() -> None:
    OPEN.when(merged("c1")).refused("into itself")


def test_a_case_is_merged_only_into_a_known_case() -> None:
    OPEN.when(merged("c2"), others=[C2]).accepted()
    OPEN.when(merged("c2"), others=[]).refused("there is no case 'c2'")
    OPEN.when(merged("c2"), others=[Story("case:c2")]).refused("there is no case 'c2'")


def test_a_case_is_not_merged_in_a_circle() -> None:
    c2 = C2.when(merged("c1"), others=[OPEN]).accepted()
    OPEN.when(merged("c2"), others=[c2]).refused("case 'c2' is itself merged, into 'c1'")


def test_a_case_is_not_merged_into_a_merged_case() -> None:
    c2 = C2.when(merged("c3")).accepted()
    OPEN.when(merged("c2"), others=[c2]).refused("merge into that one")
    c2 = c2.when(unmerged("c3")).accepted()
    OPEN.when(merged("c2"), others=[c2]).accepted()


def test_a_case_that_others_were_merged_into_may_be_merged() -> None:
    c3 = given(opened(), stream="case:c3")
    C2.when(merged("c3"), others=[OPEN.when(merged("c2")).accepted(), c3]).accepted()


def test_a_merge_may_be_undone_and_done_again() -> None:
    given(opened(), merged("c2"), unmerged("c2"), merged("c2"), unmerged("c2"))


def test_a_merged_case_may_be_merged_into_another_one() -> None:
    story = given(opened(), merged("c2")).when(merged("c3")).accepted()
    story.when(unmerged("c2")).refused("not merged into 'c2'")
    story.when(unmerged("c3")).accepted()


def test_a_case_is_unmerged_only_from_the_case_it_is_merged_into() -> None:
    OPEN.when(unmerged("c2")).refused("not merged into 'c2'")
    given(opened(), merged("c2"), unmerged("c2")).when(unmerged("c2")).refused("not merged")


def test_a_case_may_be_merged_whatever_its_state() -> None:
    given(opened(), closed()).when(merged("c2"), others=[C2]).accepted()
    OPEN.when(merged("c2"), others=[C2.when(closed()).accepted()]).accepted()


# --- gestures


def test_a_live_gesture_is_held_to_the_limits_of_the_policy() -> None:
    policy = read_document({"roles": ROLES, "goodwill": {"enforcement": "refuse"}})
    limits = Context(goodwill=GoodwillLimits(policy, (), "c1"))
    assert check(OPEN.case, gift("g1", "25"), limits) is None
    assert check(OPEN.case, gift("g1", "25.01"), limits) == (
        "it goes beyond the limit 'first_line' per gesture: 25 EUR, 0 given; "
        "'team_lead' or 'manager' may approve it (approved_by)"
    )
    assert check(OPEN.case, gift("g1", "25.01")) is None, "nobody said what the limits are"


# --- options and statements


def test_only_what_was_offered_is_chosen() -> None:
    story = given(opened(), offered("x1", ["red", "blue"]), offered("x2", ["tall"]))
    story.when(chose("tall", "x1")).refused("option 'tall' was not in offer 'x1'")
    story.when(chose("green", "x1")).refused("option 'green' is not known here")
    story.when(chose("red", "x1")).accepted()
    story.when(chose(None, "x1")).accepted()


def test_the_customer_may_change_their_mind() -> None:
    given(opened(), offered(), chose("red"), chose("blue"), chose(None), chose("red"))


def test_an_offer_may_have_no_options() -> None:
    given(opened(), offered(options=[]), chose(None))


def test_a_statement_supersedes_only_a_known_statement() -> None:
    story = given(opened(), stated("s1"))
    story.when(stated("s2", supersedes="s1")).accepted()
    story.when(stated("s2", supersedes="c1/s1")).accepted()
    story.when(stated("s2", supersedes="s9")).refused("statement 's9' is not known here")
    story.when(stated("s2", supersedes="c1/s9")).refused("statement 'c1/s9' is not known here")
    story.when(stated("s2", supersedes="s2")).refused("statement 's2' is not known here")
    story.when(stated("s2", supersedes="/s1")).refused("statement '/s1' is not known here")


def test_a_superseded_statement_of_another_case_is_not_checked() -> None:
    OPEN.when(stated(supersedes="c7/s1")).accepted()
    OPEN.when(stated(supersedes="2026/c7/s1")).accepted()


def test_a_case_id_may_hold_a_slash() -> None:
    story = given(opened(), stated("s1"), stream="case:2026/c1")
    story.when(stated("s2", supersedes="2026/c1/s1")).accepted()
    story.when(stated("s2", supersedes="2026/c1/s9")).refused("is not known here")


# --- bad practice and late facts, all recorded

BAD_PRACTICE = {
    "have a good day, on an open case": replied("r9", closing_pleasantry=True),
    "a machine decides": replied("r9", automated=True, purpose="final_response"),
    "a no without a reason": said_no("n9", explained=False, alternative_told=False),
    "a promise without capability": promised("p9", capability="unconfirmed", due="+1m"),
    "goodwill with conditions": gave("g9", asked_for=True, conditions_told=True),
    "goodwill beyond measure": gave("g9", value={"amount": "1e9", "currency": "EUR"}),
    "asked again": inquired("q9", field="order_no"),
    "an apology for nothing": apologised("y9"),
    "a rejection without evidence": found("f9", outcome="not_upheld", fault="none", evidence=[]),
    "a second finding, unlike the first": found("f9", outcome="not_upheld", fault="none"),
    "a statement unlike the one before": stated("s9", value="99"),
    "a second final decision": decided("d9"),
    "a second view of operations": explained("o1", view="not_at_fault"),
    "a gesture declined twice": declined("g1"),
    "a gesture taken back": took_back("g1"),
    "an escalation returned twice": returned("u1"),
    "an unneeded escalation": escalated("u9", kind="executive"),
    "a statement retracted twice": retracted("s1"),
    "handed on to the same again": assigned("anna"),
    "reclassified as nothing else": reclassified(),
    "a choice among one": offered("x9", ["only"]),
    "an angry message": wrote("m9", sentiment="angry", says_unanswered=["a1"]),
    "a wish nobody asked for": wished(asked_by_us=False),
    "accepted": content(),
    "rejected": not_content(),
    "judged poor": assessed(reply_id="r1", verdict="poor"),
    "an empty note": noted(),
    "the failure of a reply that arrived": bounced("r1"),
    "the arrival of a reply that failed": delivered("r2"),
    "the same failure again": bounced("r2"),
    "a remedy twice": remedied("e9"),
    "a promise moved without asking": moved("p1", agreed_by_customer=False),
    "a promise withdrawn": withdrew("p1"),
    "operations asked twice": consulted("o9"),
}
BUSY = given(
    opened(),
    asked("a1"),
    replied("r1"),
    delivered("r1"),
    replied("r2"),
    bounced("r2"),
    inquired("q1"),
    consulted("o1"),
    explained("o1"),
    found("f1"),
    stated("s1"),
    retracted("s1"),
    promised("p1", due="+1h"),
    remedied("e1"),
    gave("g1"),
    declined("g1"),
    escalated("u1"),
    returned("u1"),
    decided("d1"),
)


@pytest.mark.parametrize("practice", BAD_PRACTICE)
def test_bad_practice_is_recorded(practice: str) -> None:
    BUSY.when(BAD_PRACTICE[practice], now="+1h").accepted()


@pytest.mark.parametrize("practice", BAD_PRACTICE)
def test_a_closed_case_takes_late_facts(practice: str) -> None:
    BUSY.when(closed()).accepted().when(BAD_PRACTICE[practice], now="+1h").accepted()


def test_a_case_may_be_closed_with_everything_open() -> None:
    story = given(opened(), issue(), asked(), promised(due="+1h"), escalated())
    for reason in ("resolved", "final_response", "withdrawn", "no_contact", "duplicate"):
        story.when(closed(reason=reason)).accepted()


def test_a_closed_case_takes_a_message_a_bounce_a_kept_promise_and_a_correction() -> None:
    given(
        opened(product="kettle"),
        replied("r1"),
        promised("p1", due="+1h"),
        closed("+2h"),
        wrote("m9", "+3h"),
        bounced("r1", "+4h"),
        kept("p1", "+5h"),
        voided(6, "+6h"),
    )


def test_facts_may_come_before_the_case_was_opened() -> None:
    given(opened(), wrote(at="-3d"), promised(at="-2d", due="-1d"), kept(at="-1h"), closed("-1m"))


def test_a_merged_case_takes_further_events() -> None:
    given(opened(), merged("c2"), wrote(), replied(), closed(), reopened())


def test_the_actor_may_be_anybody() -> None:
    for kind in ("agent", "customer", "system", "operations", "executive", "third_party"):
        OPEN.when(closed(actor={"kind": kind, "id": ANNA.id})).accepted()


# --- the words


@pytest.mark.parametrize(
    ("story", "event", "words"),
    [
        (
            given(),
            noted(),
            "the case is not open yet; its first event must be CaseOpened",
        ),
        (
            OPEN,
            opened(),
            "the case is open already; reopen it with CaseReopened, or use another id",
        ),
        (
            OPEN,
            promised(at="+2h", due="+2h"),
            "due_at is not after occurred_at; a promise is for the future",
        ),
        (
            given(opened(), promised(due="+1d")),
            moved(at="+2h", due="+2h"),
            "due_at is not after occurred_at; a promise is for the future",
        ),
        (
            given(opened(), closed()),
            closed("+1h"),
            "the case is closed already; reopen it first",
        ),
        (
            OPEN,
            reopened(),
            "the case is open already; only a closed case can be reopened",
        ),
        (
            OPEN,
            merged("c1"),
            "a case cannot be merged into itself; name the case that it counts under",
        ),
    ],
)
def test_a_refusal_says_what_was_wrong_and_what_to_do(
    story: Story, event: Event, words: str
) -> None:
    assert story.when(event).refusal == words
