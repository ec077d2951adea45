"""Making proofs (`casestore.audit.proof`) from a store and the hashes in its audit folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import UUID

from casestore.audit.folder import Folder
from casestore.audit.held import HeldCheckpoint
from casestore.audit.leaf import leaf_of, read_leaf
from casestore.audit.proof import Older, Proof, encode_hash
from casestore.audit.rows import event_name, log_id, origin
from casestore.audit.sealing import grow
from casestore.errors import (
    CannotTell,
    InvalidStream,
    SealRefused,
    StoreDamaged,
    StreamNotFound,
    quoted,
)
from casestore.journal.rows import PlainRow, Row
from casestore.store import CaseStore
from casestore.tlog.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from casestore.tlog.note import (
    Checkpoint,
    Verifier,
)
from casestore.tlog.tiles import Hashes


class Prover(NamedTuple):
    """Proves that events are in the history that the newest seal signed."""

    note: str
    """The newest checkpoint, as a signed note."""
    checkpoint: Checkpoint
    """The same, read."""
    verifiers: Sequence[Verifier]
    """The verifier keys that the audit folder knows."""
    older: tuple[Older, ...]
    """The consistency proofs for the older checkpoints."""
    prove: Callable[[Row], Proof]
    """Gives the proof for the event of a row. Raises CannotTell where the event is not sealed yet,
    and StoreDamaged where it is not what was sealed."""


@contextmanager
def prover(store: CaseStore, held: Sequence[HeldCheckpoint] = ()) -> Iterator[Prover]:
    """Give a Prover, which works while the context lasts.

    Args:
        store: the store.
        held: older checkpoints, for which consistency proofs are made.

    Raises:
        CannotTell: there is no seal; or a checkpoint in `held` is newer than the last seal, of
            another log, signed by other keys, or no checkpoint.
        StoreDamaged: the store is not what was sealed.
        SealRefused: a checkpoint in `held` signed another history.
        BadSignature: a checkpoint in `held` was changed.
    """
    folder = Folder.of(store.url)
    newest = folder.newest(origin(store))
    if newest is None:
        raise CannotTell("nothing was sealed yet; seal it with `casestore audit seal`")
    seal, checkpoint = newest
    last = read_leaf(seal.last.encode()).position if seal.last else 0
    with TemporaryDirectory() as name:
        # The hashes in the folder are a cache, which may be lost or wrong. If they give no proof,
        # they are replaced here by hashes that are made again from the store.
        hashes = [folder.hashes]

        def rebuilt() -> Hashes:
            fresh = Hashes(Path(name))
            grow(store, fresh, 0, until=last)
            if not fresh.give(checkpoint.size, checkpoint.root):
                raise StoreDamaged(
                    "the store is not what was sealed; `casestore audit verify` says more"
                )
            return fresh

        def begins_with(held_checkpoint: HeldCheckpoint) -> Older:
            label = held_checkpoint.label
            old = held_checkpoint.open(checkpoint.origin, folder.verifiers())
            if old.size > checkpoint.size:
                raise CannotTell(
                    f"{label} signs {old.size} events and the newest seal here "
                    f"{checkpoint.size}; `casestore audit verify --held {label}` says more"
                )
            path = _consistency(hashes[0], old, checkpoint)
            if path is None:
                hashes[0] = rebuilt()
                path = _consistency(hashes[0], old, checkpoint)
            if path is None:
                raise SealRefused(
                    f"what is sealed here does not begin with what {label} signs: "
                    "two histories were signed"
                )
            return Older(old.size, tuple(map(encode_hash, path)))

        def prove(row: Row) -> Proof:
            try:
                leaf = leaf_of(log_id(store), row)
            except TypeError:
                raise StoreDamaged(f"{event_name(row)} is not as casestore writes events") from None
            if row.position > last:
                raise CannotTell(
                    f"{event_name(row)} is newer than the last seal; seal it with "
                    "`casestore audit seal`, and ask again"
                )
            place = _inclusion(hashes[0], leaf, checkpoint)
            if place is None:
                hashes[0] = rebuilt()
                place = _inclusion(hashes[0], leaf, checkpoint)
            if place is None:
                raise StoreDamaged(f"{event_name(row)} is not what was sealed")
            index, path = place
            encoded = tuple(map(encode_hash, path))
            return Proof(leaf.decode(), index, checkpoint.size, encoded, seal.checkpoint, older)

        older = tuple(map(begins_with, held))
        yield Prover(seal.checkpoint, checkpoint, folder.verifiers(), older, prove)


def _inclusion(
    hashes: Hashes, leaf: bytes, checkpoint: Checkpoint
) -> tuple[int, list[bytes]] | None:
    """A leaf's index and inclusion proof; None where they do not lead to the signed root."""
    hashed = leaf_hash(leaf)
    index = hashes.find(hashed)
    if index is None or index >= checkpoint.size:
        return None
    path = inclusion_proof(index, checkpoint.size, hashes.subtree)
    proven = verify_inclusion(hashed, index, checkpoint.size, path, checkpoint.root)
    return (index, path) if proven else None


def _consistency(hashes: Hashes, old: Checkpoint, checkpoint: Checkpoint) -> list[bytes] | None:
    """The consistency proof from an older checkpoint; None where it does not fit their roots."""
    path = consistency_proof(old.size, checkpoint.size, hashes.subtree)
    sizes = old.size, checkpoint.size
    return path if verify_consistency(*sizes, path, old.root, checkpoint.root) else None


def find_row(store: CaseStore, event: str) -> Row:
    """The row of an event, named by its id or as STREAM@VERSION.

    Raises InvalidStream, StreamNotFound.
    """
    stream, _, version = event.rpartition("@")
    row: PlainRow | None
    try:
        row = store._recorder.row_of_event(str(UUID(event)))
    except ValueError:
        if not stream or not version.isascii() or not version.isdigit() or len(version) > 18:
            raise InvalidStream(
                f"{quoted(event)} is no event; name it by its id, or like case:4711@3"
            ) from None
        row = store._recorder.row_at(stream, int(version))
        if row is None:
            store.history(stream, at_version=1)  # raises StreamNotFound where there is no stream
    if row is None:
        raise StreamNotFound(f"there is no event {event} in this store; check the id")
    return Row._make(row)
