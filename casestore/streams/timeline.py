"""A history as a timeline: what happened, in which order, and what was corrected since."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import NamedTuple

from casestore.events import EventCorrected
from casestore.streams.history import History, Recorded
from casestore.streams.wording import tell


class Entry(NamedTuple):
    """An event as a timeline shows it."""

    recorded: Recorded
    corrected_by: tuple[int, ...] = ()
    """Versions of the corrections that amended it."""
    voided_by: int | None = None
    late: bool = False
    """Whether it was recorded after something that happened later."""


def timeline(history: History) -> list[Entry]:
    """A history's events in the order in which they happened, including voided ones."""
    corrected: dict[str, list[int]] = {}
    for recorded in history.originals:
        if isinstance(recorded.event, EventCorrected):
            corrected.setdefault(str(recorded.event.event_id), []).append(recorded.version)
    as_of = history.as_of
    gone = (*history.voided.values(), *history.set_aside)
    voided = [r for r in gone if as_of is None or r.occurred_at <= as_of]
    entries = []
    latest = None
    for recorded in sorted((*history, *voided), key=lambda recorded: recorded.version):
        late = latest is not None and recorded.occurred_at < latest
        latest = recorded.occurred_at if latest is None else max(latest, recorded.occurred_at)
        corrections = corrected.get(recorded.uid, [])
        # What is voided cannot be corrected any more: its last correction is the one that voided.
        voided_by = corrections.pop() if recorded.uid in history.voided else None
        entries.append(Entry(recorded, tuple(corrections), voided_by, late))
    return sorted(entries, key=lambda entry: (entry.recorded.occurred_at, entry.recorded.version))


def versions(history: History) -> dict[str, int]:
    """The versions of a history's events, by event id."""
    return {recorded.uid: recorded.version for recorded in history.originals}


def in_words(recorded: Recorded, version_of: Mapping[str, int], zone: tzinfo = UTC) -> str:
    """An event in words; a correction names the event that it corrects by its version."""
    if isinstance(recorded.event, EventCorrected):
        version = version_of.get(str(recorded.event.event_id))
        if version is not None:
            return tell(recorded, zone, event_id=f"at version {version}")
    return tell(recorded, zone)
