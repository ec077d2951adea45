"""Laws that hold for any history that structure accepts.

Histories are made by proposing random events with few ids, so that they meet, and keeping those
that `streams.check` accepts.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from casestore import streams
from casestore.events import EVENTS, Actor, CaseOpened, CustomerRegistered, Event, EventCorrected
from casestore.events.base import Identity, Money, Personal, Ref
from casestore.history import Recorded, stored_data
from casestore.links import amendable_fields, brings, fields_of, marker, needs
from casestore.streams import Stream
from casestore.structure import Facts
from tests.stories import ANNA, BOSS, START, Story, amended, learnt, ref, uid, voided

law = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

# --- proposing events

hours = st.integers(0, 24).map(lambda n: START + timedelta(hours=n))
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.sampled_from(["x", "y"]),
    bool: st.booleans(),
    datetime: hours,
    Actor: st.sampled_from([ANNA, BOSS]),
    Money: st.sampled_from([Money(amount=Decimal(n), currency="EUR") for n in (5, 10)]),
}
"""What there is to choose from where a field holds no ids."""


def ids(kind: str) -> st.SearchStrategy[str]:
    return st.sampled_from([f"{kind}-1", f"{kind}-2"])


refs = st.sampled_from(["reply", "remedy", "gesture", "offer", "promise"]).flatmap(
    lambda kind: ids(kind).map(lambda each: ref(kind, each))
)


def values(hint: Any, kind: str = "") -> st.SearchStrategy[Any]:
    """Values that fit a field; `kind` is that of the ids it holds."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        mark = marker(hint, Identity)
        if marker(hint, Personal):
            return st.sampled_from([None, "words"])
        return values(args[0], getattr(mark, "kind", kind) if mark else kind)
    if origin in (Union, UnionType):
        return st.none() | values(next(arg for arg in args if arg is not NoneType), kind)
    if origin is tuple:
        return st.lists(values(args[0], kind), max_size=2).map(tuple)
    if origin is Literal:
        return st.sampled_from(args)
    if hint is Ref:
        return refs
    if hint in VALUES:
        return ids(kind) if kind else VALUES[hint]
    return st.builds(hint, **{name: values(each) for name, each in fields_of(hint).items()})


FIELDS = {
    cls: {name: values(hint) for name, hint in fields_of(cls).items()}
    for cls in {*EVENTS["case"], *EVENTS["customer"]} - {EventCorrected}
}


@st.composite
def proposals(draw: st.DrawFn, story: Story) -> Event | None:
    """Some event that might come next; None where its fields do not fit together."""
    cls = draw(st.sampled_from(EVENTS[story.stream.partition(":")[0]]))
    if cls is EventCorrected:
        return draw(corrections(story))
    try:
        return cls(**{name: draw(each) for name, each in FIELDS[cls].items()})
    except ValidationError:
        return None


@st.composite
def corrections(draw: st.DrawFn, story: Story) -> Event | None:
    """A correction of some event, as it reads at present."""
    version = draw(st.integers(1, len(story.recorded)))
    target = story.history().find(uid(version))
    at = draw(hours)
    if target is None or isinstance(target.event, EventCorrected) or draw(st.booleans()):
        return voided(version, at)
    name = draw(st.sampled_from(sorted(amendable_fields(type(target.event)))))
    try:
        other = replace(target.event, **{name: draw(FIELDS[type(target.event)][name])})
    except ValidationError:
        return None
    change = (stored_data(target.event).get(name), stored_data(other).get(name))
    return amended(version, at, **{name: change})


def after(stream: Stream, recorded: Recorded) -> Stream:
    state = stream.kind.evolve(stream.state, recorded.event)
    return msgspec.structs.replace(stream, version=recorded.version, state=state)


def advance(stream: Stream, story: Story) -> Stream:
    """The stream after the story's last event, as the store makes it from the stream before."""
    last = story.recorded[-1]
    if isinstance(last.event, EventCorrected):
        return story.folded
    return after(stream, last)


