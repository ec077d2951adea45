"""The rule `repeat-goodwill`, which looks at all cases of a customer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from casestore.events.policy_document import GESTURES_PER_YEAR
from projections.models.goodwill import GOODWILL, GoodwillRow
from projections.models.lapses import LapseRow
from projections.query.measures import grouped, sums
from projections.query.view import View
from projections.reports.declared.authority import Dated, in_order, with_before


def standing_gestures(view: View, *, more_than: int = 0) -> dict[str, list[Dated]]:
    """The gestures that stand, in order, by customer.

    They are those of the customers that the selection is about.

    Args:
        view: where they are read.
        more_than: customers with no more may be left out. What they were given in the cases of
            others is then not known either.
    """
    asked = view.selection.wanted("customer")
    where = _STAND
    rows: list[GoodwillRow]
    if asked is None:
        if more_than:
            repeated = (
                f"SELECT customer_id FROM {view.at(GOODWILL)} WHERE {_STAND} "
                f"GROUP BY customer_id HAVING count(*) > {more_than}"
            )
            where += (
                f" AND (customer_id IN ({repeated}) OR customer_id IN ({view.merged_customers}))"
            )
        rows = every = view.select(GOODWILL, where)
    else:  # one customer's page must not read what all others were given
        ids = view.same_customers(*asked)
        marks = ", ".join("?" * len(ids))
        rows = view.select(GOODWILL, f"{where} AND customer_id IN ({marks})", ids)
        in_cases = view.lookup(GOODWILL, "case_id", {row.case_id for row in rows})
        every = [each for each in in_cases if each.ledger == "goodwill" and each.status == "given"]
    rows.sort(key=in_order)
    roots = view.roots(row.customer_id for row in rows)
    by_customer = grouped(rows, lambda row: roots[row.customer_id])
    of_cases = grouped(every, lambda row: row.case_id)
    return {
        customer_id: list(with_before(gestures, _in_cases_of(gestures, of_cases)))
        for customer_id, gestures in by_customer.items()
    }


_STAND = "ledger = 'goodwill' AND status = 'given'"


def _in_cases_of(
    gestures: list[GoodwillRow], of_cases: Mapping[str, list[GoodwillRow]]
) -> Iterator[GoodwillRow]:
    """What other customers were given in the same cases.

    This happens only where cases of several customers are merged.
    """
    for case_id in {row.case_id for row in gestures}:
        yield from of_cases[case_id]


def judged_gestures(view: View) -> list[LapseRow]:
    """The finding on each gesture: whether it exceeded the policy's yearly limits for a customer.

    The year is the 365 days that end with the gesture.
    """
    return list(_judged(view, standing_gestures(view)))


def violated_gestures(view: View) -> list[LapseRow]:
    """The findings on the gestures that exceeded the limits."""
    limits = [each.document.goodwill for each in view.policies.adopted]
    numbers = [each.gestures_per_year for each in limits if each.gestures_per_year is not None]
    # Whoever was given less often than any policy allows went beyond none, unless one is a sum.
    least = 0 if any(each.per_year for each in limits) else min([GESTURES_PER_YEAR, *numbers])
    found = standing_gestures(view, more_than=least)
    return list(_judged(view, found, only_violated=True))


def _judged(
    view: View, by_customer: Mapping[str, Sequence[Dated]], *, only_violated: bool = False
) -> Iterator[LapseRow]:
    for gestures in by_customer.values():
        for row, year, _ in gestures:
            limits = view.policies.at(row.given_at).goodwill
            most, yearly = limits.gestures_per_year, limits.per_year
            most = GESTURES_PER_YEAR if most is None else most
            beyond = len(year) > most
            if row.value is not None and (limit := yearly.get(row.value.currency)) is not None:
                same = [e.value for e in year if e.value and e.value.currency == row.value.currency]
                beyond = beyond or any(total.amount > limit for total in sums(same))
            if only_violated and not beyond:
                continue
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
