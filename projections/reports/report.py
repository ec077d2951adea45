"""What a report is: which rows it reads, a function over them, and what it answers with.

A report reads the live tables, brought up to date first; or, where another time is asked for,
tables made for it alone by the same functions from what had happened, or was on record, by then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from eventsourcing.persistence import ProgrammingError

from casestore import CaseStore
from casestore.history import from_microseconds, to_microseconds
from casestore.opening import answering
from casestore.policy import Policies
from projections import tables
from projections.cases import CASES
from projections.customers import CUSTOMERS
from projections.making import Maker
from projections.projection import Projection, from_stored, shape
from projections.rebuild import fill, ranges
from projections.runner import Runner, Tick, unavailable
from projections.tables import Cursor, Tables, Tracked

R = TypeVar("R", bound=msgspec.Struct)

MANY = 1_000
"""Ids from which on it is faster to read a table whole than to look each up."""


@dataclass(frozen=True)
class Selection:
    """What of the store a report is about."""

    as_of: datetime | None = None
    """Only what had happened by then; now, if left out."""
    known_at: datetime | None = None
    """Only what was on record by then."""
    since: datetime | None = None
    """Only rows whose own time is not before."""
    until: datetime | None = None
    """Only rows whose own time is before."""
    customer: str | None = None
    """And whoever is merged with them."""
    case: str | None = None
    """And what is merged into it."""
    agent: str | None = None
    team: str | None = None
    product: str | None = None
    region: str | None = None
    category: str | None = None
    tz: tzinfo = UTC
    """Where months and days begin."""

    def in_window(self, at: datetime) -> bool:
        """Whether a time is neither before `since` nor at or after `until`."""
        after = self.since is None or at >= self.since
        return after and (self.until is None or at < self.until)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a report."""


class Answer(NamedTuple, Generic[R]):
    """What a report's own function gives: rows in its own order, and what they come to."""

    rows: Sequence[R]
    summary: dict[str, Any]


@dataclass(frozen=True)
class Result(Generic[R]):
    """What a report answers."""

    report: str
    as_of: datetime
    known_at: datetime | None
    position: int
    """Of the last event that was taken into account."""
    rows: Sequence[R]
    summary: Mapping[str, Any]
    """Of all rows, also where `limit` leaves some out."""
    total: int = 0
    """How many rows there are, with those that `limit` leaves out."""
    parked: int = 0
    """Streams that are missing, because their rows could not be made."""


