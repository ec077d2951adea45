"""Laws that hold for any history that structure accepts.

Histories are made by proposing random events with few ids, so that they meet, and keeping those
that `kinds.check` accepts.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from itertools import count
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from casestore.events import EVENTS, CaseOpened, Event, EventCorrected
from casestore.events.markers import brings, needs
from casestore.streams import kinds
from casestore.streams.checks import Context
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
)
from tests.support.stories import Story, voided

# --- proposing events


# --- that the stories are worth anything


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
def test_the_later_one_asks_the_more_had_happened(
    story: Story, one: datetime, other: datetime, known_at: datetime | None
) -> None:
    fewer, more = (story.history(time, known_at).effective for time in sorted((one, other)))
    assert all(recorded in more for recorded in fewer)


@law
@given(stories, hours, times)
def test_what_was_known_then_is_what_a_reader_saw_then(
    story: Story, known_at: datetime, as_of: datetime | None
) -> None:
    then = tuple(r for r in story.recorded if r.recorded_at is None or r.recorded_at <= known_at)
    seen = Story(story.stream, then)
    assert story.history(known_at=known_at).originals == then
    assert story.history(as_of, known_at).effective == seen.history(as_of).effective
    assert kinds.fold_history(story.history(known_at=known_at)) == kinds.fold_history(
        seen.history()
    )


# --- corrections


@law
@given(stories)
def test_a_voided_event_might_as_well_not_have_been(story: Story) -> None:
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
