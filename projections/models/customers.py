"""One row for each customer: since when we know them, and under whom they count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from casestore.events import CustomerRegistered
from casestore.streams.customer import Customer
from casestore.streams.history import History
from casestore.streams.kinds import fold_history
from projections.projection import Projection, Row


class CustomerRow(Row, frozen=True):
    """A customer."""

    customer_id: str
    registered_at: datetime
    """For the first time."""
    merged_into: str | None
    erased: bool
    """Whether their personal data was erased, and they have not been registered since."""
    last_event_at: datetime


def rows(history: History) -> Iterator[CustomerRow]:
    """The customer's row."""
    customer = fold_history(history)
    assert isinstance(customer, Customer)  # noqa: S101  (of a customer's stream)
    registrations = [r.occurred_at for r in history if isinstance(r.event, CustomerRegistered)]
    yield CustomerRow(
        customer_id=customer.customer_id,
        registered_at=min(registrations),
        merged_into=customer.merged_into,
        erased=customer.erased,
        last_event_at=max(recorded.occurred_at for recorded in history),
    )


CUSTOMERS = Projection(
    name="customers",
    version=1,
    row=CustomerRow,
    rows=rows,
    of="customer",
    indexes=("customer_id", "merged_into", "last_event_at"),
)
