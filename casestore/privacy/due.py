"""Whose words are due to be erased: persons whose last case was closed long ago.

A person is every id of a customer. They are due if they have a case, all their cases are closed,
the last of them was closed before the time asked for, no legal hold stands, and not every id is
erased yet. A case that is merged stands as the case that it is merged into.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, cast

from casestore.append.same_person import same_as
from casestore.errors import CaseStoreError
from casestore.events import Actor, CustomerMerged
from casestore.journal.rows import Row
from casestore.privacy.erasure import erase
from casestore.store import CaseStore


class Due(NamedTuple):
    """A person whose words are due to be erased."""

    customer_ids: tuple[str, ...]
    """Every id of the person that is not erased yet."""
    erased_ids: tuple[str, ...]
    """Those that are."""
    cases: int
    """How many cases there are, those of erased ids included."""
    last_closed_at: datetime


class Done(NamedTuple):
    """What became of one id of a person who was due."""

    customer_id: str
    outcome: Literal["erased", "erased already", "refused"]
    event_id: str | None
    """Of the PersonalDataErased; None where it was refused."""
    why: str
    """Why it was refused."""
    left: tuple[str, ...]
    """What could not be done yet: see `casestore.privacy.erasure.finish`."""


def due(store: CaseStore, before: datetime) -> Iterator[Due]:
    """The persons who are due, in the order of their first ids.

    Every case is folded once: no table of projections is asked.

    Args:
        store: the store.
        before: when the last case must have been closed, at the latest; aware.

    Raises StoreUnavailable, StoreDamaged.
    """
    for ids in _persons(store):
        found = _due(store, ids, before)
        if isinstance(found, Due):
            yield found


def erase_due(
    store: CaseStore, customer_id: str, before: datetime, *, basis: str, actor: Actor
) -> Done:
    """Erase one id of a person, if the person is due still: somebody may have opened a case since.

    Args:
        store: a sealed one.
        customer_id: one of the ids.
        before: as `due` was asked.
        basis: the legal reason, as a code.
        actor: who erases.

    Raises StoreUnavailable, InvalidEvent.
    """
    try:
        ids = [customer_id, *_same(store, customer_id, _merges(store))]
        found = _due(store, sorted(set(ids)), before)
        if isinstance(found, str) and not store.customer(customer_id).erased:
            return Done(customer_id, "refused", None, f"is not due any more: {found}", ())
        done = erase(store, customer_id, basis=basis, actor=actor)
    except CaseStoreError as error:
        return Done(customer_id, "refused", None, str(error), ())
    outcome: Literal["erased", "erased already"] = "erased" if done.now else "erased already"
    return Done(customer_id, outcome, done.noted.event_id, "", done.left)


def _persons(store: CaseStore) -> Iterator[list[str]]:
    """The ids of every person, sorted."""
    merges = _merges(store)
    linked = {
        each
        for row in merges
        for each in (
            row.stream.removeprefix("customer:"),
            cast(CustomerMerged, store._codec.decode(row.topic, row.state)).into,
        )
    }
    seen: set[str] = set()
    for stream in store.streams("customer"):
        customer_id = stream.removeprefix("customer:")
        if customer_id in seen:
            continue
        ids = _same(store, customer_id, merges) if customer_id in linked else [customer_id]
        seen.update(ids if len(ids) > 1 else ())
        yield ids


def _merges(store: CaseStore) -> list[Row]:
    return list(map(Row._make, store._recorder.merges("CustomerMerged")))


def _same(store: CaseStore, customer_id: str, merges: Sequence[Row]) -> list[str]:
    return same_as(customer_id, merges, store._codec, store.history) if merges else [customer_id]


def _due(store: CaseStore, ids: Sequence[str], before: datetime) -> Due | str:
    """What is due of a person, or why nothing is."""
    states = {one_id: store.customer(one_id) for one_id in ids}
    left = tuple(one_id for one_id in ids if not states[one_id].erased)
    if not left:
        return "every id is erased"
    closed: list[datetime] = []
    for stream in sorted(store._recorder.cases_of(ids)):
        case = store.case(stream.removeprefix("case:"))
        if case.customer_id not in ids:  # it was voided whole, and opened for somebody else
            continue
        last = case
        while last.merged_into is not None:
            last = store.case(last.merged_into)
        if last.closed_at is None:
            return f"case {last.case_id} is open"
        closed.append(max(last.closed_at, case.closed_at or last.closed_at))
    if not closed:
        return "there is no case"
    if max(closed) >= before:
        return f"the last case was closed on {max(closed):%Y-%m-%d}"
    if placed := {one_id: state.holds for one_id, state in states.items() if state.holds}:
        where = "; ".join(f"{', '.join(sorted(placed[each]))} on {each}" for each in placed)
        return f"a legal hold stands: {where}"
    gone = tuple(one_id for one_id in ids if states[one_id].erased)
    return Due(left, gone, len(closed), max(closed))
