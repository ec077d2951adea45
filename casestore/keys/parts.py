"""The personal part of an event, in the forms in which it is stored, and what commits to its words.

    sealed:  0x03 ‖ key id (32 bytes) ‖ commitment (32) ‖ ciphertext of the opening, and tag
    plain:   0x02 ‖ opening, in a store made with `--unsealed`

    opening     salt (16 random bytes) ‖ JSON of the Personal fields
    commitment  SHA-256(label ‖ opening); its first 12 bytes are the nonce of the ciphertext

The commitment says nothing about the words to somebody who has not the salt, and the salt is where
the words are: a destroyed data key takes both. Who is shown the opening finds out whether these are
the words. Older events have a part without salt and commitment, which stays as it is:

    sealed:  0x01 ‖ key id ‖ nonce (12) ‖ ciphertext of the JSON, and tag
    plain:   0x00 ‖ JSON
"""

from __future__ import annotations

from hashlib import sha256

KEY_ID, SALT, NONCE, TAG = 32, 16, 12, 16
"""Lengths in bytes."""
ADDED = SALT + 32 - NONCE
"""Bytes by which a sealed part is longer than an older one. They do not count against the limit of
an append, so that every event of an older store can be imported."""
OLD_PLAIN, OLD_SEALED, PLAIN, SEALED = b"\x00", b"\x01", b"\x02", b"\x03"
"""How a part begins, by its form."""
_LABEL = b"casestore words v1\x00"
_BEFORE, _AFTER = 1 + KEY_ID, 1 + KEY_ID + 32
"""Where the commitment stands in a sealed part."""


def is_plain(part: bytes) -> bool:
    """Whether everybody can read the words of a part."""
    return part[:1] in (PLAIN, OLD_PLAIN)


def is_sealed(part: bytes) -> bool:
    """Whether the words of a part can be read only with a key."""
    return part[:1] in (SEALED, OLD_SEALED)


def commitment(opening: bytes) -> bytes:
    """The commitment (32 bytes) to the words in an opening."""
    return sha256(_LABEL + opening).digest()


def committed(part: bytes) -> bytes | None:
    """The commitment that a part holds; None in an older form, and in what is no such part.

    No key is needed.
    """
    kind = part[:1]
    if kind == SEALED and len(part) >= _AFTER:
        return part[_BEFORE:_AFTER]
    return commitment(part[1:]) if kind == PLAIN else None


def pieces(part: bytes) -> tuple[bytes, bytes | None, bytes] | None:
    """The key id, the commitment (None in an older form) and the rest of a sealed part.

    The rest is the ciphertext and its tag, in an older form with the nonce before them. None where
    it is no such part.
    """
    start, least = (_AFTER, TAG) if part[:1] == SEALED else (_BEFORE, NONCE + TAG)
    if not is_sealed(part) or len(part) < start + least:
        return None
    return part[1:_BEFORE], committed(part), part[start:]
