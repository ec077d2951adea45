"""`casestore customer`: one customer over all their cases."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

import click

from casestore import CaseStore
from cli.commands.case import reveal_option
from cli.terminal.options import settings, shared
from cli.terminal.output import for_people, print_lines, print_object, readable
from cli.terminal.time_options import as_of_option, known_at_option, zone_option
from cli.views import customer_state
from cli.views.report import warn_of_parked
from projections import reports
from projections.history.customer_state import facts, merges, preferences, registered


@click.group()
@shared
def customer() -> None:
    """Show a customer: cases, preferences, goodwill, promises.

    \b
    Example:
      casestore customer show C-2207
    """


@customer.command()
@click.argument("customer_id", metavar="ID")
@reveal_option
@as_of_option
@known_at_option
@zone_option
@readable
def show(
    *,
    customer_id: str,
    reveal: bool,
    as_of: datetime | None,
    known_at: datetime | None,
    tz: tzinfo,
) -> None:
    """Show what there is to know of a customer before one answers them.

    Their cases, what they prefer, facts that we may rely on, what they were given, what they were
    promised, and with whom they are merged: one who was registered twice is one customer.

    \b
    Examples:
      casestore customer show C-2207
      casestore customer show C-2207 --reveal --as-of 2026-05-07
    """
    customer_id = customer_id.removeprefix("customer:")
    with settings().open_store() as store:
        store.history(f"customer:{customer_id}", at_version=1)  # whether there is such a customer
        shown = _described(store, customer_id, reveal=reveal, as_of=as_of, known_at=known_at)
    print_lines(customer_state.lines(shown, tz)) if for_people() else print_object(shown)


def _described(
    store: CaseStore,
    customer_id: str,
    *,
    reveal: bool,
    as_of: datetime | None,
    known_at: datetime | None,
) -> dict[str, Any]:
    """All that is shown, as one object. Whoever is merged with the customer is the customer."""
    times: Any = {"customer": customer_id, "as_of": as_of, "known_at": known_at}
    cases, promises = reports.cases(store, **times), reports.promises(store, **times)
    goodwill = reports.goodwill_history(store, **times)
    warn_of_parked(max(cases.parked, promises.parked, goodwill.parked))
    ids: Any = goodwill.summary["customers"]
    histories = [
        store.history(f"customer:{each}", as_of=as_of, known_at=known_at, reveal=reveal)
        for each in ids
    ]
    own = next(each for each in histories if each.stream == f"customer:{customer_id}")
    events = sorted((r for history in histories for r in history), key=lambda r: r.moment)
    return {
        "customer_id": customer_id,
        "as_of": cases.as_of,
        "known_at": known_at,
        **registered(own),
        "customers": ids,
        "merges": list(merges(events)),
        "preferences": preferences(events),
        "facts": facts(events, cases.as_of),
        "cases": list(customer_state.rows(cases.rows, customer_state.CASES)),
        "promises": list(customer_state.rows(promises.rows, customer_state.PROMISES)),
        "goodwill": list(customer_state.rows(goodwill.rows, customer_state.GOODWILL)),
        "gestures_sum": goodwill.summary["gestures_sum"],
        "remedies_sum": goodwill.summary["remedies_sum"],
    }
