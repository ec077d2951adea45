"""`lapses`: what the rules find. `lapses --by`: how often, with the share that is unknown.

Most findings are rows of the projection `lapses`. Two rules look at all cases of a customer and are
judged when the report runs: `repeat-goodwill` and `conflicting-statements`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from heapq import merge
from operator import attrgetter
from typing import Any

from casestore.streams.history import from_microseconds, to_microseconds
from projections.models.goodwill import GOODWILL
from projections.models.lapses import OUTCOMES, LapseRow, Outcome
from projections.models.statements import STATEMENTS
from projections.query.lines import Lines
from projections.query.measures import month, share
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View
from projections.read_models import LAPSES
from projections.reports.declared.conflicts import judged_statements, violated_statements
from projections.reports.declared.repeat_goodwill import judged_gestures, violated_gestures
from projections.rules.lapses import RULES

ACROSS_CASES = {"repeat-goodwill": judged_gestures, "conflicting-statements": judged_statements}
VIOLATED_ACROSS_CASES = {
    "repeat-goodwill": violated_gestures,
    "conflicting-statements": violated_statements,
}
"""The same, but only what is violated: then fewer rows are read."""


class LapseLine(Line, frozen=True, kw_only=True):
    """The finding of a rule on one subject."""

    rule: str
    subject: str
    case_id: str
    customer_id: str
    outcome: Outcome
    at: datetime
    """When the rule was violated; for other outcomes, the time by which it was judged."""
    agent: str | None
    team: str | None
    evidence: tuple[str, ...]
    """The ids of the events that show it."""


class LapseCountLine(Line, frozen=True, kw_only=True):
    """How often the rules came to each outcome in one group."""

    group: str | None
    violated: int
    satisfied: int
    exempt: int
    unknown: int
    unknown_share: float | None
    """unknown / (violated + satisfied + unknown)."""


def findings(view: View, rule: str | None = None, outcome: str | None = None) -> list[LapseRow]:
    """The findings that the selection asks for, as of the view.

    Args:
        view: the view.
        rule: only findings of this rule.
        outcome: only findings with this outcome.
    """
    return list(_in_order(view, rule, outcome, _across_cases(view, rule, outcome)))


def _in_order(
    view: View, rule: str | None, outcome: str | None, across: Sequence[LapseRow]
) -> Iterator[LapseRow]:
    """The findings that the selection asks for, with those across cases, in the report's order."""
    where, params = _stored(view, rule, outcome)
    stored = view.stream(LAPSES, *where, params=params, time="at", order=", ".join(_ORDER))
    key = attrgetter(*_ORDER)
    return merge(stored, sorted(across, key=key), key=key)


_ORDER = ("at", "case_id", "rule", "subject")


def _stored(
    view: View, rule: str | None, outcome: str | None = None
) -> tuple[list[str], list[Any]]:
    """The SQL conditions for the rows that hold as of the view, and their parameters."""
    where: list[str] = ["(due_at IS NULL OR due_at < ?)"]
    params: list[Any] = [to_microseconds(view.as_of)]
    for name, value in (("rule", rule), ("outcome", outcome)):
        if value is not None:
            where.append(f"{name} = ?")
            params.append(value)
    return where, params


def _across_cases(view: View, rule: str | None, outcome: str | None = None) -> list[LapseRow]:
    asked = view.selection
    judges = VIOLATED_ACROSS_CASES if outcome == "violated" else ACROSS_CASES
    wanted = asked.wanted("case")
    cases = None if wanted is None else view.families_of(wanted)
    return [
        row
        for name, judge in judges.items()
        if rule in (None, name)
        for row in view.once(judge)
        if outcome in (None, row.outcome)
        and asked.in_window(row.at)
        and (cases is None or row.case_id in cases)
        and asked.takes("agent", row.agent)
        and asked.takes("team", row.team)
        and asked.takes("product", row.product)
        and asked.takes("region", row.region)
        and asked.takes("category", row.category)
    ]


def _lines(view: View, total: int, found: Sequence[LapseRow]) -> Iterator[LapseLine]:
    roots = view.roots((row.customer_id for row in found), total)
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
    wanted = None if outcome == "all" else outcome
    across = _across_cases(view, rule, wanted)
    where, params = _stored(view, rule, wanted)
    ((stored,),) = view.columns(LAPSES, ["count(*)"], *where, params=params, time="at")
    total = stored + len(across)
    shown = Lines(
        lambda **_: _in_order(view, rule, wanted, across),
        partial(_lines, view, total),
        total=total,
    )
    counts = _counted(view, "outcome", rule).values()
    return Answer(shown, {**_shares(counts), **_policy(view)})


def newest(
    view: View, most: int, *, rule: str | None = None, outcome: str = "violated"
) -> tuple[list[LapseLine], int]:
    """The newest rows of the report, at least as many as are wanted, and how many it has.

    Args:
        view: the view.
        most: how many are wanted.
        rule: as the report's option.
        outcome: as the report's option.
    """
    wanted = None if outcome == "all" else outcome
    where, params = _stored(view, rule, wanted)
    ((count,),) = view.columns(LAPSES, ["count(*)"], *where, params=params, time="at")
    across = _across_cases(view, rule, wanted)
    total = count + len(across)
    if not (most and total):
        return [], total
    times = view.columns(
        LAPSES, ["at"], *where, params=params, time="at", order="at DESC", limit=most
    )
    at = sorted([at for (at,) in times] + [to_microseconds(row.at) for row in across])[-most:][0]
    since = view.about(replace(view.selection, since=from_microseconds(at)))
    return list(_lines(view, most, findings(since, rule, wanted))), total


def _by(view: View, *, by: str, rule: str | None = None) -> Answer[LapseCountLine]:
    counted = _counted(view, by, rule)
    lines = [LapseCountLine(group=name, **_shares([each])) for name, each in counted.items()]
    lines.sort(key=lambda line: (line.group is None, line.group or ""))
    return Answer(lines, {"by": by, **_shares(counted.values()), **_policy(view)})


def _counted(view: View, by: str, rule: str | None) -> dict[str | None, Counter[str]]:
    """How often the rules came to each outcome, by a column or by month.

    The database counts, as there are about as many rows as events.
    """
    found: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    zone = view.selection.tz
    where, params = _stored(view, rule)
    column = "at" if by == "month" else by
    for value, outcome, count in view.counted(
        LAPSES, (column, "outcome"), *where, params=params, time="at"
    ):
        group = month(from_microseconds(value), zone) if by == "month" else value
        found[group][outcome] += count
    for row in _across_cases(view, rule):
        found[month(row.at, zone) if by == "month" else getattr(row, by)][row.outcome] += 1
    return found


def _shares(counts: Iterable[Counter[str]]) -> dict[str, Any]:
    total = sum(counts, Counter[str]())
    judged = total["violated"] + total["satisfied"] + total["unknown"]
    told: dict[str, Any] = {outcome: total[outcome] for outcome in OUTCOMES}
    return {**told, "unknown_share": share(total["unknown"], judged)}


def _policy(view: View) -> dict[str, Any]:
    """The policy in force as of the view. Each finding is judged by the policy of its own time."""
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
