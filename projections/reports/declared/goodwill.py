"""`goodwill history` and `goodwill spend`: what customers were given, and the sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Literal

from casestore.events import Money
from projections.models.goodwill import GOODWILL, GoodwillRow
from projections.query.measures import grouped, month, one_sum, percentile, share, sums
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View
from projections.reports.declared.authority import Dated, Verdict, in_order, verdict, with_before
from projections.reports.declared.repeat_goodwill import standing_gestures


class GoodwillLine(Line, frozen=True, kw_only=True):
    """A gesture or a remedy."""

    ledger: Literal["goodwill", "remedy"]
    id: str
    case_id: str
    given_at: datetime
    kind: str
    value: Money | None
    given_by: str
    role: str | None
    approved_by: str | None
    reason: str | None
    asked_for: bool | None
    conditions: bool | None
    hours_since_received: float | None
    """Hours from the receipt of the case to this row; see CaseRow."""
    contacts_before: int
    within_authority: Literal["yes", "no", "unknown"]
    year_count: int | None
    """The number of gestures to this customer that stand, in the 365 days that end with this row.
    If several were given at one time, those up to this row in the order of the rows count."""
    year_value: Money | None
    """The sum of these gestures in this row's currency."""
    status: Literal["given", "declined", "reversed"]


def _history(view: View) -> Answer[GoodwillLine]:
    ids = view.same_customers(*(view.selection.wanted("customer") or ()))
    marks = ", ".join("?" * len(ids))
    rows: list[GoodwillRow] = view.select(GOODWILL, f"customer_id IN ({marks})", ids)
    rows.sort(key=in_order)
    in_cases = view.lookup(GOODWILL, "case_id", {row.case_id for row in rows})
    asked = _asked(view)
    found = [_line(dated, view) for dated in with_before(rows, in_cases) if asked(dated.row)]
    standing = [row for row in found if row.status == "given"]
    gestures = [row for row in standing if row.ledger == "goodwill"]
    remedies = [row for row in standing if row.ledger == "remedy"]
    summary = {
        "customers": ids,
        "gestures": len(gestures),
        "gestures_sum": sums(row.value for row in gestures),
        "remedies": len(remedies),
        "remedies_sum": sums(row.value for row in remedies),
    }
    return Answer(found, summary)


def _asked(view: View) -> Callable[[GoodwillRow], bool]:
    """A function that says whether the selection asks for a row.

    The sums over a year are over all rows, also those that are not asked for.
    """
    asked = view.selection
    wanted = asked.wanted("case")
    cases = None if wanted is None else view.families_of(wanted)

    def asks_for(row: GoodwillRow) -> bool:
        return (
            asked.in_window(row.given_at)
            and (cases is None or row.case_id in cases)
            and asked.takes("agent", row.given_by)
            and asked.takes("team", row.team)
            and asked.takes("product", row.product)
            and asked.takes("region", row.region)
            and asked.takes("category", row.category)
        )

    return asks_for


def _line(dated: Dated, view: View) -> GoodwillLine:
    row, year = dated.row, dated.year
    goodwill = row.ledger == "goodwill"
    currency = row.value.currency if row.value else None
    same = (each.value for each in year if each.value and each.value.currency == currency)
    hours = None if row.receipt is None else (row.given_at - row.receipt) / timedelta(hours=1)
    return GoodwillLine(
        ledger=row.ledger,
        id=row.id,
        case_id=row.case_id,
        given_at=row.given_at,
        kind=row.kind,
        value=row.value,
        given_by=row.given_by,
        role=row.role,
        approved_by=row.approved_by,
        reason=row.reason,
        asked_for=row.asked_for,
        conditions=row.conditions,
        hours_since_received=None if hours is None else round(hours, 2),
        contacts_before=row.contacts_before,
        within_authority=verdict(dated, view.policies),
        year_count=len(year) if goodwill else None,
        year_value=one_sum(same) if goodwill else None,
        status=row.status,
    )


HISTORY = Report(
    "goodwill history",
    "Everything a customer was given, over all their cases.",
    GoodwillLine,
    _history,
    needs=(GOODWILL,),
    shown="given_at ledger kind value case_id given_by within_authority asked_for "
    "hours_since_received year_count year_value status",
    argument="customer",
    example="goodwill history C-2207",
)


