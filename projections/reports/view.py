"""The tables that a report reads, as of one moment, and what of them it is asked about.

They are the live tables, brought up to date first; or, where another time is asked for, tables made
for the one report by the same functions from what had happened, or was on record, by then: of the
whole store, or of what one case or customer has to do with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from casestore import CaseStore
from casestore.journal.answering import database_answers
from casestore.streams.history import from_microseconds, to_microseconds
from casestore.streams.policies import Policies
from projections.engine.live import Tick
from projections.engine.maker import Made, Maker
from projections.engine.open_tables import scratch_tables
from projections.engine.runner import Runner
from projections.engine.tables import Cursor, Tables, Tracked
from projections.engine.workers import fill, put, ranges
from projections.models.cases import CASES
from projections.models.customers import CUSTOMERS
from projections.projection import Projection, from_stored, shape
from projections.reports.reach import reached

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
        return self.select(projection, *self._asked_for(also, params, time, agent))

    def counted(
        self,
        projection: Projection,
        columns: Sequence[str],
        *also: str,
        time: str | None,
        params: Sequence[Any] = (),
    ) -> Any:
        """How many rows the selection asks for, by some columns as they are stored: tuples of
        these and the number. Arguments as of `chosen`."""
        where, values = self._asked_for(also, params, time, "agent")
        by = ", ".join(f'"{name}"' for name in columns)
        sql = f"SELECT {by}, count(*) FROM {self._names[projection.name]}"
        sql += f" WHERE {where}" if where else ""
        return self._cursor.all(f"{sql} GROUP BY {by}", values)

    def _asked_for(
        self, also: Sequence[str], params: Sequence[Any], time: str | None, agent: str | None
    ) -> tuple[str, list[Any]]:
        """The condition for what the selection asks for, and its parameters."""
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
        return " AND ".join(where), values

    def lookup(self, projection: Projection, column: str, ids: Collection[str]) -> Any:
        """The rows that have one of some ids in a column."""
        if len(ids) > MANY:
            rows = self.select(projection, f"{column} IS NOT NULL")
            return [row for row in rows if getattr(row, column) in ids]
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
        return {each: root(each, into) for each in ids}


def root(each: str, into: Mapping[str, str]) -> str:
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
def open_view(
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
        under = _making(runner, needs, selection, as_of=as_of, until=known, tick=tick)
        if as_of >= newest and known == position:
            parked = {each.stream for each in runner.parked(cursor) if each.projection in live}
            maker = Maker(runner.store, (), until=position)
            view = View(cursor, names, selection=selection, as_of=as_of, maker=maker, under=under)
            yield view, len(parked)
            return
    with under(None) as seen:
        yield seen


def _making(
    runner: Runner,
    needs: Sequence[Projection],
    selection: Selection,
    *,
    as_of: datetime,
    until: int,
    tick: Tick | None,
) -> Callable[[Policies | None], AbstractContextManager[tuple[View, int]]]:
    """Makes tables for one report, as of a time and a position, judged by other policies if any
    are given."""
    of = [[] if each is None else [each] for each in (selection.case, selection.customer)]

    @contextmanager
    def under(policies: Policies | None) -> Iterator[tuple[View, int]]:
        scratch = scratch_tables()
        streams = reached(runner.store, *of) if any(of) else None
        with closing(scratch):
            maker = Maker(runner.store, needs, until=until, as_of=as_of)
            if policies is not None:
                maker.policies = policies
            parked = _fill(scratch, maker, runner.store, needs, streams=streams, tick=tick)
            names = {each.name: scratch.at(each.name) for each in needs}
            with scratch.reading() as cursor:
                view = View(
                    cursor, names, selection=selection, as_of=as_of, maker=maker, under=under
                )
                yield view, len(parked)

    return under


@contextmanager
def _one_moment(
    runner: Runner, names: Sequence[str], tick: Tick | None, workers: int
) -> Iterator[tuple[Cursor, dict[str, Tracked]]]:
    """The live tables of some projections, up to date and all at the same position."""
    while True:
        runner.catch_up(names, workers=workers, tick=tick)
        with runner.tables.reading() as cursor:
            live = {name: each for name, each in runner.current(cursor).items() if name in names}
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
    with database_answers("the store"):
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
    *,
    streams: Iterable[str] | None,
    tick: Tick | None,
) -> set[str]:
    """Make the rows of some streams, or else of a whole store, and give the streams whose rows
    could not be made."""
    parked: set[str] = set()
    done = 0
    with scratch.writing() as cursor:
        for each in needs:
            scratch.create(cursor, each.name, each)
    into = [Tracked(each.name, each.name, 0, "", False, 0, "") for each in needs]
    for made in _made(scratch, maker, store, into, streams):
        parked |= {stream for found in made.parked.values() for stream, _ in found}
        done += made.events
        if tick is not None:
            tick(done)
    with scratch.writing() as cursor:
        for each in needs:
            scratch.index(cursor, each.name, each)
    return parked


def _made(
    scratch: Tables,
    maker: Maker,
    store: CaseStore,
    into: Sequence[Tracked],
    streams: Iterable[str] | None,
) -> Iterator[Made]:
    if streams is None:
        for part in ranges(store, ("case", "customer")):
            yield fill(scratch, maker, into, part)
    else:
        for made in maker.of_streams(streams):
            put(scratch, into, made)
            yield made
