"""`lapses`: what the rules find. `lapses --by`: how often, with the share that cannot be told.

Most findings are rows of the lapses projection. Two rules span a customer's cases, and are worked
out here: gestures beyond the yearly limit, and statements that disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from projections.cases import CASES
from projections.goodwill import GOODWILL
from projections.lapses import LAPSES, OUTCOMES, RULES, LapseRow, Outcome
from projections.reports.conflicts import judged_statements
from projections.reports.measures import counted, grouped, month, share
from projections.reports.repeated import judged_gestures
from projections.reports.report import Answer, Line, Option, Report
from projections.reports.view import View
from projections.statements import STATEMENTS

ACROSS_CASES = {"repeat-goodwill": judged_gestures, "conflicting-statements": judged_statements}


class LapseLine(Line, frozen=True, kw_only=True):
    """What a rule finds of one subject."""

    rule: str
    subject: str
    case_id: str
    customer_id: str
    outcome: Outcome
    at: datetime
    """When it became violated; else by when it was judged."""
    agent: str | None
    team: str | None
    evidence: tuple[str, ...]
    """Event ids."""


class LapseCountLine(Line, frozen=True, kw_only=True):
    """How often the rules found what, in one group."""

    group: str | None
    violated: int
    satisfied: int
    exempt: int
    unknown: int
    unknown_share: float | None
    """Unknown ÷ (violated + satisfied + unknown)."""


def findings(view: View, rule: str | None = None) -> list[LapseRow]:
    """What the rules, or one of them, find of what the selection asks for, as of the view."""
    also = [] if rule is None else ["rule = ?"]
    params = [] if rule is None else [rule]
    stored: Sequence[LapseRow] = []
    if rule not in ACROSS_CASES:
        stored = view.chosen(LAPSES, *also, params=params, time="at")
    found = [row for row in stored if row.due_at is None or row.due_at < view.as_of]
    found = [row for row in found if row.rule not in ACROSS_CASES]
    for name, judge in ACROSS_CASES.items():
        if rule in (None, name):
            found += [row for row in judge(view) if _asked(view, row)]
    found.sort(key=lambda row: (row.at, row.case_id, row.rule, row.subject))
    return found


def _asked(view: View, row: LapseRow) -> bool:
    asked = view.selection
    return (
        asked.in_window(row.at)
        and (asked.agent is None or row.agent == asked.agent)
        and (asked.case is None or row.case_id in view.merged_into([asked.case], CASES))
        and all(
            getattr(asked, name) in (None, getattr(row, name))
            for name in ("team", "product", "region", "category")
        )
    )


def _lines(view: View, found: Sequence[LapseRow]) -> Iterator[LapseLine]:
    roots = view.roots(row.customer_id for row in found)
    for row in found:
        yield LapseLine(
            rule=row.rule,
            subject=row.subject,
            case_id=row.case_id,
            customer_id=roots[row.customer_id],
            outcome=row.outcome,
            at=row.at,
            agent=row.agent,
            team=row.team,
            evidence=row.evidence,
        )


def _answer(view: View, *, rule: str | None = None, outcome: str = "violated") -> Answer[LapseLine]:
    found = findings(view, rule)
    shown = [row for row in found if outcome in ("all", row.outcome)]
    return Answer(list(_lines(view, shown)), {**_counts(found), **_policy(view)})


def _by(view: View, *, by: str, rule: str | None = None) -> Answer[LapseCountLine]:
    def group(row: LapseRow) -> Any:
        return month(row.at, view.selection.tz) if by == "month" else getattr(row, by)

    found = findings(view, rule)
    lines = [
        LapseCountLine(group=name, **_counts(rows)) for name, rows in grouped(found, group).items()
    ]
    lines.sort(key=lambda line: (line.group is None, line.group or ""))
    return Answer(lines, {"by": by, **_counts(found), **_policy(view)})


def _counts(found: Sequence[LapseRow]) -> dict[str, Any]:
    counts = counted((row.outcome for row in found), OUTCOMES)
    judged = counts["violated"] + counts["satisfied"] + counts["unknown"]
    return {**counts, "unknown_share": share(counts["unknown"], judged)}


def _policy(view: View) -> dict[str, Any]:
    """Which policy is in force as of the view; each finding is judged by that of its own time."""
    return {"policy": view.policies.in_force(view.as_of).name or "built-in"}


BY = ("rule", "team", "agent", "month")
_NEEDS = (LAPSES, GOODWILL, STATEMENTS)
_RULE = Option("rule", "Of one rule; `casestore lessons` lists them.", tuple(RULES))

LAPSE_COUNTS = Report(
    "lapses",
    "How often the rules find what.",
    LapseCountLine,
    _by,
    needs=_NEEDS,
    shown="group violated satisfied exempt unknown unknown_share",
    options=(_RULE, Option("by", "What to count by.", BY, required=True)),
)
LAPSES_REPORT = Report(
    "lapses",
    "What the rules find in how complaints were handled.",
    LapseLine,
    _answer,
    needs=_NEEDS,
    shown="at rule subject case_id customer_id agent team outcome",
    options=(
        _RULE,
        Option(
            "outcome",
            "Of one outcome; violated, if left out.",
            (*OUTCOMES, "all"),
            default="violated",
        ),
        Option("by", "How often, by rule, team, agent or month.", BY, instead=LAPSE_COUNTS),
    ),
    example="lapses --rule bare-no --team north",
)