# --- spend -----------------------------------------------------------------------------------

BY = ("agent", "team", "product", "region", "category", "month", "kind")


class SpendLine(Line, frozen=True, kw_only=True):
    """What was given in one currency in one group, without what was declined or reversed."""

    group: str | None
    currency: str | None
    """None for what has no value in money."""
    gestures: int
    sum: Money | None
    median: Money | None
    """The nearest-rank median."""
    unasked_share: float | None
    """The share of gestures that nobody asked for, among those where this was recorded."""
    beyond_authority_share: float | None
    """The share of gestures beyond authority, among those where this is known."""
    remedies: int
    remedies_sum: Money | None


def _spend(view: View, *, by: str) -> Answer[SpendLine]:
    rows: list[GoodwillRow] = view.chosen(
        GOODWILL, "status = 'given'", time="given_at", agent="given_by"
    )
    groups = grouped(rows, lambda row: (_group(view, row, by), _currency(row)))
    within = view.once(verdicts)
    found = [_spent(*key, of_group, within) for key, of_group in groups.items()]
    found.sort(key=lambda row: (row.group is None, row.group or "", row.currency or "~"))
    gestures = [row for row in rows if row.ledger == "goodwill"]
    summary = {
        "by": by,
        "gestures": len(gestures),
        "gestures_sum": sums(row.value for row in gestures),
        "remedies": len(rows) - len(gestures),
        "remedies_sum": sums(row.value for row in rows if row.ledger == "remedy"),
    }
    return Answer(found, summary)


def _group(view: View, row: GoodwillRow, by: str) -> str | None:
    if by == "month":
        return month(row.given_at, view.selection.tz)
    value: str | None = getattr(row, {"agent": "given_by"}.get(by, by))
    return value


def _currency(row: GoodwillRow) -> str | None:
    return row.value.currency if row.value else None


def verdicts(view: View) -> dict[str, Verdict]:
    """By event id, whether the gesture was within authority, where a policy says so."""
    if not any(each.document.roles for each in view.policies.adopted):
        return {}
    alike: dict[Any, Verdict] = {}
    found = {}
    for dated in chain.from_iterable(standing_gestures(view).values()):
        row = dated.row
        if len(dated.year) > 1 or dated.in_case:
            found[row.event_id] = verdict(dated, view.policies)
            continue
        # Without anything before it, a gesture is judged by these alone.
        policy, approved = view.policies.in_force(row.given_at), row.approved_by is not None
        same = id(policy), row.kind, row.value, row.role, row.approver_role, approved
        if same not in alike:
            alike[same] = verdict(dated, view.policies)
        found[row.event_id] = alike[same]
    return found


def _spent(
    group: str | None,
    currency: str | None,
    rows: Sequence[GoodwillRow],
    within: Mapping[str, Verdict],
) -> SpendLine:
    gestures = [row for row in rows if row.ledger == "goodwill"]
    remedies = [row for row in rows if row.ledger == "remedy"]
    told = [row.asked_for for row in gestures if row.asked_for is not None]
    judged = [v for row in gestures if (v := within.get(row.event_id, "unknown")) != "unknown"]
    middle = percentile((row.value.amount for row in gestures if row.value), 50)
    return SpendLine(
        group=group,
        currency=currency,
        gestures=len(gestures),
        sum=one_sum(row.value for row in gestures),
        median=Money.exact(middle, currency) if currency and middle is not None else None,
        unasked_share=share(told.count(False), len(told)),
        beyond_authority_share=share(judged.count("no"), len(judged)),
        remedies=len(remedies),
        remedies_sum=one_sum(row.value for row in remedies),
    )


SPEND = Report(
    "goodwill spend",
    "What gestures came to, with remedies beside them.",
    SpendLine,
    _spend,
    needs=(GOODWILL,),
    shown="group currency gestures sum median unasked_share beyond_authority_share "
    "remedies remedies_sum",
    options=(Option("by", "What to group by.", BY, required=True),),
    example="goodwill spend --by team --from 2026-01-01",
)
