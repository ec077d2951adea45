"""Read models: what the events mean, as rows to report from."""

from projections.cases import CASES
from projections.customers import CUSTOMERS
from projections.deliveries import DELIVERIES
from projections.goodwill import GOODWILL
from projections.lapses import LAPSES
from projections.projection import Projection
from projections.promises import PROMISES
from projections.statements import STATEMENTS

PROJECTIONS: tuple[Projection, ...] = (
    CASES,
    PROMISES,
    GOODWILL,
    DELIVERIES,
    STATEMENTS,
    CUSTOMERS,
    LAPSES,
)
"""Every read model there is."""
