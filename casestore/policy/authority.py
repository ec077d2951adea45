"""Authority: who may give what, and what a customer may be given at all.

A limit is on a sum or a number of gestures that stand, which means that they were neither declined
nor reversed. The limits of a year are on the 365 days that end with the gesture that is asked
about. The limit of a case is on that case and the cases merged with it, however long ago. Amounts
of different currencies are never added up. The policy in force at that time decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, localcontext
from typing import Literal

import msgspec

from casestore.events import GestureGiven, Money
from casestore.events.policy_document import Document

YEAR = timedelta(days=365)
_EXACTLY = Context(prec=100)
"""Enough digits for exact sums: an amount has at most 24."""
WITHOUT_VALUE = ("information", "invitation")
"""Kinds of gesture that limits on money do not apply to."""
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


class Given(msgspec.Struct, frozen=True):
    """A gesture that stands."""

    case_id: str
    """The root of the case that it was given in."""
    given_at: datetime
    value: Money | None
    to_them: bool = True
    """Whether the customer that is asked about got it. A case that is merged into this one may be
    of another customer."""


class Bound(msgspec.Struct, frozen=True):
    """A limit, and how much of it is used up. Amounts are in the limit's currency."""

    what: Literal[
        "role per gesture",
        "role per case",
        "role per customer and year",
        "role count per customer and year",
        "customer per year",
        "customer count per year",
    ]
    limit: Decimal
    used: Decimal
    currency: str | None
    """None for a limit on the number of gestures."""

    @property
    def left(self) -> Decimal:
        """How much may still be given."""
        return max(self.limit - self.used, Decimal(0))

    @property
    def of_role(self) -> bool:
        """Whether it is a limit of the role's authority. If not, it holds for everybody."""
        return self.what.startswith("role")


def bounds(
    policy: Document,
    role: str | None,
    currency: str | None,
    given: Iterable[Given],
    *,
    case_id: str | None,
    at: datetime,
) -> Iterator[Bound]:
    """The limits for one more gesture.

    Args:
        policy: the policy in force at that time.
        role: the role of the giver. A role that the policy does not name may give nothing.
        currency: the gesture's currency; None if it has no value in money.
        given: the gestures that were given before, to the customer and in the case.
        case_id: the case that it is given in, if that is known.
        at: the time at which it is given.
    """
    before = [each for each in given if each.given_at <= at]
    year = [each for each in before if each.to_them and at - each.given_at < YEAR]
    same = _in(currency, year)
    in_case = [each for each in _in(currency, before) if each.case_id == case_id]
    count = Decimal(len(year))
    authority = policy.roles.get(role or "")
    if policy.roles and currency is not None:
        limit = authority.limits.get(currency) if authority else None
        if limit is None:
            yield Bound("role per gesture", Decimal(0), Decimal(0), currency)
        else:
            if limit.per_gesture is not None:
                yield Bound("role per gesture", limit.per_gesture, Decimal(0), currency)
            if limit.per_case is not None and case_id is not None:
                yield Bound("role per case", limit.per_case, _sum(in_case), currency)
            if limit.per_year is not None:
                yield Bound("role per customer and year", limit.per_year, _sum(same), currency)
    if authority is not None and authority.gestures_per_year is not None:
        most = Decimal(authority.gestures_per_year)
        yield Bound("role count per customer and year", most, count, None)
    if currency is not None and (yearly := policy.goodwill.per_year.get(currency)) is not None:
        yield Bound("customer per year", yearly, _sum(same), currency)
    if policy.goodwill.gestures_per_year is not None:
        most = Decimal(policy.goodwill.gestures_per_year)
        yield Bound("customer count per year", most, count, None)


def exceeded(
    policy: Document,
    role: str | None,
    value: Money | None,
    given: Sequence[Given],
    *,
    case_id: str | None,
    at: datetime,
) -> list[Bound]:
    """The limits that a gesture would exceed. See `bounds`; `given` is without the gesture."""
    currency = value.currency if value is not None else None
    found = []
    for bound in bounds(policy, role, currency, given, case_id=case_id, at=at):
        more = Decimal(1) if bound.currency is None else value.amount if value else Decimal(0)
        if bound.used + more > bound.limit:
            found.append(bound)
    return found


