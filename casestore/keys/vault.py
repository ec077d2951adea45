"""Personal data: sealing, revealing, and the keys.

Each customer has a random data key. It is stored wrapped (encrypted) by a key-encryption key, which
is in a file and never in the database. The personal part of an event is sealed (encrypted) with it
by AES-256-GCM: `casestore.keys.parts` has its form.

The key id is SHA-256(label ‖ data key), so no other key has the same id. Store, customer, stream,
version and topic are the additional authenticated data, so a part that is moved elsewhere does not
open. A store made with `--unsealed` writes plain JSON instead. Once a customer's wrapped key is
destroyed, no sealed part of that customer can ever be read again, and no event was changed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from casestore.errors import InvalidEvent, KeyFileError, StoreDamaged
from casestore.journal.rows import OF_IMPORTS, KeyRow
from casestore.keys import parts
from casestore.keys.key_file import (
    create_key_file,
    kek_id,
    key_file_for,
    load_key_file,
    stores_of,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = parts.NONCE
_DATA_KEY_LABEL = b"casestore data key id v1\x00"
_CACHED = 10_000
"""Ciphers to keep for data keys: a fuller cache is emptied."""

UNSEALED = (
    "this store was made with --unsealed, so words stand in its append-only rows as they are; "
    "export it with --reveal, import that into a sealed store, and erase there"
)
"""Why no customer can be erased from a store that is not sealed."""

__all__ = [
    "UNSEALED",
    "Vault",
    "create_key_file",
    "drawn_salts",
    "kek_id",
    "key_file_for",
    "load_key_file",
]


_OWN_SALT = 18
"""Random bytes for the salt in an event's metadata."""


def drawn_salts(block: int) -> Iterator[tuple[bytes, str]]:
    """The two salts of each event, without end: that of its words, 16 bytes; and that of its
    metadata, 24 characters of the URL-safe alphabet of base64 (RFC 4648, section 5).

    Do not use one iterator for more than one commit: a process that is forked between two commits
    would give the same bytes as its parent.

    Args:
        block: of how many events at a time. To ask the system takes longer than to seal.
    """
    while True:
        random = os.urandom((parts.SALT + _OWN_SALT) * block)
        texts = urlsafe_b64encode(random[parts.SALT * block :]).decode()
        for n in range(block):
            words = random[parts.SALT * n : parts.SALT * (n + 1)]
            yield words, texts[24 * n : 24 * (n + 1)]


