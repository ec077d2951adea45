"""Laws that hold for any history that structure accepts.

Histories are made by proposing random events with few ids, so that they meet, and keeping those
that `kinds.check` accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from random import Random
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from casestore.events import EVENTS, Actor, CaseOpened, CustomerRegistered, Event, EventCorrected
from casestore.events.base import Identity, Money, Personal, Ref
from casestore.events.markers import amendable_fields, brings, fields_of, marker, needs, per_class
from casestore.streams import kinds
from casestore.streams.checks import Context
from casestore.streams.history import Recorded, stored_data
from casestore.streams.kinds import Stream
from tests.stories import ANNA, BOSS, START, Story, amended, learnt, ref, uid, voided

law = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

# --- proposing events

Chance = Callable[[Random], Any]
"""Chooses a value."""


REFERRED = ("reply", "reply", "reply", "remedy", "gesture", "offer", "promise")


def one_of(*values: Any) -> Chance:
    return lambda random: random.choice(values)


CHOICES: dict[Any, Chance] = {
    str: one_of("x", "y"),
    bool: one_of(True, False),
    datetime: lambda random: START + timedelta(hours=random.randrange(24)),
    Actor: one_of(ANNA, BOSS),
    Money: one_of(*(Money(amount=Decimal(n), currency="EUR") for n in (5, 10))),
    Ref: lambda random: ref(kind := random.choice(REFERRED), ids(kind)(random)),
}


def ids(kind: str) -> Chance:
    return one_of(f"{kind}-1", f"{kind}-2")


def values(hint: Any, kind: str = "") -> Chance:
    """Chooses values that fit a field; `kind` is that of the ids in it."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and marker(hint, Personal):
        return one_of(None, "words")
    if origin is Annotated:
        return values(args[0], getattr(marker(hint, Identity), "kind", kind))
    if origin in (Union, UnionType):
        some = values(args[0], kind)
        often = 0.8 if args[0] is Ref else 0.2  # what is not known yet is refused
        return lambda random: some(random) if random.random() < often else None
    if origin is tuple:
        each = values(args[0], kind)
        return lambda random: [each(random) for _ in range(random.randrange(3))]
    if origin is Literal:
        return one_of(*args)
    if hint is str and kind:
        return ids(kind)
    if hint in CHOICES:
        return CHOICES[hint]
    return lambda random: some_of(hint, random)


@per_class
def chances(cls: type[Any]) -> dict[str, Chance]:
    return {name: values(hint) for name, hint in fields_of(cls).items()}


def some_of(cls: type[Any], random: Random) -> Any:
    """An event or value of a class, with a value for every field."""
    return cls(**{name: chance(random) for name, chance in chances(cls).items()})


def proposal(story: Story, random: Random, theme: Sequence[type[Event]] = ()) -> Event | None:
    """Some event that might come next, rather one of the theme's; None where it does not fit."""
    any_event = EVENTS[story.stream.partition(":")[0]]
    cls = random.choice(theme if theme and random.random() < 0.8 else any_event)
    if not story.recorded:
        cls = any_event[0]
    try:
        if cls is EventCorrected:
            return correction(story, random)
        return cast(Event, some_of(cls, random))
    except ValidationError:
        return None


def correction(story: Story, random: Random) -> Event:
    """A correction of some event, as it reads at present."""
    version = random.randrange(len(story.recorded)) + 1
    at = CHOICES[datetime](random)
    target = story.history().find(uid(version))
    if target is None or isinstance(target.event, EventCorrected) or random.random() < 0.5:
        return voided(version, at)
    cls = type(target.event)
    name = random.choice(sorted(amendable_fields(cls)))
    other = replace(target.event, **{name: chances(cls)[name](random)})
    before, then = (stored_data(event).get(name) for event in (target.event, other))
    return amended(version, at, **{name: (before, then)})


def after(stream: Stream, recorded: Recorded) -> Stream:
    state = stream.kind.evolve(stream.state, recorded.event)
    return msgspec.structs.replace(stream, version=recorded.version, state=state)


def advance(stream: Stream, story: Story) -> Stream:
    """The stream after the story's last event, as the store makes it from the stream before."""
    last = story.recorded[-1]
    if isinstance(last.event, EventCorrected):
        return story.folded
    return after(stream, last)


def story_of(kind: str, seed: int, length: int) -> Story:
    """What was accepted of so many proposals; the same seed begins in the same way."""
    random = Random(seed)
    story = Story(f"{kind}:x")
    stream, at = kinds.empty(story.stream), START
    modules = random.sample(sorted({cls.__module__ for cls in EVENTS[kind]}), 2)
    theme = [cls for cls in EVENTS[kind] if cls.__module__ in modules]  # so that they meet
    for _ in range(length):
        event = proposal(story, random, theme)
        at += timedelta(minutes=random.randrange(20))
        if event is None:
            continue
        history = story.history() if isinstance(event, EventCorrected) else None
        if kinds.check(stream, event, Context(history=history)) is None:
            story = story.plus(learnt(at, event))
            stream = advance(stream, story)
    return story


hours = st.integers(0, 24).map(lambda n: START + timedelta(hours=n))
times = st.none() | hours
seeds = st.integers(0, 2**32)
stories = st.builds(story_of, st.sampled_from(["case", "customer"]), seeds, st.integers(1, 200))


def beginnings(story: Story) -> Iterator[Story]:
    """The story after each of its events."""
    for version in range(1, len(story.recorded) + 1):
        yield Story(story.stream, story.recorded[:version])


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
        stream = after(stream, recorded)


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
        assert isinstance(first.event, CaseOpened | CustomerRegistered)


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
    assert kinds.fold_history(story.history(known_at=known_at)) == seen.folded.state


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
