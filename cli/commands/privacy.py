"""`casestore privacy`: forgetting a customer, and looking after the key that makes it possible."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import IO

import click
import msgspec

from casestore import CaseStore, EventRefused, PersonalDataErased
from casestore.keys.vault import UNSEALED
from casestore.privacy import erasure as library
from casestore.privacy.erasure_list import lines_of, list_file
from casestore.privacy.rotation import rotate as rotate_key
from casestore.streams.wording import counted
from cli.commands.privacy_due import due
from cli.commands.privacy_options import ACTOR, CUSTOMER, erasure_event, not_finished, remark
from cli.commands.privacy_person import certificate, export
from cli.commands.privacy_status import status
from cli.terminal.access import note_access
from cli.terminal.options import REFUSED, Usage, settings, shared
from cli.terminal.output import Column, for_people, print_object, print_rows
from cli.terminal.progress import progress
from cli.terminal.text import visible


@click.group()
@shared
def privacy() -> None:
    """Tell a person what is held, erase it, and rotate the key.

    Words are sealed with a key of each customer's own. Erasing destroys that key: no event is
    changed, and nobody can read the words again. What copies elsewhere still hold, and for how
    long: docs/privacy.md.

    \b
    Examples:
      casestore privacy export C-3318 for-C-3318
      casestore privacy erase C-3318 --basis gdpr-17 --dry-run
      casestore privacy status
    """


for _command in (export, due, certificate, status):
    privacy.add_command(_command)


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
@CUSTOMER
@click.option("--basis", metavar="CODE", help="Why, like gdpr-17. Needed, unless --dry-run.")
@click.option("--merged", is_flag=True, help="Erase all ids that are merged with this one, too.")
@click.option("--dry-run", is_flag=True, help="List what would become unreadable, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody can be asked.")
@ACTOR
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
    event = None if basis is None or dry_run else erasure_event(basis, actor)
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
            for one_id in ids:
                note_access(store.url, store_id=store.meta["store_id"], customer_id=one_id)
            _erase(store, ids, words, event)
        not_erased = [other for other in others if not store.customer(other).erased]
    if not_erased and not merged:
        remark(f"the same person is also {', '.join(not_erased)}: not erased without --merged")


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
    not_finished(list(dict.fromkeys(problems)))


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
        if not dry_run:
            note_access(store.url, store_id=store.meta["store_id"])
        done = rotate_key(store, dry_run=dry_run, progress=tick)
    if not for_people():
        print_object({**done._asdict(), "key_file": str(done.key_file), "dry_run": dry_run})
        return
    keys = f"{counted(done.wrapped, 'key')} of customers"
    if dry_run:
        remark(f"{keys} would be wrapped by a new key in {done.key_file}")
        return
    remark(
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
@ACTOR
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
    by = erasure_event("reapplied", actor).actor
    with settings().open_store() as store:
        lines = _own_list(store) if file is None else file.read().splitlines()
        note_access(store.url, store_id=store.meta["store_id"])
        erasures, unfinished = library.reapply(store, lines, actor=by, unproven=unproven)
    rows = [erasure._asdict() for erasure in erasures]
    print_rows(_REAPPLIED, rows, empty="nobody is to be erased")
    not_finished(unfinished)
    if any(erasure.outcome == "refused" for erasure in erasures):
        raise click.exceptions.Exit(REFUSED)


def _own_list(store: CaseStore) -> list[bytes]:
    path = list_file(store)
    if path is None or not path.exists():
        where = "no key file is named" if path is None else f"{path} is not there"
        raise Usage(f"there is no list of who was erased ({where}); give a FILE")
    return lines_of(path)
