"""One row for each customer: since when we know them, and whom they are merged into."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from casestore.events import CustomerRegistered
from casestore.streams.customer import STORE, Customer
from casestore.streams.kinds import fold_history
from projections.history.customer_history import CustomerHistory
from projections.projection import Projection, Row


class CustomerRow(Row, frozen=True):
    """A customer."""

    customer_id: str
    registered_at: datetime | None
    """When they were first registered: by a recorded CustomerRegistered, else by the store."""
    merged_into: str | None
    root: str
    """The id under which reports count this customer: its own, if it is not merged."""
    erased: bool
    """Whether their personal data was erased and they were not registered again since."""
    last_event_at: datetime


def rows(customer: CustomerHistory) -> Iterator[CustomerRow]:
    """The customer's row."""
    history, customer_id = customer.history, customer.customer_id
    state = fold_history(history)
    assert isinstance(state, Customer)  # noqa: S101  (of a customer's stream)
    registrations = [r.event for r in history if isinstance(r.event, CustomerRegistered)]
    told = [event for event in registrations if event.actor != STORE]
    yield CustomerRow(
        customer_id=customer_id,
        registered_at=min((e.occurred_at for e in told or registrations), default=None),
        merged_into=customer.roots.into(customer_id),
        root=customer.roots.root(customer_id),
        erased=state.erased,
        last_event_at=max(recorded.occurred_at for recorded in history),
    )


CUSTOMERS = Projection(
    name="customers",
    version=2,
    row=CustomerRow,
    rows=rows,
    of="customer",
    indexes=("customer_id", "root", "last_event_at"),
)