class View:
    """The tables that a report reads, as of one moment."""

    def __init__(
        self,
        cursor: Cursor,
        names: Mapping[str, str],
        *,
        selection: Selection,
        as_of: datetime,
        maker: Maker,
        under: Callable[[Policies | None], AbstractContextManager[tuple[View, int]]],
    ) -> None:
        self._cursor = cursor
        self._maker = maker
        self._under = under
        self._names = names
        self.selection = selection
        self.as_of = as_of
        self.position = maker.until or 0

    @property
    def policies(self) -> Policies:
        """The policies adopted by then. Raises what is wrong with their stream."""
        found = self._maker.policies
        if isinstance(found, Exception):
            raise found
        return found

    @contextmanager
    def under(self, policies: Policies) -> Iterator[View]:
        """The same, judged by other policies."""
        with self._under(policies) as (view, _):
            yield view

    def select(self, projection: Projection, where: str = "", params: Sequence[Any] = ()) -> Any:
        """Rows of a projection, all or those that a condition holds for."""
        columns = ", ".join(f'"{name}"' for name in shape(projection.row).columns)
        sql = f"SELECT {columns} FROM {self._names[projection.name]}"
        found = self._cursor.all(f"{sql} WHERE {where}" if where else sql, params)
        return list(from_stored(projection.row, found))

    def chosen(
        self,
        projection: Projection,
        *also: str,
        time: str | None,
        agent: str | None = "agent",
        params: Sequence[Any] = (),
    ) -> Any:
        """The rows that the selection asks for.

        Args:
            projection: whose rows.
            also: further conditions.
            params: theirs.
            time: the column that the window is about; None leaves it to the caller.
            agent: the column that the agent is about; None leaves it to the caller.
        """
        asked = self.selection
        where = list(also)
        values: list[Any] = [*params]
        for column, wanted in (
            (agent, asked.agent),
            ("team", asked.team),
            ("product", asked.product),
            ("region", asked.region),
            ("category", asked.category),
        ):
            if column is not None and wanted is not None:
                where.append(f"{column} = ?")
                values.append(wanted)
        for moment, than in ((asked.since, ">="), (asked.until, "<")):
            if time is not None and moment is not None:
                where.append(f"{time} {than} ?")
                values.append(to_microseconds(moment))
        for column, ids in (
            ("stream", None if asked.case is None else _streams(self.merged_into([asked.case]))),
            (
                "customer_id",
                None if asked.customer is None else self.same_customers(asked.customer),
            ),
        ):
            if ids is not None:
                where.append(f"{column} IN ({', '.join('?' * len(ids))})")
                values += ids
        return self.select(projection, " AND ".join(where), values)

    def lookup(self, projection: Projection, column: str, ids: Collection[str]) -> Any:
        """The rows that have one of some ids in a column."""
        if len(ids) > MANY:
            return [row for row in self.select(projection) if getattr(row, column) in ids]
        wanted, found = sorted(ids), []
        if column == "case_id":  # by the index that there is
            column, wanted = "stream", _streams(wanted)
        for start in range(0, len(wanted), 400):
            some = wanted[start : start + 400]
            marks = ", ".join("?" * len(some))
            found += self.select(projection, f"{column} IN ({marks})", some)
        return found

    # --- what is merged counts as one ------------------------------------------------------

    def merged_into(self, ids: Collection[str], projection: Projection = CASES) -> list[str]:
        """Some cases (or customers) and all that are merged into them, directly or not."""
        key = projection.row.__struct_fields__[0]
        found, new = dict.fromkeys(ids), set(ids)
        while new:
            members = {getattr(row, key) for row in self.lookup(projection, "merged_into", new)}
            new = members - set(found)
            found.update(dict.fromkeys(sorted(new)))
        return list(found)

    def same_customers(self, customer_id: str) -> list[str]:
        """A customer under every id that they were merged from, or into."""
        return self.merged_into([self.roots([customer_id])[customer_id]], CUSTOMERS)

    def roots(self, customer_ids: Iterable[str]) -> dict[str, str]:
        """Under which id each customer counts."""
        ids = set(customer_ids)
        into: dict[str, str] = {}
        new = ids
        while new:
            if all_of_them := len(new) > MANY:
                merged = self.select(CUSTOMERS, "merged_into IS NOT NULL")
            else:
                merged = self.lookup(CUSTOMERS, "customer_id", new)
            found = {e.customer_id: e.merged_into for e in merged if e.merged_into is not None}
            new = set() if all_of_them else set(found.values()) - set(into)
            into |= found
        return {each: _root(each, into) for each in ids}


def _root(each: str, into: Mapping[str, str]) -> str:
    """What something is merged into in the end.

    Each case (or customer) has a history of its own: at some time, or after a correction, two may
    have been merged into each other. They count under the first of their ids.
    """
    seen: list[str] = []
    while each in into:
        if each in seen:
            return min(seen[seen.index(each) :])
        seen.append(each)
        each = into[each]
    return each


def _streams(case_ids: Iterable[str]) -> list[str]:
    return [f"case:{each}" for each in case_ids]


# --- opening ---------------------------------------------------------------------------------


@contextmanager
def _view(
    runner: Runner,
    needs: Sequence[Projection],
    selection: Selection,
    tick: Tick | None,
    workers: int,
) -> Iterator[tuple[View, int]]:
    """The tables for a selection, and how many streams are parked."""
    with _one_moment(runner, [each.name for each in needs], tick, workers) as (cursor, live):
        names = {name: runner.tables.at(table.table) for name, table in live.items()}
        newest = _newest(cursor, names)
        as_of = selection.as_of or max(runner.store.now(), newest)
        position = live[needs[0].name].position
        known = _known(runner, position, selection.known_at)
        under = partial(
            _scratch,
            runner=runner,
            needs=needs,
            selection=selection,
            as_of=as_of,
            until=known,
            tick=tick,
        )
        if as_of >= newest and known == position:
            parked = {each.stream for each in runner.parked(cursor) if each.projection in live}
            maker = Maker(runner.store, (), until=position)
            view = View(cursor, names, selection=selection, as_of=as_of, maker=maker, under=under)
            yield view, len(parked)
            return
    with under(None) as seen:
        yield seen


