"""What readers and followers saw, held against what is on record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.torture.machine.evidence import Evidence, Violation
from tests.torture.machine.logs import Line, Operation
from tests.torture.machine.watchers import digest, saw


def versions(found: Evidence) -> Iterator[Violation]:
    """The versions of each stream are 1..n, and positions rise."""
    counts: Counter[str] = Counter()
    last = 0
    for event in found.events:
        counts[event.stream] += 1
        if event.version != counts[event.stream]:
            what = (
                f"{event.stream}: version {event.version} comes where {counts[event.stream]} should"
            )
            yield Violation("versions", what, f"position {event.position}")
            counts[event.stream] = event.version
        if (event.position or 0) <= last:
            yield Violation("versions", f"position {event.position} comes after {last}", event.uid)
        last = event.position or 0


def readers(found: Evidence) -> Iterator[Violation]:
    """What a reader saw, one read after the other, is what is on record, without a gap."""
    for name, lines in found.logs.items():
        if name.startswith("reader"):
            seen = [(each, line) for line in lines for each in line.said.get("saw", [])]
            yield from _same("readers", found, seen)
    for each in found.asked("everything"):
        if each.told == "done":
            yield from _prefix(found, each)
    for each in found.asked("stream"):
        if each.told == "done":
            there = [e.uid for e in found.events if e.stream == each["stream"]][: each["count"]]
            if digest(there) != each["digest"] or not each["dense"]:
                what = (
                    f"{each['stream']} had {each['count']} events that are not the first on record"
                )
                yield Violation("readers", what, str(each))


def _prefix(found: Evidence, each: Operation) -> Iterator[Violation]:
    there = found.events[: each["count"]]
    last = there[-1].position if there else 0
    if digest([e.uid for e in there]) != each["digest"] or last != each["last"]:
        what = f"{each['count']} events up to {each['last']} are not the first on record"
        yield Violation("readers", what, str(each))


def _same(check: str, found: Evidence, seen: list[tuple[list[Any], Line]]) -> Iterator[Violation]:
    """Compare what was seen with the events on record; tells the first difference."""
    for number, (each, line) in enumerate(seen):
        there = saw(found.events[number]) if number < len(found.events) else None
        if each != there:
            what = f"event {number + 1} that was seen is {each}, and on record is {there}"
            yield Violation(check, what, str(line))
            return


def follow(found: Evidence) -> Iterator[Violation]:
    """Who follows gets each event once, in order, up to the last."""
    for name, lines in found.logs.items():
        if not name.startswith("follower"):
            continue
        seen = [(line.said["follows"], line) for line in lines if "follows" in line.said]
        yield from _same("follow", found, seen)
        if len(seen) < len(found.events):
            what = f"{len(seen)} of {len(found.events)} events came"
            yield Violation("follow", what, str(lines[-1]) if lines else name)


def fresh(found: Evidence) -> Iterator[Violation]:
    """A read sees what was acknowledged before it began."""
    told = []
    for append in found.appends:
        for each in append.done:
            assert each.answer is not None
            told.append((each.answer.said["at"], max(each["positions"]), each.op))
    told.sort()
    reads = [each for each in found.asked("everything", "new") if each.told == "done"]
    reads.sort(key=lambda each: int(each.asked.said["at"]))
    number, last, by = 0, 0, ""
    for each in reads:
        while number < len(told) and told[number][0] < each.asked.said["at"]:
            if told[number][1] > last:
                _, last, by = told[number]
            number += 1
        reached = _reached(found, each)
        if reached is not None and reached < last:
            what = f"{each.op} reached {reached}, and {by} was acknowledged before, at {last}"
            yield Violation("fresh", what, str(each))


def _reached(found: Evidence, each: Operation) -> int | None:
    """The last position that a read saw, or that its reader had seen; None if it may have more."""
    if each.ask == "everything":
        return int(each["last"])
    if not each["whole"]:
        return None
    if each["saw"]:
        return int(each["saw"][-1][0])
    before = [
        line.said["saw"][-1][0]
        for line in found.logs[each.asked.file]
        if line.number < each.asked.number and line.said.get("saw")
    ]
    return int(before[-1]) if before else 0
