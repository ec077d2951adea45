"""A history as rows: what happened, when, who did it, and what was corrected since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from casestore.streams.history import History, stored_data
from casestore.streams.timeline import Entry, in_words, timeline, versions
from casestore.streams.wording import clock, words
from cli.terminal.output import Column, on_terminal
from cli.terminal.screen import width

NARROW = 120
"""Below this width of a terminal, who and what stand in one column."""
_PROGRAMS = (
    "stream position occurred_at recorded_at type actor_kind actor_id actor_role actor_team "
    "event_id told data personal corrected_by voided_by late"
)
_HOLDS = {
    **dict.fromkeys(("position", "voided_by"), int),
    **dict.fromkeys(("occurred_at", "recorded_at"), datetime),
    "late": bool,
}
"""What a file that keeps types has of these, where it is no text."""


def columns(zone: tzinfo = UTC) -> Sequence[Column]:
    """The columns of a timeline."""
    narrow = on_terminal() and width() < NARROW
    return (
        Column("version", "v", right=True, holds=int),
        Column("when", f"when ({zone})", programs=False),
        *(Column(name, programs=False) for name in (["story"] if narrow else ["who", "what"])),
        *(Column(name, people=False, holds=_HOLDS.get(name)) for name in _PROGRAMS.split()),
    )


def rows(history: History, zone: tzinfo = UTC) -> list[dict[str, Any]]:
    """A history as rows of `columns`."""
    version_of = versions(history)
    return [row(entry, version_of, zone) for entry in timeline(history)]


def row(entry: Entry, version_of: Mapping[str, int], zone: tzinfo = UTC) -> dict[str, Any]:
    """An event as a row of `columns`.

    Args:
        entry: the event.
        version_of: versions by event id: a correction names the version that it corrects, because
            an event id says nothing to people.
        zone: the time zone to show times in.
    """
    recorded = entry.recorded
    event, actor = recorded.event, recorded.event.actor
    text = in_words(recorded, version_of, zone)
    who, what = words(actor), "".join((*_marks(entry), text))
    return {
        "stream": recorded.stream,
        "version": recorded.version,
        "position": recorded.position,
        "when": clock(recorded.occurred_at, zone),
        "occurred_at": recorded.occurred_at,
        "recorded_at": recorded.recorded_at,
        "type": recorded.type,
        "who": who,
        "what": what,
        "story": f"{who} {what}",
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_role": actor.role,
        "actor_team": actor.team,
        "event_id": recorded.uid,
        "told": text,
        "data": stored_data(event),
        "personal": recorded.privacy,
        "corrected_by": list(entry.corrected_by),
        "voided_by": entry.voided_by,
        "late": entry.late,
    }


def lapse_row(stream: str, lapse: Any, zone: tzinfo = UTC) -> dict[str, Any]:
    """A lapse as a row among the events: when it became one, and which agent answers for it."""
    what = f"lapse: {lapse.rule}"
    if lapse.subject != "case":
        what += f", {lapse.subject}"
    who = f"↯ {lapse.agent}" if lapse.agent else "↯"
    return dict.fromkeys(["version", *_PROGRAMS.split()]) | {
        "stream": stream,
        "when": clock(lapse.at, zone),
        "occurred_at": lapse.at,
        "type": "lapse",
        "who": who,
        "what": what,
        "story": f"{who} {what}",
        "actor_id": lapse.agent,
        "actor_team": lapse.team,
        "told": what,
        "data": {"rule": lapse.rule, "subject": lapse.subject, "evidence": list(lapse.evidence)},
    }


def _marks(entry: Entry) -> list[str]:
    """What a reader must know before reading the event: remarks in brackets."""
    marks = []
    if entry.voided_by is not None:
        marks.append(f"[voided by version {entry.voided_by}] ")
    if entry.corrected_by:
        marks.append(f"[corrected by version {words(entry.corrected_by)}] ")
    if entry.late:
        marks.append("[recorded late] ")
    return marks
