"""Random histories in a real store: cases, their customers, corrections, merges and policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec

from casestore import CaseStore, EventRefused
from casestore.errors import CustomerErased, StreamNotFound
from casestore.events import (
    CaseMerged,
    CaseUnmerged,
    CustomerMerged,
    CustomerUnmerged,
    Event,
    EventCorrected,
)
from casestore.events.markers import FAMILY_KINDS, needs, renamed
from casestore.streams.merged import closure, linked
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

    def __init__(self, url: str, key_file: Path, seed: int) -> None:
        self.random = Random(seed)
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
            stream = self.random.choice(STREAMS)
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
            return merge(stream, self.random, STREAMS, at, self._merged)
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
