"""The streams that a report on one case or customer may read.

Where tables are made for one report, as of another time, they need hold no more than these: the
cases, their customers, and all that was ever merged with them. Merges that were undone since count
here, as they may have stood at that time: too much makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable

from casestore import CaseStore
from casestore.streams.merged import closure
from projections.engine.links import links_of


def related_streams(
    store: CaseStore, cases: Iterable[str] = (), customers: Iterable[str] = ()
) -> list[str]:
    """The streams that hang together with some cases and customers, by id, these included."""
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
