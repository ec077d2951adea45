"""Random histories in a real store: cases, their customers, corrections, merges and policies."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import msgspec

from casestore import CaseStore, EventRefused
from casestore.errors import CustomerErased, StreamNotFound
from casestore.events import Event, EventCorrected
from tests.support.laws import proposal
from tests.support.stories import START, Story, adopted, uid

STREAMS = (
    *("case:x", "case:x", "case:y", "case:z", "case:b%#?é"),
    *("customer:x", "customer:y", "policy"),
)


class Histories:
    """A store with random events that the structural checks accept; a seed gives the same again."""

    def __init__(self, url: str, key_file: Path, seed: int) -> None:
        self.random = Random(seed)
        self.now = START
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

    def _proposal(self, stream: str) -> Event | None:
        if stream == "policy":
            # Some take effect shortly before they are adopted: events on record are judged anew.
            at = self.now + timedelta(minutes=self.random.choice((-5, -4, -1, 60)))
            return adopted(f"p-{at:%d-%H-%M}", at=self.now, effective=at)
        event = proposal(self._story(stream), self.random)
        if isinstance(event, EventCorrected):
            target = self.store.history(stream).originals[event.event_id.int - 1]
            return replace(event, event_id=target.event_id)
        return event

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
