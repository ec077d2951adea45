"""`casestore privacy`: forgetting a customer, and looking after the key that makes it possible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO, Any, cast

import click
import msgspec

from casestore import CaseStore, EventRefused, PersonalDataErased
from casestore.keys.vault import UNSEALED
from casestore.privacy import erasure as library
from casestore.privacy.erasure_list import list_file
from casestore.privacy.rotation import rotate as rotate_key
from casestore.streams.codec import Codec
from casestore.streams.wording import counted
from cli.terminal.actor import read_actor
from cli.terminal.options import REFUSED, Usage, settings, shared
from cli.terminal.output import Column, cell, for_people, print_lines, print_object, print_rows
from cli.terminal.progress import progress
from cli.terminal.text import visible


@click.group()
@shared
def privacy() -> None:
    """Erase what a customer said, and rotate the key.

    Words are sealed with a key of each customer's own. Erasing destroys that key: no event is
    changed, and nobody can read the words again. What copies elsewhere still hold, and for how
    long: docs/privacy.md.

    \b
    Examples:
      casestore privacy erase C-3318 --basis gdpr-17 --dry-run
      casestore privacy status
    """


_customer = click.argument("customer_id", metavar="CUSTOMER")
_actor = click.option(
    "--actor",
    metavar="KIND:ID[:ROLE[:TEAM]]",
    help="Who does it, like agent:anna. Default: CASESTORE_ACTOR.",
)


def _erasure(basis: str, actor: str | None) -> PersonalDataErased:
    """What is to be recorded, as of now, checked. Raises InvalidEvent."""
    data = {"occurred_at": datetime.now(UTC), "actor": read_actor(actor), "basis": basis}
    name = PersonalDataErased.__name__
    return cast(PersonalDataErased, Codec().validate_json(name, msgspec.json.encode(data)))


def _remarks(*lines: str) -> None:
    if for_people() and not settings().quiet:
        print_lines(map(visible, lines))


def _not_finished(left: Sequence[str]) -> None:
    for each in left:
        click.echo(f"casestore: not finished yet: {visible(each)}", err=True)


# --- erase -------------------------------------------------------------------------------------

_WORDS = (
    Column("customer_id", "customer"),
    Column("stream"),
    Column("type"),
    Column("field"),
    Column("events", right=True),
)
_MADE = (
    Column("customer_id", "customer"),
    Column("outcome"),
    Column("erased_at", "when"),
    Column("basis"),
    Column("texts", right=True),
    *(Column(name, people=False) for name in ("event_id", "same_person", "left")),
)


@privacy.command()
@_customer
@click.option("--basis", metavar="CODE", help="Why, like gdpr-17. Needed, unless --dry-run.")
@click.option("--merged", is_flag=True, help="Erase all ids that are merged with this one, too.")
@click.option("--dry-run", is_flag=True, help="List what would become unreadable, and stop.")
@_actor
@shared
def erase(
    customer_id: str, basis: str | None, merged: bool, dry_run: bool, actor: str | None
) -> None:
    """Make all that a customer said unreadable, for ever.

    What was said of them in their cases, too. Refused while a legal hold stands. Erasing twice
    does nothing more, and finishes what was interrupted.

    \b
    Examples:
      casestore privacy erase C-3318 --basis gdpr-17 --dry-run
      casestore privacy erase C-3318 --basis gdpr-17 --merged --actor agent:anna
    """
    if basis is None and not dry_run:
        raise Usage("on which basis? Give --basis, like gdpr-17")
    said = None if basis is None or dry_run else _erasure(basis, actor)
    with settings().open_store() as store:
        library.customer(store, customer_id)  # there is one
        others = library.same_person(store, customer_id)
        ids = [customer_id, *(others if merged else ())]
        words = {each: library.readable(store, each) for each in ids}
        if said is None:
            _would_erase(store, ids, words)
        else:
            _erase(store, ids, words, said)
        left = [each for each in others if not library.customer(store, each).erased]
    if left and not merged:
        _remarks(f"the same person is also {', '.join(left)}: not erased without --merged")


def _would_erase(store: CaseStore, ids: list[str], words: dict[str, list[library.Words]]) -> None:
    if not store.vault.is_sealed:
        raise EventRefused(f"customer:{ids[0]}: cannot be erased: {UNSEALED}")
    rows = [each._asdict() for found in words.values() for each in found]
    print_rows(_WORDS, rows, empty="no words that can be read")
    if standing := library.holds(store, ids[0]):
        told = "; ".join(f"{', '.join(found)} on customer {who}" for who, found in standing.items())
        raise EventRefused(f"erasing would be refused: a legal hold stands: {told}")


def _erase(
    store: CaseStore,
    ids: list[str],
    words: dict[str, list[library.Words]],
    said: PersonalDataErased,
) -> None:
    made = [
        library.erase(store, each, basis=said.basis, actor=said.actor, at=said.occurred_at)
        for each in ids
    ]
    rows = [
        {
            **msgspec.structs.asdict(each.noted),
            "outcome": "erased" if each.now else "erased already",
            "texts": sum(found.events for found in words[each.customer_id]) if each.now else 0,
            "same_person": list(each.same_person),
            "left": list(each.left),
        }
        for each in made
    ]
    if not (for_people() and settings().quiet):
        print_rows(_MADE, rows)
    _not_finished(list(dict.fromkeys(problem for each in made for problem in each.left)))


# --- status ------------------------------------------------------------------------------------

_ERASURES = (
    Column("customer_id", "customer"),
    Column("erased_at", "when"),
    Column("basis"),
    *(Column(name, people=False) for name in ("event_id", "store_id")),
)
_REQUESTS = (
    Column("customer_id", "customer"),
    Column("requested_at", "when"),
    Column("basis"),
    Column("event_id", people=False),
)


@privacy.command()
@click.argument("customer_id", metavar="[CUSTOMER]", required=False)
@click.option("--requested", is_flag=True, help="Who asked to be erased, and was not yet.")
@shared
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
                    "customer_id": each.customer_id,
                    "requested_at": each.occurred_at,
                    "basis": cast(Any, each.event).basis,
                    "event_id": each.uid,
                }
                for each in library.requests(store)
            ]
            print_rows(_REQUESTS, rows, empty="nobody is waiting to be erased")
        else:
            noted = map(msgspec.structs.asdict, library.erasures(store))
            print_rows(_ERASURES, noted, empty="nobody was erased")


def _tell_customer(store: CaseStore, customer_id: str) -> None:
    customer = library.customer(store, customer_id)
    words = library.readable(store, customer_id)
    made = [msgspec.structs.asdict(each) for each in library.erasures(store, customer_id)]
    shown: dict[str, Any] = {
        "customer_id": customer_id,
        "erased": customer.erased,
        "erasures": [{k: each[k] for k in ("erased_at", "basis", "event_id")} for each in made],
        "holds": library.holds(store, customer_id),
        "same_person": library.same_person(store, customer_id),
        "texts": sum(each.events for each in words),
        "streams": len({each.stream for each in words}),
    }
    if not for_people():
        print_object(shown)
        return
    told = [f"customer {customer_id}: {'erased' if customer.erased else 'not erased'}"]
    told += [f"erased on {cell(each['erased_at'])}, basis {each['basis']}" for each in made]
    told += [f"holds on {who}: {', '.join(ids)}" for who, ids in shown["holds"].items()]
    if shown["same_person"]:
        told.append(f"the same person as {', '.join(shown['same_person'])}")
    told.append("texts that can be read: {texts}, in {streams} streams".format(**shown))
    print_lines(map(visible, told))


# --- the key, and after a restore --------------------------------------------------------------


@privacy.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
@shared
def rotate(dry_run: bool) -> None:
    """Make a new key file, and destroy the old key.

    No event changes. Copies of the database from before, in backups and replicas, cannot be read
    any more, once the copies of the old key file are gone too. One that was interrupted is
    finished. Back up the new key file, and then the database, at once.

    \b
    Examples:
      casestore privacy rotate --dry-run
      casestore privacy rotate
    """
    with settings().open_store() as store, progress("keys", None) as tick:
        done = rotate_key(store, dry_run=dry_run, progress=tick)
    if not for_people():
        print_object({**done._asdict(), "key_file": str(done.key_file), "dry_run": dry_run})
        return
    keys = f"{counted(done.wrapped, 'key')} of customers"
    if dry_run:
        _remarks(f"{keys} would be wrapped by a new key in {done.key_file}")
        return
    _remarks(
        f"{keys} wrapped by a new key in {done.key_file}",
        "back it up now, apart from the store; destroy every copy of the old one; and make a new",
        "backup of the store: older ones can no longer be read without the old key",
    )


_REAPPLIED = (
    Column("customer_id", "customer"),
    Column("erased_at", "when"),
    Column("outcome"),
    Column("why"),
)


@privacy.command()
@click.argument("file", metavar="[FILE]", type=click.File("rb"), required=False)
@_actor
@shared
def reapply(file: IO[bytes] | None, actor: str | None) -> None:
    """Erase again who was erased, in a database that does not know of it.

    After an older backup was put back. FILE is what `casestore privacy status --format ndjson`
    gave, or - for standard input; without it, the list beside the key file is read. Whoever is
    erased already is left as they are. Exits 1 if any erasure was refused.

    \b
    Examples:
      casestore privacy reapply --actor agent:anna
      casestore privacy reapply erased.ndjson
    """
    by = _erasure("reapplied", actor).actor
    with settings().open_store() as store:
        lines = _own_list(store) if file is None else file.read().splitlines()
        found, left = library.reapply(store, lines, actor=by)
    print_rows(_REAPPLIED, [each._asdict() for each in found], empty="nobody is to be erased")
    _not_finished(left)
    if any(each.outcome == "refused" for each in found):
        raise click.exceptions.Exit(REFUSED)


def _own_list(store: CaseStore) -> list[bytes]:
    path = list_file(store)
    if path is None or not path.exists():
        where = "no key file is named" if path is None else f"{path} is not there"
        raise Usage(f"there is no list of who was erased ({where}); give a FILE")
    return path.read_bytes().splitlines()
