"""`casestore privacy`: forgetting a customer, and looking after the key that makes it possible."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO, Any, cast

import click
import msgspec

from casestore import CaseStore, EventRefused, PersonalDataErased
from casestore.keys.vault import UNSEALED
from casestore.privacy import erasure as library
from casestore.privacy.erasure_list import Proofs, list_file
from casestore.privacy.rotation import rotate as rotate_key
from casestore.streams.codec import Codec
from casestore.streams.wording import counted
from cli.terminal.actor import read_actor
from cli.terminal.options import REFUSED, Usage, settings, shared
from cli.terminal.output import (
    Column,
    cell,
    for_people,
    print_lines,
    print_object,
    print_rows,
    tabular,
)
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
    """The event to record: it happens now. Raises InvalidEvent for a bad basis or actor."""
    data = {"occurred_at": datetime.now(UTC), "actor": read_actor(actor), "basis": basis}
    name = PersonalDataErased.__name__
    return cast(PersonalDataErased, Codec().validate_json(name, msgspec.json.encode(data)))


def _remarks(*lines: str) -> None:
    if for_people() and not settings().quiet:
        print_lines(map(visible, lines))


def _not_finished(problems: Sequence[str]) -> None:
    for problem in problems:
        click.echo(f"casestore: not finished yet: {visible(problem)}", err=True)


# --- erase -------------------------------------------------------------------------------------

_WORDS = (
    Column("customer_id", "customer"),
    Column("stream"),
    Column("type"),
    Column("field"),
    Column("events", right=True),
)
_ERASED = (
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
@click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody can be asked.")
@_actor
@shared
def erase(
    *,
    customer_id: str,
    basis: str | None,
    merged: bool,
    dry_run: bool,
    yes: bool,
    actor: str | None,
) -> None:
    """Make all that a customer said unreadable, for ever.

    And all that others said about them in their cases. Refused while a legal hold stands. Erasing
    a second time erases nothing more, but finishes what was interrupted.

    \b
    Examples:
      casestore privacy erase C-3318 --basis gdpr-17 --dry-run
      casestore privacy erase C-3318 --basis gdpr-17 --merged --actor agent:anna --yes
    """
    if basis is None and not dry_run:
        raise Usage("on which basis? Give --basis, like gdpr-17")
    event = None if basis is None or dry_run else _erasure(basis, actor)
    with settings().open_store() as store:
        store.customer(customer_id)  # raises StreamNotFound if there is no such customer
        others = library.same_person(store, customer_id)
        ids = [customer_id, *(others if merged else ())]
        words = {one_id: library.readable(store, one_id) for one_id in ids}
        if event is None:
            _would_erase(store, ids, words)
        else:
            if not yes:
                _ask(ids, words)
            _erase(store, ids, words, event)
        not_erased = [other for other in others if not store.customer(other).erased]
    if not_erased and not merged:
        _remarks(f"the same person is also {', '.join(not_erased)}: not erased without --merged")


def _ask(ids: Sequence[str], words: dict[str, list[library.Words]]) -> None:
    """Ask on a terminal whether to go on. Raises Usage elsewhere, and Abort for a no."""
    texts = sum(field.events for fields in words.values() for field in fields)
    if not texts:  # nothing is lost
        return
    what = f"{counted(texts, 'text')} of {', '.join(ids)}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Usage(f"{what} would be unreadable for ever; give --yes, or --dry-run to see them")
    question = f"Make {what} unreadable for ever?"
    click.confirm(visible(question), default=False, abort=True, err=True)


def _would_erase(store: CaseStore, ids: list[str], words: dict[str, list[library.Words]]) -> None:
    if not store._vault.is_sealed:
        raise EventRefused(f"customer:{ids[0]}: cannot be erased: {UNSEALED}")
    rows = [field._asdict() for fields in words.values() for field in fields]
    print_rows(_WORDS, rows, empty="no words that can be read")
    if holds := library.holds(store, ids[0]):
        which = "; ".join(
            f"{', '.join(hold_ids)} on customer {who}" for who, hold_ids in holds.items()
        )
        raise EventRefused(f"erasing would be refused: a legal hold stands: {which}")


def _erase(
    store: CaseStore,
    ids: list[str],
    words: dict[str, list[library.Words]],
    event: PersonalDataErased,
) -> None:
    erasures = [
        library.erase(store, one_id, basis=event.basis, actor=event.actor, at=event.occurred_at)
        for one_id in ids
    ]
    rows = [
        {
            **msgspec.structs.asdict(erasure.noted),
            "outcome": "erased" if erasure.now else "erased already",
            "texts": sum(f.events for f in words[erasure.customer_id]) if erasure.now else 0,
            "same_person": list(erasure.same_person),
            "left": list(erasure.left),
        }
        for erasure in erasures
    ]
    if not (for_people() and settings().quiet):
        print_rows(_ERASED, rows)
    problems = (problem for erasure in erasures for problem in erasure.left)
    _not_finished(list(dict.fromkeys(problems)))


# --- status ------------------------------------------------------------------------------------

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


@privacy.command()
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


# --- the key, and after a restore --------------------------------------------------------------


@privacy.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
@shared
def rotate(dry_run: bool) -> None:
    """Make a new key file, and destroy the old key.

    No event changes. Copies of the database from before, in backups and replicas, cannot be read
    any more, once the copies of the old key file are gone too. If a rotation was interrupted, this
    finishes it. Back up the new key file, and then the database, at once.

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
@click.option(
    "--unproven",
    is_flag=True,
    help="Take lines too that the key file did not make, because you know where they are from.",
)
@_actor
@shared
def reapply(file: IO[bytes] | None, unproven: bool, actor: str | None) -> None:
    """Erase again who was erased, in a database that does not know of it.

    For use after an older backup was put back. FILE is what `casestore privacy status --format
    ndjson` gave, or - for standard input; without it, the list beside the key file is read. Whoever
    is erased already is left as they are. Each line has a proof, made with the key file, and a line
    that somebody else wrote is refused. Exits 1 if any erasure was refused.

    \b
    Examples:
      casestore privacy reapply --actor agent:anna
      casestore privacy reapply erased.ndjson
    """
    by = _erasure("reapplied", actor).actor
    with settings().open_store() as store:
        lines = _own_list(store) if file is None else file.read().splitlines()
        erasures, unfinished = library.reapply(store, lines, actor=by, unproven=unproven)
    rows = [erasure._asdict() for erasure in erasures]
    print_rows(_REAPPLIED, rows, empty="nobody is to be erased")
    _not_finished(unfinished)
    if any(erasure.outcome == "refused" for erasure in erasures):
        raise click.exceptions.Exit(REFUSED)


def _own_list(store: CaseStore) -> list[bytes]:
    path = list_file(store)
    if path is None or not path.exists():
        where = "no key file is named" if path is None else f"{path} is not there"
        raise Usage(f"there is no list of who was erased ({where}); give a FILE")
    return path.read_bytes().splitlines()
