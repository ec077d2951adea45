"""From the rows of a case to the events that they may become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from casestore.events import NoteAdded
from casestore.intake.csv.cells import Times, Unfit
from casestore.intake.csv.compiling import Change, Compiler, Seen
from casestore.intake.csv.document import Mapping
from casestore.intake.csv.rules import Changes, Compiled
from casestore.intake.values import NO_EVENT
from casestore.transfer.lines import LeftOut

EARLIEST = datetime.fromisoformat("0001-01-01T00:00:00+00:00")


_NOTHING: dict[str, Change] = {}


class Row(NamedTuple):
    """A row of a case."""

    cells: tuple[str, ...]
    where: str


class Draft(NamedTuple):
    """An event that a row may become."""

    place: datetime
    """Where it stands among those of its case."""
    at: datetime
    rule: Compiled
    seen: Seen
    where: str


class Done(NamedTuple):
    """There is nothing more that a row may become."""

    where: str


Found = Draft | LeftOut | Done


class Drafts:
    """Finds what rows may become.

    Args:
        mapping: the mapping.
        columns: the names of the cells of a row, in their order, and of the fields of its history.
        compiler: compiles templates.
        times: reads times.
        rules: the rules of the mapping, compiled, and its opening.
        notes: whether changes become notes.
    """

    def __init__(
        self,
        mapping: Mapping,
        columns: Sequence[str],
        compiler: Compiler,
        times: Times,
        rules: tuple[Compiled | None, Sequence[Compiled]],
        *,
        notes: bool,
    ) -> None:
        self._fields = mapping.fields
        self._rows = mapping.rows
        self._times = times
        self._notes = notes
        self._opening, self._rules = rules
        self._sorted = any(rule.own_time for rule in self._rules)
        self._at = compiler.text(mapping.at, every=True)
        self._row_id = None if mapping.row_id is None else compiler.id(mapping.row_id)
        self._field, self._old, self._new = (
            None if each is None else compiler.text(each, every=True)
            for each in (mapping.field, mapping.old, mapping.new)
        )
        named = {name for rule in mapping.rules for name in rule.change}
        self._watched = [
            (name, place)
            for place, name in enumerate(columns)
            if mapping.every_column or name in named
        ]
        self._width = len(columns)

    def of(self, rows: Iterable[Row]) -> Iterator[Found]:
        """What the rows of a case may become, in the order in which it is to be tried.

        For the opening there is a draft for each row: the first that makes an event is taken.
        """
        drafts = self._in_turn(rows)
        return self._in_time(drafts) if self._sorted else drafts

    def _in_turn(self, rows: Iterable[Row]) -> Iterator[Found]:
        before = ("",) * self._width
        state: dict[str, str] = {}
        begun: datetime | None = None
        place = EARLIEST
        for row, n in self._once_each(self._with_fields(rows)):
            if isinstance(row, LeftOut):
                yield from (row, Done(row.where))
                continue
            seen = Seen(row.cells, n)
            try:
                at = self._time(seen)
            except Unfit as unfit:
                yield from (LeftOut(unfit.reason, row.where, unfit.detail), Done(row.where))
                continue
            begun, place = begun or at, max(place, at)
            if self._opening is not None:
                yield Draft(EARLIEST, at, self._opening, seen, row.where)
            first, changes = False, _NOTHING
            if self._rows == "states":
                changes = self._differences(before, row.cells)
                first, before = not any(before), row.cells
            elif self._rows == "changes":
                changes = self._change(seen, state)
                first = self._opening is not None and at == begun
            known = {name: each for name, each in changes.items() if each[1]} if first else changes
            moment = _Moment(seen, at, place, row.where)
            yield from self._of_row(moment, Changes(changes, known))
            yield Done(row.where)

    def _of_row(self, moment: _Moment, changes: Changes) -> Iterator[Found]:
        seen, at, place, where = moment
        for rule in self._rules:
            about = rule.changes(changes)
            if about is None or not rule.applies(seen.cells):
                continue
            if about and not self._notes and rule.rule.event is NoteAdded:
                yield LeftOut(NO_EVENT, where, "", False)
                continue
            its_seen = Seen(seen.cells, seen.n, about) if about else seen
            try:
                its_at = rule.time(its_seen, at)
            except Unfit as unfit:
                yield LeftOut(unfit.reason, where, unfit.detail)
                continue
            if its_at is not None:
                yield Draft(its_at if rule.own_time else place, its_at, rule, its_seen, where)

    def _time(self, seen: Seen) -> datetime:
        if (text := self._at(seen)) is None:
            raise Unfit("a row without a time", "")
        return self._times.read(text)

    def _once_each(self, rows: Iterable[Row]) -> Iterator[tuple[Row | LeftOut, str]]:
        """The rows with their ids, each id once; without ids, with their numbers."""
        if self._rows == "cases":
            yield from ((row, "1") for row in rows)
            return
        if self._row_id is None:
            yield from ((row, str(number)) for number, row in enumerate(rows, 1))
            return
        found: dict[str, int] = {}
        for row in rows:
            n = self._row_id(Seen(row.cells, ""))
            content = hash(row.cells)
            if n is None:
                yield LeftOut("a row without its id", row.where), ""
            elif n not in found:
                found[n] = content
                yield row, n
            elif found[n] == content:
                yield LeftOut("a row that stands there twice", row.where, n, False), ""
            else:
                yield LeftOut("a row whose id another row of its case has", row.where, n), ""

    def _with_fields(self, rows: Iterable[Row]) -> Iterable[Row]:
        """The rows, with the present values of the fields of their history as further cells.

        Until a field has its first value, it counts as having had that from the start.
        """
        field, new = self._field, self._new
        if not self._fields or field is None or new is None:
            return rows
        listed = [(row, field(seen), new(seen)) for row in rows for seen in [Seen(row.cells, "")]]
        present = {name: value for _, name, value in reversed(listed)}
        made = []
        for row, name, value in listed:
            present[name] = value
            cells = (*row.cells, *(present.get(each) or "" for each in self._fields))
            made.append(Row(cells, row.where))
        return made

    def _differences(self, before: tuple[str, ...], cells: tuple[str, ...]) -> dict[str, Change]:
        return {
            name: (name, before[place], cells[place])
            for name, place in self._watched
            if cells[place] != before[place]
        }

    def _change(self, seen: Seen, state: dict[str, str]) -> dict[str, Change]:
        if self._field is None or self._new is None or (field := self._field(seen)) is None:
            return {}
        before = state.get(field, "") if self._old is None else self._old(seen) or ""
        state[field] = after = self._new(seen) or ""
        return {field: (field, before, after)} if before != after else {}

    def _in_time(self, drafts: Iterable[Found]) -> Iterator[Found]:
        """Drafts in the order of time, which events with a time of their own need.

        Nothing goes before the opening, though it may have happened before.
        """
        mine, done = [], []
        for each in drafts:
            if isinstance(each, Draft):
                mine.append(each)
            elif isinstance(each, Done):
                done.append(each)
            else:
                yield each
        opened = min((each.at for each in mine if each.rule is self._opening), default=EARLIEST)
        mine.sort(
            key=lambda each: EARLIEST if each.rule is self._opening else max(each.place, opened)
        )
        yield from mine
        yield from done


class _Moment(NamedTuple):
    seen: Seen
    at: datetime
    place: datetime
    where: str
