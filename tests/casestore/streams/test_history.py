"""Histories: corrections, what had happened by a time, and what was on record by then."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casestore.events import CaseOpened, Event, EventCorrected, IssueRaised
from casestore.streams.customer import STORE
from casestore.streams.history import History, stored_data
from casestore.streams.kinds import fold_history
from tests.support.stories import (
    ANNA,
    amended,
    apologised,
    asked,
    assigned,
    bounced,
    chose,
    closed,
    corrected,
    customer_merged,
    erased,
    found,
    gave,
    given,
    given_customer,
    issue,
    kept,
    kept_by_reply,
    knew,
    learnt,
    merged,
    moment,
    moved,
    noted,
    offered,
    opened,
    prefers,
    promised,
    ref,
    registered,
    reopened,
    replied,
    retracted,
    reworded,
    said_no,
    stamp,
    stated,
    uid,
    unmerged,
    versions,
    voided,
    wrote,
)

KETTLE = opened(product="kettle", region="north", subject="Broken!")


def read(history: History, version: int) -> dict[str, Any]:
    """The fields of an event after corrections."""
    recorded = history.find(uid(version))
    assert recorded is not None
    return stored_data(recorded.event)


# --- amended


def test_an_amended_event_is_read_as_it_should_have_been() -> None:
    story = given(KETTLE, amended(1, product=("kettle", "toaster")))
    assert read(story.history(), 1)["product"] == "toaster"
    assert story.case.product == "toaster"


def test_the_original_stays_as_it_was() -> None:
    story = given(KETTLE, amended(1, product=("kettle", "toaster")))
    assert story.history().originals == story.recorded
    assert story.recorded[0].event == KETTLE


def test_the_envelope_stays_as_it_was() -> None:
    story = given(KETTLE, noted(), amended(1, product=("kettle", "toaster")))
    first, original = story.history().effective[0], story.recorded[0]
    assert first.event != original.event
    assert (first.version, first.position, first.uid, first.recorded_us) == (
        original.version,
        original.position,
        original.uid,
        original.recorded_us,
    )


def test_the_correction_is_itself_an_event_of_the_history() -> None:
    story = given(KETTLE, amended(1, product=("kettle", "toaster")))
    assert [type(r.event) for r in story.history()] == [CaseOpened, EventCorrected]
    assert len(story.history()) == 2


def test_other_fields_and_words_stay() -> None:
    story = given(KETTLE, amended(1, product=("kettle", "toaster")))
    after = read(story.history(), 1)
    assert (after["region"], after["subject"]) == ("north", "Broken!")


def test_a_value_may_be_added_or_taken_away() -> None:
    story = given(KETTLE, amended(1, category=(None, "quality"), region=("north", None)))
    assert (story.case.category, story.case.region) == ("quality", None)


def test_a_value_left_out_is_one_that_was_not_recorded() -> None:
    changes = {"category": {"to": "quality"}, "region": {"from": "north"}}
    story = given(KETTLE, corrected(1, kind="amended", changes=changes))
    assert (story.case.category, story.case.region) == ("quality", None)


def test_corrections_follow_one_another() -> None:
    story = given(
        KETTLE,
        amended(1, product=("kettle", "toaster")),
        amended(1, product=("toaster", "oven"), region=("north", "south")),
        amended(1, region=("south", None)),
    )
    assert (story.case.product, story.case.region) == ("oven", None)


def test_nested_values_are_amended_whole() -> None:
    lost = {"amount": "4.90", "currency": "EUR"}
    story = given(opened(), issue(loss=lost), amended(2, loss=(lost, lost | {"amount": "49.00"})))
    assert read(story.history(), 2)["loss"] == {"amount": "49.00", "currency": "EUR"}


def test_the_actor_may_be_amended() -> None:
    anna = stored_data(KETTLE)["actor"]
    bert = {"kind": "agent", "id": "bert"}
    story = given(KETTLE, amended(1, actor=(anna, bert)))
    assert story.history().effective[0].event.actor.id == "bert"


def test_a_list_may_become_empty_or_not_recorded() -> None:
    story = given(opened(), found(evidence=["photo"]))
    assert read(story.plus(amended(2, evidence=(["photo"], []))).history(), 2)["evidence"] == []
    story = story.when(amended(2, evidence=(["photo"], None))).accepted()
    assert "evidence" not in read(story.history(), 2)


def test_words_are_reworded_in_words_and_stay_as_they_were() -> None:
    story = given(KETTLE, reworded(1, "They wrote: 'Broken?'"))
    assert read(story.history(), 1)["subject"] == "Broken!"


# --- times


def test_a_time_may_be_amended() -> None:
    story = given(opened(), noted("+5h"), amended(2, occurred_at=(stamp("+5h"), stamp("+1h"))))
    assert story.history().effective[1].occurred_at == moment("+1h")
    assert story.case.last_event_at == moment("+1h")


def test_a_time_is_the_same_in_every_zone() -> None:
    berlin, tokyo = "2026-03-02T15:00:00+01:00", "2026-03-02T19:00:00+09:00"
    story = given(opened(), promised(due="+5h"), amended(2, due_at=(berlin, tokyo)))
    assert read(story.history(), 2)["due_at"] == "2026-03-02T10:00:00Z"
    story.when(amended(2, due_at=(stamp("+1h"), stamp("+2h")))).accepted()


def test_a_time_needs_its_zone() -> None:
    story = given(opened(), promised(due="+5h"))
    story.when(amended(2, due_at=(stamp("+5h"), "2026-03-02T10:00:00"))).refused("no time zone")
    story.when(amended(2, due_at=("2026-03-02T14:00:00", stamp("+1h")))).refused("at present")


def test_the_clock_is_for_the_correction_not_for_what_it_corrects() -> None:
    story = given(opened(), noted())
    told = amended(2, "+1h", occurred_at=(stamp("+0h"), stamp("+9d")))
    story.when(told, now="+1h").accepted()
    story.when(told, now="+0h").refused("it happened at 2026-03-02T10:00:00Z, more than five")


# --- voided


def test_a_voided_event_is_left_out() -> None:
    story = given(opened(), noted(), voided(2))
    assert versions(story.history()) == [1, 3]
    assert story.history().find(uid(2)) is None


def test_a_voided_event_can_still_be_found() -> None:
    story = given(opened(), noted(text="Oops."), voided(2))
    history = story.history()
    assert list(history.voided) == [str(uid(2))]
    assert history.voided[str(uid(2))] == story.recorded[1]
    assert versions(history.originals) == [1, 2, 3]


def test_an_amended_event_may_be_voided_and_is_found_as_it_last_read() -> None:
    story = given(opened(), issue(), amended(2, category=(None, "late")), voided(2))
    lost = story.history().voided[str(uid(2))].event
    assert isinstance(lost, IssueRaised)
    assert lost.category == "late"
    assert story.case.issues == {}


def test_without_a_voiding_correction_no_event_is_voided() -> None:
    assert given(opened(), noted()).history().voided == {}


def test_a_case_whose_closing_was_voided_is_open() -> None:
    story = given(opened(), closed(), voided(2))
    assert story.case.status == "open"
    story.when(closed()).accepted()


def test_a_correction_of_a_closed_case_is_recorded() -> None:
    given(KETTLE, closed(), amended(1, "+1h", product=("kettle", "toaster")), voided(2, "+2h"))


# --- what a correction is refused for

PRESENT = given(KETTLE, promised(due="+2h"), asked("a1"), replied(), closed())


def test_from_is_the_present_value() -> None:
    PRESENT.when(amended(1, product=("toaster", "oven"))).refused(
        "CaseOpened.product is 'kettle' at present, not 'toaster'"
    )
    PRESENT.when(amended(1, category=("x", "y"))).refused("is None at present, not 'x'")
    PRESENT.when(amended(1, product=(None, "oven"))).refused("'kettle' at present, not None")
    PRESENT.when(amended(1, product=("kettle", "a"), region=("x", "b"))).refused(
        "CaseOpened.region"
    )


def test_from_is_none_only_for_what_was_not_recorded() -> None:
    story = given(opened(), replied())
    story.when(amended(2, automated=(None, True))).refused("automated is False at present")
    assert story.when(amended(2, automated=(False, True))).accepted().case.replies["r1"].automated


def test_the_present_value_is_the_corrected_one() -> None:
    story = given(KETTLE, amended(1, product=("kettle", "toaster")))
    story.when(amended(1, product=("kettle", "oven"))).refused("'toaster' at present")
    story.when(amended(1, product=("toaster", "oven"))).accepted()


def test_to_is_a_value_that_fits() -> None:
    PRESENT.when(amended(1, channel=("email", "pigeon"))).refused(
        "CaseOpened.channel: Input should"
    )
    PRESENT.when(amended(1, channel=("email", None))).refused("CaseOpened.channel: Field required")
    PRESENT.when(amended(1, product=("kettle", 7))).refused("CaseOpened.product: Input should be a")
    PRESENT.when(amended(1, product=("kettle", "x" * 201))).refused("at most 200 characters")


def test_values_that_only_fit_together_are_amended_together() -> None:
    story = given_customer(registered(), prefers("channel", "phone"))
    story.when(amended(2, value=("phone", "de"))).refused("channel needs one of phone")
    both = amended(2, preference=("channel", "language"), value=("phone", "de"))
    assert story.when(both).accepted().customer.preferences == {"language": "de"}
    story = given(opened(), assigned("anna"))
    story.when(amended(2, agent=("anna", None))).refused("name an agent, a team, or both")
    both = amended(2, agent=("anna", None), team=(None, "north"))
    assert story.when(both).accepted().case.team == "north"


IDS = [
    (KETTLE, {"customer_id": ("k1", "k2")}),
    (issue(), {"issue_id": ("i1", "i2")}),
    (asked(), {"message_id": ("m-a1", "m2")}),
    (asked(), {"asks": ([{"ask_id": "a1", "kind": "question"}], [])}),
    (wrote(issue_ids=[]), {"issue_ids": ([], None)}),
    (replied(), {"resend_of": (None, "r0")}),
    (offered(options=[]), {"options": ([], [{"option_id": "o", "kind": "k"}])}),
    (merged("c2"), {"into": ("c2", "c3")}),
    (stated(), {"supersedes": (None, "s0")}),
    (said_no(), {"alternative_offer_id": (None, "x1")}),
    (apologised(), {"solution": (None, {"kind": "reply", "id": "r1"})}),
]
WORDS = [
    (KETTLE, {"subject": ("Broken!", "Fine.")}),
    (noted(), {"text": (None, "x")}),
    (gave(), {"conditions": (None, "x")}),
]
NO_FIELDS = [
    (noted(), {"type": ("NoteAdded", "CaseClosed")}),
    (noted(), {"stream": ("case:c1", "case:c2")}),
    (noted(), {"version": (1, 2)}),
    (noted(), {"event_id": (str(uid(2)), str(uid(3)))}),
    (noted(), {"recorded_at": (stamp("+0h"), stamp("+1h"))}),
    (noted(), {"colour": (None, "red")}),
    (noted(), {"TOLD": ("added a note[: {text}]", "")}),
]


@pytest.mark.parametrize(
    ("event", "changes"),
    [*IDS, *WORDS, *NO_FIELDS],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else type(each).__name__,
)
def test_no_id_no_words_and_no_unknown_field_is_amended(
    event: Event, changes: dict[str, tuple[Any, Any]]
) -> None:
    story = given(event) if isinstance(event, CaseOpened) else given(opened(), event)
    story.when(amended(len(story.recorded), "+0h", **changes)).refused("cannot be amended")


def test_only_an_event_of_this_stream_is_corrected() -> None:
    PRESENT.when(voided(99)).refused("there is no event 00000000-0000-0000-0000-000000000063")
    PRESENT.when(amended(99, product=("a", "b"))).refused("`case timeline` shows the ids")


def test_a_correction_is_not_corrected() -> None:
    story = given(KETTLE, amended(1, product=("kettle", "toaster")))
    story.when(voided(2)).refused("it corrects a correction; correct the event itself once more")
    story.when(amended(2, reason=("mistyped", "other"))).refused("it corrects a correction")


def test_a_voided_event_is_not_corrected() -> None:
    story = given(opened(), noted(), voided(2))
    story.when(voided(2)).refused("was voided; record what happened as a new event")
    story.when(amended(2, occurred_at=(stamp("+0h"), stamp("+1h")))).refused("was voided")
    story.when(reworded(2, "x")).refused("was voided")


def test_the_first_event_is_voided_only_after_all_others() -> None:
    PRESENT.when(voided(1)).refused("after it PromiseMade (version 2) would not hold")
    given_customer(registered(), knew()).when(voided(1)).refused("CustomerFactRecorded (version 2)")


BROKEN: dict[str, tuple[list[Event], EventCorrected]] = {
    "the reply that bounced": ([replied(), bounced()], voided(2)),
    "the promise that was kept": ([promised(), kept()], voided(2)),
    "the closing before a reopening": ([closed(), reopened()], voided(2)),
    "the reopening before a closing": ([closed(), reopened(), closed()], voided(3)),
    "the bounce before a promise was kept again": (
        [promised(), replied(), kept_by_reply(), bounced(), kept()],
        voided(5),
    ),
    "the bounce that turns out to have been temporary": (
        [promised(), replied(), kept_by_reply(), bounced(), kept()],
        amended(5, kind=("permanent", "temporary")),
    ),
    "the offer that was chosen from": ([offered(), chose()], voided(2)),
    "the merge that was undone": ([merged(), unmerged()], voided(2)),
    "the statement that was replaced": ([stated("s1"), stated("s2", supersedes="s1")], voided(2)),
    "a promise due before it was made": (
        [promised(due="+2h")],
        amended(2, occurred_at=(stamp("+0h"), stamp("+2h"))),
    ),
    "a new time before it was agreed": (
        [promised(), moved(due="+1d")],
        amended(3, due_at=(stamp("+24h"), stamp("+0h"))),
    ),
}


@pytest.mark.parametrize("which", BROKEN)
def test_no_correction_leaves_a_history_that_would_have_been_refused(which: str) -> None:
    events, correction = BROKEN[which]
    given(opened(), *events).when(correction, now="+9d").refused("would not hold: ")


def test_an_erasure_between_two_registrations_stays() -> None:
    story = given_customer(registered(), erased(), registered())
    story.when(voided(2)).refused("PersonalDataErased cannot be voided")


def test_an_event_on_which_no_other_depends_can_be_voided() -> None:
    story = given(opened(), promised(), kept(), merged(), unmerged(), closed(), reopened())
    for version in (7, 6, 3, 2):
        story = story.when(voided(version)).accepted()
    story.when(voided(5)).refused("CaseUnmerged cannot be voided")
    assert story.case.status == "open"
    assert story.case.promises == {}


def test_a_dependent_event_must_be_voided_first() -> None:
    story = given(opened(), promised(), kept())
    story.when(voided(2)).refused("PromiseKept (version 3)")
    story.when(voided(3)).accepted().when(voided(2)).accepted()


def test_a_replay_does_not_check_times_against_the_clock() -> None:
    story = given(opened("-900d"), promised(at="-900d", due="-899d"), noted("-1d"))
    story.when(voided(3), now="+0h").accepted()


def test_no_correction_merges_in_a_circle() -> None:
    story = given(opened(), merged("c2"), unmerged("c2"))
    c2 = given(opened(), stream="case:c2").when(merged("c1"), others=[story]).accepted()
    story.when(voided(3), others=[c2]).refused("cannot be voided")


def test_a_replay_does_not_check_merges_again() -> None:
    c2 = given(opened(), merged("c3"), stream="case:c2")
    given(opened(), merged("c2"), noted()).when(voided(3), others=[c2]).accepted()


# --- as of, and known at

# Happened at +0h, +1h, +2h, +3h; the promise came on record only at +5h.
TWO_CLOCKS = given(
    opened("+0h"),
    issue("i1", "+3h"),
    learnt("+5h", promised("p1", "+1h")),
    learnt("+6h", kept("p1", "+2h")),
)


def test_as_of_keeps_what_had_happened() -> None:
    assert versions(TWO_CLOCKS.history(as_of="+0h")) == [1]
    assert versions(TWO_CLOCKS.history(as_of="+1h")) == [1, 3]
    assert versions(TWO_CLOCKS.history(as_of="+2h")) == [1, 3, 4]
    assert versions(TWO_CLOCKS.history(as_of="+3h")) == [1, 2, 3, 4]


def test_known_at_keeps_what_was_on_record() -> None:
    assert versions(TWO_CLOCKS.history(known_at="+0h")) == [1]
    assert versions(TWO_CLOCKS.history(known_at="+4h")) == [1, 2]
    assert versions(TWO_CLOCKS.history(known_at="+5h")) == [1, 2, 3]
    assert versions(TWO_CLOCKS.history(known_at="+6h")) == [1, 2, 3, 4]


def test_as_of_and_known_at_together_keep_what_anybody_could_have_seen() -> None:
    assert versions(TWO_CLOCKS.history(as_of="+2h", known_at="+4h")) == [1]
    assert versions(TWO_CLOCKS.history(as_of="+2h", known_at="+5h")) == [1, 3]
    assert versions(TWO_CLOCKS.history(as_of="+9h", known_at="+9h")) == [1, 2, 3, 4]


def test_as_of_and_known_at_are_exact_to_the_microsecond() -> None:
    tick = moment("+1h").replace(microsecond=1)
    story = given(opened(), noted(at="+1h"), learnt(tick, noted(occurred_at=tick)))
    assert versions(story.history(as_of="+1h")) == versions(story.history(known_at="+1h")) == [1, 2]
    assert (
        versions(story.history(as_of=tick)) == versions(story.history(known_at=tick)) == [1, 2, 3]
    )


def test_the_originals_are_what_was_on_record_whatever_had_happened() -> None:
    assert versions(TWO_CLOCKS.history(as_of="+0h").originals) == [1, 2, 3, 4]
    assert versions(TWO_CLOCKS.history(as_of="+0h", known_at="+4h").originals) == [1, 2]


def test_before_the_case_was_opened_nothing_is_left() -> None:
    story = given(opened("+2h"), wrote(at="-1h"), noted("+0h"), closed("+3h"))
    assert versions(story.history(as_of="+1h")) == []
    assert fold_history(story.history(as_of="+1h")) == given().case
    assert versions(story.history(as_of="+2h")) == [1, 2, 3]


def test_before_the_opening_was_on_record_nothing_is_left() -> None:
    story = given(learnt("+2h", opened("+0h")), noted("+3h"))
    assert versions(story.history(known_at="+1h")) == []
    assert versions(story.history(as_of="+9h", known_at="+1h")) == []


def test_what_a_customer_told_us_does_not_wait_for_their_registration() -> None:
    for by in (ANNA, STORE):
        story = given_customer(registered("+2h", actor=by), knew(at="+0h"), customer_merged())
        assert versions(story.history(as_of="-1h")) == []
        assert versions(story.history(as_of="+1h")) == [2, 3]
        assert versions(story.history(as_of="+2h")) == [1, 2, 3]


def test_what_refers_to_something_that_had_not_happened_is_left_out() -> None:
    story = given(opened(), replied("r1", "+5h"), bounced("r1", "+1h"), noted("+1h"))
    assert versions(story.history(as_of="+2h")) == [1, 4]


def test_what_refers_to_an_event_that_is_left_out_is_left_out() -> None:
    story = given(
        opened(),
        asked("a1", "+5h"),
        replied("r1", "+1h", answers=["a1"]),
        promised("p1", "+1h", reply_id="r1"),
        kept("p1", "+1h"),
        gave("g1", "+1h"),
        promised("p2", "+1h"),
        kept("p2", "+1h", by=ref("gesture", "g1")),
    )
    assert versions(story.history(as_of="+2h")) == [1, 6, 7, 8]
    assert versions(story.history(as_of="+5h")) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_one_missing_reference_is_enough_to_leave_an_event_out() -> None:
    story = given(opened(), issue("i1"), issue("i2", "+5h"), found(issue_ids=["i1", "i2"]))
    assert versions(story.history(as_of="+2h")) == [1, 2]


def test_a_choice_from_an_offer_yet_to_be_made_is_left_out() -> None:
    story = given(opened(), offered(at="+5h"), chose("red", at="+1h"), chose(None, at="+1h"))
    assert versions(story.history(as_of="+2h")) == [1]


def test_a_retraction_of_what_was_yet_to_be_said_is_left_out() -> None:
    story = given(opened(), stated(at="+5h"), retracted(at="+1h"))
    assert versions(story.history(as_of="+2h")) == [1]


def test_a_statement_in_place_of_one_yet_to_be_made_is_left_out() -> None:
    story = given(opened(), stated("s1", "+5h"), stated("s2", "+1h", supersedes="s1"))
    assert versions(story.history(as_of="+2h")) == [1]


def test_a_statement_in_place_of_one_in_another_case_stays() -> None:
    story = given(opened(), stated("s1", "+1h", supersedes="c7/s1"))
    assert versions(story.history(as_of="+2h")) == [1, 2]


def test_a_correction_of_what_had_not_happened_is_left_out() -> None:
    later = amended(2, "+1h", occurred_at=(stamp("+5h"), stamp("+6h")))
    story = given(opened(), noted("+5h"), later)
    assert versions(story.history(as_of="+2h")) == [1]
    assert versions(story.history(as_of="+6h")) == [1, 2, 3]


def test_a_correction_of_what_was_voided_is_kept() -> None:
    late = amended(2, "+2h", category=(None, "late"))
    story = given(opened(), issue(at="+1h"), late, voided(2, "+2h"))
    assert versions(story.history(as_of="+2h")) == [1, 3, 4]
    assert versions(story.history(as_of="+0h")) == [1]


# --- only known_at decides which corrections apply

CORRECTED = given(
    KETTLE,
    promised("p1", "+1h", due="+2h"),
    learnt("+5h", amended(1, "+5h", product=("kettle", "toaster"))),
    learnt("+6h", amended(1, "+6h", product=("toaster", "oven"))),
    learnt("+7h", voided(2, "+7h")),
)


def product(**times: str) -> Any:
    return read(CORRECTED.history(**times), 1).get("product")


def test_a_correction_reaches_back_as_far_as_one_asks() -> None:
    assert product(as_of="+0h") == "oven"
    assert versions(CORRECTED.history(as_of="+3h")) == [1]


def test_before_a_correction_was_on_record_nobody_knew_of_it() -> None:
    assert product(known_at="+4h") == "kettle"
    assert product(known_at="+5h") == "toaster"
    assert product(known_at="+6h") == "oven"
    assert versions(CORRECTED.history(known_at="+6h")) == [1, 2, 3, 4]
    assert versions(CORRECTED.history(known_at="+7h")) == [1, 3, 4, 5]


def test_as_of_never_takes_a_correction_away() -> None:
    for as_of in ("+0h", "+1h", "+5h", "+6h"):
        assert product(as_of=as_of, known_at="+5h") == "toaster"
    assert versions(CORRECTED.history(as_of="+1h", known_at="+6h")) == [1, 2]
    assert versions(CORRECTED.history(as_of="+1h", known_at="+7h")) == [1]


def test_what_was_voided_is_told_as_known_then() -> None:
    assert CORRECTED.history(known_at="+6h").voided == {}
    assert versions(CORRECTED.history(known_at="+7h").voided.values()) == [2]
    assert versions(CORRECTED.history(as_of="+0h").voided.values()) == [2]


def test_a_corrected_time_decides_what_had_happened() -> None:
    earlier = amended(2, "+9h", occurred_at=(stamp("+5h"), stamp("+1h")))
    story = given(opened(), closed("+5h"), learnt("+9h", earlier))
    assert versions(story.history(as_of="+2h")) == [1, 2]
    assert versions(story.history(as_of="+2h", known_at="+8h")) == [1]
    later = amended(2, "+9h", occurred_at=(stamp("+5h"), stamp("+7h")))
    story = given(opened(), closed("+5h"), learnt("+9h", later))
    assert versions(story.history(as_of="+6h")) == [1]
    assert versions(story.history(as_of="+6h", known_at="+8h")) == [1, 2]


def test_a_corrected_opening_moves_the_beginning() -> None:
    earlier = amended(1, "+6h", occurred_at=(stamp("+5h"), stamp("+0h")))
    story = given(opened("+5h"), noted("+1h"), earlier)
    assert versions(story.history(as_of="+1h")) == [1, 2]


def test_an_id_recorded_anew_stands_for_the_voided_one() -> None:
    story = given(opened(), promised("p1"), voided(2), promised("p1", "+3h"), kept("p1", "+4h"))
    assert versions(story.history(as_of="+2h")) == [1, 3]
    assert versions(story.history(as_of="+4h")) == [1, 3, 4, 5]


# --- summer time makes no difference to a history


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first, again = (datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1))
    story = given(opened(), noted(occurred_at=first), noted(occurred_at=again))
    assert [r.occurred_at.hour for r in story.history()][1:] == [0, 1]
    for history in (story.history(as_of=first), story.history(known_at=first)):
        assert versions(history) == [1, 2]
    for history in (story.history(as_of=again), story.history(known_at=again)):
        assert versions(history) == [1, 2, 3]


def test_the_hour_that_never_comes_does_not_matter() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before, after = (datetime(2026, 3, 29, h, 59, tzinfo=berlin) for h in (1, 3))
    story = given(opened(), noted(occurred_at=before), noted(occurred_at=after))
    assert versions(story.history(as_of=before)) == [1, 2]
    assert versions(story.history(as_of=after)) == [1, 2, 3]
    assert (story.recorded[2].occurred_at - story.recorded[1].occurred_at).seconds == 3600


def test_a_history_without_events_is_empty() -> None:
    history = given().history(as_of="+1h", known_at="+1h")
    assert (list(history), history.originals, history.voided) == ([], (), {})
    assert history.find(uid(1)) is None


def test_an_id_of_another_case_is_not_taken_for_ones_own() -> None:
    """A statement may have an id that looks like that of another case's, which it supersedes."""
    told = given(opened(), stated("y/s1", "+1h", supersedes="y/s1"))
    assert versions(told.history(as_of="+2h")) == [1, 2]
