"""Random families of cases for laws: facts that are recorded in one case, or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import msgspec

from casestore.events import (
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseMerged,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    CaseUnmerged,
    EscalationReturned,
    Event,
    EventCorrected,
)
from casestore.events.markers import FAMILY_KINDS, IdKey, brings, needs, renamed
from casestore.streams.history import Recorded
from tests.support.laws import story_of
from tests.support.stories import START, Story, merged, opened, unmerged

CASES = ("c1", "c2", "c3")
"""The first is the root."""
BEGIN = START - timedelta(hours=1)
"""When the cases are opened. Nothing else happens before."""
_POSITION = 1000
"""Of the first event. What happens to the customer is recorded before."""
_OF_A_CASE_AS_A_WHOLE = (
    *(CaseAssigned, CaseClosed, CaseReopened, CaseReclassified, CaseEscalated),
    EscalationReturned,
)


class Fact(msgspec.Struct, frozen=True):
    """An event and the case in which it is recorded. Its ids are unique in all cases."""

    recorded: Recorded
    case_id: str

    @property
    def event(self) -> Event:
        return self.recorded.event


Choice = Callable[[Event, int], str]
"""Chooses a case for an event of one of the random stories, which are numbered."""


def anywhere(random: Random) -> Choice:
    """In any case; but what says something of a case as a whole, in the root."""

    def choose(event: Event, _: int) -> str:
        return CASES[0] if isinstance(event, _OF_A_CASE_AS_A_WHOLE) else random.choice(CASES)

    return choose


def apart(_: Random) -> Choice:
    """Each story in a case of its own."""
    return lambda _, number: CASES[number]


def facts(seed: int, where: Callable[[Random], Choice] = anywhere, length: int = 150) -> list[Fact]:
    """Random facts in the order in which they are recorded, without openings and merges."""
    random = Random(seed)
    choose = where(random)
    left = [_unique(story_of("case", random.getrandbits(32), length), n) for n in range(len(CASES))]
    found: list[Fact] = []
    homes: dict[IdKey, str] = {}
    cases_of: dict[UUID, str] = {}
    while numbers := [number for number, story in enumerate(left) if story]:
        number = random.choice(numbers)
        recorded = left[number].pop(0)
        event = recorded.event
        case_id: str | None = choose(event, number)
        if isinstance(event, EventCorrected):
            case_id = cases_of.get(event.event_id)
        for key in needs(event):
            if key not in homes:
                case_id = None  # of an event that was left out
            elif key[0] not in FAMILY_KINDS and case_id is not None:
                case_id = homes[key]
        for key in brings(event):
            case_id = homes.get(key, case_id)  # the first event with this id was voided
        if case_id is None or isinstance(event, CaseOpened | CaseMerged | CaseUnmerged):
            continue
        homes.update(dict.fromkeys(brings(event), case_id))
        cases_of[recorded.event_id] = case_id
        found.append(Fact(recorded, case_id))
    return found


def _unique(story: Story, number: int) -> list[Recorded]:
    """The events of a random story, with ids that no other story has."""

    def unique_uid(uid: UUID) -> UUID:
        return UUID(int=(number + 1) * 1_000_000 + uid.int)

    events = []
    for recorded in story.recorded:
        event = renamed(recorded.event, lambda _, name: f"{name}-{number}")
        if isinstance(event, EventCorrected):
            event = replace(event, event_id=unique_uid(event.event_id))
        uid = str(unique_uid(recorded.event_id))
        events.append(msgspec.structs.replace(recorded, event=event, uid=uid))
    return events


def at_distinct_times(found: Sequence[Fact], random: Random) -> list[Fact]:
    """The facts, without corrections, at times of which no two are equal."""
    kept: list[Fact] = []
    known: set[IdKey] = set()
    for fact in found:
        new = brings(fact.event)
        if isinstance(fact.event, EventCorrected) or not known.isdisjoint(new):
            continue
        if known.issuperset(needs(fact.event)):
            known.update(new)
            kept.append(fact)
    minutes = random.sample(range(24 * 60), len(kept))
    return [
        Fact(
            msgspec.structs.replace(
                fact.recorded,
                event=replace(fact.event, occurred_at=START + timedelta(minutes=minute)),
            ),
            fact.case_id,
        )
        for fact, minute in zip(kept, minutes, strict=True)
    ]


def shuffled(found: Sequence[Fact], random: Random) -> list[Fact]:
    """The facts in another order of recording, each after what it refers to."""
    left = random.sample(found, len(found))
    known: set[IdKey] = set()
    ordered: list[Fact] = []
    while left:
        fact = next(fact for fact in left if known.issuperset(needs(fact.event)))
        left.remove(fact)
        known.update(brings(fact.event))
        ordered.append(fact)
    return ordered


def in_one_case(found: Sequence[Fact]) -> Story:
    """All facts in the root."""
    return in_several_cases([Fact(fact.recorded, CASES[0]) for fact in found], ())[0]


def in_several_cases(found: Sequence[Fact], merges: Iterable[tuple[str, Event]]) -> list[Story]:
    """Each fact in its case.

    Args:
        found: the facts.
        merges: events that merge and unmerge cases, each with the case in which it is recorded,
            which is before all facts.
    """
    homes = _homes(found)

    def names_in(case_id: str) -> Callable[[str, str], str]:
        def name(kind: str, inner: str) -> str:
            home = homes[kind, inner]
            return inner if home == case_id else f"{home}/{inner}"

        return name

    return _stories(found, names_in, merges)


def merged_at_once() -> list[tuple[str, Event]]:
    """All cases are merged as soon as they are opened."""
    return [(case_id, merged(CASES[0], BEGIN)) for case_id in CASES[1:]]


def merged_and_unmerged(at: datetime) -> list[tuple[str, Event]]:
    """All cases are merged for a moment."""
    into = dict(zip(CASES[1:], CASES, strict=False))
    found: list[tuple[str, Event]] = []
    for make in (merged, unmerged):
        found += ((case_id, make(other, at)) for case_id, other in into.items())
    return found


def merged_at_any_time(random: Random) -> list[tuple[str, Event]]:
    """Cases are merged and unmerged, in whatever way; some of it is to be left out of a reading."""
    found: list[tuple[str, Event]] = []
    for minute in random.sample(range(24 * 60), random.randrange(8)):
        case_id, other = random.sample(CASES, 2)
        at = START + timedelta(minutes=minute, seconds=30)
        found.append((case_id, random.choice((merged, merged, unmerged))(other, at)))
    return found


def _homes(found: Sequence[Fact]) -> Mapping[IdKey, str]:
    return {key: fact.case_id for fact in found for key in brings(fact.event)}


def _stories(
    found: Sequence[Fact],
    names_in: Callable[[str], Callable[[str, str], str]],
    merges: Iterable[tuple[str, Event]],
) -> list[Story]:
    first = [*((case_id, opened(BEGIN)) for case_id in CASES), *merges]
    cases: dict[str, list[Recorded]] = {case_id: [] for case_id in CASES}
    for position, (case_id, event) in enumerate(first, _POSITION):
        uid = str(UUID(int=position))
        cases[case_id].append(Recorded(event, "", 0, position, uid, None, 0))
    for position, fact in enumerate(found, 2 * _POSITION):
        event = renamed(fact.event, names_in(fact.case_id))
        recorded = msgspec.structs.replace(fact.recorded, event=event, position=position)
        cases[fact.case_id].append(recorded)
    return [
        Story(
            f"case:{case_id}",
            tuple(
                msgspec.structs.replace(recorded, stream=f"case:{case_id}", version=version)
                for version, recorded in enumerate(of_case, 1)
            ),
        )
        for case_id, of_case in cases.items()
    ]
