"""What of a row is sealed: its leaf, as canonical JSON."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from casestore.errors import StoreDamaged
from casestore.tlog.merkle import HASH_SIZE


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The leaf of one event. Its JSON is canonical: keys sorted, no spaces, UTF-8.

    It holds no words about anybody, and hashes instead of contents: so it can be handed out, and
    stays true when a customer's words are erased.
    """

    customer_id: str | None
    event_id: str
    log_id: str
    metadata_sha256: str
    personal_sha256: str | None
    """Of the personal part as it is stored, sealed; null where there is none."""
    position: int
    recorded_at: int
    """Microseconds since 1970-01-01T00:00:00Z."""
    state_sha256: str
    stream: str
    topic: str
    version: int


def origin_of(log_id: str) -> str:
    """What names a store's log in checkpoints, and its first key."""
    return f"casestore/{log_id}"


NO_LEAF = b"\xff" * HASH_SIZE
"""In the place of a leaf's hash where a row is not as we write them: it fits nothing."""
encode_leaf = msgspec.json.Encoder().encode
decode_leaf = msgspec.json.Decoder(Leaf).decode


def leaf_of(log_id: str, row: Sequence[Any]) -> bytes:
    """The leaf of a stored row. Raises TypeError where its bytes are none."""
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
    """The leaf hashes of rows; NO_LEAF of one that is not as we write them."""
    found = []
    for row in rows:
        try:
            found.append(sha256(b"\x00" + leaf_of(log_id, row)).digest())
        except TypeError:
            found.append(NO_LEAF)
    return found


def read_leaf(text: bytes) -> Leaf:
    """Read a leaf. Raises StoreDamaged where it is not written as we write it."""
    try:
        leaf = decode_leaf(text)
    except msgspec.DecodeError:
        leaf = None
    if leaf is None or encode_leaf(leaf) != text:
        raise StoreDamaged("a leaf is not what casestore writes")
    return leaf
