"""Ids without addresses, telephone numbers and Message-IDs in them.

Ids are not sealed, so whoever reads a store's file sees them.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

_LENGTH = 20
"""The hex digits of a pseudonym: 80 bits, so that a million people never meet in one."""
_ADDRESS = re.compile(r"\S@\S")
_NUMBER = re.compile(r"(?:\+|00?)?[\d\s()./-]+")
_DIGITS = 7
"""The fewest digits of a telephone number."""


def plain_pseudonym(address: str) -> str:
    """The pseudonym of an address without a secret: who knows the address can tell that it is it.

    Shape: "m-" and 20 hex digits of the SHA-256 of the address in lower case.
    """
    return f"m-{sha256(_same(address)).hexdigest()[:_LENGTH]}"


def secret_pseudonym(secret: bytes, address: str) -> str:
    """The pseudonym of an address by a secret: HMAC-SHA256 (RFC 2104), shaped as the plain one."""
    return f"m-{hmac.new(secret, _same(address), sha256).hexdigest()[:_LENGTH]}"


def message_pseudonym(message_id: str) -> str:
    """The id of the mail with a Message-ID, which is given with its angle brackets or without."""
    bare = message_id.strip().removeprefix("<").removesuffix(">")
    return f"m-{sha256(bare.encode('utf-8', 'surrogateescape')).hexdigest()[:_LENGTH]}"


def is_contact(text: str) -> bool:
    """Whether a text has an address in it, or is a telephone number.

    Digits alone are a number of the source's own, unless they begin like a call: with + or 0.
    """
    if _ADDRESS.search(text):
        return True
    if not _NUMBER.fullmatch(text) or sum(map(str.isdigit, text)) < _DIGITS:
        return False
    return not text.isdigit() or text.startswith("0")


def _same(address: str) -> bytes:
    return address.strip().lower().encode("utf-8", "surrogateescape")
