"""The page of a customer over all their cases. Whoever is merged with them is the same customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from casestore import History
from casestore.audit.explained import NOT_PROVEN
from casestore.streams.customer import Customer
from casestore.streams.kinds import fold_history
from projections import reports
from projections.history.customer_state import facts, merges, preferences, registered
from projections.pages.case_file import WHOLE
from projections.pages.happenings import Told, in_order, told
from projections.pages.page import Pages, telling_damage
from projections.query.histories import Histories
from projections.reports import CaseLine, GoodwillLine, PromiseLine


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """What was asked and done about the words of one customer id."""

    customer_id: str
    erased: bool
    """Whether the words were destroyed, and the customer was not registered again since."""
    holds: Mapping[str, str]
    """The reason of each legal hold that stands, by its id."""
    course: Sequence[Told]
    """Requests for erasure, erasures and holds, in order."""


@dataclass(frozen=True, kw_only=True)
class CustomerFile:
    """All that a customer's page says."""

    customer_id: str
    registered: Mapping[str, Any]
    """See `projections.history.customer_state.registered`."""
    customers: Sequence[str]
    """All ids of the customer, this one included."""
    merges: Sequence[Mapping[str, Any]]
    preferences: Sequence[Mapping[str, Any]]
    facts: Sequence[Mapping[str, Any]]
    cases: Sequence[CaseLine]
    gestures: Sequence[GoodwillLine]
    remedies: Sequence[GoodwillLine]
    given: Sequence[tuple[str, Mapping[str, Any]]]
    """The customer with the summary of the report goodwill history."""
    within: Mapping[str, int]
    """How many of the gestures that stand were within authority: yes, no, unknown."""
    promises: Sequence[PromiseLine]
    kept: Mapping[str, Any]
    """The summary of the report promises."""
    privacy: Sequence[Privacy]
    timeline: Sequence[Told]
    """The customer's own events, not those of cases."""
    events: int
    sealed: int
    """How many of these events the newest seal covers."""


@telling_damage("Customer")
def customer_page(pages: Pages, customer_id: str) -> str:
    """The page of a customer; of one who was not known at that moment, a page that says so.

    Raises:
        StreamNotFound: there is no such customer, at any time.
        KeyFileError: words were asked for, and the key file is missing.
    """
    return pages.render(
        "customer_file.html",
        title=f"Customer {customer_id}",
        file=read_customer(pages, customer_id),
        not_proven=NOT_PROVEN,
    )


def read_customer(pages: Pages, customer_id: str) -> CustomerFile | None:
    """All that a customer's page says; None if they were not known at that read.

    Raises StreamNotFound, KeyFileError: see `customer_page`.
    """
    ask, zone = pages.ask, pages.zone
    read = Histories(pages.store, pages.as_of, pages.known_at, ask.position, reveal=pages.reveal)
    own = read.history(f"customer:{customer_id}")
    about = WHOLE | {"customer": customer_id}
    goodwill = ask(reports.goodwill_history, **about)
    ids = cast(Sequence[str], goodwill.summary["customers"])
    names = [f"customer:{each}" for each in ids if each != customer_id]
    histories = [own, *map(read.history, names)]
    cases = ask(reports.cases, **about).rows
    if not own.effective and not cases:
        return None
    events = sorted((r for history in histories for r in history), key=lambda r: r.moment)
    covered = pages.sealed.position if pages.sealed else 0
    shown = [each for history in histories for each in told(history, zone, covered)]
    promises = ask(reports.promises, **about)
    gestures = [line for line in goodwill.rows if line.ledger == "goodwill"]
    return CustomerFile(
        customer_id=customer_id,
        registered=registered(own),
        customers=ids,
        merges=list(merges(events)),
        preferences=preferences(events),
        facts=facts(events, pages.as_of),
        cases=cases,
        gestures=gestures,
        remedies=[line for line in goodwill.rows if line.ledger == "remedy"],
        given=[(customer_id, goodwill.summary)],
        within={
            verdict: sum(g.within_authority == verdict for g in gestures if g.status == "given")
            for verdict in ("yes", "no", "unknown")
        },
        promises=promises.rows,
        kept=promises.summary,
        privacy=[_privacy(history, shown) for history in histories],
        timeline=[item for item in in_order(shown, ()) if isinstance(item, Told)],
        events=len(shown),
        sealed=sum(event.sealed for event in shown),
    )


_ASKED = ("ErasureRequested", "PersonalDataErased", "HoldPlaced", "HoldReleased")


def _privacy(history: History, events: Sequence[Told]) -> Privacy:
    state = cast(Customer, fold_history(history))
    customer_id = history.stream.removeprefix("customer:")
    return Privacy(
        customer_id=customer_id,
        erased=state.erased,
        holds=state.holds,
        course=[
            event
            for event in events
            if event.case_id == customer_id and event.type in _ASKED and not event.voided
        ],
    )
