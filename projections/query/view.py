"""The tables that a report reads, all as of one moment. See `projections.query.open_view`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar
from weakref import WeakSet

from casestore.streams.history import from_microseconds, to_microseconds
from casestore.streams.policies import Policies
from projections.engine.maker import Maker
from projections.engine.tables import Cursor
from projections.models.cases import CASES, NOT_COMPLAINTS, CaseRow
from projections.models.customers import CUSTOMERS
from projections.projection import Projection, Row, from_stored, shape, values_from_stored
from projections.query.selection import Selection

T = TypeVar("T")
MANY = 1_000
"""For more ids than this, it is faster to read a whole table than to look up each id."""


class OfCase(NamedTuple):
    """What says whose a case is, at present."""

    case_id: str
    customer_id: str
    agent: str | None
    team: str | None


class View:
    """The tables that a report reads, all as of one moment."""

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
        self._only: Sequence[str] | None = None
        self._made: dict[Any, Any] = {}
        self._streams = WeakSet[Any]()
        self.selection = selection
        self.as_of = as_of
        self.position = maker.until or 0

    @property
    def policies(self) -> Policies:
        """The policies adopted by that moment.

        Raises:
            CaseStoreError: their stream cannot be read.
        """
        policies = self._maker.policies
        if isinstance(policies, Exception):
            raise policies
        return policies

    @property
    def url(self) -> str:
        """The URL of the store that the tables were made from."""
        return self._maker.url

    def about(self, selection: Selection) -> View:
        """The same tables, asked about another selection of the same moment."""
        other = copy(self)
        other.selection = selection
        return other

    def of_streams(self, streams: Sequence[str]) -> View:
        """The same view, in which `chosen` and `counted` give rows of some streams alone."""
        other = copy(self)
        other._only = streams
        return other

    def once(self, make: Callable[[View], T]) -> T:
        """What a function makes of these tables, made once for the same customers.

        Args:
            make: depends on the tables, the moment and the selection's customers alone.
        """
        key = make, self.selection.wanted("customer")
        if key not in self._made:
            self._made[key] = make(self)
        found: T = self._made[key]
        return found

    def at(self, projection: Projection) -> str:
        """The name of a projection's table, as SQL needs it."""
        return self._names[projection.name]

    @contextmanager
    def under(self, policies: Policies) -> Iterator[View]:
        """The same view, but with rows that are judged by other policies."""
        with self._under(policies) as (view, _):
            yield view

    def select(
        self,
        projection: Projection,
        where: str = "",
        params: Sequence[Any] = (),
        row: type[Row] | None = None,
    ) -> Any:
        """The rows of a projection that satisfy an SQL condition; all rows if it is "".

        Args:
            projection: the projection.
            where: the condition.
            params: the parameters of the condition.
            row: a class with some fields of the projection's rows: only these are read.
        """
        row = projection.row if row is None else row
        columns = ", ".join(f'"{name}"' for name in shape(row).columns)
        sql = f"SELECT {columns} FROM {self._names[projection.name]}"
        rows = self._cursor.all(f"{sql} WHERE {where}" if where else sql, params)
        return list(from_stored(row, rows))

    def chosen(
        self,
        projection: Projection,
        *also: str,
        time: str | None,
        agent: str | None = "agent",
        params: Sequence[Any] = (),
        row: type[Row] | None = None,
    ) -> Any:
        """The rows of a projection that the selection asks for.

        Args:
            projection: the projection.
            also: further SQL conditions.
            params: the parameters of these conditions.
            time: the column to compare with `since` and `until`; None: the caller does it.
            agent: the column to compare with `agent`; None: the caller does it.
            row: see `select`.
        """
        return self.select(projection, *self._asked_for(also, params, time, agent), row)

    def counted(
        self,
        projection: Projection,
        columns: Sequence[str],
        *also: str,
        time: str | None,
        params: Sequence[Any] = (),
    ) -> Any:
        """Count the rows that the selection asks for, grouped by some columns.

        Returns tuples of the columns' values, as they are stored, and the count. The other
        arguments are those of `chosen`.
        """
        where, values = self._asked_for(also, params, time, "agent")
        by = ", ".join(f'"{name}"' for name in columns)
        sql = f"SELECT {by}, count(*) FROM {self._names[projection.name]}"
        sql += f" WHERE {where}" if where else ""
        return self._cursor.all(f"{sql} GROUP BY {by}", values)

    def columns(
        self,
        projection: Projection,
        names: Sequence[str],
        *also: str,
        time: str | None,
        agent: str | None = "agent",
        params: Sequence[Any] = (),
        order: str = "",
        limit: int | None = None,
    ) -> list[Any]:
        """Some columns of the rows that the selection asks for, as they are stored, in tuples.

        Args:
            projection: of these rows.
            names: the columns, or SQL expressions over the rows, like count(*).
            also: see `chosen`.
            time: see `chosen`.
            agent: see `chosen`.
            params: see `chosen`.
            order: what to sort by, in SQL.
            limit: the most rows to give.
        """
        asked = self._asked_for(also, params, time, agent)
        return self._cursor.all(*self._query(projection, names, asked, order, limit))

    def stream(
        self,
        projection: Projection,
        *also: str,
        time: str | None,
        agent: str | None = "agent",
        params: Sequence[Any] = (),
        row: type[Row] | None = None,
        order: str = "",
        limit: int | None = None,
    ) -> Iterator[Any]:
        """The rows of a projection that the selection asks for, not all at once.

        The arguments are those of `chosen` and `columns`.
        """
        row = projection.row if row is None else row
        names = [f'"{name}"' for name in shape(row).columns]
        asked = self._asked_for(also, params, time, agent)
        found: Any = self._cursor.each(*self._query(projection, names, asked, order, limit))
        self._streams.add(found)
        return from_stored(row, found)

    def close(self) -> None:
        """End all streams. What is left of their rows cannot be read any more."""
        for stream in list(self._streams):
            stream.close()

    def _query(
        self,
        projection: Projection,
        names: Sequence[str],
        asked: tuple[str, list[Any]],
        order: str,
        limit: int | None,
    ) -> tuple[str, list[Any]]:
        """A query in SQL, and its parameters; `asked` is what `_asked_for` gives."""
        where, values = asked
        sql = f"SELECT {', '.join(names)} FROM {self._names[projection.name]}"
        sql += f" WHERE {where}" if where else ""
        sql += f" ORDER BY {order}" if order else ""
        return (sql, values) if limit is None else (f"{sql} LIMIT ?", [*values, limit])

    def of_cases(
        self,
        projection: Projection,
        columns: Sequence[str],
        where: str,
        params: Sequence[Any] = (),
    ) -> Iterator[tuple[OfCase, list[Any]]]:
        """Some columns of rows, each with what matters of its case; read by the database alone.

        The selection is compared with the case, each family being one; `agent`, `since` and `until`
        are left to the caller.

        Args:
            projection: of these rows.
            columns: to read.
            where: an SQL condition for the rows; one on a column that has an index reads no others.
            params: the parameters of the condition.
        """
        shown = ", ".join([*(f"c.{name}" for name in OfCase._fields), *(f"r.{n}" for n in columns)])
        joined, values = self._joined(projection, columns, where, params)
        found = self._cursor.all(f"SELECT {shown} FROM {joined}", values)
        width = len(OfCase._fields)
        rows = values_from_stored(projection.row, columns, (each[width:] for each in found))
        return zip((OfCase(*each[:width]) for each in found), rows, strict=True)

    def first_of_cases(
        self,
        projection: Projection,
        column: str,
        where: str,
        params: Sequence[Any],
        most: int,
    ) -> tuple[int, list[datetime]]:
        """How many rows `of_cases` gives, and the earliest times of a column of theirs.

        Args:
            projection: of these rows.
            column: of times.
            where: see `of_cases`.
            params: see `of_cases`.
            most: how many times to give.
        """
        joined, values = self._joined(projection, [column], where, params)
        ((total,),) = self._cursor.all(f"SELECT count(*) FROM {joined}", values)
        sql = f"SELECT r.{column} FROM {joined} ORDER BY r.{column} LIMIT ?"
        first = self._cursor.all(sql, [*values, most]) if most else []
        return total, [from_microseconds(at) for (at,) in first]

    def _joined(
        self, projection: Projection, columns: Sequence[str], where: str, params: Sequence[Any]
    ) -> tuple[str, list[Any]]:
        """Rows `r` joined with their cases `c`, in SQL, and the parameters: see `of_cases`."""
        of_case, values = self._asked_for(["status <> 'merged'"], (), None, None)
        own = ", ".join(f'"{name}"' for name in columns)
        theirs = ", ".join(OfCase._fields)
        return (
            f"(SELECT stream, {own} FROM {self._names[projection.name]} WHERE {where}) AS r "
            f"JOIN (SELECT stream, {theirs} FROM {self._names[CASES.name]} WHERE {of_case}) AS c "
            "ON c.stream = r.stream"
        ), [*params, *values]

    def _asked_for(
        self, also: Sequence[str], params: Sequence[Any], time: str | None, agent: str | None
    ) -> tuple[str, list[Any]]:
        """The SQL condition for the rows that the selection asks for, and its parameters."""
        asked = self.selection
        where = list(also)
        values: list[Any] = [*params]
        cases, customers = asked.wanted("case"), asked.wanted("customer")
        for column, wanted in (
            (agent, asked.wanted("agent")),
            ("team", asked.wanted("team")),
            ("product", asked.wanted("product")),
            ("region", asked.wanted("region")),
            ("category", asked.wanted("category")),
            ("stream", None if cases is None else _streams(self.families_of(cases))),
            ("stream", self._only),
            ("customer_id", None if customers is None else self.same_customers(*customers)),
        ):
            if column is not None and wanted is not None:
                marks = ", ".join("?" * len(wanted))
                where.append(f"{column} IN ({marks})" if wanted else "1 = 0")
                values += wanted
        for moment, than in ((asked.since, ">="), (asked.until, "<")):
            if time is not None and moment is not None:
                where.append(f"{time} {than} ?")
                values.append(to_microseconds(moment))
        return " AND ".join(where), values

    def within(self) -> tuple[str, Sequence[str]]:
        """What to add to an SQL condition of an inner query, and its parameters.

        It then reads no row of a stream that the view leaves out.
        """
        if self._only is None:
            return "", ()
        marks = ", ".join("?" * len(self._only))
        return (f" AND stream IN ({marks})" if marks else " AND 1 = 0"), self._only

    def lookup(
        self,
        projection: Projection,
        column: str,
        ids: Collection[str],
        row: type[Row] | None = None,
    ) -> Any:
        """The rows that have one of the given ids in a column. For `row` see `select`."""
        if len(ids) > MANY:
            rows = self.select(projection, f"{column} IS NOT NULL", (), row)
            return [row for row in rows if getattr(row, column) in ids]
        wanted, found = sorted(ids), []
        if column == "case_id":  # `stream` has an index, `case_id` has none
            column, wanted = "stream", _streams(wanted)
        for start in range(0, len(wanted), 400):
            some = wanted[start : start + 400]
            marks = ", ".join("?" * len(some))
            found += self.select(projection, f"{column} IN ({marks})", some, row)
        return found

    def upheld(self, projection: Projection) -> dict[str, bool]:
        """Of the cases that have rows in a projection, whether their findings uphold an issue.

        It is by case id; a case without findings is left out.
        """
        found = self._cursor.all(
            f"SELECT case_id, upheld FROM {self._names[CASES.name]} WHERE upheld IS NOT NULL "
            f"AND stream IN (SELECT stream FROM {self._names[projection.name]})"
        )
        return {case_id: bool(upheld) for case_id, upheld in found}

    def first_opening(self) -> datetime | None:
        """When the first of all cases was opened; None without cases."""
        (first,) = self._cursor.all(f"SELECT min(opened_at) FROM {self._names[CASES.name]}")[0]
        return None if first is None else from_microseconds(first)

    # --- cases and customers -----------------------------------------------------------------

    def families_of(self, case_ids: Collection[str]) -> list[str]:
        """The given cases, the cases they are merged into, and all cases merged into these."""
        families = {*case_ids, *(row.case_id for row in self._roots_of(case_ids))}
        new = set(families)
        while new:
            members = {row.case_id for row in self.lookup(CASES, "merged_into", new)}
            new = members - families
            families |= new
        return sorted(families)

    def _roots_of(self, case_ids: Collection[str]) -> list[CaseRow]:
        rows: list[CaseRow] = self.lookup(CASES, "case_id", case_ids)
        into = {row.merged_into for row in rows if row.merged_into is not None}
        return rows + (self._roots_of(into) if into else [])

    @property
    def case(self) -> str | None:
        """The id of the root of the case that the selection names; None if it names none."""
        case_ids = self.selection.wanted("case")
        if case_ids is None:
            return None
        roots = [row.case_id for row in self._roots_of(case_ids) if row.merged_into is None]
        return roots[0] if roots else case_ids[0]

    def cases(
        self,
        *,
        time: str | None = "opened_at",
        agent: str | None = "agent",
        row: type[Row] | None = None,
    ) -> Any:
        """The cases that the selection asks for, each family once, in the order of opening.

        The arguments are those of `chosen`.
        """
        rows = self.chosen(CASES, "status <> 'merged'", time=time, agent=agent, row=row)
        rows.sort(key=lambda row: (row.opened_at, row.case_id))
        return rows

    def complaints(
        self,
        *,
        time: str | None = "opened_at",
        agent: str | None = "agent",
        row: type[Row] | None = None,
    ) -> Any:
        """The same, without cases that were closed as a duplicate or as not a complaint."""
        return [each for each in self.cases(time=time, agent=agent, row=row) if is_complaint(each)]

    def same_customers(self, *customer_ids: str) -> list[str]:
        """The given customers and all that are merged with them, by id, sorted."""
        roots = {*customer_ids, *self.roots(customer_ids).values()}
        members = {row.customer_id for row in self.lookup(CUSTOMERS, "root", roots)}
        return sorted({*customer_ids, *members})

    @property
    def merged_customers(self) -> str:
        """An SQL query for the ids of all customers that others are merged with."""
        table = self._names[CUSTOMERS.name]
        return (
            f"SELECT customer_id FROM {table} WHERE root IN "
            f"(SELECT root FROM {table} WHERE merged_into IS NOT NULL)"
        )

    def roots(self, customer_ids: Iterable[str], of: int = 0) -> dict[str, str]:
        """The root of each customer: the id under which reports count them.

        Args:
            customer_ids: the customers.
            of: of how many rows these are a few: then others will be asked for too.
        """
        ids = set(customer_ids)
        if max(len(ids), of) > MANY:
            root = self.once(_merged)
        else:
            rows = self.lookup(CUSTOMERS, "customer_id", ids)
            root = {row.customer_id: row.root for row in rows}
        return {customer_id: root.get(customer_id, customer_id) for customer_id in ids}


class Closing(Protocol):
    """What of a case says whether it counts as a complaint."""

    @property
    def status(self) -> str:
        """See CaseRow."""

    @property
    def close_reason(self) -> str | None:
        """See CaseRow."""


def is_complaint(case: Closing) -> bool:
    """Whether a case counts as a complaint."""
    return case.status != "closed" or case.close_reason not in NOT_COMPLAINTS


def _merged(view: View) -> dict[str, str]:
    """The roots of the customers that are merged, who are few."""
    rows = view.select(CUSTOMERS, "merged_into IS NOT NULL")
    return {row.customer_id: row.root for row in rows}


def no_complaints(view: View) -> set[str]:
    """The ids of all cases that do not count as a complaint, whatever the selection is."""
    marks = ", ".join("?" * len(NOT_COMPLAINTS))
    where = f"status = 'closed' AND close_reason IN ({marks})"
    sql = f"SELECT case_id FROM {view.at(CASES)} WHERE {where}"
    return {case_id for (case_id,) in view._cursor.all(sql, NOT_COMPLAINTS)}


def _streams(case_ids: Iterable[str]) -> list[str]:
    return [f"case:{case_id}" for case_id in case_ids]
