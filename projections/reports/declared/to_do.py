"""What is still to be done, by whom and until when: what `today` and `overdue` are made from.

It is selected by columns that are empty for all that is done, so that a large store is answered as
soon as a small one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from casestore.streams.history import to_microseconds
from projections.models.cases import CASES, due_by
from projections.models.deliveries import DELIVERIES
from projections.models.promises import PROMISES
from projections.projection import Projection
from projections.query.view import View

Kind = Literal["promise", "reply", "resend", "return", "resolve"]
KINDS: tuple[Kind, ...] = ("promise", "reply", "resend", "return", "resolve")
_FROM: dict[Kind, tuple[Projection, str, tuple[str, ...]]] = {
    "promise": (PROMISES, "pending_due_at", ("promise_id", "made_by", "made_at")),
    "reply": (CASES, "reply_due_at", ("waiting",)),
    "resend": (DELIVERIES, "resend_due_at", ("reply_id", "agent", "failed_at")),
    "return": (CASES, "return_due_at", ("executive_escalations", "executive_since")),
    "resolve": (CASES, "resolve_due_at", ("receipt",)),
}
"""Of each kind the projection, the column that says when it is due, and what is read besides."""


class ToDo(NamedTuple):
    """Something that has to be done."""

    kind: Kind
    owner: str | None
    """Who has the case now, or else made the promise or sent the reply."""
    team: str | None
    id: str | None
    case_id: str
    customer_id: str
    since: datetime
    due_at: datetime


def to_do(view: View, kind: Kind, before: datetime | None) -> Iterator[ToDo]:
    """What of a kind is to be done in the cases that the selection asks for, in no order.

    Args:
        view: where it is read.
        kind: which one.
        before: only what is due before this; all, if it is None.
    """
    projection, _, columns = _FROM[kind]
    before = _earlier(before, view.selection.until)
    due, where, params = _due(kind, before)
    found = list(view.of_cases(projection, (due, *columns), where, params))
    roots = view.roots(of.customer_id for of, _ in found)
    for of, (due_at, *values) in found:
        for by, each_id, since in _told(kind, values):
            each_due = due_by(view.policies, since, "return_within") if kind == "return" else due_at
            if before is None or each_due < before:
                yield ToDo(
                    kind=kind,
                    owner=of.agent or by,
                    team=of.team,
                    id=each_id,
                    case_id=of.case_id,
                    customer_id=roots[of.customer_id],
                    since=since,
                    due_at=each_due,
                )


def first_due(
    view: View, kind: Kind, before: datetime | None, most: int
) -> tuple[int, Sequence[datetime]]:
    """How much `to_do` gives, and when the first of it is due.

    Args:
        view: see `to_do`.
        kind: see `to_do`.
        before: see `to_do`.
        most: how many times to give.
    """
    if kind == "return":  # several may stand in one row
        times = sorted(each.due_at for each in to_do(view, kind, before))
        return len(times), times[:most]
    column, where, params = _due(kind, _earlier(before, view.selection.until))
    return view.first_of_cases(_FROM[kind][0], column, where, params, most)


def _due(kind: Kind, before: datetime | None) -> tuple[str, str, list[int]]:
    """The column that says when a kind is due, the SQL condition for it, and the parameters."""
    column = _FROM[kind][1]
    if before is None:
        return column, f"{column} IS NOT NULL", []
    return column, f"{column} < ?", [to_microseconds(before)]


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _told(kind: Kind, values: Sequence[Any]) -> Iterator[tuple[str | None, str | None, datetime]]:
    """Of a row's columns: who did it, its id, and since when it is to be done."""
    match kind:
        case "promise" | "resend":
            each_id, by, since = values
            yield by, each_id, since
        case "return":
            yield from ((None, each_id, since) for each_id, since in zip(*values, strict=True))
        case "reply":
            yield None, None, values[0][0]
        case "resolve":
            yield None, None, values[0]
