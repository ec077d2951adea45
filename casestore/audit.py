"""Sealing a store's history. `casestore.verifying` compares it with what was sealed.

The leaves of the tree are the events in order of position (casestore.leaf), so a leaf's index is
an event's rank. Nothing is computed when an event is appended: `seal` reads what is new, and signs
a checkpoint. A seal is never at odds with the one before it, whatever became of the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eventsourcing.persistence import OperationalError

from casestore.errors import StoreDamaged
from casestore.journal.answering import database_answers
from casestore.journal.sqlite import SQLiteJournal
from casestore.leaf import NO_LEAF, hashes_of, leaf_of, origin_of, read_leaf
from casestore.seals import Folder, Seal, SealRefused
from casestore.store import CaseStore
from casestore.tlog.merkle import leaf_hash
from casestore.tlog.note import BadSignature, Checkpoint, InvalidNote, NotSigned
from casestore.tlog.tiles import Hashes

_CHUNK = 500
BEFORE_ALL = -(1 << 63)
"""Before any position that a database can hold, also by hand."""
Progress = Callable[[int], None]


def log_id(store: CaseStore) -> str:
    """What names a store's log in every leaf, wherever the store is moved."""
    return store.meta["store_id"]


def origin(store: CaseStore) -> str:
    """What names a store's log in checkpoints, and its first key."""
    return origin_of(log_id(store))


# --- reading rows --------------------------------------------------------------------------


def chunks(store: CaseStore, after: int, until: int, size: int = _CHUNK) -> Iterator[list[Any]]:
    """All rows after a position up to another, wherever somebody put them."""
    while rows := rows_after(store, after, until, size):
        yield rows
        after = rows[-1][0]


def rows_after(store: CaseStore, after: int, until: int, size: int) -> list[Any]:
    """Some rows after a position, up to another."""
    recorder = store.recorder
    with database_answers("the store"):
        try:
            return recorder.rows(after, size, stop=until)
        except OperationalError as error:
            if "decode" not in str(error).lower():
                raise
            if size > 1:
                return rows_after(store, after, until, 1)
            # Text that is none: SQLite keeps it, and gives it to nobody.
            sql = f"SELECT min(position) FROM {recorder.table} WHERE position > ?"
            ((position,),) = recorder.fetch(sql, [after])
            return [(position, *[None] * 9)]


def last_position(store: CaseStore) -> int:
    """Of the last event there is; 0 in an empty store."""
    with database_answers("the store"):
        return store.recorder.max_notification_id() or 0


def last_given(store: CaseStore) -> int:
    """The last position that the database gave, also to what was never committed, or is gone."""
    recorder = store.recorder
    if isinstance(recorder, SQLiteJournal):
        sql = "SELECT seq FROM sqlite_sequence WHERE name = 'stored_events'"
        found = recorder.fetch(sql)
    else:
        sql = "SELECT pg_sequence_last_value(pg_get_serial_sequence(?, 'position')::regclass)"
        found = recorder.fetch(sql, [recorder.table])
    return int(found[0][0] or 0) if found else 0


def named(row: Sequence[Any]) -> str:
    """An event as findings name it."""
    if row[1] is None:
        return f"what stands at position {row[0]}, which cannot be read,"
    return f"{row[1]} version {row[2]} (position {row[0]}, event id {row[7]})"


# --- sealing -------------------------------------------------------------------------------


class Sealed(NamedTuple):
    """What a seal did."""

    checkpoint: Checkpoint
    note: str
    new: int
    """Events that no earlier seal covered."""
    file: Path
    """A copy of the signed checkpoint, to hand out."""


def seal(store: CaseStore, *, progress: Progress | None = None) -> Sealed:
    """Sign what the history is now.

    Only what is new is read. One sealer at a time: others wait. Killed at any point, it leaves
    nothing that the next one cannot finish.

    Raises:
        SealRefused: the store is not the one that was sealed last, or an older copy of it.
        KeyFileError: the signing key is not there.
        CannotTell: the audit folder is not there.
    """
    folder = Folder.of(store.url)
    with folder.locked():
        signer = folder.signer()
        if signer.verifier not in folder.verifiers():
            raise SealRefused(
                f"the key {folder.key_file} is not one of {folder.path}: name the right one in "
                "CASESTORE_AUDIT_KEY"
            )
        newest = _newest(store, folder)
        size = newest[1].size if newest else 0
        after = still_there(store, newest[0].last) if newest and size else BEFORE_ALL
        kept = newest is None or folder.hashes.give(size, newest[1].root)
        begin = (size, after) if kept else (0, BEFORE_ALL)
        grown, last = grow(store, folder.hashes, *begin, progress=progress)
        if newest and not kept and not folder.hashes.give(size, newest[1].root):
            with folder.hashes.extending(0):
                pass  # what was read just now must not stand as what was sealed
            raise SealRefused(
                f"the first {size} events are not those that were sealed; nothing was signed: "
                "`casestore audit verify` says more"
            )
        if newest and grown == size:
            return Sealed(newest[1], newest[0].checkpoint, 0, folder.hand_out(newest[0]))
        checkpoint = Checkpoint(origin(store), grown, folder.hashes.subtree(0, grown))
        made = Seal(signer.sign(checkpoint.text()), last, last_given(store))
        folder.keep(made, grown)
        return Sealed(checkpoint, made.checkpoint, grown - size, folder.hand_out(made))


def _newest(store: CaseStore, folder: Folder) -> tuple[Seal, Checkpoint] | None:
    try:
        return folder.newest(origin(store))
    except (InvalidNote, BadSignature, NotSigned, SealRefused) as error:
        raise SealRefused(
            f"the newest seal in {folder.path} cannot be built upon: {error}; restore the folder "
            "from its backup"
        ) from None


def still_there(store: CaseStore, last: str) -> int:
    """The position of the last event sealed, if it stands there as it did. Raises SealRefused."""
    leaf = read_leaf(last.encode())
    found = rows_after(store, leaf.position - 1, leaf.position, 1)
    what = (
        f"{leaf.stream} version {leaf.version} at position {leaf.position}, the last event sealed,"
    )
    if not found:
        raise SealRefused(
            f"{what} is not in the store: it was cut off, or an older copy was restored; nothing "
            "was signed: `casestore audit verify` says more"
        )
    if hashes_of(log_id(store), found) != [leaf_hash(last.encode())]:
        raise SealRefused(
            f"{what} is not what it was: it was altered, or an older copy went on differently; "
            "nothing was signed: `casestore audit verify` says more"
        )
    return leaf.position


def grow(
    store: CaseStore,
    hashes: Hashes,
    size: int,
    after: int = BEFORE_ALL,
    *,
    until: int | None = None,
    progress: Progress | None = None,
) -> tuple[int, str]:
    """Add the rows after a position to a tree of a size; its new size, and its last leaf.

    Raises StoreDamaged.
    """
    last = ""
    end = last_position(store) if until is None else until
    with hashes.extending(size) as extend:
        for rows in chunks(store, after, end):
            new = hashes_of(log_id(store), rows)
            if NO_LEAF in new:
                raise StoreDamaged(
                    f"{named(rows[new.index(NO_LEAF)])} is not as casestore writes events; "
                    "`casestore doctor` says more"
                )
            last = leaf_of(log_id(store), rows[-1]).decode()
            extend(new)
            size += len(rows)
            if progress:
                progress(size)
    return size, last
