"""The leaf of an event: the bytes that stand for its row in the Merkle tree, as canonical JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from casestore.errors import StoreDamaged
from casestore.keys.parts import committed
from casestore.tlog.merkle import HASH_SIZE


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The leaf of one event. Its JSON is canonical: keys sorted, no spaces, UTF-8.

    It has ids, and hashes in the place of contents. So it can be given to others, and it stays
    valid when a customer's personal text is erased.

    The metadata of an event tell of which version its leaf is: where they begin with a salt, it is
    version 2. Then each hash is of something that a salt is in, and nobody can guess what it was.
    """

    customer_id: str | None
    event_id: str
    leaf: Literal[2] | UnsetType = UNSET
    """The version of the leaf; left out in version 1."""
    log_id: str
    """The id of the store."""
    metadata_sha256: str
    """In hex, like the other hashes."""
    personal_sha256: str | None
    """Of the personal part as it is stored (sealed); null where there is none."""
    position: int
    recorded_at: int
    """Microseconds since 1970-01-01T00:00:00Z."""
    state_sha256: str
    """Of the state; in version 2 of the salt, as it stands in the metadata, and the state."""
    stream: str
    topic: str
    version: int
    words_sha256: str | UnsetType | None = UNSET
    """The commitment to the words (casestore.keys.parts); null where there are none, and left out
    in version 1."""


def origin_of(log_id: str) -> str:
    """The name of a store's log in checkpoints, and of its first signing key."""
    return f"casestore/{log_id}"


NO_LEAF = b"\xff" * HASH_SIZE
"""In the place of a leaf hash, where `leaf_of` raises TypeError. No leaf has this hash."""
encode_leaf = msgspec.json.Encoder().encode
decode_leaf = msgspec.json.Decoder(Leaf).decode


def leaf_of(log_id: str, row: Sequence[Any]) -> bytes:
    """The leaf of a stored row (as Row), in JSON.

    Raises TypeError where its state, metadata or personal part is not bytes.
    """
    position, stream, version, topic, state, personal, customer, uid, at, meta = row
    words = None if personal is None else committed(personal)
    salt = salt_of(meta)
    leaf = Leaf(
        customer_id=customer,
        event_id=uid,
        leaf=UNSET if salt is None else 2,
        log_id=log_id,
        metadata_sha256=sha256(meta).hexdigest(),
        personal_sha256=None if personal is None else sha256(personal).hexdigest(),
        position=position,
        recorded_at=at,
        state_sha256=state_hash(state, salt),
        stream=stream,
        topic=topic,
        version=version,
        words_sha256=UNSET if salt is None else None if words is None else words.hex(),
    )
    return encode_leaf(leaf)


_salted = re.compile(rb'\{"salt":"([A-Za-z0-9_-]{24})"').match


def salt_of(metadata: bytes) -> bytes | None:
    """The salt with which stored metadata begin; None in those of an event whose leaf is older."""
    found = _salted(metadata)
    return None if found is None else found[1]


def state_hash(state: bytes, salt: bytes | None) -> str:
    """The hash of a state that is in the leaf, in hex."""
    return sha256(state if salt is None else salt + state).hexdigest()


def hashes_of(log_id: str, rows: Sequence[Sequence[Any]]) -> list[bytes]:
    """The leaf hashes of rows (as Row); NO_LEAF where `leaf_of` raises TypeError."""
    hashes = []
    for row in rows:
        try:
            hashes.append(sha256(b"\x00" + leaf_of(log_id, row)).digest())
        except TypeError:
            hashes.append(NO_LEAF)
    return hashes


def read_leaf(text: bytes) -> Leaf:
    """Read a leaf from its JSON. Raises StoreDamaged where the JSON is not the canonical one."""
    try:
        leaf = decode_leaf(text)
    except msgspec.DecodeError:
        leaf = None
    if (
        leaf is None
        or encode_leaf(leaf) != text
        or (leaf.leaf is UNSET) != (leaf.words_sha256 is UNSET)
    ):
        raise StoreDamaged("a leaf is not what casestore writes")
    return leaf
