"""Laws that hold for any history that structure accepts.

The histories are random. Events are proposed with few ids, so that many have the same id, and the
events that `kinds.check` accepts are kept.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from casestore.events import EVENTS, CaseOpened, Event, EventCorrected
from casestore.events.markers import brings, needs
from casestore.streams import kinds
from casestore.streams.checks import Context
from casestore.streams.merged import merged_into
from projections.history.family import families
from tests.support.laws import (
    advance,
    beginnings,
    hours,
    law,
    proposal,
    seeds,
    stories,
    story_of,
    times,
    told_in_any_order,
)
from tests.support.stories import START, Story, merged, opened, unmerged, voided
from tests.support.stories import given as given_story

# --- proposing events


# --- the stories have enough in them


def test_every_event_is_reached_and_many_are_corrected() -> None:
    reached: set[type[Event]] = set()
    amended_ones: set[str] = set()
    voided_ones: set[str] = set()
    for kind in ("case", "customer"):
        for seed in range(40):
            history = story_of(kind, seed, 200).history()
            reached.update(type(r.event) for r in history.originals)
            voided_ones.update(r.type for r in history.voided.values())
            amended_ones.update(r.type for r in history if r not in history.originals)
    assert reached == {*EVENTS["case"], *EVENTS["customer"]}
    assert len(amended_ones) > 10
    assert len(voided_ones) > 20


# --- folding


@law
@given(stories)
def test_a_fold_is_the_same_as_advancing_step_by_step(story: Story) -> None:
    stream = kinds.empty(story.stream)
    for beginning in beginnings(story):
        stream = advance(stream, beginning)
        assert stream == beginning.folded


@law
@given(stories)
def test_what_was_accepted_would_be_accepted_again(story: Story) -> None:
    stream = kinds.empty(story.stream)
    for recorded in story.history():
        assert kinds.check(stream, recorded.event) is None
        stream = stream.after(recorded.event, recorded.version)


@law
@given(stories, st.data())
def test_check_and_evolve_are_pure(story: Story, data: st.DataObject) -> None:
    random = Random(data.draw(seeds))
    event = next(each for _ in count() if (each := proposal(story, random)) is not None)
    stream, context = story.folded, Context(history=story.history())
    before, words, told = deepcopy(stream), hash(repr(stream)), deepcopy(event)
    refusal = kinds.check(stream, event, context)
    assert kinds.check(stream, event, context) == refusal
    if refusal is None:
        assert stream.kind.evolve(stream.state, event) == stream.kind.evolve(stream.state, event)
    assert (stream, hash(repr(stream)), event) == (before, words, told)


# --- selections


@law
@given(stories, times, times)
def test_any_selection_folds_and_is_closed_under_reference(
    story: Story, as_of: datetime | None, known_at: datetime | None
) -> None:
    history = story.history(as_of, known_at)
    kinds.fold_history(history)
    known: set[tuple[str, str]] = set()
    for recorded in history:
        assert known.issuperset(needs(recorded.event))
        known.update(brings(recorded.event))
        if isinstance(recorded.event, EventCorrected):
            corrected = str(recorded.event.event_id)
            assert history.find(corrected) or corrected in history.voided
    for first in history.effective[:1]:
        assert isinstance(first.event, CaseOpened) or story.stream.startswith("customer:")


@law
@given(stories, times, times)
def test_a_selection_holds_nothing_from_after_its_times(
    story: Story, as_of: datetime | None, known_at: datetime | None
) -> None:
    whole = [r.version for r in story.history(known_at=known_at)]
    for recorded in story.history(as_of, known_at):
        assert as_of is None or recorded.occurred_at <= as_of
        assert known_at is None or recorded.recorded_at is None or recorded.recorded_at <= known_at
        assert recorded.version in whole


@law
@given(stories, hours, hours, times)
def test_a_later_as_of_keeps_all_events_of_an_earlier_one(
    story: Story, one: datetime, other: datetime, known_at: datetime | None
) -> None:
    fewer, more = (story.history(time, known_at).effective for time in sorted((one, other)))
    assert all(recorded in more for recorded in fewer)


@law
@given(stories, hours, times)
def test_known_at_gives_what_a_reader_saw_then(
    story: Story, known_at: datetime, as_of: datetime | None
) -> None:
    then = tuple(r for r in story.recorded if r.recorded_at is None or r.recorded_at <= known_at)
    seen = Story(story.stream, then)
    assert story.history(known_at=known_at).originals == then
    assert story.history(as_of, known_at).effective == seen.history(as_of).effective
    assert kinds.fold_history(story.history(known_at=known_at)) == kinds.fold_history(
        seen.history()
    )


# --- the order of recording


def at_distinct_times(story: Story, random: Random) -> list[Event]:
    """The facts of a story, each at a time of its own."""
    events = [r.event for r in story.recorded if not isinstance(r.event, EventCorrected)]
    minutes = random.sample(range(24 * 60), len(events))
    return [
        replace(event, occurred_at=START + timedelta(minutes=minute))
        for event, minute in zip(events, minutes, strict=True)
    ]


def in_two_orders(story: Story, random: Random) -> tuple[Story, Story] | None:
    """A story of these facts, and one with them in another order; None if no order is accepted."""
    events = at_distinct_times(story, random)
    one = told_in_any_order(events, random, story.stream)
    for _ in range(5):
        other = told_in_any_order([r.event for r in one.recorded], random, story.stream)
        if len(other.recorded) == len(one.recorded):
            return one, other
    return None


@law
@given(stories, seeds, times)
def test_the_order_of_recording_does_not_change_what_is_read(
    story: Story, seed: int, as_of: datetime | None
) -> None:
    if (told := in_two_orders(story, Random(seed))) is None:
        return
    one, other = (each.history(as_of) for each in told)
    assert kinds.fold_history(one) == kinds.fold_history(other)
    assert [r.event for r in one.in_order] == [r.event for r in other.in_order]


def test_most_facts_can_be_told_in_another_order() -> None:
    told = [in_two_orders(story_of("case", seed, 60), Random(seed)) for seed in range(30)]
    lengths = [len(pair[0].recorded) for pair in told if pair is not None]
    assert len(lengths) > 20
    assert sum(lengths) > 20 * len(lengths)
    apart = [pair for pair in told if pair is not None and pair[0].read != pair[0].case]
    assert len(apart) > 5  # for these the order of recording gives another state


# --- merges


def merged_at_random(seed: int) -> dict[str, Story]:
    """Four cases that were merged and taken apart again, by several clocks."""
    random = Random(seed)
    cases = {}
    for n, name in enumerate("abcd"):
        opening = opened(f"+{random.randrange(12)}h")
        cases[name] = given_story(opening, stream=f"case:{name}", after=100 * n)
    for _ in range(12):
        one, other = random.sample("abcd", 2)
        at = f"+{random.randrange(24)}h"
        event = merged(other, at) if random.random() < 0.6 else unmerged(other, at)
        verdict = cases[one].when(event, others=list(cases.values()))
        if verdict.refusal is None:
            cases[one] = verdict.accepted()
    return cases


@law
@given(seeds, times)
def test_a_case_says_what_it_is_merged_into_as_its_family_does(
    seed: int, as_of: datetime | None
) -> None:
    histories = {name: story.history(as_of) for name, story in merged_at_random(seed).items()}
    there = [history for history in histories.values() if history.effective]
    members = 0
    for family in families(there):
        for history in (family.root, *family.members):
            name = history.stream.removeprefix("case:")
            assert merged_into(history, histories.__getitem__) == family.roots.into(name)
            members += 1
    assert members == len(there)


# --- corrections


@law
@given(stories)
def test_a_voided_event_reads_as_if_it_had_never_been_recorded(story: Story) -> None:
    for target in story.recorded[1::3]:
        verdict = story.when(voided(target.version))
        if verdict.refusal is None:
            less = verdict.accepted()
            without = Story(story.stream, tuple(r for r in less.recorded if r is not target))
            assert kinds.fold_history(less.history()) == kinds.fold_history(without.history())
            assert target.uid in less.history().voided


@law
@given(stories, times, times)
def test_the_originals_are_never_touched(
    story: Story, as_of: datetime | None, known_at: datetime | None
) -> None:
    before = deepcopy(story.recorded)
    history = story.history(as_of, known_at)
    assert story.recorded == before
    assert history.originals == before[: len(history.originals)]
