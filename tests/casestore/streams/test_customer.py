"""A customer's own stream: what structure refuses, what it records, and the state after it."""

from __future__ import annotations

from copy import deepcopy

import pytest
from pydantic import ValidationError

from casestore.events import EVENTS, Event
from casestore.streams.customer import Customer, evolve
from tests.support.stories import (
    Story,
    amended,
    asked_to_be_forgotten,
    customer_merged,
    customer_unmerged,
    erased,
    given_customer,
    held,
    knew,
    let_go,
    no_longer_prefers,
    noted,
    opened,
    prefers,
    registered,
    voided,
)

KNOWN = given_customer(registered())
K2 = given_customer(registered(), stream="customer:k2")

A_LONG_STORY: list[Event] = [
    registered(name="Kim Example", contact="kim@example.org"),
    knew("birthday", value="1 May"),
    prefers("channel", "phone"),
    prefers("language", "pt-BR"),
    no_longer_prefers("channel"),
    held("h1"),
    asked_to_be_forgotten("+1h"),
    let_go("h1", "+2h"),
    erased("+3h"),
    registered("+4h"),
    customer_merged("k2", "+5h"),
    customer_unmerged("k2", "+6h"),
    amended(7, "+7h", basis=("gdpr-17", "ccpa")),
]


def test_a_long_story_holds_every_event_there_is() -> None:
    assert {type(event) for event in A_LONG_STORY} == set(EVENTS["customer"])


def test_the_state_after_a_long_story() -> None:
    assert given_customer(*A_LONG_STORY).customer == Customer(
        customer_id="k1",
        registrations=2,
        preferences={"language": "pt-BR"},
        ids={"hold": frozenset({"h1"})},
    )


def test_evolve_leaves_the_customer_before_as_it_was() -> None:
    customer = Customer(customer_id="k1")
    for recorded in given_customer(*A_LONG_STORY).history():
        before, words = deepcopy(customer), repr(customer)
        after = evolve(customer, recorded.event)  # type: ignore[arg-type]  # one of the union
        assert customer == before
        assert repr(customer) == words
        customer = after


# --- registered, and registered again


@pytest.mark.parametrize("event", [knew(), prefers(), held(), erased(), customer_merged()])
def test_a_customer_begins_with_being_registered(event: Event) -> None:
    given_customer().when(event).refused("the first event must be CustomerRegistered")


def test_a_customer_is_registered_once() -> None:
    KNOWN.when(registered("+1h")).refused("registered already")


def test_an_erased_customer_may_be_registered_again_and_again() -> None:
    story = given_customer(registered(), erased(), registered(), erased())
    assert not story.customer.registered
    story = story.when(registered()).accepted()
    assert story.customer.registered
    assert story.customer.registrations == 3
    story.when(registered()).refused("registered already")


def test_an_erased_customer_takes_further_events() -> None:
    given_customer(registered(), erased(), knew(), prefers(), held(), let_go(), erased())


def test_events_of_a_case_are_refused() -> None:
    KNOWN.when(opened()).refused("append it to case:<id>")
    KNOWN.when(noted()).refused("append it to case:<id>")


# --- preferences


def test_a_preference_holds_until_it_changes_or_is_withdrawn() -> None:
    story = given_customer(registered(), prefers("channel", "phone"), prefers("channel", "email"))
    assert story.customer.preferences == {"channel": "email"}
    assert story.when(no_longer_prefers("channel")).accepted().customer.preferences == {}


def test_a_preference_in_words_has_no_value() -> None:
    story = KNOWN.when(prefers("culture_note", None, words="Never on Fridays.")).accepted()
    assert story.customer.preferences == {"culture_note": None}


def test_a_preference_nobody_stated_may_be_withdrawn() -> None:
    KNOWN.when(no_longer_prefers("language")).accepted()


@pytest.mark.parametrize(
    ("preference", "value"),
    [
        ("channel", "video"),
        ("language", "de"),
        ("language", "zh-Hant-TW"),
        ("timezone", "Europe/Berlin"),
        ("timezone", "UTC"),
        ("contact_hours", "09:00-17:30"),
        ("contact_hours", "22:00-06:00"),
        ("form_of_address", None),
        ("accessibility", None),
        ("culture_note", None),
    ],
)
def test_a_value_that_fits(preference: str, value: str | None) -> None:
    KNOWN.when(prefers(preference, value)).accepted()


