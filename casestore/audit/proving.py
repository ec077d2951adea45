"""Making proofs (`casestore.audit.proof`) from a store and its kept hashes."""

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
from casestore.audit.rows import log_id, named, origin
from casestore.audit.sealing import grow
from casestore.errors import CannotTell, InvalidStream, SealRefused, StoreDamaged, StreamNotFound
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
    """Proves events under the newest seal."""

    note: str
    checkpoint: Checkpoint
    verifiers: Sequence[Verifier]
    older: tuple[Older, ...]
    prove: Callable[[Row], Proof]
    """Raises CannotTell where the event is not sealed yet, StoreDamaged where it is another."""


@contextmanager
def prover(store: CaseStore, held: Sequence[HeldCheckpoint] = ()) -> Iterator[Prover]:
    """Prove events while the context lasts, and that the history begins with what was `held`.

    Raises:
        CannotTell: there is no seal, or a checkpoint held is newer than the last, of another log,
            by another key, or none.
        StoreDamaged: the store is not what was sealed.
        SealRefused: a checkpoint held is of another history.
        BadSignature: one was edited.
    """
    folder = Folder.of(store.url)
    newest = folder.newest(origin(store))
    if newest is None:
        raise CannotTell("nothing was sealed yet; seal it with `casestore audit seal`")
    seal, checkpoint = newest
    last = read_leaf(seal.last.encode()).position if seal.last else 0
    with TemporaryDirectory() as name:
        hashes = [folder.hashes]

        def made_anew() -> Hashes:
            fresh = Hashes(Path(name))
            grow(store, fresh, 0, until=last)
            if not fresh.give(checkpoint.size, checkpoint.root):
                raise StoreDamaged(
                    "the store is not what was sealed; `casestore audit verify` says more"
                )
            return fresh

        def begins_with(each: HeldCheckpoint) -> Older:
            old = each.open(checkpoint.origin, folder.verifiers())
            if old.size > checkpoint.size:
                raise CannotTell(
                    f"{each.label} signs {old.size} events and the newest seal here "
                    f"{checkpoint.size}; `casestore audit verify --held {each.label}` says more"
                )
            path = _consistency(hashes[0], old, checkpoint)
            if path is None:
                hashes[0] = made_anew()
                path = _consistency(hashes[0], old, checkpoint)
            if path is None:
                raise SealRefused(
                    f"what is sealed here does not begin with what {each.label} signs: "
                    "two histories were signed"
                )
            return Older(old.size, tuple(map(encode_hash, path)))

        def prove(row: Row) -> Proof:
            leaf = leaf_of(log_id(store), row)
            if row.position > last:
                raise CannotTell(
                    f"{named(row)} is newer than the last seal; seal it with "
                    "`casestore audit seal`, and ask again"
                )
            found = _proof(hashes[0], leaf, checkpoint)
            if found is None:  # what is kept is a cache, and may be gone or wrong
                hashes[0] = made_anew()
                found = _proof(hashes[0], leaf, checkpoint)
            if found is None:
                raise StoreDamaged(f"{named(row)} is not what was sealed")
            index, path = found
            encoded = tuple(map(encode_hash, path))
            return Proof(leaf.decode(), index, checkpoint.size, encoded, seal.checkpoint, older)

        older = tuple(map(begins_with, held))
        yield Prover(seal.checkpoint, checkpoint, folder.verifiers(), older, prove)


def _proof(hashes: Hashes, leaf: bytes, checkpoint: Checkpoint) -> tuple[int, list[bytes]] | None:
    """A leaf's index and path, if they lead to the root that was signed."""
    hashed = leaf_hash(leaf)
    index = hashes.find(hashed)
    if index is None or index >= checkpoint.size:
        return None
    path = inclusion_proof(index, checkpoint.size, hashes.subtree)
    proven = verify_inclusion(hashed, index, checkpoint.size, path, checkpoint.root)
    return (index, path) if proven else None


def _consistency(hashes: Hashes, old: Checkpoint, checkpoint: Checkpoint) -> list[bytes] | None:
    """How the history went on from an older checkpoint, if it leads to the root that was signed."""
    path = consistency_proof(old.size, checkpoint.size, hashes.subtree)
    sizes = old.size, checkpoint.size
    return path if verify_consistency(*sizes, path, old.root, checkpoint.root) else None


def find_row(store: CaseStore, named: str) -> Row:
    """The row of an event, by its id or as STREAM@VERSION. Raises InvalidStream, StreamNotFound."""
    stream, _, version = named.rpartition("@")
    row: PlainRow | None
    try:
        row = store.recorder.row_of_event(str(UUID(named)))
    except ValueError:
        if not stream or not version.isascii() or not version.isdigit() or len(version) > 18:
            raise InvalidStream(
                f"{named!r} is no event; name it by its id, or like case:4711@3"
            ) from None
        row = store.recorder.row_at(stream, int(version))
    if row is None:
        raise StreamNotFound(f"there is no event {named} in this store; check the id")
    return Row._make(row)