@st.composite
def stories_of(draw: st.DrawFn, kind: str) -> Story:
    story = Story(f"{kind}:x-1")
    stream, at = streams.empty(story.stream), START
    opener = CaseOpened if kind == "case" else CustomerRegistered
    for _ in range(draw(st.integers(5, 40))):
        begins = {name: draw(each) for name, each in FIELDS[opener].items()}
        event = draw(proposals(story)) if story.recorded else opener(**begins)
        if event is None or streams.check(stream, event, Facts(history=story.history())):
            continue
        at += timedelta(hours=draw(st.integers(0, 2)))
        story = story.plus(learnt(at, event))
        stream = advance(stream, story)
    return story


stories = stories_of("case") | stories_of("customer")
times = st.none() | hours


def beginnings(story: Story) -> Iterator[Story]:
    """The story after each of its events."""
    for version in range(1, len(story.recorded) + 1):
        yield Story(story.stream, story.recorded[:version])


# --- that the stories are worth anything


def test_every_event_is_proposed_accepted_corrected_and_voided() -> None:
    reached: set[type[Event]] = set()
    amended_ones: set[str] = set()
    voided_ones: set[str] = set()

    @law
    @given(stories)
    def look(story: Story) -> None:
        reached.update(type(r.event) for r in story.recorded)
        history = story.history()
        voided_ones.update(r.type for r in history.voided.values())
        pairs = zip(story.recorded, map(history.find, [r.uid for r in story.recorded]), strict=True)
        amended_ones.update(a.type for a, b in pairs if b is not None and a.event != b.event)

    look()
    everything = {*EVENTS["case"], *EVENTS["customer"]}
    print(sorted(c.__name__ for c in everything - reached), len(amended_ones), len(voided_ones))
    assert reached == everything
    assert len(amended_ones) > 10
    assert len(voided_ones) > 20


# --- folding


@law
@given(stories)
def test_a_fold_is_the_same_as_advancing_step_by_step(story: Story) -> None:
    stream = streams.empty(story.stream)
    for beginning in beginnings(story):
        stream = advance(stream, beginning)
        assert stream == beginning.folded


@law
@given(stories)
def test_what_was_accepted_would_be_accepted_again(story: Story) -> None:
    stream = streams.empty(story.stream)
    for recorded in story.history():
        assert streams.check(stream, recorded.event) is None
        stream = after(stream, recorded)


@law
@given(stories, st.data())
def test_check_and_evolve_are_pure(story: Story, data: st.DataObject) -> None:
    event = data.draw(proposals(story).filter(lambda each: each is not None))
    assert event is not None
    stream, facts = story.folded, Facts(history=story.history())
    before, words, told = deepcopy(stream), hash(repr(stream)), deepcopy(event)
    refusal = streams.check(stream, event, facts)
    assert streams.check(stream, event, facts) == refusal
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
    streams.fold_history(history)
    known: set[tuple[str, str]] = set()
    for recorded in history:
        assert known.issuperset(needs(recorded.event))
        known.update(brings(recorded.event))
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
    before, after = (story.history(t, known_at).effective for t in sorted((one, other)))
    assert set(before) <= set(after)


@law
@given(stories, hours, times)
def test_what_was_known_then_is_what_a_reader_saw_then(
    story: Story, known_at: datetime, as_of: datetime | None
) -> None:
    then = tuple(r for r in story.recorded if r.recorded_at is None or r.recorded_at <= known_at)
    seen = Story(story.stream, then)
    assert story.history(known_at=known_at).originals == then
    assert story.history(as_of, known_at).effective == seen.history(as_of).effective
    assert streams.fold_history(story.history(known_at=known_at)) == seen.folded.state


# --- corrections


@law
@given(stories, st.data())
def test_a_voided_event_might_as_well_not_have_been(story: Story, data: st.DataObject) -> None:
    version = data.draw(st.integers(1, len(story.recorded)))
    verdict = story.when(voided(version))
    if verdict.refusal is None:
        less = verdict.accepted()
        without = Story(story.stream, tuple(r for r in less.recorded if r.version != version))
        assert streams.fold_history(less.history()) == streams.fold_history(without.history())
        assert str(uid(version)) in less.history().voided


@law
@given(stories, times, times)
def test_the_originals_are_never_touched(
    story: Story, as_of: datetime | None, known_at: datetime | None
) -> None:
    before = deepcopy(story.recorded)
    history = story.history(as_of, known_at)
    assert story.recorded == before
    assert history.originals == before[: len(history.originals)]
