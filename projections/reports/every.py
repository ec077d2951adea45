"""Every report."""

from projections.query.report import Line, Report
from projections.reports.declared.ageing import AGEING
from projections.reports.declared.authority import ALLOWANCE
from projections.reports.declared.breakdown import BREAKDOWN
from projections.reports.declared.cases import CASES_REPORT
from projections.reports.declared.causes import CAUSES
from projections.reports.declared.conflicts import CONFLICTS
from projections.reports.declared.consistency import CONSISTENCY
from projections.reports.declared.given import GIVEN
from projections.reports.declared.goodwill import HISTORY, SPEND
from projections.reports.declared.lapses import LAPSES_REPORT
from projections.reports.declared.overdue import OVERDUE
from projections.reports.declared.period import PERIOD
from projections.reports.declared.promises import PROMISES_REPORT
from projections.reports.declared.repeats import REPEATS
from projections.reports.declared.responses import RESPONSES_REPORT
from projections.reports.declared.today import TODAY
from projections.reports.declared.undelivered import UNDELIVERED
from projections.reports.declared.waiting import WAITING

REPORTS: tuple[Report[Line], ...] = (
    TODAY,
    CASES_REPORT,
    PROMISES_REPORT,
    HISTORY,
    SPEND,
    GIVEN,
    ALLOWANCE,
    UNDELIVERED,
    WAITING,
    OVERDUE,
    AGEING,
    REPEATS,
    LAPSES_REPORT,
    CONFLICTS,
    CONSISTENCY,
    BREAKDOWN,
    RESPONSES_REPORT,
    PERIOD,
    CAUSES,
)
"""Every report, in the order in which the command line lists them. `backtest` is left out: it is
the command `casestore policy backtest`."""