@contextmanager
def _scratch(
    policies: Policies | None,
    *,
    runner: Runner,
    needs: Sequence[Projection],
    selection: Selection,
    as_of: datetime,
    until: int,
    tick: Tick | None,
) -> Iterator[tuple[View, int]]:
    """Tables made for one report, as of a time and a position, judged by other policies if any
    are given."""
    scratch = tables.scratch()
    with closing(scratch):
        maker = Maker(runner.store, needs, until=until, as_of=as_of)
        if policies is not None:
            maker.policies = policies
        parked = _fill(scratch, maker, runner.store, needs, tick)
        names = {each.name: scratch.at(each.name) for each in needs}
        with scratch.reading() as cursor:
            view = View(
                cursor,
                names,
                selection=selection,
                as_of=as_of,
                maker=maker,
                under=partial(
                    _scratch,
                    runner=runner,
                    needs=needs,
                    selection=selection,
                    as_of=as_of,
                    until=until,
                    tick=tick,
                ),
            )
            yield view, len(parked)


@contextmanager
def _one_moment(
    runner: Runner, names: Sequence[str], tick: Tick | None, workers: int
) -> Iterator[tuple[Cursor, dict[str, Tracked]]]:
    """The live tables of some projections, up to date and all at the same position."""
    while True:
        runner.catch_up(names, workers=workers, tick=tick)
        with runner.tables.reading() as cursor:
            live = {name: each for name, each in runner.live(cursor).items() if name in names}
            # Else somebody moved some of them, or switched, in between.
            if len(live) == len(names) and len({each.position for each in live.values()}) == 1:
                yield cursor, live
                return


def _newest(cursor: Cursor, names: Mapping[str, str]) -> datetime:
    """The latest time at which anything on record happened (clocks may differ from ours)."""
    found = [
        cursor.all(f"SELECT max(last_event_at) FROM {names[each.name]}")[0][0] or 0
        for each in (CASES, CUSTOMERS)
    ]
    return from_microseconds(max(found))


def _known(runner: Runner, position: int, known_at: datetime | None) -> int:
    """The last position that was on record by a time, up to another one."""
    if known_at is None:
        return position
    recorder = runner.store.recorder
    with answering("the store"):
        found = recorder.fetch(
            f"SELECT position FROM {recorder.table} WHERE position <= ? AND recorded_at <= ? "
            "ORDER BY position DESC LIMIT 1",
            [position, to_microseconds(known_at)],
        )
    return found[0][0] if found else 0


def _fill(
    scratch: Tables,
    maker: Maker,
    store: CaseStore,
    needs: Sequence[Projection],
    tick: Tick | None,
) -> set[str]:
    """Make the rows of a whole store, and give the streams whose rows could not be made."""
    parked: set[str] = set()
    done = 0
    with scratch.writing() as cursor:
        for each in needs:
            scratch.create(cursor, each.name, each)
    into = [Tracked(each.name, each.name, 0, "", False, 0, "") for each in needs]
    for streams in ranges(store, sorted({each.of for each in needs})):
        made = fill(scratch, maker, into, streams)
        parked |= {stream for found in made.parked.values() for stream, _ in found}
        done += made.events
        if tick is not None:
            tick(done)
    with scratch.writing() as cursor:
        for each in needs:
            scratch.index(cursor, each.name, each)
    return parked


# --- declaring -------------------------------------------------------------------------------


class Option(NamedTuple):
    """An option of one report alone."""

    name: str
    help: str
    kind: Any = bool
    """bool (a flag), str, timedelta, or a tuple of the codes that may be given."""
    required: bool = False
    default: str | None = None
    instead: Report[Any] | None = None
    """A report that is answered instead where the option is given, with what it knows of the
    others."""


