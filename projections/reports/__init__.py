"""Reports: typed rows for services, and what the command line prints.

from projections import reports
for promise in reports.promises(store, customer="C-2207", broken=True).rows:
    print(promise.promise_id, promise.state, promise.due_at)
"""

from typing import TYPE_CHECKING

from casestore.system.on_demand import on_demand

if TYPE_CHECKING:
    from projections.query.report import Line, Option, Report, Result
    from projections.query.selection import Asked, Selection
    from projections.reports.declared.ageing import AGEING, AgeLine
    from projections.reports.declared.authority import ALLOWANCE, AllowanceLine
    from projections.reports.declared.backtest import BACKTEST, BacktestLine
    from projections.reports.declared.breakdown import BREAKDOWN, BreakdownLine
    from projections.reports.declared.cases import CASES_REPORT, CaseLine
    from projections.reports.declared.causes import CAUSES, CauseLine
    from projections.reports.declared.conflicts import CONFLICTS, ConflictLine
    from projections.reports.declared.consistency import CONSISTENCY, ConsistencyLine
    from projections.reports.declared.given import GIVEN, GivenLine
    from projections.reports.declared.goodwill import HISTORY, SPEND, GoodwillLine, SpendLine
    from projections.reports.declared.lapses import (
        LAPSE_COUNTS,
        LAPSES_REPORT,
        LapseCountLine,
        LapseLine,
    )
    from projections.reports.declared.overdue import OVERDUE, OverdueLine
    from projections.reports.declared.period import PERIOD, PeriodLine
    from projections.reports.declared.promises import (
        PROMISE_RATES,
        PROMISE_RATES_BY_AGENT,
        PROMISES_REPORT,
        AgentRateLine,
        PromiseLine,
        RateLine,
    )
    from projections.reports.declared.repeats import REPEATS, RepeatLine
    from projections.reports.declared.responses import (
        RESPONSE_COUNTS,
        RESPONSES_REPORT,
        ResponseCountLine,
        ResponseLine,
    )
    from projections.reports.declared.today import TODAY, TodayLine
    from projections.reports.declared.undelivered import UNDELIVERED, UndeliveredLine
    from projections.reports.declared.waiting import WAITING, WaitingLine
    from projections.reports.every import REPORTS

    today = TODAY
    cases = CASES_REPORT
    promises = PROMISES_REPORT
    promise_rates = PROMISE_RATES
    promise_rates_by_agent = PROMISE_RATES_BY_AGENT
    goodwill_history = HISTORY
    goodwill_spend = SPEND
    goodwill_given = GIVEN
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

_NAMES = {
    "projections.query.report": "Line Option Report Result",
    "projections.query.selection": "Asked Selection",
    "projections.reports.declared.ageing": "ageing=AGEING AgeLine",
    "projections.reports.declared.authority": "goodwill_allowance=ALLOWANCE AllowanceLine",
    "projections.reports.declared.backtest": "backtest=BACKTEST BacktestLine",
    "projections.reports.declared.breakdown": "breakdown=BREAKDOWN BreakdownLine",
    "projections.reports.declared.cases": "cases=CASES_REPORT CaseLine",
    "projections.reports.declared.causes": "causes=CAUSES CauseLine",
    "projections.reports.declared.conflicts": "conflicts=CONFLICTS ConflictLine",
    "projections.reports.declared.consistency": "consistency=CONSISTENCY ConsistencyLine",
    "projections.reports.declared.given": "goodwill_given=GIVEN GivenLine",
    "projections.reports.declared.goodwill": (
        "goodwill_history=HISTORY goodwill_spend=SPEND GoodwillLine SpendLine"
    ),
    "projections.reports.declared.lapses": (
        "lapse_counts=LAPSE_COUNTS lapses=LAPSES_REPORT LapseCountLine LapseLine"
    ),
    "projections.reports.declared.overdue": "overdue=OVERDUE OverdueLine",
    "projections.reports.declared.period": "period=PERIOD PeriodLine",
    "projections.reports.declared.promises": (
        "promise_rates=PROMISE_RATES promise_rates_by_agent=PROMISE_RATES_BY_AGENT "
        "promises=PROMISES_REPORT AgentRateLine PromiseLine RateLine"
    ),
    "projections.reports.declared.repeats": "repeats=REPEATS RepeatLine",
    "projections.reports.declared.responses": (
        "response_counts=RESPONSE_COUNTS responses=RESPONSES_REPORT ResponseCountLine ResponseLine"
    ),
    "projections.reports.declared.today": "today=TODAY TodayLine",
    "projections.reports.declared.undelivered": "undelivered=UNDELIVERED UndeliveredLine",
    "projections.reports.declared.waiting": "waiting=WAITING WaitingLine",
    "projections.reports.every": "REPORTS",
}

if not TYPE_CHECKING:  # a type checker would take any name to be here
    __getattr__, __dir__ = on_demand(__name__, _NAMES)

__all__ = [
    "REPORTS",
    "AgeLine",
    "AgentRateLine",
    "AllowanceLine",
    "Asked",
    "BacktestLine",
    "BreakdownLine",
    "CaseLine",
    "CauseLine",
    "ConflictLine",
    "ConsistencyLine",
    "GivenLine",
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
    "goodwill_given",
    "goodwill_history",
    "goodwill_spend",
    "lapse_counts",
    "lapses",
    "overdue",
    "period",
    "promise_rates",
    "promise_rates_by_agent",
    "promises",
    "repeats",
    "response_counts",
    "responses",
    "today",
    "undelivered",
    "waiting",
]
