"""Proofs that single events are in a sealed history, for those who have no database to ask.

One who holds an older checkpoint can be shown besides that the history begins with what that
signed: otherwise whoever has the signing key could have signed another one since.
"""

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
from casestore.checkpoints import Held
from casestore.errors import CaseStoreError, InvalidStream, StoreDamaged, StreamNotFound
from casestore.journal.answering import database_answers
from casestore.journal.recorder import Row
from casestore.leaf import Leaf, leaf_of, origin_of, read_leaf
from casestore.seals import CannotTell, Folder, SealRefused
from casestore.store import CaseStore
from casestore.tlog.merkle import (
    HASH_SIZE,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from casestore.tlog.note import (
    BadSignature,
    Checkpoint,
    InvalidNote,
    NotSigned,
    Verifier,
    open_checkpoint,
)
from casestore.tlog.tiles import Hashes

LARGEST = 1 << 20
"""Bytes of the largest proof that is read."""


class ProofRefused(CaseStoreError):  # noqa: N818  (as the names in casestore.errors)
    """It proves nothing: it is malformed, or does not lead to the root that was signed."""


class Older(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a sealed history begins with the one that an older checkpoint signed."""

    size: int
    """The older checkpoint's."""
    path: tuple[str, ...]
    """The consistency proof's hashes, in base64 (RFC 6962, 2.1.2)."""


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
    older: tuple[Older, ...] = ()
    """For each older checkpoint that was asked for."""
    format: Literal["casestore-proof-1"] = "casestore-proof-1"


# --- making them ---------------------------------------------------------------------------


class Prover(NamedTuple):
    """Proves events under the newest seal."""

    note: str
    checkpoint: Checkpoint
    verifiers: Sequence[Verifier]
    older: tuple[Older, ...]
    prove: Callable[[Row], Proof]
    """Raises CannotTell where the event is not sealed yet, StoreDamaged where it is another."""


@contextmanager
def prover(store: CaseStore, held: Sequence[Held] = ()) -> Iterator[Prover]:
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

        def begins_with(each: Held) -> Older:
            old = _held(each, checkpoint.origin, folder.verifiers())
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
            return Older(old.size, tuple(map(_encoded, path)))

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
            encoded = tuple(map(_encoded, path))
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


def _held(held: Held, origin: str, keys: Sequence[Verifier]) -> Checkpoint:
    """A checkpoint that somebody kept, of the same log. Raises CannotTell, BadSignature."""
    try:
        checkpoint = open_checkpoint(held.note, keys)
    except BadSignature as error:
        raise BadSignature(f"{held.label}: {error}") from None
    except NotSigned as error:
        raise CannotTell(f"{held.label}: {error}") from None
    except InvalidNote as error:
        raise CannotTell(f"{held.label} is no checkpoint: {error}") from None
    if checkpoint.origin != origin:
        raise CannotTell(f"{held.label} is of another log, {checkpoint.origin}, not {origin}")
    return checkpoint


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
    with database_answers("the store"):
        found = recorder.fetch(sql + where, params)
    if not found:
        raise StreamNotFound(f"there is no event {named} in this store; check the id")
    return Row._make(found[0])


# --- checking them -------------------------------------------------------------------------


def verify_proof(
    document: bytes, keys: Sequence[Verifier], held: Sequence[Held] = ()
) -> tuple[Leaf, Checkpoint]:
    """What a proof proves; also that the history begins with what was `held`.

    Raises:
        ProofRefused: nothing.
        CannotTell: it says nothing about a checkpoint that is held.
        InvalidNote, BadSignature, NotSigned: see casestore.tlog.note.
    """
    if len(document) > LARGEST:
        raise ProofRefused(f"a proof has at most {LARGEST} bytes")
    try:
        proof = msgspec.json.decode(document, type=Proof)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProofRefused("it is not a proof as casestore writes them") from None
    leaf, checkpoint = check(proof, keys)
    check_older(proof.older, checkpoint, held, keys)
    return leaf, checkpoint


def check_older(
    older: Sequence[Older], checkpoint: Checkpoint, held: Sequence[Held], keys: Sequence[Verifier]
) -> None:
    """See that a history that was signed begins with what older checkpoints signed.

    Raises ProofRefused where it does not, CannotTell where `older` says nothing about one or one
    is no checkpoint of this log by these keys, BadSignature where one was edited.
    """
    paths = {each.size: each.path for each in older} | {checkpoint.size: ()}
    for each in held:
        old = _held(each, checkpoint.origin, keys)
        if old.size not in paths:
            raise CannotTell(
                f"it does not say how the history went on from {each.label}; ask for one made "
                f"with `--held {each.label}`"
            )
        path = [_hash(each) for each in paths[old.size]]
        if not verify_consistency(old.size, checkpoint.size, path, old.root, checkpoint.root):
            raise ProofRefused(
                f"the history that was signed does not begin with what {each.label} signs: two "
                "histories were signed, or the proof was altered"
            )


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


def _encoded(hashed: bytes) -> str:
    return base64.b64encode(hashed).decode()


def _hash(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        found = b""
    if len(found) != HASH_SIZE or _encoded(found) != text:
        raise ProofRefused("the path holds what is no hash")
    return found
