"""The policy of a company, which says who may give how much, and gestures to customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casestore import Actor, GestureGiven, PolicyAdopted
from tests.support.stories import Moment, adopted, gave

CAROL = Actor(kind="agent", id="carol", role="team_lead")
TEMP = Actor(kind="agent", id="temp", role="temp")
NOBODY = Actor(kind="agent", id="nobody")
ROLES = {
    "first_line": {"limits": {"EUR": {"per_gesture": "25", "per_case": "40", "per_year": "60"}}},
    "team_lead": {"limits": {"EUR": {"per_gesture": "50"}, "USD": {"per_gesture": "50"}}},
    "manager": {"limits": {"EUR": {}}},
}


def house(
    roles: Mapping[str, Any] = ROLES,
    at: Moment = "+0h",
    *,
    effective: Moment | None = None,
    enforcement: str = "refuse",
    **goodwill: Any,
) -> PolicyAdopted:
    policy = {"roles": roles, "goodwill": {"enforcement": enforcement, **goodwill}}
    return adopted(at=at, effective=effective or at, policy=policy)


def gift(
    gesture_id: str, amount: str | None, at: Moment = "+0h", currency: str = "EUR", **more: Any
) -> GestureGiven:
    value = None if amount is None else {"amount": amount, "currency": currency}
    return gave(gesture_id, at, **{"value": value, **more})
