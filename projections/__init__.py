"""Read models: tables of rows that are made from the events, and reports over them.

A service imports from here and from `projections.reports`. Each name is imported from its module
when it is first used.
"""

from typing import TYPE_CHECKING

from casestore.system.on_demand import on_demand

if TYPE_CHECKING:
    from projections.engine.live import Parked, Tick
    from projections.engine.runner import Runner, Status
    from projections.engine.verifying import Difference, Verified
    from projections.history.case_history import CaseHistory, Failure
    from projections.history.customer_history import CustomerHistory
    from projections.history.family import Family
    from projections.history.happened import Happened
    from projections.projection import Projection, Row
    from projections.read_models import PROJECTIONS

_PART_OF = "casestore"  # see casestore/__main__.py
_NAMES = {
    "projections.engine.live": "Parked Tick",
    "projections.engine.runner": "Runner Status",
    "projections.engine.verifying": "Difference Verified",
    "projections.history.case_history": "CaseHistory Failure",
    "projections.history.customer_history": "CustomerHistory",
    "projections.history.family": "Family",
    "projections.history.happened": "Happened",
    "projections.projection": "Projection Row",
    "projections.read_models": "PROJECTIONS",
}

if not TYPE_CHECKING:  # a type checker would take any name to be here
    __getattr__, __dir__ = on_demand(__name__, _NAMES)

__all__ = [
    "PROJECTIONS",
    "CaseHistory",
    "CustomerHistory",
    "Difference",
    "Failure",
    "Family",
    "Happened",
    "Parked",
    "Projection",
    "Row",
    "Runner",
    "Status",
    "Tick",
    "Verified",
]
