"""The tables that a report reads, as of one moment. `open_view` opens them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

from casestore.streams.history import to_microseconds
from casestore.streams.policies import Policies
from projections.engine.maker import Maker
from projections.engine.tables import Cursor
from projections.models.cases import CASES
from projections.models.customers import CUSTOMERS
from projections.projection import Projection, from_stored, shape
from projections.query.selection import Selection

MANY = 1_000
"""Ids from which on it is faster to read a table whole than to look each up."""


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
