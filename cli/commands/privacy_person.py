"""`casestore privacy export` and `certificate`: what a person is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from casestore.privacy.certificate import certificate as certify
from casestore.privacy.export import export_person
from casestore.streams.wording import counted
from casestore.system.files import naming, part_of
from cli.commands.privacy_options import CUSTOMER, remark
from cli.terminal.access import note_access
from cli.terminal.checkpoints import OLDER, read_checkpoints
from cli.terminal.options import settings, shared
from cli.terminal.output import for_people, print_object


@click.command()
@CUSTOMER
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@shared
def export(customer_id: str, folder: Path) -> None:
    """Write all that is held on a person, for that person.

    DIR is a new folder, readable by its owner alone: page.html to read, and data.json with the same
    for programs. They have every event of the customer, of the same person's other ids, and of all
    their cases, with the words, whoever wrote them; and they say what could not be read because it
    was erased. Look through it before you hand it over: docs/privacy.md says for what.

    \b
    Example:
      casestore privacy export C-3318 for-C-3318
    """
    with settings().open_store() as store:
        store.customer(customer_id)  # raises StreamNotFound if there is no such customer
        note_access(store.url, store_id=store.meta["store_id"])
        with naming(folder):
            held = export_person(store, customer_id, folder)
    erased = sum(each.events for each in held.erased)
    if not for_people():
        print_object(
            {
                "folder": str(folder),
                "customer_ids": held.customer_ids,
                "streams": len(held.streams),
                "events": len(held.events),
                "named_elsewhere": len(held.named_elsewhere),
                "erased": [each._asdict() for each in held.erased],
            }
        )
        return
    remark(
        f"wrote {counted(len(held.events), 'event')} on {', '.join(held.customer_ids)} to "
        f"{folder}; read {folder / 'page.html'} before you hand it over",
        *([f"{counted(erased, 'text')} could not be read: they were erased"] if erased else []),
    )


@click.command()
@CUSTOMER
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@OLDER
@shared
def certificate(customer_id: str, file: Path, held: Sequence[Path]) -> None:
    """Write a signed certificate of a customer's last erasure.

    It names the customer, the event, its time and basis, and the keys that were destroyed, and
    holds the proof that the event is in the sealed history; so `audit seal` comes first. It has no
    words. `audit verify-certificate` checks it without the store.

    \b
    Examples:
      casestore privacy certificate C-3318 C-3318.erased
      casestore privacy certificate C-3318 C-3318.erased --held checkpoint-of-march
    """
    with settings().open_store() as store:
        made, note = certify(store, customer_id, held=tuple(read_checkpoints(held)))
    with naming(file), part_of(file, 0o600) as part:
        part.write_bytes(note.encode())
    if not for_people():
        told = msgspec.structs.asdict(made)
        print_object(
            {"file": str(file)}
            | {name: told[name] for name in told if name not in ("proof", "state")}
        )
        return
    remark(
        f"wrote {file}: customer {customer_id} was erased on {made.erased_at:%Y-%m-%d}, basis "
        f"{made.basis}; {counted(len(made.destroyed_keys), 'key')} destroyed"
    )