SELECTS = (
    *("since", "until", "customer", "case", "agent", "team"),
    *("product", "region", "category"),
)


@dataclass(frozen=True)
class Report(Generic[R]):
    """A report. To add one: a function with its rows, and a line in `REPORTS`."""

    name: str
    """As the command line has it: "goodwill history" is one of a group."""
    help: str
    line: type[R]
    answer: Callable[..., Answer[R]]
    """From a View and the report's own options to rows."""
    needs: tuple[Projection, ...]
    shown: str
    """The fields that people are shown in a table, in order."""
    options: tuple[Option, ...] = ()
    selects: tuple[str, ...] = SELECTS
    """What of a Selection it heeds, beside the times."""
    argument: str | None = None
    """The field of a Selection without which it cannot be asked."""
    example: str = ""

    def __call__(
        self,
        store: CaseStore,
        *,
        selection: Selection | None = None,
        sort: str | None = None,
        limit: int | None = None,
        workers: int = 1,
        tick: Tick | None = None,
        **options: Any,
    ) -> Result[R]:
        """Answer.

        Args:
            store: what to report on.
            selection: what of it; fields of a Selection may also be given by name instead, like
                `as_of` or `customer`.
            sort: the field to sort by, with "-" before it for the largest first.
            limit: the number of rows to give at most; the summary is of all.
            workers: processes to share the work with, where tables have to be built first.
            tick: told the number of events done, where it takes long.
            options: of this report alone, see its docstring.

        Raises ValueError for what cannot be asked, StoreUnavailable.
        """
        named = {each: options.pop(each) for each in _SELECTION if each in options}
        asked = replace(selection or Selection(), **named)
        self._check(asked, sort)
        needs = tuple(dict.fromkeys([*self.needs, CASES, CUSTOMERS]))
        with Runner(store) as runner:
            # PostgreSQL drops a table that a rebuild has replaced under a reader's feet.
            patience: list[AbstractContextManager[Any]]
            patience = [*[suppress(ProgrammingError)] * 5, nullcontext()]
            for again in patience:
                with unavailable(), again, _view(runner, needs, asked, tick, workers) as seen:
                    return self._result(*seen, sort, limit, options)
        raise AssertionError

    def _result(
        self,
        view: View,
        parked: int,
        sort: str | None,
        limit: int | None,
        options: Mapping[str, Any],
    ) -> Result[R]:
        found = self.answer(view, **options)
        rows = _in_order(found.rows, sort)
        return Result(
            self.name,
            view.as_of,
            view.selection.known_at,
            view.position,
            rows if limit is None else rows[:limit],
            found.summary,
            len(rows),
            parked,
        )

    def _check(self, asked: Selection, sort: str | None) -> None:
        for each in (asked.as_of, asked.known_at, asked.since, asked.until):
            if each is not None and each.utcoffset() is None:
                raise ValueError("the time has no time zone; give an aware datetime")
        for name in set(SELECTS) - set(self.selects):
            if getattr(asked, name) is not None:
                raise ValueError(f"the report {self.name!r} cannot be asked for one {name}")
        if self.argument is not None and getattr(asked, self.argument) is None:
            raise ValueError(f"the report {self.name!r} needs to be told which {self.argument}")
        fields = self.line.__struct_fields__
        if sort is not None and sort.removeprefix("-") not in fields:
            raise ValueError(
                f"{sort!r} is not a field of the report {self.name!r}; sort by one of "
                f"{', '.join(fields)}"
            )


_SELECTION = tuple(each for each in Selection.__dataclass_fields__)


def _in_order(rows: Sequence[R], sort: str | None) -> Sequence[R]:
    if sort is None:
        return rows
    name, largest_first = sort.removeprefix("-"), sort.startswith("-")
    known = [row for row in rows if getattr(row, name) is not None]
    unknown = [row for row in rows if getattr(row, name) is None]
    known.sort(key=lambda row: sortable(getattr(row, name)), reverse=largest_first)
    return [*known, *unknown]  # what is not known comes last, either way


def sortable(value: Any) -> Any:
    """A value that can be compared with others of its column: plain ones come before money."""
    if hasattr(value, "currency"):
        return (value.currency, value.amount)
    return ("", value)