class Vault:
    """Seals and reveals the personal parts of one store.

    Args:
        store_id: the store's own id; every ciphertext is bound to it.
        current_kek: id of the key-encryption key that wraps new data keys, in hex; None in an
            unsealed store.
        key_file: path of the key file. It is read when it is first needed, so that a store can be
            opened without it. None where no key file is known.
    """

    def __init__(self, store_id: str, current_kek: str | None, key_file: Path | None) -> None:
        self.store_id = store_id
        self.current_kek = current_kek
        self.key_file = key_file
        self._keks: dict[bytes, bytes] = {}
        self._ciphers: dict[bytes, AESGCM] = {}

    @property
    def is_sealed(self) -> bool:
        """Whether personal text is sealed in this store."""
        return self.current_kek is not None

    def check_kind(self) -> None:
        """Check an unsealed store against the key file, which names the stores that are sealed.

        Somebody who takes the key's id out of the database would else turn a sealed store into one
        that writes words as they are, in silence.

        Raises StoreDamaged.
        """
        if self.is_sealed or self.key_file is None or not self.key_file.exists():
            return
        with suppress(KeyFileError):  # it may be another's, whom this store does not concern
            if self.store_id in stores_of(self.key_file):
                raise _lost_its_seal(self.key_file)

    def new_key(self, customer_id: str) -> KeyRow:
        """A new data key for a customer, or a new import secret, wrapped. Raises KeyFileError."""
        key = secrets.token_bytes(32)
        key_id = hashlib.sha256(_DATA_KEY_LABEL + key).digest()
        self._remember(key_id, key)
        return self._wrap(customer_id, key_id, key)

    def rewrap(self, row: KeyRow) -> KeyRow:
        """The same data key, wrapped by the current key-encryption key.

        Raises KeyFileError, or StoreDamaged where the data key cannot be unwrapped.
        """
        return self._wrap(row.customer_id, row.key_id, self.unwrap(row))

    def _wrap(self, customer_id: str, key_id: bytes, key: bytes) -> KeyRow:
        current = bytes.fromhex(self.current_kek or "")
        nonce = secrets.token_bytes(_NONCE)
        bound = self._wrap_binding(customer_id, key_id)
        wrapped = _cipher(self._kek(current)).encrypt(nonce, key, bound)
        return KeyRow(customer_id, key_id, current + nonce + wrapped)

    def unwrap(self, row: KeyRow) -> bytes:
        """A data key (32 bytes), unwrapped. Raises KeyFileError, StoreDamaged."""
        kek = self._kek(row.wrapped[:32])
        bound = self._wrap_binding(row.customer_id, row.key_id)
        key = _open(_cipher(kek), row.wrapped[32:], bound)
        if key is None or hashlib.sha256(_DATA_KEY_LABEL + key).digest() != row.key_id:
            whose = f"data key of customer {row.customer_id!r}"
            raise StoreDamaged(
                f"the {'import secret' if row.customer_id == OF_IMPORTS else whose} does not "
                "open; the key table was altered: restore it from a backup"
            )
        return key

    def turn_to(self, kek: str | None) -> None:
        """Wrap with another key-encryption key from now on, and read the key file again.

        `kek` is its id, in hex. Raises StoreDamaged where a sealed store names none any more.
        """
        if kek is None and self.is_sealed:
            raise _lost_its_seal()
        self.current_kek = kek
        self._keks = {}

    def seal(
        self,
        personal: dict[str, str],
        key: KeyRow | None,
        stream: str,
        version: int,
        topic: str,
        *,
        salt: bytes,
    ) -> bytes:
        """The personal part of an event, sealed; in plain JSON where `key` is None.

        Args:
            personal: the Personal fields that the event has, by name.
            key: the customer's data key; None in an unsealed store.
            stream, version, topic: of the event.
            salt: 16 random bytes of the event's own (see `drawn_salts`), which keep its words from
                being guessed, and make the nonce one that was never used with this key before.

        Raises:
            KeyFileError: the key file is missing, or has not the right key.
            StoreDamaged: the data key cannot be unwrapped.
            InvalidEvent: there is text that cannot be encoded.
        """
        try:
            plain = msgspec.json.encode(personal)
        except UnicodeEncodeError:
            raise InvalidEvent(
                f"{stream}: the text of {topic} has a lone surrogate, which UTF-8 cannot hold"
            ) from None
        opening = salt + plain
        if key is None:
            return parts.PLAIN + opening
        bound = self._binding("words", key.customer_id, stream, version, topic)
        committed = parts.commitment(opening)
        cipher = self._ciphers.get(key.key_id) or self._data_cipher(key)
        sealed = cipher.encrypt(committed[:_NONCE], opening, bound)
        return parts.SEALED + key.key_id + committed + sealed

    def reveal(
        self, part: bytes, key: KeyRow | None, stream: str, version: int, topic: str
    ) -> dict[str, str] | Literal["erased"]:
        """The Personal fields in a part, by name, or "erased" where its data key was destroyed.

        Args and errors are those of `open`.
        """
        opening = self.open(part, key, stream, version, topic)
        if opening == "erased":
            return "erased"
        plain = opening if parts.committed(part) is None else opening[parts.SALT :]
        return _fields(plain, stream, version)

    def open(
        self, part: bytes, key: KeyRow | None, stream: str, version: int, topic: str
    ) -> bytes | Literal["erased"]:
        """The opening in a part (only JSON in an older one), or "erased" as `reveal` says.

        Args:
            part: as `seal` gave it.
            key: the customer's present data key; None where the customer has none.
            stream, version, topic: of the event.

        Raises:
            KeyFileError: the key file is missing, or has not the right key.
            StoreDamaged: the part is not what was sealed.
        """
        if type(part) is not bytes:  # SQLite keeps whatever it is given
            raise _damaged(stream, version)
        if parts.is_plain(part):
            if self.is_sealed:
                raise StoreDamaged(
                    f"the personal part of {stream} version {version} is plain text, and this "
                    "store seals all of them: it was put there by somebody else"
                )
            return part[1:]
        if (there := parts.pieces(part)) is None:
            raise _damaged(stream, version)
        key_id, committed, sealed = there
        if key is None or key.key_id != key_id:
            return "erased"
        kind = "part"
        if committed is not None:
            kind, sealed = "words", committed[:_NONCE] + sealed
        bound = self._binding(kind, key.customer_id, stream, version, topic)
        opening = _open(self._data_cipher(key), sealed, bound)
        if opening is None or (committed and parts.commitment(opening) != committed):
            raise _damaged(stream, version)
        return opening

    def _data_cipher(self, row: KeyRow) -> AESGCM:
        if (cipher := self._ciphers.get(row.key_id)) is not None:
            return cipher
        return self._remember(row.key_id, self.unwrap(row))

    def _remember(self, key_id: bytes, key: bytes) -> AESGCM:
        if len(self._ciphers) >= _CACHED:
            self._ciphers.clear()
        cipher = self._ciphers[key_id] = _cipher(key)
        return cipher

    def _kek(self, wanted_id: bytes) -> bytes:
        if wanted_id not in self._keks:
            if self.key_file is None:
                raise KeyFileError(
                    "no key file is named for this store; set CASESTORE_KEY_FILE "
                    "(everything but personal text works without it)"
                )
            self._keks = {kek_id(key): key for key in load_key_file(self.key_file)}
        try:
            return self._keks[wanted_id]
        except KeyError:
            raise KeyFileError(
                f"the key file {self.key_file} belongs to another store, or to another time of "
                "this one (before or after a rotation); name the right one in CASESTORE_KEY_FILE"
            ) from None

    def _binding(self, kind: str, customer_id: str, stream: str, version: int, topic: str) -> bytes:
        return msgspec.json.encode([kind, self.store_id, customer_id, stream, version, topic])

    def _wrap_binding(self, customer_id: str, key_id: bytes) -> bytes:
        return msgspec.json.encode(["wrap", self.store_id, customer_id, key_id.hex()])


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers import aead  # noqa: PLC0415  (slow to import)

    return aead.AESGCM(key)


def _open(cipher: AESGCM, sealed: bytes, bound: bytes) -> bytes | None:
    """The plain text of nonce and ciphertext; None where they were altered, or moved elsewhere."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  (slow to import)

    try:
        return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
    except InvalidTag:
        return None


def _fields(plain: bytes, stream: str, version: int) -> dict[str, str]:
    try:
        return msgspec.json.decode(plain, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _damaged(stream, version) from None


def _lost_its_seal(key_file: Path | None = None) -> StoreDamaged:
    known = "it was when it was opened" if key_file is None else f"its key file {key_file} says so"
    return StoreDamaged(
        f"the database does not say any more that this store is sealed, but {known}: its table "
        "casestore_meta was altered; restore it from a backup"
    )


def _damaged(stream: str, version: int) -> StoreDamaged:
    return StoreDamaged(
        f"the personal part of {stream} version {version} does not open: it was altered, or "
        "moved here from elsewhere"
    )
