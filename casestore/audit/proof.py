"""Proofs that single events are in a sealed history, for people who do not have the store.

A proof can also show that the history begins with the events that an older checkpoint signed.
Without that, it could be a second history, which the holder of the signing key signed since. This
module checks proofs without a store: it imports neither the store nor its journal.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Literal

import msgspec

from casestore.audit.held import HeldCheckpoint
from casestore.audit.leaf import Leaf, origin_of, read_leaf
from casestore.errors import (
    CannotTell,
    ProofRefused,
    StoreDamaged,
)
from casestore.system.decoders import decoder
from casestore.tlog.merkle import (
    HASH_SIZE,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from casestore.tlog.note import Checkpoint, Verifier, open_checkpoint

LARGEST = 1 << 20
"""Bytes. A longer proof is refused."""


class Older(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The proof that a sealed history begins with the events that an older checkpoint signed."""

    size: int
    """The number of events that the older checkpoint covers."""
    path: tuple[str, ...]
    """The consistency proof's hashes, in base64 (RFC 6962, 2.1.2)."""


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The proof that an event is in a sealed history, as one JSON document."""

    leaf: str
    """The bytes that were hashed, as text: see casestore.audit.leaf."""
    index: int
    """The event's rank in the history, from 0."""
    size: int
    """The number of events in the history."""
    path: tuple[str, ...]
    """Hashes from the leaf's sibling up to the root's child, in base64 (RFC 6962, 2.1.1)."""
    checkpoint: str
    """The signed note."""
    older: tuple[Older, ...] = ()
    """One for each older checkpoint that the proof was made with."""
    format: Literal["casestore-proof-1"] = "casestore-proof-1"


def verify_proof(
    document: bytes, keys: Sequence[Verifier], held: Sequence[HeldCheckpoint] = ()
) -> tuple[Leaf, Checkpoint]:
    """Check a proof, and give the leaf of its event and the checkpoint that covers it.

    Args:
        document: a Proof as JSON.
        keys: the verifier keys to trust.
        held: older checkpoints: the history must begin with the events that they signed.

    Raises:
        ProofRefused: it proves nothing; the message says why.
        CannotTell: it says nothing about one of the checkpoints in `held`.
        InvalidNote, BadSignature, NotSigned: see casestore.tlog.note.
    """
    if len(document) > LARGEST:
        raise ProofRefused(f"a proof has at most {LARGEST} bytes")
    try:
        proof = decoder(Proof)(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProofRefused("it is not a proof as casestore writes them") from None
    leaf, checkpoint = check(proof, keys)
    check_older(proof.older, checkpoint, held, keys)
    return leaf, checkpoint


def check_older(
    older: Sequence[Older],
    checkpoint: Checkpoint,
    held: Sequence[HeldCheckpoint],
    keys: Sequence[Verifier],
) -> None:
    """Check that a signed history begins with the events that older checkpoints signed.

    Args:
        older: the consistency proofs.
        checkpoint: of the history.
        held: the older checkpoints.
        keys: the verifier keys to trust.

    Raises:
        ProofRefused: the history does not begin with them.
        CannotTell: there is no consistency proof for a checkpoint in `held`, or it is no checkpoint
            of this log by these keys.
        BadSignature: a checkpoint in `held` was changed.
    """
    paths = {proof.size: proof.path for proof in older} | {checkpoint.size: ()}
    for held_checkpoint in held:
        label, old = held_checkpoint.label, held_checkpoint.open(checkpoint.origin, keys)
        if old.size not in paths:
            raise CannotTell(
                f"it does not say how the history went on from {label}; ask for one made "
                f"with `--held {label}`"
            )
        path = [decode_hash(text) for text in paths[old.size]]
        if not verify_consistency(old.size, checkpoint.size, path, old.root, checkpoint.root):
            raise ProofRefused(
                f"the history that was signed does not begin with what {label} signs: two "
                "histories were signed, or the proof was altered"
            )


def check(proof: Proof, keys: Sequence[Verifier]) -> tuple[Leaf, Checkpoint]:
    """As `verify_proof`, for a proof that is read, and without older checkpoints."""
    checkpoint = open_checkpoint(proof.checkpoint.encode(), keys)
    if checkpoint.size != proof.size:
        raise ProofRefused("the size is not that of the checkpoint")
    try:
        leaf = read_leaf(proof.leaf.encode())
    except StoreDamaged as error:
        raise ProofRefused(str(error)) from None
    if checkpoint.origin != origin_of(leaf.log_id):
        raise ProofRefused("the event and the checkpoint are of different logs")
    path = [decode_hash(text) for text in proof.path]
    hashed = leaf_hash(proof.leaf.encode())
    if not verify_inclusion(hashed, proof.index, proof.size, path, checkpoint.root):
        raise ProofRefused(
            f"{leaf.stream} version {leaf.version} is not in the history that was signed, or not "
            f"as event {proof.index + 1}: the path does not lead to the signed root"
        )
    return leaf, checkpoint


def encode_hash(hashed: bytes) -> str:
    """A hash in base64."""
    return base64.b64encode(hashed).decode()


def decode_hash(text: str) -> bytes:
    """A hash from base64. Raises ProofRefused."""
    try:
        hashed = base64.b64decode(text, validate=True)
    except ValueError:
        hashed = b""
    if len(hashed) != HASH_SIZE or encode_hash(hashed) != text:
        raise ProofRefused("the path holds what is no hash")
    return hashed
