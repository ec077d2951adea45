"""The leaf of an event: the bytes that stand for its row in the Merkle tree, as canonical JSON."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from casestore.errors import StoreDamaged
from casestore.tlog.merkle import HASH_SIZE


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The leaf of one event. Its JSON is canonical: keys sorted, no spaces, UTF-8.

    It has ids, and hashes in the place of contents. So it can be given to others, and it stays
    valid when a customer's personal text is erased.
    """

    customer_id: str | None
    event_id: str
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
    stream: str
    topic: str
    version: int


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
    leaf = Leaf(
        customer,
        uid,
        log_id,
        sha256(meta).hexdigest(),
        None if personal is None else sha256(personal).hexdigest(),
        position,
        at,
        sha256(state).hexdigest(),
        stream,
        topic,
        version,
    )
    return encode_leaf(leaf)


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
    if leaf is None or encode_leaf(leaf) != text:
        raise StoreDamaged("a leaf is not what casestore writes")
    return leaf
