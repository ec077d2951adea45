"""The final store itself, and what was made of it: its seals, projections, backups, erasures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from casestore import CaseStore, CaseStoreError, Erased, PersonalDataErased, StatementMade
from casestore.audit.held import HeldCheckpoint
from casestore.audit.verifying import verify
from casestore.backup.backup import restore
from casestore.doctor.examine import examine
from projections import Runner, reports
from tests.torture.machine.evidence import Evidence, Violation
from tests.torture.machine.logs import Operation


def doctor(found: Evidence) -> Iterator[Violation]:
    """The doctor finds nothing, but for clocks that were wrong where some were."""
    for finding in examine(found.store):
        clock = finding.check == "times of recording" and "clock" in found.faults
        if finding.level == "error" or (finding.level == "warning" and not clock):
            yield Violation("doctor", f"{finding.check}: {finding.what}", finding.where)


def seals(found: Evidence) -> Iterator[Violation]:
    """The store fits every checkpoint that was ever handed out."""
    made = [each for each in found.asked("seal") if each.told == "done"]
    held = [HeldCheckpoint(str(each), each["note"].encode()) for each in made]
    verified = verify(found.store, held=held)
    for finding in verified.findings:
        if finding.level in ("tampered", "cannot tell"):
            yield Violation("seals", finding.what, finding.where)
    for each in made:
        if each["size"] > len(found.events):
            what = f"{each['size']} events were sealed, and {len(found.events)} are on record"
            yield Violation("seals", what, str(each))


def projections(found: Evidence) -> Iterator[Violation]:
    """The tables hold what a rebuild makes, row by row."""
    with Runner(found.store) as runner:
        reached = runner.catch_up()
        if reached != found.head:
            yield Violation("projections", f"they reach {reached}, and the store {found.head}")
        for parked in runner.parked():
            what = f"{parked.stream} is parked: {parked.error}"
            yield Violation("projections", what, parked.projection)
        for table in runner.verify(from_events=True):
            for each in table.differences:
                yield Violation("projections", f"{each.stream}: {each.what}", table.projection)
        before = _tables(runner)
        runner.rebuild()
        for name, rows in _tables(runner).items():
            if rows != before.get(name):
                yield Violation("projections", "a rebuild makes other rows", name)


def _tables(runner: Runner) -> dict[str, list[Any]]:
    """The rows of every live table, in an order of their own."""
    live = runner._live
    with live.tables.reading() as cursor:
        return {
            name: sorted(map(repr, cursor.all(f"SELECT * FROM {live.tables.at(table.table)}")))
            for name, table in live.current(cursor).items()
        }


def conflicts(found: Evidence) -> Iterator[Violation]:
    """The report tells each statement that contradicts an earlier one, and no other."""
    told: defaultdict[tuple[str, str], list[StatementMade]] = defaultdict(list)
    contradicts: set[tuple[str, str]] = set()
    made = [each for each in found.events if isinstance(each.event, StatementMade)]
    for each in sorted(made, key=lambda each: (each.occurred_at, each.position or 0)):
        event = each.event
        assert isinstance(event, StatementMade)
        before = told[str(each.customer_id), event.topic]
        if any(other.value != event.value for other in before):
            contradicts.add((each.stream.removeprefix("case:"), event.statement_id))
        before.append(event)
    report = reports.conflicts(found.store, limit=None)
    lines = {(line.case_id, line.statement_id) for line in report.rows}
    for case_id, name in sorted(lines ^ contradicts):
        what = "is told and contradicts nothing" if (case_id, name) in lines else "is not told"
        yield Violation("conflicts", f"{name} of {case_id} {what}", "conflicts")


def backups(found: Evidence) -> Iterator[Violation]:
    """The newest backup can be restored, and holds the first events of the store."""
    made = [each for each in found.asked("backup") if each.told == "done"]
    there = [each for each in made if (found.place.backups / each["file"]).exists()]
    for each in made:
        if found.events and each["position"] not in _ends(found, each["events"]):
            what = f"{each['events']} events up to {each['position']} are not the first on record"
            yield Violation("backups", what, str(each))
    if made and not there:
        yield Violation("backups", "none of the newest is there", str(made[-1]))
    if there:
        newest = max(there, key=lambda each: int(each["file"]))
        yield from _restored(found, newest)


def _ends(found: Evidence, count: int) -> set[int | None]:
    """The position of the event that is the count-th; none where there are not so many."""
    if count == 0:
        return {0}
    return {event.position for event in found.events[count - 1 : count]}


def _restored(found: Evidence, newest: Operation) -> Iterator[Violation]:
    url = other_place(found.place.url, f"restored_{uuid4().hex[:8]}")
    try:
        copy = restore(found.place.backups / newest["file"], url)
    except CaseStoreError as error:
        yield Violation("backups", f"it cannot be restored: {error}", str(newest))
        return
    if copy.events != newest["events"]:
        what = f"it holds {copy.events} events, and was said to hold {newest['events']}"
        yield Violation("backups", what, str(newest))
    with CaseStore.open(url) as restored:
        for one, other in zip(restored.read(), found.events, strict=False):
            if (one.position, one.uid, one.stream, one.event) != (
                other.position,
                other.uid,
                other.stream,
                other.event,
            ):
                what = f"position {one.position} is another event in the store"
                yield Violation("backups", what, str(newest))
                return


def other_place(url: str, name: str) -> str:
    """A place beside a store, on the same database."""
    if url.startswith("sqlite"):
        return f"{url.rpartition('/')[0]}/{name}.db"
    return f"{url}_{name}"


def erased(found: Evidence) -> Iterator[Violation]:
    """Who was erased stays so; an erasure that nobody knows of is whole, or was not made."""
    done: dict[str, int] = {}
    for each in found.asked("erase"):
        if each.told == "done":
            assert each.answer is not None
            done.setdefault(each["customer"], each.answer.said["at"])
    for each in found.asked("look"):
        begun = each.asked.said["at"]
        if (
            each.told == "done"
            and "shown" in each["words"]
            and begun > done.get(each["customer"], begun)
        ):
            yield Violation("erased", f"words of {each['customer']} were shown again", str(each))
    on_record = {
        str(event.customer_id)
        for event in found.events
        if isinstance(event.event, PersonalDataErased)
    }
    for who in done.keys() - on_record:
        yield Violation("erased", f"{who} was erased, and it is not on record", who)
    asked = {each["customer"]: each for each in found.asked("erase")}
    for event in found.store.read(reveal=True):
        for word in event.words.values():
            who = str(event.customer_id)
            if isinstance(word, Erased) != (who in on_record):
                are = "there" if who in on_record else "gone"
                what = f"words of {who} at {event.position} are {are}"
                yield Violation("erased", what, str(asked.get(who) or who))
