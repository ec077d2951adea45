"""`casestore backup`, `restore` and `copy`: keeping a store safe, and moving it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from casestore import CaseStore
from casestore.audit.folder import Folder
from casestore.backup.backup import StoreCopy
from casestore.backup.backup import backup as make_backup
from casestore.backup.backup import copy as copy_store
from casestore.backup.backup import restore as restore_backup
from casestore.backup.upgrade import backup_place
from casestore.backup.upgrade import upgrade as upgrade_store
from casestore.errors import CannotTell, KeyFileError, StoreUnavailable
from casestore.journal.place import shown_as
from casestore.journal.url import SQLiteUrl, parse_url
from casestore.keys.key_file import kek_id, load_key_file
from casestore.privacy.erasure import lost, reapply
from casestore.privacy.erasure_list import lines_of, list_file
from casestore.relay import relays
from casestore.streams.customer import STORE
from casestore.streams.wording import counted
from casestore.tlog.note import Verifier
from cli.terminal.access import note_access
from cli.terminal.checkpoints import HELD, KEYS, read_checkpoints
from cli.terminal.options import REFUSED, Usage, settings, shared
from cli.terminal.output import for_people, print_lines, print_object
from cli.terminal.progress import progress
from cli.terminal.text import visible
from projections.engine.open_tables import drop_tables

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", metavar="FILE", type=_FILE)
@click.option("--force", is_flag=True, help="Take the place of an earlier backup.")
@shared
def backup(file: Path, force: bool) -> None:
    """Write a backup of the store into a file.

    The backup is the store as it was at one moment; whoever appends meanwhile is not held up. On
    SQLite the file is itself a store; on PostgreSQL it is a dump by pg_dump, which must be on PATH
    and not older than the server. Only its owner can read the file. If the backup fails, no file is
    written.

    It holds no projections, which are made anew, and never the key file: back that up apart.

    \b
    Examples:
      casestore backup monday.backup
      casestore --db postgresql:///desk backup monday.backup --force
    """
    db = settings().db
    with settings().open_store() as store:
        kept_apart = _kept_apart(store)
    where = parse_url(db)
    pages = where.path.stat().st_size // 4096 if isinstance(where, SQLiteUrl) else None
    with progress("pages", pages) as tick:
        written = make_backup(db, file, force=force, progress=tick)
    if not for_people():
        print_object({**written._asdict(), "file": str(written.file), "not_in_it": kept_apart})
        return
    _say(
        f"wrote {written.file}: {counted(written.events, 'event')}, up to position "
        f"{written.position}",
        f"sha256 {written.sha256}",
        "not in it, to be kept apart from it:",
        *(f"  {thing}" for thing in kept_apart),
    )


def _kept_apart(store: CaseStore) -> list[str]:
    """What belongs to the store, and no backup or copy of it holds."""
    things = []
    if store._vault.is_sealed:
        file = store._vault.key_file
        things.append(f"the key file {file or '(name it in CASESTORE_KEY_FILE)'}")
        if (erased := list_file(store)) is not None and erased.exists():
            things.append(f"the list of who was erased {erased}")
    folder = _audit_folder(store)
    if folder is not None and folder.exists():
        things.append(f"the audit folder {folder}")
    names: list[str] = []
    with suppress(StoreUnavailable):  # a backup takes less than to read them may
        names = [each.relay for each in relays(store)]
    if names:
        things.append(f"how far each relay is ({', '.join(names)}), which only its receiver knows")
    return things or ["nothing: the store is unsealed, and was never sealed with a signature"]


def _audit_folder(store: CaseStore) -> Path | None:
    try:
        return Folder.of(store.url).path
    except CannotTell:
        return None


@click.command()
@click.argument("file", metavar="FILE", type=_FILE)
@HELD
@KEYS
@click.option("--no-reapply", is_flag=True, help="Do not erase again who was erased since.")
@shared
def restore(file: Path, held: Sequence[Path], keys: Sequence[Verifier], no_reapply: bool) -> None:
    """Put a backup back, into an empty place.

    Every event is read, and compared with the seals in the audit folder and the checkpoints given
    with --held, before the place is put to use. If anything is wrong, nothing is restored. Says
    how much is newer than the backup, as far as checkpoints tell. Whoever was erased since is
    erased again: a list beside the key file names them.

    \b
    Examples:
      casestore restore monday.backup
      casestore --db postgresql:///desk restore monday.backup --held checkpoint-of-march
    """
    db = settings().db
    notes = read_checkpoints(held)
    note_access(db)
    with progress("events", None) as tick:
        restored = restore_backup(file, db, held=notes, keys=keys, progress=tick)
    with settings().open_store() as store:
        drop_tables(store)
        erased = None if no_reapply else _erase_again(store)
        remarks = list(_remarks(store, restored, erased))
        _tell(restored, f"restored {file} to {_shown(db)}", erased, remarks)
    if erased is not None and erased["refused"]:
        raise click.exceptions.Exit(REFUSED)


@click.command()
@click.argument("to_url", metavar="TO_URL")
@shared
def copy(to_url: str) -> None:
    """Copy the store to an empty place, on any database.

    Positions, ids, times and bytes stay as they are, and so does the root of the Merkle tree. What
    is appended meanwhile is not in the copy: to move a store, stop the writers first, and take the
    old one away afterwards. The key file and the audit folder stay where they are.

    \b
    Examples:
      casestore copy postgresql:///desk?schema=complaints
      casestore --db postgresql:///desk copy sqlite:///complaints.db
    """
    db = settings().db
    with settings().open_store() as store:
        last, kept_apart = store._recorder.last_position(), _kept_apart(store)
    with progress("events", last) as tick:
        copied = copy_store(db, to_url, progress=tick)
    with CaseStore.open(to_url) as store:
        drop_tables(store)
    remarks = ["not copied; the new place has to find them, by CASESTORE_KEY_FILE and such:"]
    remarks += [f"  {thing}" for thing in kept_apart]
    _tell(copied, f"copied {_shown(db)} to {_shown(to_url)}", None, remarks)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option(
    "--backup",
    "file",
    metavar="FILE",
    type=_FILE,
    help="Where to write the backup; beside a SQLite store, if left out.",
)
@shared
def upgrade(dry_run: bool, file: Path | None) -> None:
    """Bring an older store's tables up to this version.

    First a backup is written. Then indexes, triggers and functions that the store lacks are made,
    in one transaction, for which writers wait. No event is touched, so what was sealed stays valid;
    and no file's mode is changed.

    \b
    Examples:
      casestore upgrade --dry-run
      casestore upgrade
      casestore --db postgresql:///desk upgrade --backup desk.before-upgrade
    """
    db = settings().db
    place = file or backup_place(db)
    if place is None and not dry_run:
        raise Usage("name a file for the backup, which is written first: --backup FILE")
    with progress("pages", None) as tick:
        done = upgrade_store(db, place or Path(), dry_run=dry_run, progress=tick)
    if not for_people():
        values = {**done._asdict(), "backup": done.backup and str(done.backup.file)}
        print_object({**values, "dry_run": dry_run})
    elif not done.lacked:
        _say("nothing is to be done: the store is as this version makes them")
    else:
        would = "would be made" if dry_run else "made"
        _say(
            *([f"wrote the backup {done.backup.file}"] if done.backup else []),
            *(f"{would}: {thing}" for thing in done.lacked),
        )


def _shown(db: str | None) -> str:
    return shown_as(db, parse_url(db))


def _erase_again(store: CaseStore) -> dict[str, list[str]] | None:
    """Erase again who is on the list beside the key file.

    Gives the customers by what became of their erasure; None where there is no list.
    """
    path = list_file(store)
    if path is None or not path.exists():
        return None
    try:
        lines = lines_of(path)
    except OSError as error:  # the store is restored all the same, which must be told
        return {"refused": [f"the list {path} cannot be read: {error.strerror}"]}
    erasures, unfinished = reapply(store, lines, actor=STORE)
    outcomes: dict[str, list[str]] = {"refused": [], "not finished": list(unfinished)}
    for erasure in erasures:
        if erasure.outcome != "another store":
            outcomes.setdefault(erasure.outcome, []).append(erasure.customer_id or erasure.why)
    return outcomes


def _remarks(
    store: CaseStore, restored: StoreCopy, erased: dict[str, list[str]] | None
) -> Iterator[str]:
    """What the operator must know of a restored store."""
    proven, newer = restored.proven, restored.newer
    if proven is None:
        yield "there was no checkpoint to compare it with"
    else:
        yield f"the first {counted(proven.size, 'event')} are what {proven.label} signed"
    if newer is not None:
        missing = newer.size - restored.events
        yield (
            f"{newer.label} is of {counted(newer.size, 'event')}: {missing:,} of them, "
            "or more, are newer than this backup, and missing"
        )
    elif proven is not None:
        yield "no checkpoint at hand is newer; events that none covers may be missing all the same"
    for outcome, customers in (erased or {}).items():
        if customers:
            yield f"{outcome}: {', '.join(customers)}"
    if store._vault.is_sealed and erased is None:
        yield (
            "erasures since the backup are not applied: `casestore privacy reapply` does it, from "
            "the list that is kept beside the key file"
        )
    if missing := _lost(store):
        yield (
            f"{counted(missing, 'sealed erasure')} or more: neither this backup nor the list "
            "beside the key file has them; put it back, and run `casestore privacy reapply`"
        )
    if problem := _key_problem(store):
        yield problem


def _lost(store: CaseStore) -> int:
    try:
        return lost(store) if store._vault.is_sealed else 0
    except OSError:
        return 0  # the doctor tells that the list cannot be read


def _key_problem(store: CaseStore) -> str | None:
    """Why no words can be read with the key file at hand; None if they can be."""
    if not store._vault.is_sealed:
        return None
    try:
        if store._vault.key_file is None:
            return "no key file is named: set CASESTORE_KEY_FILE to read words"
        keys = {kek_id(key).hex() for key in load_key_file(store._vault.key_file)}
    except KeyFileError as error:
        return str(error)
    if store._vault.current_kek in keys:
        return None
    return f"words cannot be read: {store._vault.key_file} does not hold the key of this backup"


def _tell(
    copy: StoreCopy, done: str, erased: dict[str, list[str]] | None, remarks: Sequence[str]
) -> None:
    if for_people():
        _say(f"{done}: {counted(copy.events, 'event')}, up to position {copy.position}", *remarks)
        return
    values: dict[str, Any] = {**copy._asdict(), "root": copy.root.hex()}
    for name in ("proven", "newer"):
        target = getattr(copy, name)
        values[name] = target and {"checkpoint": target.label, "size": target.size}
    print_object({**values, "erasures": erased, "remarks": list(remarks)})


def _say(*lines: str) -> None:
    if not settings().quiet:
        print_lines(map(visible, lines))
