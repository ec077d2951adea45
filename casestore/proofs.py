"""Proofs that single events are in a sealed history, for those who have no database to ask."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from casestore.audit import grow, log_id, named, origin
from casestore.errors import CaseStoreError, InvalidStream, StoreDamaged, StreamNotFound
from casestore.journal.recorder import Row
from casestore.leaf import Leaf, leaf_of, origin_of, read_leaf
from casestore.merkle import HASH_SIZE, inclusion_proof, leaf_hash, verify_inclusion
from casestore.note import Checkpoint, Verifier, open_checkpoint
from casestore.opening import answering
from casestore.seals import CannotTell, Folder
from casestore.store import CaseStore
from casestore.tiles import Hashes

LARGEST = 1 << 20
"""Bytes of the largest proof that is read."""


class ProofRefused(CaseStoreError):  # noqa: N818  (as the names in casestore.errors)
    """It proves nothing: it is malformed, or does not lead to the root that was signed."""


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That an event is in a sealed history, in one document."""

    leaf: str
    """Exactly what was hashed: see casestore.leaf."""
    index: int
    """The event's rank in the history, from 0."""
    size: int
    path: tuple[str, ...]
    """Hashes from the leaf's sibling up to the root's child, in base64 (RFC 6962, 2.1.1)."""
    checkpoint: str
    """The signed note."""
    format: Literal["casestore-proof-1"] = "casestore-proof-1"


# --- making them ---------------------------------------------------------------------------


class Prover(NamedTuple):
    """Proves events under the newest seal."""

    note: str
    checkpoint: Checkpoint
    verifiers: Sequence[Verifier]
    prove: Callable[[Row], Proof]
    """Raises CannotTell where the event is not sealed yet, StoreDamaged where it is another."""


@contextmanager
def prover(store: CaseStore) -> Iterator[Prover]:
    """Prove events while the context lasts.

    Raises CannotTell where there is no seal, StoreDamaged where the store is not what was sealed.
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
            encoded = tuple(base64.b64encode(each).decode() for each in path)
            return Proof(leaf.decode(), index, checkpoint.size, encoded, seal.checkpoint)

        yield Prover(seal.checkpoint, checkpoint, folder.verifiers(), prove)


def _proof(hashes: Hashes, leaf: bytes, checkpoint: Checkpoint) -> tuple[int, list[bytes]] | None:
    """A leaf's index and path, if they lead to the root that was signed."""
    hashed = leaf_hash(leaf)
    index = hashes.find(hashed)
    if index is None or index >= checkpoint.size:
        return None
    path = inclusion_proof(index, checkpoint.size, hashes.subtree)
    proven = verify_inclusion(hashed, index, checkpoint.size, path, checkpoint.root)
    return (index, path) if proven else None


def find_row(store: CaseStore, named: str) -> Row:
    """The row of an event, by its id or as STREAM@VERSION. Raises InvalidStream, StreamNotFound."""
    recorder = store.recorder
    sql = f"SELECT {recorder.columns} FROM {recorder.table} WHERE "
    stream, _, version = named.rpartition("@")
    params: list[Any]
    try:
        where, params = "event_id = ?", [str(UUID(named))]
    except ValueError:
        if not stream or not version.isascii() or not version.isdigit() or len(version) > 18:
            raise InvalidStream(
                f"{named!r} is no event; name it by its id, or like case:4711@3"
            ) from None
        where, params = "originator_id = ? AND originator_version = ?", [stream, int(version)]
    with answering("the store"):
        found = recorder.fetch(sql + where, params)
    if not found:
        raise StreamNotFound(f"there is no event {named} in this store; check the id")
    return Row._make(found[0])


# --- checking them -------------------------------------------------------------------------


def verify_proof(document: bytes, keys: Sequence[Verifier]) -> tuple[Leaf, Checkpoint]:
    """What a proof proves.

    Raises:
        ProofRefused: nothing.
        InvalidNote, BadSignature, NotSigned: see casestore.note.
    """
    if len(document) > LARGEST:
        raise ProofRefused(f"a proof has at most {LARGEST} bytes")
    try:
        proof = msgspec.json.decode(document, type=Proof)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProofRefused("it is not a proof as casestore writes them") from None
    return check(proof, keys)


def check(proof: Proof, keys: Sequence[Verifier]) -> tuple[Leaf, Checkpoint]:
    """As `verify_proof`."""
    checkpoint = open_checkpoint(proof.checkpoint.encode(), keys)
    if checkpoint.size != proof.size:
        raise ProofRefused("the size is not that of the checkpoint")
    try:
        leaf = read_leaf(proof.leaf.encode())
    except StoreDamaged as error:
        raise ProofRefused(str(error)) from None
    if checkpoint.origin != origin_of(leaf.log_id):
        raise ProofRefused("the event and the checkpoint are of different logs")
    path = [_hash(each) for each in proof.path]
    hashed = leaf_hash(proof.leaf.encode())
    if not verify_inclusion(hashed, proof.index, proof.size, path, checkpoint.root):
        raise ProofRefused(
            f"{leaf.stream} version {leaf.version} is not in the history that was signed, or not "
            f"as event {proof.index + 1}: the path does not lead to the signed root"
        )
    return leaf, checkpoint


def _hash(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        found = b""
    if len(found) != HASH_SIZE or base64.b64encode(found).decode() != text:
        raise ProofRefused("the path holds what is no hash")
    return found
