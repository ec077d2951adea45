"""The list of all read models."""

from __future__ import annotations

from collections.abc import Iterator

from projections.history.case_history import CaseHistory
from projections.models.cases import CASES
from projections.models.closings import CLOSINGS
from projections.models.customers import CUSTOMERS
from projections.models.deliveries import DELIVERIES
from projections.models.findings import FINDINGS
from projections.models.goodwill import GOODWILL
from projections.models.lapses import LapseRow
from projections.models.promises import PROMISES
from projections.models.ratings import RATINGS
from projections.models.responses import RESPONSES
from projections.models.statements import STATEMENTS
from projections.projection import Projection


def _lapses(case: CaseHistory) -> Iterator[LapseRow]:
    from projections.rules.lapses import rows  # noqa: PLC0415  (reports read rows, and make none)

    return rows(case)


LAPSES = Projection(
    name="lapses",
    version=4,
    row=LapseRow,
    rows=_lapses,
    looks_at=frozenset({"customer", "policy"}),
    # There are as many rows as events: counts, and the newest, are read from an index alone.
    indexes=("customer_id", "rule outcome at due_at team", "outcome at due_at team"),
)
PROJECTIONS: tuple[Projection, ...] = (
    CASES,
    PROMISES,
    GOODWILL,
    DELIVERIES,
    STATEMENTS,
    CUSTOMERS,
    LAPSES,
    RESPONSES,
    CLOSINGS,
    FINDINGS,
    RATINGS,
)
"""Every read model. `casestore projections status` lists them in this order."""
