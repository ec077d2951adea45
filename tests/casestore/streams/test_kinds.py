"""Folding a stream: in the order of recording for checks, in that of happening for reading."""

from __future__ import annotations

from itertools import permutations

import pytest

from casestore.events import Event
from casestore.streams import kinds
from casestore.streams.case import Keeping
from casestore.streams.customer import Customer
from tests.support.stories import (
    adopted,
    amended,
    bounced,
    customer_merged,
    customer_unmerged,
    declined,
    delivered,
    erased,
    escalated,
    gave,
    given,
    given_customer,
    given_policy,
    held,
    kept,
    kept_by_reply,
    learnt,
    let_go,
    merged,
    moment,
    moved,
    no_longer_prefers,
    noted,
    opened,
    prefers,
    promised,
    registered,
    released,
    replied,
    returned,
    stamp,
    withdrew,
    wrote,
)

# --- news that was recorded late


def test_news_counts_even_if_it_happened_before_its_subject() -> None:
    story = given(
        opened(),
        replied("r1", "+2h"),
        bounced("r1", "+1h"),
        replied("r2", "+2h"),
        wrote("m1", "+1h", says_not_received=["r2"]),
        escalated("u1", "+2h"),
        returned("u1", "+1h"),
        gave("g1", "+2h"),
        declined("g1", "+1h"),
        promised("p1", "+2h", due="+9h"),
        kept("p1", "+1h"),
    )
    case = story.read
    assert [reply.undelivered for reply in case.replies.values()] == [True, True]
    assert case.escalations == {}
    assert case.gestures["g1"].status == "declined"
    assert case.keeping("p1") == Keeping(moment("+1h"))


def test_news_counts_through_a_long_chain_of_references() -> None:
    story = given(
        opened(),
        promised("p1", "+9h", due="+20h"),
        replied("r1", "+8h"),
        replied("r2", "+7h", resend_of="r1"),
        replied("r3", "+6h", resend_of="r2"),
        kept_by_reply("r1", "p1", "+5h"),
        bounced("r1", "+4h"),
        bounced("r2", "+3h"),
        delivered("r3", "+2h"),
    )
    assert list(story.read.replies) == ["r1", "r2", "r3"]
    assert story.read.keeping("p1") == Keeping(moment("+6h"), kept_by_reply().by)


def test_of_several_news_the_latest_by_its_own_time_counts() -> None:
    story = given(
        opened(),
        promised("p1", "+5h", due="+9h"),
        moved("p1", "+3h", due="+12h"),
        moved("p1", "+4h", due="+10h"),
    )
    assert story.read.promises["p1"].due_at == moment("+10h")
    story = given(opened(), replied("r1", "+5h"), delivered("r1", "+4h"), bounced("r1", "+3h"))
    assert not story.read.replies["r1"].undelivered


ENDS = [
    [kept_by_reply("r1", "p1", "+1h"), bounced("r1", "+2h"), withdrew("p1", "+3h")],
    [kept_by_reply("r1", "p1", "+3h"), bounced("r1", "+2h"), withdrew("p1", "+1h")],
    [kept_by_reply("r1", "p1", "+3h"), bounced("r1", "+4h"), withdrew("p1", "+1h")],
]


@pytest.mark.parametrize("ends", ENDS)
def test_a_withdrawn_promise_is_withdrawn_whatever_else_happened(ends: list[Event]) -> None:
    story = given(opened(), promised(due="+9h"), replied("r1"), *ends)
    story = story.when(delivered("r1", "+5h")).accepted()
    assert story.read.promise_state("p1", moment("+99h")) == "withdrawn"


def test_of_several_releases_the_first_counts() -> None:
    story = given(opened(), promised(due="+2h"), released("p1", "+1h"))
    assert story.read.promise_state("p1", moment("+9h")) == "released"
    assert story.read.promises["p1"].released_at == moment("+1h")


# --- streams that were recorded in the order of happening


def test_a_stream_is_plain_while_it_was_recorded_as_it_happened() -> None:
    story = given(opened(), noted("+1h"), noted("+1h"), noted("+2h"))
    assert story.folded.plain
    assert not story.plus(noted("+1h")).folded.plain
    assert not story.plus(noted("+1h")).plus(noted("+9h")).folded.plain
    late = story.plus(amended(3, "+9h", occurred_at=(stamp("+1h"), stamp("+5h"))))
    assert not late.folded.plain


def test_a_stream_with_a_merge_is_not_plain() -> None:
    assert not given(opened(), merged("c2")).folded.plain


def test_advancing_notices_a_late_event() -> None:
    first = given(opened("+5h"))
    late = first.plus(noted("+1h"))
    assert kinds.advance(first.folded, late.recorded[1:]) == late.folded


# --- customers and policies


def test_any_order_of_telling_reads_the_same() -> None:
    events = [
        prefers("channel", "phone", "+1h"),
        no_longer_prefers("channel", "+2h"),
        prefers("channel", "email", "+3h"),
        customer_merged("k2", "+4h"),
    ]
    for told in permutations(events):
        state = kinds.fold_history(given_customer(registered(), *told).history())
        assert isinstance(state, Customer)
        assert (state.preferences, state.merged_into) == ({"channel": "email"}, "k2")


def customer(*events: Event) -> Customer:
    state = kinds.fold_history(given_customer(*events).history())
    assert isinstance(state, Customer)
    return state


def test_a_customer_is_merged_into_whom_they_were_merged_last() -> None:
    late = customer(registered(), customer_merged("k3", "+4h"), customer_merged("k2", "+2h"))
    assert late.merged_into == "k3"
    again = customer(registered(), customer_merged("k2", "+4h"), customer_unmerged("k2", "+2h"))
    assert again.merged_into == "k2"
    other = customer(
        *(registered(), customer_merged("k2", "+1h"), customer_unmerged("k2", "+4h")),
        *(customer_merged("k3", "+3h"),),
    )
    assert other.merged_into == "k3"  # the unmerge that happened later is of another merge


def test_a_hold_is_released_whenever_it_was_placed() -> None:
    assert customer(registered(), held("h1", "+2h"), let_go("h1", "+1h")).holds == {}


def test_an_erasure_holds_though_it_happened_before_the_registration() -> None:
    assert customer(registered("+2h"), erased("+1h")).erased
    assert not customer(registered("+2h"), erased("+1h"), registered("+3h")).erased


def test_policies_are_read_in_the_order_in_which_they_were_adopted() -> None:
    story = given_policy(
        adopted("later", "+2h", effective="+1d"),
        learnt("+3h", adopted("first", "+1h", effective="+1d")),
    )
    read = kinds.fold_history(story.history())
    assert read.in_force(moment("+2d")).name == "later"  # type: ignore[union-attr]
    assert story.policies.in_force(moment("+2d")).name == "first"
