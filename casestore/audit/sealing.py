"""Sealing a store's history. `casestore.audit.verifying` compares it with what was sealed.

The leaves of the tree are the events in order of position (casestore.audit.leaf), so a leaf's index
is an event's rank. Nothing is computed when an event is appended: `seal` reads what is new, and
signs a checkpoint. A seal never contradicts the one before it, whatever became of the database.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from casestore.audit.folder import Folder, Seal
from casestore.audit.leaf import NO_LEAF, hashes_of, leaf_of, read_leaf
from casestore.audit.rows import (
    BEFORE_ALL,
    Progress,
    chunks,
    log_id,
    named,
    origin,
    rows_after,
)
from casestore.errors import BadSignature, InvalidNote, NotSigned, SealRefused, StoreDamaged
from casestore.store import CaseStore
from casestore.tlog.merkle import leaf_hash
from casestore.tlog.note import Checkpoint
from casestore.tlog.tiles import Hashes


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
        made = Seal(signer.sign(checkpoint.text()), last, store.recorder.last_given_position())
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
    end = store.recorder.last_position() if until is None else until
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
