"""The state of a promise at a time. A case's present state and the reports both use it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeVar

PromiseState = Literal["withdrawn", "released", "kept", "late", "undated", "open", "broken"]

T = TypeVar("T", datetime, int)


def promise_state(
    at: T,
    *,
    due_at: T | None,
    kept_at: T | None,
    released_at: T | None,
    withdrawn: bool,
) -> PromiseState:
    """The state of a promise at a time. If several conditions hold, the first one below decides.

    Args:
        at: the time asked for. All other arguments say what had happened by then. The times are
            all in microseconds, or none is.
        due_at: when it had to be kept.
        kept_at: when it was first kept; None if it was not. A reply that did not arrive keeps none.
        released_at: when the customer released us from it. A release after `due_at` changes
            nothing.
        withdrawn: whether we withdrew it.
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
