"""The list of all read models."""

from projections.models.cases import CASES
from projections.models.customers import CUSTOMERS
from projections.models.deliveries import DELIVERIES
from projections.models.goodwill import GOODWILL
from projections.models.promises import PROMISES
from projections.models.statements import STATEMENTS
from projections.projection import Projection
from projections.rules.lapses import LAPSES

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
