"""Whether a store has ever had the agents, teams and so on that somebody asks for.

A report on a team whose name was mistyped would say that there is nothing to tell of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from casestore import CaseStore
from projections.engine.live import LiveTables
from projections.engine.tables import unavailable
from projections.models.cases import CASES
from projections.models.customers import CUSTOMERS
from projections.query.open_view import open_view
from projections.query.selection import Selection
from projections.read_models import PROJECTIONS

NAMED = ("agent", "team", "product", "region", "category")
"""The fields of a Selection that name something which only events know of."""


class NotKnown(NamedTuple):
    """A name that the store has never had."""

    field: str
    name: str
    known: tuple[str, ...]
    """The names that cases have at present, sorted."""


def not_known(store: CaseStore, selection: Selection) -> NotKnown | None:
    """The first name of a selection that stands in no event of the store, whenever it was.

    Most names are those of cases at present. For any other, all events are looked through.

    Raises StoreUnavailable.
    """
    asked = {field: selection.wanted(field) for field in NAMED}
    if not any(asked.values()):
        return None
    known = _of_cases(store, [field for field, names in asked.items() if names])
    for field, names in asked.items():
        for name in names or ():
            if name not in known[field] and not store._recorder.mentions(name):
                return NotKnown(field, name, tuple(sorted(known[field])))
    return None


def _of_cases(store: CaseStore, fields: Sequence[str]) -> dict[str, set[str]]:
    with (
        LiveTables(store, PROJECTIONS, for_one_report=True) as live,
        unavailable(),
        open_view(live, (CASES, CUSTOMERS), Selection(), None, 1) as (view, _),
    ):
        return {
            field: {value for value, _ in view.counted(CASES, (field,), time=None) if value}
            for field in fields
        }
