"""`casestore privacy status`: who was erased, and how it stands with one customer."""

from __future__ import annotations

from typing import Any, cast

import click
import msgspec

from casestore import CaseStore
from casestore.privacy import erasure as library
from casestore.privacy.erasure_list import Proofs
from cli.terminal.options import settings
from cli.terminal.output import (
    Column,
    cell,
    for_people,
    print_lines,
    print_object,
    print_rows,
    tabular,
)
from cli.terminal.text import visible

_ERASURES = (
    Column("customer_id", "customer"),
    Column("erased_at", "when"),
    Column("basis"),
    *(Column(name, people=False) for name in ("event_id", "store_id", "proof")),
)
_REQUESTS = (
    Column("customer_id", "customer"),
    Column("requested_at", "when"),
    Column("basis"),
    Column("event_id", people=False),
)


@click.command()
@click.argument("customer_id", metavar="[CUSTOMER]", required=False)
@click.option("--requested", is_flag=True, help="List who asked to be erased and is not yet.")
@tabular
def status(customer_id: str | None, requested: bool) -> None:
    """List who was erased, or tell how it stands with one customer.

    The list holds ids, times and codes, and no words. Kept apart from the database, as NDJSON, it
    is what `casestore privacy reapply` reads after an older database was put back.

    \b
    Examples:
      casestore privacy status
      casestore privacy status C-3318
      casestore privacy status --format ndjson >erased.ndjson
    """
    with settings().open_store() as store:
        if customer_id is not None:
            _tell_customer(store, customer_id)
        elif requested:
            rows = [
                {
                    "customer_id": request.customer_id,
                    "requested_at": request.occurred_at,
                    "basis": cast(Any, request.event).basis,
                    "event_id": request.uid,
                }
                for request in library.requests(store)
            ]
            print_rows(_REQUESTS, rows, empty="nobody is waiting to be erased")
        else:
            proves = Proofs(store)
            noted = (
                msgspec.structs.asdict(proves.line(record)) for record in library.erasures(store)
            )
            print_rows(_ERASURES, noted, empty="nobody was erased")


def _tell_customer(store: CaseStore, customer_id: str) -> None:
    customer = store.customer(customer_id)
    words = library.readable(store, customer_id)
    erasures = [msgspec.structs.asdict(noted) for noted in library.erasures(store, customer_id)]
    shown: dict[str, Any] = {
        "customer_id": customer_id,
        "erased": customer.erased,
        "erasures": [
            {name: erasure[name] for name in ("erased_at", "basis", "event_id")}
            for erasure in erasures
        ],
        "holds": library.holds(store, customer_id),
        "same_person": library.same_person(store, customer_id),
        "texts": sum(field.events for field in words),
        "streams": len({field.stream for field in words}),
    }
    if not for_people():
        print_object(shown)
        return
    lines = [f"customer {customer_id}: {'erased' if customer.erased else 'not erased'}"]
    lines += [
        f"erased on {cell(erasure['erased_at'])}, basis {erasure['basis']}" for erasure in erasures
    ]
    lines += [f"holds on {who}: {', '.join(ids)}" for who, ids in shown["holds"].items()]
    if shown["same_person"]:
        lines.append(f"the same person as {', '.join(shown['same_person'])}")
    lines.append("texts that can be read: {texts}, in {streams} streams".format(**shown))
    print_lines(map(visible, lines))