def may_give(
    policy: Document,
    role: str | None,
    kind: str,
    value: Money | None,
    given: Sequence[Given],
    *,
    case_id: str,
    at: datetime,
) -> bool | None:
    """Whether a role has the authority for a gesture.

    None if it is unknown: the role was not recorded, the policy names no roles, or the value of a
    gesture that limits on money apply to was not recorded.
    """
    if role is None or not policy.roles:
        return None
    in_money = kind not in WITHOUT_VALUE
    beyond = exceeded(policy, role, value if in_money else None, given, case_id=case_id, at=at)
    if any(bound.of_role for bound in beyond):
        return False
    return None if in_money and value is None else True


def within_authority(
    policy: Document,
    kind: str,
    value: Money | None,
    given: Sequence[Given],
    *,
    giver: str | None,
    approver: str | None,
    approved: bool,
    case_id: str,
    at: datetime,
) -> Literal["yes", "no", "unknown"]:
    """Whether the giver or the approver of a gesture had the authority for it.

    Args:
        policy: the policy in force at that time.
        giver: the giver's role; None if it was not recorded.
        approver: the approver's role; None if it was not recorded.
        approved: whether somebody approved.
        kind: the kind of gesture.
        value: its value; None if it was not recorded.
        given: see `bounds`.
        case_id: see `bounds`.
        at: see `bounds`.
    """
    roles = [giver, approver] if approved else [giver]
    verdicts = [
        may_give(policy, role, kind, value, given, case_id=case_id, at=at) for role in roles
    ]
    if True in verdicts:
        return "yes"
    return "unknown" if None in verdicts else "no"


class GoodwillLimits(msgspec.Struct, frozen=True):
    """What a live gesture is checked against. It is read inside the write lock."""

    policy: Document
    given: tuple[Given, ...]
    """What was given before: to the customer over all their cases, and in this case."""
    case_id: str
    """The root of the case that the gesture is given in."""


def check_gesture(event: GestureGiven, limits: GoodwillLimits) -> str | None:
    """Why a policy whose enforcement is "refuse" refuses a gesture; None if it does not."""
    approver = event.approved_by.role if event.approved_by is not None else None
    at, policy = event.occurred_at, limits.policy
    # Clocks differ, so a gesture on record may have a later time than this one. The year that ends
    # with such a gesture contains this one, and its sum must not exceed the limit either.
    later = (e.given_at for e in limits.given if timedelta(0) < e.given_at - at < YEAR)
    ends = [at, *sorted(later)]

    def beyond(role: str | None) -> list[Bound]:
        value = None if event.kind in WITHOUT_VALUE else event.value
        given, case_id = limits.given, limits.case_id
        judged = (exceeded(policy, role, value, given, case_id=case_id, at=end) for end in ends)
        return [bound for found in judged for bound in found]

    own = beyond(event.actor.role)
    for bound in own:
        if not bound.of_role:
            return f"{_told(bound, event)}; it holds for every role"
    if not own or (approver is not None and not beyond(approver)):
        return None
    who = [f"{role!r}" for role in policy.roles if not any(b.of_role for b in beyond(role))]
    by = f"{' or '.join(who)} may approve it (approved_by)" if who else "no role may approve it"
    if event.actor.role is None:
        return f"the role of {event.actor.id!r} is not told; name it, or {by}"
    return f"{_told(own[0], event)}; {by}"


def _told(bound: Bound, event: GestureGiven) -> str:
    unit = f" {bound.currency}" if bound.currency else ""
    role = f"{event.actor.role!r} " if bound.of_role else ""
    what = bound.what.removeprefix("role ")
    return f"it goes beyond the limit {role}{what}: {bound.limit:f}{unit}, {bound.used:f} given"


def could_give(
    policy: Document,
    role: str | None,
    amount: Money | None,
    given: Sequence[Given] = (),
    *,
    case_id: str = "",
    at: datetime = _ANY_TIME,
) -> bool | None:
    """Whether a role's authority covers an amount on top of what was given.

    None if it is unknown: the role or the amount was not recorded, or the policy names no roles.
    """
    if role is None or amount is None or not policy.roles:
        return None
    beyond = exceeded(policy, role, amount, given, case_id=case_id, at=at)
    return not any(bound.of_role for bound in beyond)


def _in(currency: str | None, given: Iterable[Given]) -> list[Given]:
    return [each for each in given if each.value is not None and each.value.currency == currency]


def _sum(given: Iterable[Given]) -> Decimal:
    with localcontext(_EXACTLY):
        return sum((each.value.amount for each in given if each.value is not None), Decimal(0))