@pytest.mark.parametrize(
    ("preference", "value", "because"),
    [
        ("channel", "pigeon", "needs one of phone, visit"),
        ("channel", None, "needs a value"),
        ("language", "german!", "BCP 47"),
        ("language", None, "needs a value"),
        ("timezone", "Berlin", "IANA"),
        ("timezone", "../etc/passwd", "IANA"),
        ("timezone", "localtime", "IANA"),
        ("timezone", "right/Europe/Berlin", "IANA"),
        ("timezone", "Europe", "IANA"),
        ("contact_hours", "9-17", "hours like 09:00-17:30"),
        ("contact_hours", "24:00-25:00", "hours like 09:00-17:30"),
        ("form_of_address", "Dr.", "takes no value"),
        ("accessibility", "deaf", "takes no value"),
        ("culture_note", "x", "takes no value"),
    ],
)
def test_a_value_that_does_not_fit(preference: str, value: str | None, because: str) -> None:
    with pytest.raises(ValidationError, match=because):
        prefers(preference, value)


# --- holds and erasure


def test_a_hold_refuses_erasure() -> None:
    story = given_customer(registered(), held("h1"), held("h2"))
    story.when(erased()).refused("a legal hold stands (h1, h2); release it first")
    story = story.when(let_go("h2")).accepted()
    story.when(erased()).refused("a legal hold stands (h1)")
    story.when(let_go("h1")).accepted().when(erased()).accepted()


def test_a_hold_refuses_no_request() -> None:
    given_customer(registered(), held()).when(asked_to_be_forgotten()).accepted()


def test_an_erasure_needs_no_request_and_may_come_twice() -> None:
    given_customer(registered(), erased(), erased())


def test_a_hold_has_a_new_id_and_is_known_when_released() -> None:
    given_customer(registered(), held("h1")).when(held("h1")).refused("hold 'h1' is there already")
    KNOWN.when(let_go("h1")).refused("hold 'h1' is not known here")


def test_a_hold_may_be_released_twice() -> None:
    given_customer(registered(), held(), let_go()).when(let_go()).accepted()


def test_a_hold_that_was_voided_refuses_nothing() -> None:
    given_customer(registered(), held(), voided(2)).when(erased()).accepted()


def test_a_correction_cannot_make_a_hold_stand_before_an_erasure() -> None:
    story = given_customer(registered(), held(), let_go(), erased())
    story.when(voided(3)).refused("PersonalDataErased (version 4) would not hold: a legal hold")


# --- merging


def test_a_customer_is_not_merged_into_themselves() -> None:
    KNOWN.when(customer_merged("k1")).refused("into itself")


def test_a_customer_is_merged_only_into_a_known_customer() -> None:
    KNOWN.when(customer_merged("k2"), others=[K2]).accepted()
    KNOWN.when(customer_merged("k2"), others=[]).refused("there is no customer 'k2'")
    nobody = Story("customer:k2")
    KNOWN.when(customer_merged("k2"), others=[nobody]).refused("there is no customer 'k2'")


def test_customers_are_not_merged_in_a_circle() -> None:
    k2 = K2.when(customer_merged("k1"), others=[KNOWN]).accepted()
    KNOWN.when(customer_merged("k2"), others=[k2]).refused("itself merged, into 'k1'; merge into")


def test_a_customer_is_not_merged_into_one_who_is_merged() -> None:
    k2 = K2.when(customer_merged("k3")).accepted()
    KNOWN.when(customer_merged("k2"), others=[k2]).refused("itself merged, into 'k3'")
    k2 = k2.when(customer_unmerged("k3")).accepted()
    KNOWN.when(customer_merged("k2"), others=[k2]).accepted()


def test_a_merge_may_be_undone_and_done_again() -> None:
    given_customer(registered(), customer_merged(), customer_unmerged(), customer_merged())


def test_of_two_merges_only_the_later_one_can_be_undone() -> None:
    story = given_customer(registered(), customer_merged("k2"), customer_merged("k3"))
    assert story.customer.merged_into == "k3"
    story.when(customer_unmerged("k2")).refused("not merged into 'k2'")
    assert story.when(customer_unmerged("k3")).accepted().customer.merged_into is None


def test_a_customer_is_unmerged_only_from_whom_they_are_merged_into() -> None:
    KNOWN.when(customer_unmerged("k2")).refused("not merged into 'k2'")


# --- times


def test_an_event_is_at_most_five_minutes_ahead_of_the_clock() -> None:
    KNOWN.when(knew(at="+5m"), now="+0h").accepted()
    KNOWN.when(knew(at="+301s"), now="+0h").refused("more than five minutes ahead")
    given_customer().when(registered("+6m"), now="+0h").refused("more than five minutes ahead")


def test_a_fact_may_be_old_and_stale_at_once() -> None:
    KNOWN.when(knew(at="-900d", stale_after="2020-01-01T00:00:00Z"), now="+0h").accepted()
