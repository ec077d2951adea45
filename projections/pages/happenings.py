"""What happened, as pages tell it: events with both clocks, their corrections, and lapses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import groupby

from casestore.events import EventCorrected
from casestore.streams.history import History
from casestore.streams.policies import Policies
from casestore.streams.timeline import in_words, timeline, versions
from casestore.streams.wording import before_or_after, words
from projections.pages.links import Links
from projections.reports.declared.lapses import LapseLine
from projections.reports.explained import Evidence, applied
from projections.rules.lapses import RULES


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A later event that says how an earlier one is to be read."""

    position: int | None
    """Of the event; None where it happened after the moment of the page. It holds all the same."""
    kind: str
    """amended or voided."""
    who: str
    authorised_by: str
    at: datetime
    recorded_at: datetime | None
    reason: str
    changes: Sequence[tuple[str, str, str]]
    """The name of each field that was wrong, what it said, and what it says now."""
    words: str | None
    """How words are to be read, in words; None without any."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """An event. Its place on a page is `e` with its position."""

    position: int
    case_id: str
    """The case whose stream has it; for a customer's event, the customer's id."""
    version: int
    type: str
    at: datetime
    recorded_at: datetime | None
    late: bool
    """Whether it was recorded after something that happened later."""
    who: str
    told: str
    """As it is read now."""
    first_told: str | None
    """As it was recorded; None where that is as it is read now."""
    corrections: Sequence[Correction]
    voided: bool
    sealed: bool
    """Whether the newest seal covers it."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An event that shows a lapse."""

    position: int | None
    """Of the event; None where it was voided or is not there."""
    stream: str
    """Of the event; "" where the page itself has it, and where it is not there."""
    at: datetime | None
    told: str


@dataclass(frozen=True, kw_only=True)
class Lapse:
    """What a rule finds: something that went wrong, or that cannot be told."""

    number: int
    """From 1: its place on a page is `l` with this number."""
    rule: str
    subject: str
    outcome: str
    at: datetime
    agent: str | None
    team: str | None
    lesson: str
    policy: str
    numbers: Sequence[str]
    """Those of the policy that the rule applied, like "max_agents 3"."""
    evidence: Sequence[Shown]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the rules find at one time: lapses, or what cannot be told."""

    at: datetime
    violated: bool
    lapses: Sequence[Lapse]


def told(history: History, zone: tzinfo, sealed: int) -> Iterator[Told]:
    """The events of a stream in the order in which they happened, also those that were voided.

    Args:
        history: of the stream.
        zone: in which times within an event are told.
        sealed: the position of the last event that the newest seal covers.
    """
    version_of = versions(history)
    first = {recorded.uid: recorded for recorded in history.originals}
    entries = timeline(history)
    corrections = _corrections(history, {entry.recorded.position for entry in entries}, zone)
    for entry in entries:
        recorded = entry.recorded
        text = in_words(recorded, version_of, zone)
        was = in_words(first[recorded.uid], version_of, zone)
        yield Told(
            position=recorded.position or 0,
            case_id=recorded.stream.partition(":")[2],
            version=recorded.version,
            type=recorded.type,
            at=recorded.occurred_at,
            recorded_at=recorded.recorded_at,
            late=entry.late,
            who=words(recorded.event.actor),
            told=text,
            first_told=None if was == text else was,
            corrections=corrections.get(recorded.uid, ()),
            voided=entry.voided_by is not None,
            sealed=0 < (recorded.position or 0) <= sealed,
        )


def _corrections(
    history: History, here: Set[int | None], zone: tzinfo
) -> dict[str, list[Correction]]:
    found: dict[str, list[Correction]] = {}
    for recorded in history.originals:
        event = recorded.event
        if not isinstance(event, EventCorrected):
            continue
        said = recorded.words.get("personal_changes")
        found.setdefault(str(event.event_id), []).append(
            Correction(
                position=recorded.position if recorded.position in here else None,
                kind=event.kind,
                who=words(event.actor),
                authorised_by=words(event.authorised_by),
                at=recorded.occurred_at,
                recorded_at=recorded.recorded_at,
                reason=event.reason,
                changes=list(_changes(event, zone)),
                words=None if said is None else str(said),
            )
        )
    return found


def _changes(event: EventCorrected, zone: tzinfo) -> Iterator[tuple[str, str, str]]:
    for name, change in (event.changes or {}).items():
        was, now = (before_or_after(change.get(end), zone) for end in ("from", "to"))
        yield name, was, now


def showing(
    events: Iterable[Told], histories: Iterable[History], elsewhere: Evidence, zone: tzinfo
) -> Callable[[str], Shown]:
    """A function that tells an event that shows a lapse, by its id.

    Args:
        events: those that the page has.
        histories: the streams that they are from.
        elsewhere: finds events that the page does not have.
        zone: in which times within an event are told.
    """
    here = {event.position: event for event in events}
    positions = {r.uid: r.position for history in histories for r in history.originals}

    def show(uid: str) -> Shown:
        if (own := here.get(positions.get(uid) or 0)) is not None:
            text = f"{own.who} {own.told}"
            return Shown(position=own.position, stream="", at=own.at, told=text)
        other = elsewhere.find(uid)
        if other is None:
            return Shown(position=None, stream="", at=None, told="an event that was voided")
        text = f"{words(other.event.actor)} {in_words(other, {}, zone)}"
        return Shown(position=other.position, stream=other.stream, at=other.occurred_at, told=text)

    return show


def lapses(
    found: Iterable[LapseLine], policies: Policies, show: Callable[[str], Shown]
) -> Iterator[Lapse]:
    """What rules find, with the evidence.

    Args:
        found: the lines of the report.
        policies: those that were adopted by the moment of the page.
        show: see `showing`.
    """
    for number, line in enumerate(found, 1):
        policy, numbers = applied(line.rule, line.at, policies)
        yield Lapse(
            number=number,
            rule=line.rule,
            subject=line.subject,
            outcome=line.outcome,
            at=line.at,
            agent=line.agent,
            team=line.team,
            lesson=" ".join(RULES[line.rule].lesson.split()),
            policy=policy,
            numbers=numbers,
            evidence=[show(uid) for uid in line.evidence],
        )


def in_order(events: Iterable[Told], found: Iterable[Lapse]) -> list[Told | Found]:
    """Events and lapses in the order of time; at one time the event stays before its lapse."""
    told_first = sorted(events, key=lambda event: (event.at, event.position))
    ordered: list[Told | Found] = [*told_first]
    by_time = sorted(found, key=lambda lapse: (lapse.at, lapse.outcome != "violated"))
    for (at, outcome), some in groupby(by_time, key=lambda lapse: (lapse.at, lapse.outcome)):
        ordered.append(Found(at=at, violated=outcome == "violated", lapses=list(some)))
    # Sorting is stable: of two at the same time, the one that stood first stays first.
    return sorted(ordered, key=lambda item: item.at)


def address_of(event: Shown, links: Links) -> str | None:
    """The address of an event: on its own page, or in the file of another case or customer."""
    kind, _, name = event.stream.partition(":")
    if event.position is None or kind == "policy":
        return None
    if not kind:
        return f"#e{event.position}"
    file = links.case(name) if kind == "case" else links.customer(name)
    return None if file is None else f"{file}#e{event.position}"
