"""How a promise stands at a time, for a case's present state and for reports alike."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

PromiseState = Literal["withdrawn", "released", "kept", "late", "undated", "open", "broken"]


def promise_state(
    at: datetime,
    *,
    due_at: datetime | None,
    kept_at: datetime | None,
    released_at: datetime | None,
    withdrawn: bool,
) -> PromiseState:
    """How a promise stands at a time, by what had happened until then; the first that holds.

    Args:
        at: when one asks.
        due_at: the time that judges it.
        kept_at: of the keeping that holds; a reply that did not arrive keeps nothing.
        released_at: when the customer let us off. After the promise was due, it stays broken.
        withdrawn: whether we went back on it.
    """
    if withdrawn:
        return "withdrawn"
    if released_at is not None and (due_at is None or released_at <= due_at):
        return "released"
    if kept_at is not None:
        return "kept" if due_at is None or kept_at <= due_at else "late"
    if due_at is None:
        return "undated"
    return "open" if at <= due_at else "broken"
