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
from projections.models.cases import CASES, NOT_COMPLAINTS, CaseRow
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
        policies = self._maker.policies
        if isinstance(policies, Exception):
            raise policies
        return policies

    @contextmanager
    def under(self, policies: Policies) -> Iterator[View]:
        """The same, judged by other policies."""
        with self._under(policies) as (view, _):
            yield view

    def select(self, projection: Projection, where: str = "", params: Sequence[Any] = ()) -> Any:
        """Rows of a projection, all or those that a condition holds for."""
        columns = ", ".join(f'"{name}"' for name in shape(projection.row).columns)
        sql = f"SELECT {columns} FROM {self._names[projection.name]}"
        rows = self._cursor.all(f"{sql} WHERE {where}" if where else sql, params)
        return list(from_stored(projection.row, rows))

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
        cases, customers = asked.wanted("case"), asked.wanted("customer")
        for column, wanted in (
            (agent, asked.wanted("agent")),
            ("team", asked.wanted("team")),
            ("product", asked.wanted("product")),
            ("region", asked.wanted("region")),
            ("category", asked.wanted("category")),
            ("stream", None if cases is None else _streams(self.families_of(cases))),
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

    # --- whom and what it is about -----------------------------------------------------------

    def families_of(self, case_ids: Collection[str]) -> list[str]:
        """Some cases, what they are merged into, and what is merged into them."""
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
        """The one case that the selection is about, by the id under which it counts."""
        case_ids = self.selection.wanted("case")
        if case_ids is None:
            return None
        roots = [row.case_id for row in self._roots_of(case_ids) if row.merged_into is None]
        return roots[0] if roots else case_ids[0]

    def cases(self, *, time: str | None = "opened_at", agent: str | None = "agent") -> Any:
        """The cases that the selection asks for, each family once, in the order of opening."""
        rows: list[CaseRow] = self.chosen(CASES, "status <> 'merged'", time=time, agent=agent)
        rows.sort(key=lambda row: (row.opened_at, row.case_id))
        return rows

    def complaints(self, *, time: str | None = "opened_at", agent: str | None = "agent") -> Any:
        """The same, without those that were closed as no complaint, or as a duplicate."""
        return [row for row in self.cases(time=time, agent=agent) if is_complaint(row)]

    def same_customers(self, *customer_ids: str) -> list[str]:
        """Some customers under every id that they have."""
        roots = {*customer_ids, *self.roots(customer_ids).values()}
        members = {row.customer_id for row in self.lookup(CUSTOMERS, "root", roots)}
        return sorted({*customer_ids, *members})

    def roots(self, customer_ids: Iterable[str]) -> dict[str, str]:
        """Under which id each customer counts."""
        ids = set(customer_ids)
        if len(ids) > MANY:  # few are merged
            rows = self.select(CUSTOMERS, "merged_into IS NOT NULL")
        else:
            rows = self.lookup(CUSTOMERS, "customer_id", ids)
        root = {row.customer_id: row.root for row in rows}
        return {customer_id: root.get(customer_id, customer_id) for customer_id in ids}


def is_complaint(case: CaseRow) -> bool:
    """Whether a case counts among complaints."""
    return case.status != "closed" or case.close_reason not in NOT_COMPLAINTS


def _streams(case_ids: Iterable[str]) -> list[str]:
    return [f"case:{case_id}" for case_id in case_ids]
