"""A history as rows: what happened, when, who did it, and what was put right since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from shutil import get_terminal_size
from typing import Any, NamedTuple

from casestore.events import EventCorrected
from casestore.streams.history import History, Recorded, stored_data
from casestore.streams.wording import clock, tell, words
from cli.terminal.output import Column, on_terminal


class Shown(NamedTuple):
    """An event as a timeline shows it."""

    recorded: Recorded
    corrected_by: tuple[int, ...] = ()
    """Versions of the corrections that amended it."""
    voided_by: int | None = None
    late: bool = False
    """Whether it was recorded after something that happened later."""


NARROW = 120
"""Below this width of a terminal, who and what stand in one column."""
_PROGRAMS = (
    "stream position occurred_at recorded_at type actor_kind actor_id actor_role actor_team "
    "event_id told data personal corrected_by voided_by late"
)


def columns(zone: tzinfo = UTC) -> Sequence[Column]:
    """The columns of a timeline."""
    narrow = on_terminal() and get_terminal_size().columns < NARROW
    return (
        Column("version", "v", right=True),
        Column("when", f"when ({zone})", programs=False),
        *(Column(name, programs=False) for name in (["story"] if narrow else ["who", "what"])),
        *(Column(name, people=False) for name in _PROGRAMS.split()),
    )


def timeline(history: History) -> list[Shown]:
    """A history's events in the order in which they happened, voided ones among them."""
    corrected: dict[str, list[int]] = {}
    for recorded in history.originals:
        if isinstance(recorded.event, EventCorrected):
            corrected.setdefault(str(recorded.event.event_id), []).append(recorded.version)
    as_of = history.as_of
    voided = [r for r in history.voided.values() if as_of is None or r.occurred_at <= as_of]
    found = sorted((*history, *voided), key=lambda recorded: recorded.version)
    shown = []
    latest = None
    for recorded in found:
        late = latest is not None and recorded.occurred_at < latest
        latest = recorded.occurred_at if latest is None else max(latest, recorded.occurred_at)
        corrections = corrected.get(recorded.uid, [])
        voided_by = corrections.pop() if recorded.uid in history.voided else None
        shown.append(Shown(recorded, tuple(corrections), voided_by, late))
    return sorted(shown, key=lambda each: (each.recorded.occurred_at, each.recorded.version))


def rows(history: History, zone: tzinfo = UTC) -> list[dict[str, Any]]:
    """A history as rows of `columns`."""
    known = versions(history)
    return [row(each, known, zone) for each in timeline(history)]


def versions(history: History) -> dict[str, int]:
    """The versions of a history's events, by event id."""
    return {recorded.uid: recorded.version for recorded in history.originals}


def row(shown: Shown, known: Mapping[str, int], zone: tzinfo = UTC) -> dict[str, Any]:
    """An event as a row; a correction is told by the version of what it corrects."""
    recorded = shown.recorded
    event, actor = recorded.event, recorded.event.actor
    told = _told(recorded, known, zone)
    who, what = words(actor), "".join((*_marks(shown), told))
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
        "told": told,
        "data": stored_data(event),
        "personal": recorded.privacy,
        "corrected_by": list(shown.corrected_by),
        "voided_by": shown.voided_by,
        "late": shown.late,
    }


def lapse_row(stream: str, lapse: Any, zone: tzinfo = UTC) -> dict[str, Any]:
    """A lapse as a row among the events: when it became one, and whose it was."""
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


def _told(recorded: Recorded, known: Mapping[str, int], zone: tzinfo) -> str:
    if isinstance(recorded.event, EventCorrected):
        version = known.get(str(recorded.event.event_id))
        if version is not None:
            return tell(recorded, zone, event_id=f"at version {version}")
    return tell(recorded, zone)


def _marks(shown: Shown) -> list[str]:
    """What a reader must know of an event before it, in brackets."""
    marks = []
    if shown.voided_by is not None:
        marks.append(f"[voided by version {shown.voided_by}] ")
    if shown.corrected_by:
        marks.append(f"[corrected by version {words(shown.corrected_by)}] ")
    if shown.late:
        marks.append("[recorded late] ")
    return marks
