"""The streams that a report on certain cases or customers may need.

They are the cases, their customers, and all that was ever merged with them. Tables that are made
for one report, as of another time, need no more rows than those of these streams. A merge that was
undone since also counts, as it may have held at that time: a stream too many changes no result.
"""

from __future__ import annotations

from collections.abc import Iterable

from casestore import CaseStore
from casestore.streams.merged import closure
from projections.engine.links import links_of


def related_streams(
    store: CaseStore, cases: Iterable[str] = (), customers: Iterable[str] = ()
) -> list[str]:
    """The streams that are related to some cases and customers, these included.

    Args:
        store: the store.
        case_ids: ids of cases.
        customer_ids: ids of customers.
    """
    links, recorder = links_of(store), store._recorder
    until = recorder.last_position()
    links.look(store, until)

    def neighbours(streams: set[str]) -> set[str]:
        of_cases = recorder.customers_of(sorted(s for s in streams if s.startswith("case:")))
        customer_ids = {s.removeprefix("customer:") for s in streams if s.startswith("customer:")}
        return (
            set(links.next_to(streams, until))
            | {f"customer:{customer_id}" for customer_id in of_cases}
            | recorder.cases_of(sorted(customer_ids))
        )

    start = [*(f"case:{i}" for i in cases), *(f"customer:{i}" for i in customers)]
    return sorted(closure(start, neighbours))
