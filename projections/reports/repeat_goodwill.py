"""The rule repeat-goodwill, which spans a customer's cases."""

from __future__ import annotations

from collections.abc import Iterator

from projections.models.goodwill import GOODWILL, GoodwillRow
from projections.query.measures import grouped, sums
from projections.query.view import View
from projections.reports.authority import with_year
from projections.rules.lapses import LapseRow


def standing_gestures(view: View) -> dict[str, list[GoodwillRow]]:
    """The gestures that stand, by customer, in order, of the customers whom the selection is
    about."""
    asked = view.selection
    where = "ledger = 'goodwill' AND status = 'given'"
    if asked.customer is not None:
        ids = view.same_customers(asked.customer)
        rows = view.select(GOODWILL, f"{where} AND customer_id IN ({_marks(ids)})", ids)
    else:
        rows = view.select(GOODWILL, where)
    rows.sort(key=lambda row: (row.given_at, row.case_id, row.id))
    roots = view.roots(row.customer_id for row in rows)
    found: dict[str, list[GoodwillRow]] = grouped(rows, lambda row: roots[row.customer_id])
    return found


def _marks(ids: list[str]) -> str:
    return ", ".join("?" * len(ids))


def judged_gestures(view: View) -> Iterator[LapseRow]:
    """What is found of each gesture: whether it went beyond what the policy lets a customer have
    in the 365 days that end with it. Without such a limit there is nothing to find."""
    for gestures in standing_gestures(view).values():
        for row, year in with_year(gestures):
            limits = view.policies.at(row.given_at).goodwill
            most, yearly = limits.gestures_per_year, limits.per_year
            currency = row.value.currency if row.value else ""
            if most is None and currency not in yearly:
                continue
            same = [e.value for e in year if e.value and e.value.currency == currency]
            beyond = (most is not None and len(year) > most) or any(
                total.amount > yearly[currency] for total in sums(same) if currency in yearly
            )
            yield LapseRow(
                rule="repeat-goodwill",
                subject=row.id,
                case_id=row.case_id,
                customer_id=row.customer_id,
                outcome="violated" if beyond else "satisfied",
                at=row.given_at,
                due_at=None,
                agent=row.given_by,
                team=row.team,
                evidence=tuple(each.event_id for each in year) if beyond else (row.event_id,),
                product=row.product,
                region=row.region,
                category=row.category,
            )
