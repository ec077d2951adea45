"""Proofs that single events are in a sealed history, for those who have no database to ask.

Who holds an older checkpoint can also be shown that the history begins with what that one signed.
Otherwise whoever has the signing key could have signed a second history since. A proof is checked
without a store: this module needs neither the store nor its journal.
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
from casestore.tlog.merkle import (
    HASH_SIZE,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from casestore.tlog.note import Checkpoint, Verifier, open_checkpoint

LARGEST = 1 << 20
"""Bytes of the largest proof that is read."""


class Older(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a sealed history begins with the one that an older checkpoint signed."""

    size: int
    """The older checkpoint's."""
    path: tuple[str, ...]
    """The consistency proof's hashes, in base64 (RFC 6962, 2.1.2)."""


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That an event is in a sealed history, in one document."""

    leaf: str
    """Exactly what was hashed: see casestore.audit.leaf."""
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


def verify_proof(
    document: bytes, keys: Sequence[Verifier], held: Sequence[HeldCheckpoint] = ()
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
    older: Sequence[Older],
    checkpoint: Checkpoint,
    held: Sequence[HeldCheckpoint],
    keys: Sequence[Verifier],
) -> None:
    """See that a history that was signed begins with what older checkpoints signed.

    Raises ProofRefused where it does not, CannotTell where `older` says nothing about one or one
    is no checkpoint of this log by these keys, BadSignature where one was edited.
    """
    paths = {each.size: each.path for each in older} | {checkpoint.size: ()}
    for each in held:
        old = each.open(checkpoint.origin, keys)
        if old.size not in paths:
            raise CannotTell(
                f"it does not say how the history went on from {each.label}; ask for one made "
                f"with `--held {each.label}`"
            )
        path = [decode_hash(each) for each in paths[old.size]]
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
    path = [decode_hash(each) for each in proof.path]
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
        found = base64.b64decode(text, validate=True)
    except ValueError:
        found = b""
    if len(found) != HASH_SIZE or encode_hash(found) != text:
        raise ProofRefused("the path holds what is no hash")
    return found
