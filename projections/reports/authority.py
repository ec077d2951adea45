"""Whether a gesture was within the authority of who gave or approved it, and what may be given."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Literal

from casestore.events import Money
from casestore.events.policy_document import Document
from casestore.policy.authority import YEAR, Bound, Given, bounds, within_authority
from casestore.streams.policies import Policies
from projections.models.goodwill import GOODWILL, GoodwillRow
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View

Verdict = Literal["yes", "no", "unknown"]


def with_year(rows: Iterable[GoodwillRow]) -> Iterator[tuple[GoodwillRow, Sequence[GoodwillRow]]]:
    """Each row of one customer, in order, and the gestures that stand in the year that ends with
    it."""
    year: deque[GoodwillRow] = deque()
    for row in rows:
        if row.ledger == "goodwill" and row.status == "given":
            year.append(row)
        while year and row.given_at - year[0].given_at >= YEAR:
            year.popleft()
        yield row, year


def verdict(row: GoodwillRow, year: Sequence[GoodwillRow], policies: Policies) -> Verdict:
    """Whether a gesture was within authority, by the policy in force when it was given. A remedy
    was owed: nobody's authority is asked for it."""
    policy = policies.at(row.given_at)
    if row.ledger == "remedy" or not policy.roles:
        return "unknown"
    return within_authority(
        policy,
        (row.role, row.approver_role),
        row.value,
        [_given(each) for each in year if each is not row],
        case_id=row.case_id,
        at=row.given_at,
    )


def _given(row: GoodwillRow) -> Given:
    return Given(row.case_id, row.given_at, row.value)


# --- what may be given now -------------------------------------------------------------------

KINDS = ("cash", "credit", "voucher", "gift", "information", "invitation", "other")
_WITHOUT_VALUE = ("information", "invitation")


class AllowanceLine(Line, frozen=True, kw_only=True):
    """A limit, and what it leaves for one more gesture."""

    currency: str | None
    """None: it counts gestures."""
    limit: str
    """What it limits, and for whom."""
    at_most: Money | int
    used: Money | int
    left: Money | int
    binds: bool
    """Whether it is the one that leaves least in its currency."""


def _allowance(view: View, *, role: str, kind: str | None = None) -> Answer[AllowanceLine]:
    ids = view.same_customers(view.selection.customer or "")
    marks = ", ".join("?" * len(ids))
    where = f"ledger = 'goodwill' AND status = 'given' AND customer_id IN ({marks})"
    given = [_given(row) for row in view.select(GOODWILL, where, ids)]
    in_force = view.policies.in_force(view.as_of)
    policy = in_force.document
    authority = policy.roles.get(role)
    currencies = {*(authority.limits if authority else ()), *policy.goodwill.per_year}
    asked: list[str | None] = [] if kind in _WITHOUT_VALUE else sorted(currencies)
    case_id, at = view.selection.case, view.as_of
    found: list[Bound] = []
    for currency in [*asked, None]:
        limits = bounds(policy, role, currency, given, case_id=case_id, at=at)
        found += [bound for bound in limits if bound.currency == currency]
    least = {c: min(b.left for b in found if b.currency == c) for c in {b.currency for b in found}}
    may = [Money(amount=left, currency=c) for c, left in least.items() if c is not None]
    summary = {
        "customers": ids,
        "role": role,
        "policy": in_force.name or "built-in",
        "enforcement": policy.goodwill.enforcement,
        "authority": _told(policy, role),
        "gestures_left": None if None not in least else int(least[None]),
        "may_give": sorted(may, key=lambda money: money.currency),
    }
    return Answer([_line(bound, least[bound.currency]) for bound in found], summary)


def _told(policy: Document, role: str) -> str:
    if not policy.roles:
        return "nobody has laid down who may give what"
    return "laid down" if role in policy.roles else "none: the policy names no such role"


def _line(bound: Bound, least: Decimal) -> AllowanceLine:
    def told(amount: Decimal) -> Money | int:
        return Money(amount=amount, currency=bound.currency) if bound.currency else int(amount)

    return AllowanceLine(
        currency=bound.currency,
        limit=bound.what,
        at_most=told(bound.limit),
        used=told(bound.used),
        left=told(bound.left),
        binds=bound.left == least,
    )


ALLOWANCE = Report(
    "goodwill allowance",
    "What a customer may be given now, and which limit binds.",
    AllowanceLine,
    _allowance,
    needs=(GOODWILL,),
    shown="currency limit at_most used left binds",
    options=(
        Option("role", "Of who would give it.", str, required=True),
        Option("kind", "Of gesture; information and invitations have no value.", KINDS),
    ),
    selects=("customer", "case"),
    argument="customer",
    example="goodwill allowance C-5120 --role supervisor",
)
