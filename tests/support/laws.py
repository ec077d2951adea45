"""Random stories for laws, which are properties that hold for every story.

A story holds events of any type that the structural checks accept, one after another. There are
few different ids, so that events often name the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from casestore.events import EVENTS, Actor, CaseOpened, CustomerRegistered, Event, EventCorrected
from casestore.events.base import Identity, Money, Personal, Ref
from casestore.events.markers import amendable_fields, fields_of, marker, per_class
from casestore.streams import kinds
from casestore.streams.checks import Context
from casestore.streams.history import stored_data
from casestore.streams.kinds import Stream
from tests.support.stories import ANNA, BOSS, START, Story, amended, learnt, ref, uid, voided

law = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

Chance = Callable[[Random], Any]
"""Chooses a value."""

REFERRED = ("reply", "reply", "reply", "remedy", "gesture", "offer", "promise")
"""Kinds of thing that a Ref can name. Replies are chosen most often."""


def one_of(*values: Any) -> Chance:
    return lambda random: random.choice(values)


CHOICES: dict[Any, Chance] = {
    str: one_of("x", "y"),
    bool: one_of(True, False),
    int: one_of(1, 2, 3),
    datetime: lambda random: START + timedelta(hours=random.randrange(24)),
    Actor: one_of(ANNA, BOSS),
    Money: one_of(*(Money(amount=Decimal(n), currency="EUR") for n in (5, 10))),
    Ref: lambda random: ref(kind := random.choice(REFERRED), ids(kind)(random)),
}


def ids(kind: str) -> Chance:
    return one_of(f"{kind}-1", f"{kind}-2")


def values(hint: Any, kind: str = "") -> Chance:
    """A Chance of values for a field with this type hint; `kind` is what an id in it names."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and marker(hint, Personal):
        return one_of(None, "words")
    if origin is Annotated:
        return values(args[0], getattr(marker(hint, Identity), "kind", kind))
    if origin in (Union, UnionType):
        value = values(args[0], kind)
        # Most optional fields are left out: an id that the story does not know yet is refused.
        share = 0.8 if args[0] is Ref else 0.2
        return lambda random: value(random) if random.random() < share else None
    if origin is tuple:
        element = values(args[0], kind)
        return lambda random: [element(random) for _ in range(random.randrange(3))]
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
    """A random event that might come next, mostly of a type in the theme.

    None if the values that were chosen do not go together.
    """
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
    before, after_ = (stored_data(event).get(name) for event in (target.event, other))
    return amended(version, at, **{name: (before, after_)})


def advance(stream: Stream, story: Story) -> Stream:
    """The stream after the story's last event, made from the stream before it as the store does."""
    last = story.recorded[-1]
    if isinstance(last.event, EventCorrected):
        return story.folded
    return stream.after(last.event, last.version)


def story_of(kind: str, seed: int, length: int) -> Story:
    """A story of those events that were accepted, out of `length` proposals.

    With the same seed, a longer story begins with the events of a shorter one.
    """
    random = Random(seed)
    story = Story(f"{kind}:x")
    stream, at = kinds.empty(story.stream), START
    modules = random.sample(sorted({cls.__module__ for cls in EVENTS[kind]}), 2)
    # Most events are of two modules, so that one often has to do with another.
    theme = [cls for cls in EVENTS[kind] if cls.__module__ in modules]
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


def told_in_any_order(events: Sequence[Event], random: Random, stream: str) -> Story:
    """Some events as they may be told one after the other; those that cannot be are left out."""
    story, left = Story(stream), list(events)
    random.shuffle(left)
    left.sort(key=lambda event: not isinstance(event, CaseOpened | CustomerRegistered))
    at = START
    while True:
        folded = story.folded
        taken = next((e for e in left if kinds.check(folded, e, Context()) is None), None)
        if taken is None:
            return story
        left = [event for event in left if event is not taken]
        at += timedelta(minutes=1)
        story = story.plus(learnt(at, taken))


hours = st.integers(0, 24).map(lambda n: START + timedelta(hours=n))
times = st.none() | hours
seeds = st.integers(0, 2**32)
stories = st.builds(story_of, st.sampled_from(["case", "customer"]), seeds, st.integers(1, 200))


def beginnings(story: Story) -> Iterator[Story]:
    """The story after each of its events."""
    for version in range(1, len(story.recorded) + 1):
        yield Story(story.stream, story.recorded[:version])
