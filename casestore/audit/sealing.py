"""Sealing a store's history. `casestore.audit.verifying` compares it later with what was sealed.

The leaves of the Merkle tree are the events in the order of their positions, so the index of a leaf
is the rank of its event. An append computes nothing for the tree: `seal` reads the new events, and
signs a checkpoint. A seal never contradicts the seal before it, even if the database was changed or
restored in between.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from casestore.audit.folder import Folder, Seal
from casestore.audit.leaf import NO_LEAF, hashes_of, leaf_of, read_leaf
from casestore.audit.rows import (
    BEFORE_ALL,
    Progress,
    chunks,
    event_name,
    log_id,
    odd_positions,
    origin,
    rows_after,
)
from casestore.errors import BadSignature, InvalidNote, NotSigned, SealRefused, StoreDamaged
from casestore.events import PersonalDataErased
from casestore.store import CaseStore
from casestore.telemetry.spans import span
from casestore.telemetry.telling import measure
from casestore.tlog.merkle import leaf_hash
from casestore.tlog.note import Checkpoint
from casestore.tlog.tiles import Hashes


class Sealed(NamedTuple):
    """The result of `seal`."""

    checkpoint: Checkpoint
    """It covers all events of the store."""
    note: str
    """The checkpoint as a signed note."""
    new: int
    """The number of events that no earlier seal covered; with 0, nothing was signed."""
    file: Path
    """The path of a copy of the signed checkpoint, to give to others."""


def seal(store: CaseStore, *, progress: Progress | None = None) -> Sealed:
    """Sign a checkpoint of the whole history.

    Only the new events are read. Other processes that seal wait until this one is done. If it is
    killed, the next seal finishes its work.

    Args:
        store: the store.
        progress: called with the number of events in the tree so far.

    Raises:
        SealRefused: the store has not the events that were sealed last, or the key or the newest
            seal is not a good one.
        StoreDamaged: an event is not as casestore writes events, or stands at a position that
            no store gives.
        KeyFileError: the signing key is missing.
        CannotTell: the audit folder is missing.
        StoreUnavailable: the database does not answer.
    """
    folder = Folder.of(store.url)
    with span("seal", store.url) as told, folder.locked():
        signer = folder.signer()
        if signer.verifier not in folder.verifiers():
            raise SealRefused(
                f"the key {folder.key_file} is not one of {folder.path}: name the right one in "
                "CASESTORE_AUDIT_KEY"
            )
        newest = _newest(store, folder)
        if newest and newest[0].words not in (None, words_of(store)):
            raise SealRefused(f"{CHANGED_KIND}; nothing was signed")
        for position, what in odd_positions(store):
            raise StoreDamaged(
                f"the event at position {position} {what}; nothing was signed: find out who did "
                "that, and restore the store from a backup"
            )
        size = newest[1].size if newest else 0
        after = still_there(store, newest[0].last) if newest and size else BEFORE_ALL
        hashes_good = newest is None or folder.hashes.give(size, newest[1].root)
        begin = (size, after) if hashes_good else (0, BEFORE_ALL)
        grown, last = grow(store, folder.hashes, *begin, progress=progress)
        if newest and not hashes_good and not folder.hashes.give(size, newest[1].root):
            with folder.hashes.extending(0):
                pass  # drop the hashes just made: they are not of the events that were sealed
            raise SealRefused(
                f"the first {size} events are not those that were sealed; nothing was signed: "
                "`casestore audit verify` says more"
            )
        if newest and grown == size:
            told.came_to("repeated")
            return Sealed(newest[1], newest[0].checkpoint, 0, folder.hand_out(newest[0]))
        checkpoint = Checkpoint(origin(store), grown, folder.hashes.subtree(0, grown))
        given = store._recorder.last_given_position()
        note, erased = signer.sign(checkpoint.text()), _erasures(store, newest, last)
        new = Seal(note, last, given, words_of(store), erased)
        folder.keep(new, grown)
        measure("casestore.seal.age", 0, store.url)
        return Sealed(checkpoint, new.checkpoint, grown - size, folder.hand_out(new))


CHANGED_KIND = (
    "the store does not keep personal text any more as it did when it was sealed: its table "
    "casestore_meta was altered"
)


def words_of(store: CaseStore) -> Literal["sealed", "plain"]:
    """How a store keeps personal text."""
    return "sealed" if store._vault.is_sealed else "plain"


def _erasures(store: CaseStore, newest: tuple[Seal, Checkpoint] | None, last: str) -> int:
    """How many erasures of customers there are, up to the event of a leaf."""
    before, after = 0, BEFORE_ALL
    if newest and newest[0].last and newest[0].erasures is not None:
        before, after = newest[0].erasures, read_leaf(newest[0].last.encode()).position
    until = read_leaf(last.encode()).position if last else after
    return before + store._recorder.count_of(PersonalDataErased.__name__, after, until)


def _newest(store: CaseStore, folder: Folder) -> tuple[Seal, Checkpoint] | None:
    try:
        return folder.newest(origin(store))
    except (InvalidNote, BadSignature, NotSigned, SealRefused) as error:
        raise SealRefused(
            f"the newest seal in {folder.path} cannot be built upon: {error}; restore the folder "
            "from its backup"
        ) from None


def still_there(store: CaseStore, last: str) -> int:
    """Check that the last event that was sealed is in the store unchanged, and give its position.

    Raises SealRefused.
    """
    leaf = read_leaf(last.encode())
    rows = rows_after(store, leaf.position - 1, leaf.position, 1)
    event = (
        f"{leaf.stream} version {leaf.version} at position {leaf.position}, the last event sealed,"
    )
    if not rows:
        raise SealRefused(
            f"{event} is not in the store: it was cut off, or an older copy was restored; nothing "
            "was signed: `casestore audit verify` says more"
        )
    if hashes_of(log_id(store), rows) != [leaf_hash(last.encode())]:
        raise SealRefused(
            f"{event} is not what it was: it was altered, or an older copy went on differently; "
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
    """Add rows to the hashes of a tree, and give its new size and its last leaf.

    Args:
        store: the store.
        hashes: the hashes; those after the first `size` are dropped.
        size: the number of leaves to begin with.
        after: the position after which rows are added.
        until: the last position; the last one of the store if left out.
        progress: called with the number of leaves so far.

    Raises:
        StoreDamaged: a row is not as casestore writes events.
    """
    last = ""
    end = store._recorder.last_position() if until is None else until
    with hashes.extending(size) as extend:
        for rows in chunks(store, after, end):
            new = hashes_of(log_id(store), rows)
            if NO_LEAF in new:
                raise StoreDamaged(
                    f"{event_name(rows[new.index(NO_LEAF)])} is not as casestore writes events; "
                    "`casestore doctor` says more"
                )
            last = leaf_of(log_id(store), rows[-1]).decode()
            extend(new)
            size += len(rows)
            if progress:
                progress(size)
    return size, last
