"""`casestore privacy due`: whose words have been kept for long enough."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

import click

from casestore import CaseStore, EventRefused, PersonalDataErased
from casestore.keys.vault import UNSEALED
from casestore.privacy.due import Due, erase_due
from casestore.privacy.due import due as persons_due
from casestore.streams.wording import counted
from cli.commands.privacy_options import ACTOR, erasure_event, not_finished
from cli.terminal import moments
from cli.terminal.access import note_access
from cli.terminal.options import REFUSED, Usage, settings
from cli.terminal.output import Column, print_rows, tabular
from cli.terminal.time_options import zone_option

_DUE = (
    Column("customer_id", "customer"),
    Column("same_person", "same person"),
    Column("cases", right=True, holds=int),
    Column("last_closed_at", "last closed", holds=datetime),
)
_DONE = (
    Column("customer_id", "customer"),
    Column("outcome"),
    Column("why", wraps=True),
    *(Column(name, people=False) for name in ("event_id", "last_closed_at", "left")),
)


@click.command()
@click.option(
    "--after",
    metavar="TIME",
    required=True,
    help="How long after the last case was closed: 6y, 18m (months), 2w or 30d.",
)
@click.option("--erase", is_flag=True, help="Erase them, one after the other.")
@click.option("--basis", metavar="CODE", help="With --erase: why, like gdpr-5.")
@click.option("--yes", is_flag=True, help="With --erase: needed, as nobody is asked.")
@ACTOR
@zone_option
@tabular
def due(
    *, after: str, erase: bool, basis: str | None, yes: bool, actor: str | None, tz: tzinfo
) -> None:
    """List whose last case was closed long ago, and erase them.

    Listed is who has a case, none that is open, and none that was closed since: 6y is the same day
    six years ago. Merged ids are one person. Nobody is listed on whom a legal hold stands, or who
    is erased already.

    With --erase each id is erased by itself, if it is due still. It may be stopped, and run again.
    Exits 1 if any erasure was refused, and says why.

    \b
    Examples:
      casestore privacy due --after 6y
      casestore privacy due --after 6y --erase --basis gdpr-5 --actor agent:anna --yes
    """
    try:
        before = moments.days_before(after, tz, settings().now())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--after") from None
    event = _event(basis, actor, yes=yes) if erase else None
    if event is None and (basis is not None or yes):
        raise Usage("--basis and --yes are for --erase; give it, or leave them out")
    with settings().open_store() as store:
        if event is None:
            rows = (_row(each) for each in persons_due(store, before))
            print_rows(_DUE, rows, zone=tz, empty=f"nobody: no last case closed {after} ago")
            return
        if not store._vault.is_sealed:
            raise EventRefused(f"nobody can be erased: {UNSEALED}")
        done = list(_erased(store, before, event))
    print_rows(_DONE, done, zone=tz, empty="nobody is due")
    not_finished(list(dict.fromkeys(problem for row in done for problem in row["left"])))
    if refused := sum(row["outcome"] == "refused" for row in done):
        click.echo(f"casestore: {counted(refused, 'erasure')} refused", err=True)
        raise click.exceptions.Exit(REFUSED)


def _event(basis: str | None, actor: str | None, *, yes: bool) -> PersonalDataErased:
    """The event by which to erase. Raises Usage for what is missing."""
    if basis is None:
        raise Usage("on which basis? Give --basis, like gdpr-5")
    if not yes:
        raise Usage("their words would be unreadable for ever; give --yes, or leave --erase out")
    return erasure_event(basis, actor)


def _row(person: Due) -> dict[str, Any]:
    first, *others = person.customer_ids
    return {
        "customer_id": first,
        "same_person": [*others, *person.erased_ids],
        "cases": person.cases,
        "last_closed_at": person.last_closed_at,
    }


def _erased(
    store: CaseStore, before: datetime, event: PersonalDataErased
) -> Iterator[dict[str, Any]]:
    for person in list(persons_due(store, before)):
        for customer_id in person.customer_ids:
            note_access(store.url, store_id=store.meta["store_id"], customer_id=customer_id)
            done = erase_due(store, customer_id, before, basis=event.basis, actor=event.actor)
            yield {**done._asdict(), "last_closed_at": person.last_closed_at}
