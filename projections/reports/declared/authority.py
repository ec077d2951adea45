"""`goodwill allowance`, and whether a gesture was within the authority of its giver or approver."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from casestore.events import Money
from casestore.events.policy_document import Document
from casestore.policy.authority import WITHOUT_VALUE, YEAR, Bound, Given, bounds, within_authority
from casestore.streams.policies import Policies
from projections.models.goodwill import GOODWILL, GoodwillRow
from projections.query.measures import grouped
from projections.query.report import Answer, Line, Option, Report
from projections.query.view import View

Verdict = Literal["yes", "no", "unknown"]


class Dated(NamedTuple):
    """A gesture or a remedy, with what was given before it."""

    row: GoodwillRow
    year: Sequence[GoodwillRow]
    """The gestures that stand in the 365 days that end with this row, itself included."""
    in_case: Sequence[GoodwillRow]
    """The gestures that stand in its case before it, however long ago."""


def in_order(row: GoodwillRow) -> tuple[datetime, int]:
    """The key to sort goodwill by: time, then position."""
    return row.given_at, row.position


def with_before(rows: Iterable[GoodwillRow], others: Iterable[GoodwillRow] = ()) -> Iterator[Dated]:
    """Each row of one customer, in order, with what was given before it.

    Args:
        rows: the customer's rows, sorted by `in_order`.
        others: rows of other customers in the same cases.
    """
    rows = list(rows)
    every = {row.event_id: row for row in (*rows, *others)}
    if len(rows) == len(every) == 1:  # as it is for most customers
        yield Dated(rows[0], tuple(filter(_stands, rows)), ())
        return
    by_case = grouped(sorted(every.values(), key=in_order), lambda row: row.case_id)
    year: deque[GoodwillRow] = deque()
    for row in rows:
        if _stands(row):
            year.append(row)
        while year and row.given_at - year[0].given_at >= YEAR:
            year.popleft()
        of_case = by_case[row.case_id]
        before = [e for e in of_case if _stands(e) and in_order(e) < in_order(row)]
        yield Dated(row, tuple(year), before)


def _stands(row: GoodwillRow) -> bool:
    return row.ledger == "goodwill" and row.status == "given"


def before(given: Dated) -> list[Given]:
    """What was given before a row, in the form that `casestore.policy.authority` takes."""
    rows = {each.event_id: each for each in (*given.year, *given.in_case)}
    rows.pop(given.row.event_id, None)
    mine = {each.event_id for each in given.year}
    customer_id = given.row.customer_id
    return [
        Given(e.case_id, e.given_at, e.value, uid in mine or e.customer_id == customer_id)
        for uid, e in rows.items()
    ]


def verdict(given: Dated, policies: Policies) -> Verdict:
    """Whether a gesture was within authority, by the policy in force when it was given.

    A remedy was owed, so it needs nobody's authority.
    """
    row = given.row
    policy = policies.at(row.given_at)
    if row.ledger == "remedy" or not policy.roles:
        return "unknown"
    return within_authority(
        policy,
        row.kind,
        row.value,
        before(given),
        giver=row.role,
        approver=row.approver_role,
        approved=row.approved_by is not None,
        case_id=row.case_id,
        at=row.given_at,
    )


# --- what may be given now -------------------------------------------------------------------

KINDS = ("cash", "credit", "voucher", "gift", "information", "invitation", "other")


class AllowanceLine(Line, frozen=True, kw_only=True):
    """A limit, and what it leaves for one more gesture."""

    currency: str | None
    """None for a limit on the number of gestures."""
    limit: str
    """What is limited, and for whom."""
    at_most: Money | int
    used: Money | int
    left: Money | int
    binds: bool
    """Whether this limit leaves the least in its currency, so that no other one matters."""


def _allowance(view: View, *, role: str, kind: str | None = None) -> Answer[AllowanceLine]:
    ids = view.same_customers(*(view.selection.wanted("customer") or ()))
    stands = "ledger = 'goodwill' AND status = 'given'"
    marks = ", ".join("?" * len(ids))
    rows = view.select(GOODWILL, f"{stands} AND customer_id IN ({marks})", ids)
    case_id = view.case
    if case_id is not None:
        rows += view.select(GOODWILL, f"{stands} AND stream = ?", [f"case:{case_id}"])
    by_id = {row.event_id: row for row in rows}
    given = [Given(e.case_id, e.given_at, e.value, e.customer_id in ids) for e in by_id.values()]
    in_force = view.policies.in_force(view.as_of)
    policy = in_force.document
    authority = policy.roles.get(role)
    currencies = {*(authority.limits if authority else ()), *policy.goodwill.per_year}
    asked: list[str | None] = [] if kind in WITHOUT_VALUE else sorted(currencies)
    at = view.as_of
    found: list[Bound] = []
    for currency in [*asked, None]:
        limits = bounds(policy, role, currency, given, case_id=case_id, at=at)
        found += [bound for bound in limits if bound.currency == currency]
    least = {c: min(b.left for b in found if b.currency == c) for c in {b.currency for b in found}}
    may = [Money.exact(left, c) for c, left in least.items() if c is not None]
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
        return Money.exact(amount, bound.currency) if bound.currency else int(amount)

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
