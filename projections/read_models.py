"""The list of all read models."""

from projections.models.cases import CASES
from projections.models.closings import CLOSINGS
from projections.models.customers import CUSTOMERS
from projections.models.deliveries import DELIVERIES
from projections.models.findings import FINDINGS
from projections.models.goodwill import GOODWILL
from projections.models.promises import PROMISES
from projections.models.ratings import RATINGS
from projections.models.responses import RESPONSES
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
    RESPONSES,
    CLOSINGS,
    FINDINGS,
    RATINGS,
)
"""Every read model. `casestore projections status` lists them in this order."""
