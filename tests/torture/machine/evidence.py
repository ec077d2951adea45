"""What a run left: the logs, the store and all that is beside it."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cached_property
from typing import NamedTuple

from casestore import CaseStore, Recorded
from tests.torture.machine.logs import Line, Operation, operations, read
from tests.torture.machine.place import Place

APPENDS = {
    "note",
    "nokey",
    "all",
    "expected",
    "gift",
    "claim",
    "repeat",
    "other",
    "fork",
    "again",
    "opening",
    "words",
    "end",
}
"""What a worker asks, where it appends."""


class Violation(NamedTuple):
    """Something that must not be."""

    check: str
    what: str
    where: str = ""
    """The log and the line, or a place in the store."""

    def __str__(self) -> str:
        return f"{self.check}: {self.what}" + (f" ({self.where})" if self.where else "")


class Append(NamedTuple):
    """One append, which may have been asked several times: all with one mark."""

    mark: str
    asked: list[Operation]

    @property
    def done(self) -> list[Operation]:
        return [each for each in self.asked if each.told == "done"]

    @property
    def is_unknown(self) -> bool:
        return not self.done and any(each.told in ("unknown", "wrong") for each in self.asked)

    @property
    def streams(self) -> Counter[str]:
        """How many events it has in each stream."""
        return Counter(self.asked[0]["streams"])


class Evidence:
    """What a run left. It is read once, when it is first needed.

    Args:
        place: where the run was.
        store: open.
        faults: the kinds of fault that there were.
    """

    def __init__(self, place: Place, store: CaseStore, faults: tuple[str, ...]) -> None:
        self.place, self.store, self.faults = place, store, faults

    @cached_property
    def logs(self) -> dict[str, list[Line]]:
        """By the name of the file."""
        return {path.name: read(path) for path in sorted(self.place.logs.glob("*.log"))}

    @cached_property
    def operations(self) -> list[Operation]:
        return [each for lines in self.logs.values() for each in operations(lines)]

    def asked(self, *asks: str) -> list[Operation]:
        return [each for each in self.operations if each.ask in asks]

    @cached_property
    def appends(self) -> list[Append]:
        """All that was asked to be appended, but for what has another's key."""
        by_mark: defaultdict[str, list[Operation]] = defaultdict(list)
        for each in self.operations:
            if each.ask in APPENDS:
                by_mark[each["mark"]].append(each)
        return [Append(mark, asked) for mark, asked in by_mark.items()]

    @cached_property
    def events(self) -> list[Recorded]:
        """The final store, in the order of positions."""
        return list(self.store.read())

    @cached_property
    def by_uid(self) -> dict[str, Recorded]:
        return {each.uid: each for each in self.events}

    @cached_property
    def by_mark(self) -> dict[str, list[Recorded]]:
        found: defaultdict[str, list[Recorded]] = defaultdict(list)
        for each in self.events:
            if (mark := each.metadata.correlation_id) is not None:
                found[mark].append(each)
        return dict(found)

    @cached_property
    def head(self) -> int:
        return (self.events[-1].position or 0) if self.events else 0
