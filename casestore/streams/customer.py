"""The state of a customer, how each event changes it, and which events structure refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import msgspec
from msgspec.structs import replace

from casestore.events import (
    Actor,
    CustomerEvent,
    CustomerFactRecorded,
    CustomerMerged,
    CustomerRegistered,
    CustomerUnmerged,
    ErasureRequested,
    EventCorrected,
    HoldPlaced,
    HoldReleased,
    PersonalDataErased,
    PreferenceStated,
    PreferenceWithdrawn,
)
from casestore.events.base import unchecked
from casestore.streams.checks import (
    NO_CONTEXT,
    Context,
    Ids,
    check_correction,
    check_ids,
    check_values,
    known_ids,
)

STORE = unchecked(Actor, kind="system", id="casestore")
"""The actor of a registration that the store adds because nobody registered the customer."""


class Customer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The state of a customer. `Customer(customer_id=...)` is a customer without events."""

    customer_id: str
    registrations: int = 0
    """How often the customer was registered. After an erasure it may happen again."""
    registered_by_store: bool = False
    """Whether the store itself added the latest registration. The first registration by anybody
    else replaces it."""
    erased: bool = False
    """Whether the personal data was erased after the latest registration."""
    merged_into: str | None = None
    """The id of the customer that this one is merged into."""
    preferences: Mapping[str, str | None] = {}
    """The value of each preference that is in force."""
    holds: Mapping[str, str] = {}
    """The reason of each legal hold that is not released, by hold id."""
    ids: Ids = {}
    """Every id in the stream, by kind."""

    @property
    def registered(self) -> bool:
        """Whether the customer was registered and not erased since."""
        return self.registrations > 0 and not self.erased


def evolve(customer: Customer, event: CustomerEvent) -> Customer:
    """The customer after an event."""
    customer = _apply(customer, event)
    return replace(customer, ids=known_ids(customer.ids, event))


def _apply(customer: Customer, event: CustomerEvent) -> Customer:
    match event:
        case CustomerRegistered():
            return _registered(customer, by_store=event.actor == STORE)
        case PreferenceStated():
            stated = {**customer.preferences, event.preference: event.value}
            return replace(customer, preferences=stated)
        case PreferenceWithdrawn():
            left = {k: v for k, v in customer.preferences.items() if k != event.preference}
            return replace(customer, preferences=left)
        case CustomerMerged():
            return replace(customer, merged_into=event.into)
        case CustomerUnmerged():
            # By occurred_at, an earlier unmerge may come after it: undo only its own merge.
            undone = customer.merged_into == event.out_of
            return replace(customer, merged_into=None) if undone else customer
        case PersonalDataErased():
            return replace(customer, erased=True)
        case HoldPlaced():
            return replace(customer, holds={**customer.holds, event.hold_id: event.reason})
        case HoldReleased():
            standing = {k: v for k, v in customer.holds.items() if k != event.hold_id}
            return replace(customer, holds=standing)
        case CustomerFactRecorded() | ErasureRequested() | EventCorrected():
            return customer
        case _:
            assert_never(event)


def _registered(customer: Customer, *, by_store: bool) -> Customer:
    if by_store and customer.registered:
        return customer  # somebody else registered the customer at an earlier time
    first = customer.registrations == 0
    takes_its_place = customer.registered_by_store and not customer.erased
    return replace(
        customer,
        registrations=customer.registrations + (not takes_its_place),
        registered_by_store=by_store,
        # By occurred_at, an erasure may come before the first registration. It still counts.
        erased=first and customer.erased,
    )


def check(customer: Customer, event: CustomerEvent, context: Context = NO_CONTEXT) -> str | None:
    """The reason why structure refuses an event on this customer, as text; None if it does not."""
    if customer.registrations == 0 and not isinstance(event, CustomerRegistered):
        return "the customer is not registered yet; the first event must be CustomerRegistered"
    return (
        check_values(event, context.now)
        or check_ids(customer.ids, event)
        or _check(customer, event, context)
    )


def _check(customer: Customer, event: CustomerEvent, context: Context) -> str | None:
    match event:
        case CustomerRegistered():
            if customer.registered and not customer.registered_by_store:
                return "the customer is registered already; record CustomerFactRecorded instead"
        case CustomerMerged():
            return _check_merge(customer, event.into, context)
        case CustomerUnmerged():
            if customer.merged_into != event.out_of:
                return f"the customer is not merged into {event.out_of!r}; name the right one"
        case PersonalDataErased():
            if customer.holds:
                return (
                    f"a legal hold stands ({', '.join(sorted(customer.holds))}); release it first"
                )
        case EventCorrected():
            return check_correction(event, context)
        case (
            CustomerFactRecorded()
            | ErasureRequested()
            | HoldPlaced()
            | HoldReleased()
            | PreferenceStated()
            | PreferenceWithdrawn()
        ):
            pass
        case _:
            assert_never(event)
    return None


def _check_merge(customer: Customer, into: str, context: Context) -> str | None:
    if into == customer.customer_id:
        return "a customer cannot be merged into itself; name the customer that they are"
    if context.related is None:
        return None
    target: Customer | None = context.related[f"customer:{into}"]
    if target is None or target.registrations == 0:
        return f"there is no customer {into!r} to merge into; register them, or correct the id"
    if target.merged_into is not None:
        return f"customer {into!r} is itself merged, into {target.merged_into!r}; merge into that"
    return None
