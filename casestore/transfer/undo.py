"""Undoing an import: every event that it appended is voided by a correction, or none is.

    plan = plan_undo(store, "zendesk:acme")
    if not plan.hanging:
        undo(store, plan, reason="misreported", actor=anna, authorised_by=boss)

Nothing is deleted: the events stay on record, and so does that they were wrong. A case of which all
is voided counts nowhere, as if it had never been opened. Sealed words stay sealed, and are erased
with the customer's other words. `undo_plan` finds out what would be voided.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from casestore.append.form import is_plain
from casestore.append.request import Append
from casestore.errors import CaseStoreError, EventRefused
from casestore.events import (
    Actor,
    EventCorrected,
)
from casestore.store import CaseStore
from casestore.transfer.undo_plan import Plan, events_of

Reason = Literal["mistyped", "wrong_case", "duplicate", "misreported", "other"]
_OF_ONE = 10_000
"""Corrections of one append: its size is limited. All appends are in one commit."""
_LONGEST = 200
"""Characters of a correlation id."""


class Undone(NamedTuple):
    """What an undoing did."""

    events: int
    """How many events were voided."""
    later: int
    """Events of the same source that were appended after the plan was made: they are not voided."""


def undo(
    store: CaseStore,
    plan: Plan,
    *,
    reason: Reason,
    actor: Actor,
    authorised_by: Actor,
    at: datetime | None = None,
) -> Undone:
    """Void what a plan says, all in one commit.

    Nobody else can append while it lasts. Whatever was appended since the plan was made is checked
    once more.

    Args:
        store: the store for which the plan was made.
        plan: the plan.
        reason: why the events were wrong.
        actor: who undoes.
        authorised_by: who allowed it.
        at: when it is undone; now, if left out.

    Raises:
        EventRefused: something hangs on the events, and nothing was voided.
        StoreUnavailable: the database does not answer.
    """
    if plan.hanging:
        raise EventRefused(refusal(plan))
    if not plan.events:
        return Undone(0, 0)
    when = at or store.now()

    def voided(uid: str) -> EventCorrected:
        return EventCorrected(
            occurred_at=when,
            actor=actor,
            event_id=UUID(uid),
            kind="voided",
            reason=reason,
            authorised_by=authorised_by,
        )

    # An older store's export may have named a source that no append may have any more.
    source = plan.source if is_plain(plan.source) else ascii(plan.source)
    together = f"undo {source}"[:_LONGEST]
    appends = [
        Append(
            batches=((stream, tuple(map(voided, uids[begin : begin + _OF_ONE]))),),
            correlation_id=together,
        )
        for stream, uids in plan.batches
        for begin in range(0, len(uids), _OF_ONE)
    ]
    last = store.write(appends, whole=True)[-1]
    if isinstance(last, CaseStoreError):
        raise last
    head = store._recorder.last_position()
    later = list(events_of(store, plan.sources, plan.position, head))
    return Undone(plan.events, len(later))


def refusal(plan: Plan) -> str:
    """Why a plan cannot be carried out, in words."""
    first = plan.hanging[0]
    more = f", and {plan.hanging_count - 1} more" if plan.hanging_count > 1 else ""
    return (
        f"nothing of {plan.source} is undone, as something hangs on it: {first.type} in "
        f"{first.stream} (version {first.version}): {first.why}{more}; void these first, or undo "
        "the import that they are from"
    )
