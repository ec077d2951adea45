"""`consistency`: whether similar complaints got similar gestures in every region and team."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from casestore.events import Money
from projections.models.goodwill import GOODWILL
from projections.projection import values_from_stored
from projections.query.measures import grouped, percentile
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View
from projections.reports.declared.given import OUTCOMES

BY = ("region", "team")


class ConsistencyLine(Line, frozen=True, kw_only=True):
    """A group whose median gesture differs from another group's for similar complaints."""

    category: str | None
    product: str | None
    outcome: str | None
    """The outcome of the findings: "upheld" (wholly or in part), "not_upheld", or None."""
    currency: str
    group: str
    gestures: int
    median: Money
    """The nearest-rank median."""
    over_lowest: float | None
    """median / lowest group's median - 1; None if the lowest median is 0."""


def _answer(view: View, *, by: str = "region") -> Answer[ConsistencyLine]:
    conduct = view.policies.at(view.as_of).conduct
    alike = grouped(_gifts(view, by), lambda gift: gift.kind)
    lines = [
        line
        for key in sorted(alike, key=lambda key: tuple(each or "" for each in key))
        for line in _compared(key, alike[key], conduct.min_group, conduct.band)
    ]
    summary = {
        "by": by,
        "policy": view.policies.in_force(view.as_of).name or "built-in",
        "min_group": conduct.min_group,
        "band": conduct.band,
        "kinds": len(alike),
        "unlike": len({(e.category, e.product, e.outcome, e.currency) for e in lines}),
    }
    return Answer(lines, summary)


class _Gift(NamedTuple):
    """A gesture that stands and has a value in money."""

    kind: tuple[str | None, ...]
    """Category, product, outcome and currency: what makes complaints similar."""
    group: str
    amount: Decimal


def _gifts(view: View, by: str) -> Iterator[_Gift]:
    upheld = view.upheld(GOODWILL)
    names = ("category", "product", "case_id", "value", *BY)
    rows = view.columns(
        GOODWILL,
        names,
        *("ledger = 'goodwill'", "status = 'given'", "value IS NOT NULL"),
        time="given_at",
        agent="given_by",
    )
    place = names.index(by)
    for row in values_from_stored(GOODWILL.row, names, rows):
        category, product, case_id, value = row[:4]
        if row[place] is not None:
            kind = category, product, OUTCOMES[upheld.get(case_id)], value.currency
            yield _Gift(kind, row[place], value.amount)


def _compared(
    key: tuple[str | None, ...], gifts: Sequence[_Gift], least: int, band: float
) -> Iterator[ConsistencyLine]:
    """The groups of similar complaints that differ by more than the policy's band."""
    medians: dict[str, tuple[int, Decimal]] = {}
    for group, each in sorted(grouped(gifts, lambda gift: gift.group).items()):
        middle = percentile([gift.amount for gift in each], 50)
        if len(each) >= least and middle is not None:
            medians[group] = len(each), middle
    if len(medians) < 2:
        return
    lowest = min(middle for _, middle in medians.values())
    highest = max(middle for _, middle in medians.values())
    if highest <= lowest * (1 + Decimal(str(band))):
        return
    category, product, outcome, currency = key
    for group, (count, middle) in medians.items():
        yield ConsistencyLine(
            category=category,
            product=product,
            outcome=outcome,
            currency=str(currency),
            group=group,
            gestures=count,
            median=Money(amount=middle, currency=str(currency)),
            over_lowest=round(float(middle / lowest - 1), 4) if lowest else None,
        )


CONSISTENCY = Report(
    "consistency",
    "Like complaints that were given unlike gestures.",
    ConsistencyLine,
    _answer,
    needs=(GOODWILL,),
    shown="category product outcome group gestures median over_lowest",
    options=(Option("by", "Compare regions or teams.", BY, default="region"),),
    example="consistency --by team",
)
