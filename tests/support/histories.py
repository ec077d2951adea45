"""Random histories in a real store: cases, their customers, corrections, merges and policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import asdict

from casestore import CaseStore, EventRefused
from casestore.append.request import Append
from casestore.errors import CustomerErased, StreamNotFound
from casestore.events import (
    CaseMerged,
    CaseUnmerged,
    CustomerMerged,
    CustomerUnmerged,
    ErasureRequested,
    Event,
    EventCorrected,
    PersonalDataErased,
)
from casestore.events.markers import FAMILY_KINDS, needs, renamed
from casestore.streams.merged import closure, linked
from projections import PROJECTIONS
from projections.engine.maker import Maker
from projections.projection import from_stored
from tests.support.laws import proposal
from tests.support.stories import ANNA, START, Story, adopted, uid

STREAMS = (
    *("case:x", "case:x", "case:y", "case:z", "case:b%#?é"),
    *("customer:x", "customer:y", "policy"),
)


class Histories:
    """A store with random events that the structural checks accept; a seed gives the same again.

    Cases and customers are merged and taken apart again, also into what is merged itself and, as
    it is told later, in circles. Some events name things of other cases.
    """

    def __init__(
        self, url: str, key_file: Path, seed: int, streams: Sequence[str] = STREAMS
    ) -> None:
        self.random = Random(seed)
        self._streams = streams
        self.now = START
        self._merged: dict[str, str] = {}
        """What each case or customer is merged into at present, by stream."""
        self.store = CaseStore.create(
            url,
            key_file=key_file,
            clock=lambda: self.now,
            new_id=lambda: UUID(int=self.random.getrandbits(128), version=4),
        )

    def go_on(self, proposals: int) -> None:
        """Propose so many events, and append those that are accepted."""
        for _ in range(proposals):
            self.now += timedelta(minutes=self.random.choice((0, 0, 2, 2, 50)))
            stream = self.random.choice(self._streams)
            event = self._proposal(stream)
            if event is not None:
                with suppress(EventRefused, CustomerErased):
                    self.store.append(stream, event)
                    note_merge(self._merged, stream, event)

    def _proposal(self, stream: str) -> Event | None:
        if stream == "policy":
            # Some take effect shortly before they are adopted: events on record are judged anew.
            at = self.now + timedelta(minutes=self.random.choice((-5, -4, -1, 60)))
            return adopted(f"p-{at:%d-%H-%M}", at=self.now, effective=at)
        story = self._story(stream)
        if story.recorded and self.random.random() < 0.15:
            since = int((self.now - START) / timedelta(minutes=1))
            at = START + timedelta(minutes=self.random.randint(0, since))
            return merge(stream, self.random, self._streams, at, self._merged)
        event = proposal(story, self.random)
        if isinstance(event, EventCorrected):
            target = self.store.history(stream).originals[event.event_id.int - 1]
            return replace(event, event_id=target.event_id)
        return event and naming_others(event, self.random, family_of(stream, self._merged))

    def _story(self, stream: str) -> Story:
        """What happened in a stream, as a story: its event ids are `uid(version)`."""
        try:
            recorded = self.store.history(stream).originals
        except StreamNotFound:
            return Story(stream)
        story_ids = {r.event_id: uid(r.version) for r in recorded}

        def with_story_id(event: Event) -> Event:
            if isinstance(event, EventCorrected):
                return replace(event, event_id=story_ids[event.event_id])
            return event

        return Story(
            stream,
            tuple(
                msgspec.structs.replace(
                    r, uid=str(story_ids[r.event_id]), event=with_story_id(r.event)
                )
                for r in recorded
            ),
        )


def merge(
    stream: str, random: Random, streams: Sequence[str], at: datetime, merged: Mapping[str, str]
) -> Event:
    """A merge of a case or a customer into another one of some; or it is taken out again."""
    kind = stream.partition(":")[0]
    if stream in merged:
        apart = CaseUnmerged if kind == "case" else CustomerUnmerged
        return apart(occurred_at=at, actor=ANNA, out_of=merged[stream].partition(":")[2])
    others = [each for each in streams if each.startswith(kind) and each != stream]
    into = random.choice(others).partition(":")[2]
    together = CaseMerged if kind == "case" else CustomerMerged
    return together(occurred_at=at, actor=ANNA, into=into)


def note_merge(merged: dict[str, str], stream: str, event: Event) -> None:
    """Take note of an event that merged something, or took it out again."""
    match event:
        case CaseMerged() | CustomerMerged():
            merged[stream] = f"{stream.partition(':')[0]}:{event.into}"
        case CaseUnmerged() | CustomerUnmerged():
            merged.pop(stream, None)
        case _:
            pass


def family_of(stream: str, merged: Mapping[str, str]) -> list[str]:
    """The ids of the cases that are merged with one at present, itself left out."""
    family = closure([stream], linked(merged.items()))
    return sorted(each.partition(":")[2] for each in family if each != stream)


def naming_others(event: Event, random: Random, family: Sequence[str]) -> Event:
    """An event, some of whose references are to things of other cases of its family."""
    if not family or random.random() < 0.5:
        return event
    other, named = random.choice(family), set(needs(event))
    return renamed(
        event,
        lambda kind, name: (
            f"{other}/{name}" if (kind, name) in named and kind in FAMILY_KINDS else name
        ),
    )


# --- facts, to be told in one way or another ----------------------------------------------------


class Fact(NamedTuple):
    """An event, and a name by which its id is made."""

    stream: str
    event: Event
    key: str


def some_facts(
    folder: Path,
    seed: int,
    proposals: int,
    *,
    streams: Sequence[str] = ("case:x", "case:y", "case:z", "customer:x", "customer:y"),
    merges: float = 0.15,
    without: tuple[type[Event], ...] = (),
    theme: tuple[type[Event], ...] = (),
) -> list[Fact]:
    """Facts that a store accepts in this order, each minutes after the one before.

    A third of what is proposed for cases is of the types of the theme, if there is one.

    Every stream begins with a fact of its own. There are no corrections or erasures: what they
    are about depends on when they are told.
    """
    random = Random(seed)
    facts: list[Fact] = []
    merged: dict[str, str] = {}
    stories: dict[str, Story] = {}
    with Told(folder / f"facts-{seed}.db") as told:
        for number in range(len(streams) + proposals):
            begun = number >= len(streams)
            stream = random.choice(streams) if begun else sorted(streams, reverse=True)[number]
            at = START + timedelta(minutes=7 * number)
            story = stories.get(stream, Story(stream))
            event: Event | None
            if begun and random.random() < merges:
                event = merge(stream, random, streams, at, merged)
            else:
                about_cases = theme and stream.startswith("case:")
                of_theme = theme if about_cases and random.random() < 0.4 else ()
                event = proposal(story, random, of_theme)
                if event is None or isinstance(event, (*_TOLD_ONCE, *without)):
                    continue
                event = replace(event, occurred_at=at)
                event = naming_others(event, random, family_of(stream, merged))
            fact = Fact(stream, event, f"fact-{number}")
            if told.tell(fact):
                facts.append(fact)
                stories[stream] = story.plus(event)
                note_merge(merged, stream, event)
    return facts


_TOLD_ONCE = (EventCorrected, ErasureRequested, PersonalDataErased)


class Told:
    """A new store, for facts to be told in one way, long after they happened."""

    def __init__(self, file: Path) -> None:
        self.store = CaseStore.create(
            f"sqlite:///{file}", clock=lambda: START + timedelta(days=30), sealed=False
        )

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def tell(self, fact: Fact) -> bool:
        """Tell a fact; whether it was accepted."""
        append = Append(batches=((fact.stream, (fact.event,)),), key=fact.key, imported=True)
        return self.store.write([append])[0] is True

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """All rows by projection, without the positions, which tell only the order of telling."""
        maker = Maker(self.store, PROJECTIONS, until=self.store._recorder.last_position())
        parts = [maker.of_range(f"{kind}:", f"{kind};") for kind in ("case", "customer")]
        found: dict[str, list[dict[str, Any]]] = {}
        for projection in PROJECTIONS:
            assert not any(part.parked[projection.name] for part in parts)
            stored = [row[1:] for part in parts for row in part.rows[projection.name]]
            rows = map(asdict, from_stored(projection.row, stored))
            found[projection.name] = sorted(
                ({name: row[name] for name in row if name != "position"} for row in rows), key=repr
            )
        return found
