"""Reports: typed rows for services, and what the command line prints.

from projections import reports
for promise in reports.promises(store, customer="C-2207", broken=True).rows:
    print(promise.promise_id, promise.state, promise.due_at)
"""

from projections.query.report import Line, Option, Report, Result
from projections.query.selection import Asked, Selection
from projections.reports.ageing import AGEING, AgeLine
from projections.reports.authority import ALLOWANCE, AllowanceLine
from projections.reports.backtest import BACKTEST, BacktestLine
from projections.reports.breakdown import BREAKDOWN, BreakdownLine
from projections.reports.cases import CASES_REPORT, CaseLine
from projections.reports.causes import CAUSES, CauseLine
from projections.reports.conflicts import CONFLICTS, ConflictLine
from projections.reports.consistency import CONSISTENCY, ConsistencyLine
from projections.reports.goodwill import HISTORY, SPEND, GoodwillLine, SpendLine
from projections.reports.lapses import LAPSE_COUNTS, LAPSES_REPORT, LapseCountLine, LapseLine
from projections.reports.overdue import OVERDUE, OverdueLine
from projections.reports.period import PERIOD, PeriodLine
from projections.reports.promises import PROMISE_RATES, PROMISES_REPORT, PromiseLine, RateLine
from projections.reports.repeats import REPEATS, RepeatLine
from projections.reports.responses import (
    RESPONSE_COUNTS,
    RESPONSES_REPORT,
    ResponseCountLine,
    ResponseLine,
)
from projections.reports.today import TODAY, TodayLine
from projections.reports.undelivered import UNDELIVERED, UndeliveredLine
from projections.reports.waiting import WAITING, WaitingLine

today = TODAY
cases = CASES_REPORT
promises = PROMISES_REPORT
promise_rates = PROMISE_RATES
goodwill_history = HISTORY
goodwill_spend = SPEND
goodwill_allowance = ALLOWANCE
undelivered = UNDELIVERED
waiting = WAITING
overdue = OVERDUE
ageing = AGEING
repeats = REPEATS
lapses = LAPSES_REPORT
lapse_counts = LAPSE_COUNTS
conflicts = CONFLICTS
consistency = CONSISTENCY
breakdown = BREAKDOWN
responses = RESPONSES_REPORT
response_counts = RESPONSE_COUNTS
period = PERIOD
causes = CAUSES
backtest = BACKTEST

REPORTS: tuple[Report[Line], ...] = (
    today,
    cases,
    promises,
    goodwill_history,
    goodwill_spend,
    goodwill_allowance,
    undelivered,
    waiting,
    overdue,
    ageing,
    repeats,
    lapses,
    conflicts,
    consistency,
    breakdown,
    responses,
    period,
    causes,
)
"""Every report, in the order in which the command line lists them. `backtest` is left out: it is
the command `casestore policy backtest`."""

__all__ = [
    "REPORTS",
    "AgeLine",
    "AllowanceLine",
    "Asked",
    "BacktestLine",
    "BreakdownLine",
    "CaseLine",
    "CauseLine",
    "ConflictLine",
    "ConsistencyLine",
    "GoodwillLine",
    "LapseCountLine",
    "LapseLine",
    "Line",
    "Option",
    "OverdueLine",
    "PeriodLine",
    "PromiseLine",
    "RateLine",
    "RepeatLine",
    "Report",
    "ResponseCountLine",
    "ResponseLine",
    "Result",
    "Selection",
    "SpendLine",
    "TodayLine",
    "UndeliveredLine",
    "WaitingLine",
    "ageing",
    "backtest",
    "breakdown",
    "cases",
    "causes",
    "conflicts",
    "consistency",
    "goodwill_allowance",
    "goodwill_history",
    "goodwill_spend",
    "lapse_counts",
    "lapses",
    "overdue",
    "period",
    "promise_rates",
    "promises",
    "repeats",
    "response_counts",
    "responses",
    "today",
    "undelivered",
    "waiting",
]
