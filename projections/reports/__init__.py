"""Reports: typed rows for services, and what the command line prints.

from projections import reports
for promise in reports.promises(store, customer="C-2207", broken=True).rows:
    print(promise.promise_id, promise.state, promise.due_at)
"""

from projections.reports.ageing import AGEING, AgeLine
from projections.reports.breakdown import BREAKDOWN, BreakdownLine
from projections.reports.cases import CASES_REPORT, CaseLine
from projections.reports.goodwill import HISTORY, SPEND, GoodwillLine, SpendLine
from projections.reports.overdue import OVERDUE, OverdueLine
from projections.reports.promises import PROMISE_RATES, PROMISES_REPORT, PromiseLine, RateLine
from projections.reports.repeats import REPEATS, RepeatLine
from projections.reports.report import Report, Result, Selection
from projections.reports.undelivered import UNDELIVERED, UndeliveredLine
from projections.reports.waiting import WAITING, WaitingLine

cases = CASES_REPORT
promises = PROMISES_REPORT
promise_rates = PROMISE_RATES
goodwill_history = HISTORY
goodwill_spend = SPEND
undelivered = UNDELIVERED
waiting = WAITING
overdue = OVERDUE
ageing = AGEING
repeats = REPEATS
breakdown = BREAKDOWN

REPORTS = (
    cases,
    promises,
    goodwill_history,
    goodwill_spend,
    undelivered,
    waiting,
    overdue,
    ageing,
    repeats,
    breakdown,
)
"""Every report, in the order in which the command line lists them."""

__all__ = [
    "REPORTS",
    "AgeLine",
    "BreakdownLine",
    "CaseLine",
    "GoodwillLine",
    "OverdueLine",
    "PromiseLine",
    "RateLine",
    "RepeatLine",
    "Report",
    "Result",
    "Selection",
    "SpendLine",
    "UndeliveredLine",
    "WaitingLine",
    "ageing",
    "breakdown",
    "cases",
    "goodwill_history",
    "goodwill_spend",
    "overdue",
    "promise_rates",
    "promises",
    "repeats",
    "undelivered",
    "waiting",
]
