"""`policy backtest`: which verdicts another policy would have changed in the same history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from casestore.events import Money
from casestore.events.policy_document import Document
from casestore.policy.authority import WITHOUT_VALUE, exceeded
from casestore.streams.policies import Adopted, Policies
from projections.models.cases import CASES
from projections.models.goodwill import GOODWILL, GoodwillRow
from projections.models.lapses import LapseRow
from projections.models.statements import STATEMENTS
from projections.query.measures import sums
from projections.query.report import Answer, Line, Report
from projections.query.view import View
from projections.read_models import LAPSES
from projections.reports.declared.authority import Dated, before, verdict
from projections.reports.declared.lapses import findings
from projections.reports.declared.repeat_goodwill import standing_gestures


class BacktestLine(Line, frozen=True, kw_only=True):
    """A verdict that would have been different."""

    about: Literal["lapse", "gesture"]
    rule: str | None
    subject: str
    case_id: str
    customer_id: str
    at: datetime
    agent: str | None
    team: str | None
    before: str | None
    """The verdict by the policies in force: a rule's outcome, or "allowed" or "refused" for a
    gesture. None if there was no finding."""
    after: str | None
    """The verdict by the other policy."""
    value: Money | None
    """The value of a gesture."""


Key = tuple[str, str, str]


def _lapses(view: View) -> dict[Key, LapseRow]:
    return {(row.rule, row.case_id, row.subject): row for row in findings(view)}


def _gestures(view: View) -> dict[Key, tuple[GoodwillRow, str]]:
    """Each gesture that stands, with whether the policy allows or refuses it."""
    found = {}
    for gestures in standing_gestures(view).values():
        for dated in gestures:
            row = dated.row
            if view.selection.in_window(row.given_at):
                outcome = "refused" if _refused(dated, view.policies) else "allowed"
                found["", row.case_id, row.id] = row, outcome
    return found


def _refused(dated: Dated, policies: Policies) -> bool:
    if verdict(dated, policies) == "no":
        return True
    row = dated.row
    policy, value = policies.at(row.given_at), None if row.kind in WITHOUT_VALUE else row.value
    at, case_id = row.given_at, row.case_id
    beyond = exceeded(policy, row.role, value, before(dated), case_id=case_id, at=at)
    return any(not bound.of_role for bound in beyond)


def _answer(view: View, *, name: str, document: Document) -> Answer[BacktestLine]:
    always = Adopted(name, datetime.min.replace(tzinfo=UTC), document)
    with view.under(Policies(adopted=(always,))) as other:
        was, would_be = _lapses(view), _lapses(other)
        given, would = _gestures(view), _gestures(other)
        # A case that cannot be read any more (it was altered, say) has no verdict to compare.
        cases = {row.case_id for row in other.select(CASES)}
    lines = [*_changed_lapses(was, would_be), *_changed_gestures(given, would)]
    lines = [line for line in lines if line.case_id in cases]
    lines.sort(key=lambda line: (line.at, line.case_id, line.about, line.rule or "", line.subject))
    return Answer(lines, {"policy": name, **_summary(lines)})


def _changed_lapses(
    before: Mapping[Key, LapseRow], after: Mapping[Key, LapseRow]
) -> Iterator[BacktestLine]:
    for key in before.keys() | after.keys():
        one, two = before.get(key), after.get(key)
        row = one or two
        was, would = one.outcome if one else None, two.outcome if two else None
        if row is not None and was != would:
            yield BacktestLine(
                about="lapse",
                rule=row.rule,
                subject=row.subject,
                case_id=row.case_id,
                customer_id=row.customer_id,
                at=row.at,
                agent=row.agent,
                team=row.team,
                before=was,
                after=would,
                value=None,
            )


def _changed_gestures(
    given: Mapping[Key, tuple[GoodwillRow, str]], would: Mapping[Key, tuple[GoodwillRow, str]]
) -> Iterator[BacktestLine]:
    for key, (row, was) in given.items():
        if key in would and was != would[key][1]:
            yield BacktestLine(
                about="gesture",
                rule=None,
                subject=row.id,
                case_id=row.case_id,
                customer_id=row.customer_id,
                at=row.given_at,
                agent=row.given_by,
                team=row.team,
                before=was,
                after=would[key][1],
                value=row.value,
            )


def _summary(lines: Sequence[BacktestLine]) -> dict[str, Any]:
    gestures = [line for line in lines if line.about == "gesture"]
    refused = [line for line in gestures if line.after == "refused"]
    allowed = [line for line in gestures if line.after == "allowed"]
    lapses = [line for line in lines if line.about == "lapse"]
    return {
        "gestures_refused": len(refused),
        "gestures_refused_sum": sums(line.value for line in refused),
        "gestures_allowed": len(allowed),
        "gestures_allowed_sum": sums(line.value for line in allowed),
        "lapses_appear": sum(line.after == "violated" for line in lapses),
        "lapses_vanish": sum(line.before == "violated" for line in lapses),
        "rules": _turns(lapses, "rule"),
        "teams": _turns(lapses, "team"),
    }


def _turns(lapses: Sequence[BacktestLine], by: str) -> dict[str, dict[str, int]]:
    """How many lapses appear and vanish, by rule or team."""
    found: dict[str, dict[str, int]] = {}
    for line in lapses:
        counts = found.setdefault(getattr(line, by) or "none", {"appear": 0, "vanish": 0})
        counts["appear"] += line.after == "violated"
        counts["vanish"] += line.before == "violated"
    return {name: found[name] for name in sorted(found) if any(found[name].values())}


BACKTEST = Report(
    "policy backtest",
    "What another policy would have made of the same history.",
    BacktestLine,
    _answer,
    needs=(LAPSES, GOODWILL, STATEMENTS),
    shown="at about rule subject case_id agent team before after value",
    selects=("since", "until"),
)
