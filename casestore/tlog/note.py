"""Signed notes and checkpoints, as C2SP writes them.

A note (c2sp.org/signed-note) is text and signatures over it; a checkpoint
(c2sp.org/tlog-checkpoint) is a note whose text says how many leaves a log's tree has, and its
root. Signatures are Ed25519. What is read here may come from anybody: it is refused at the first
character out of place.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from casestore.errors import BadSignature, InvalidNote, NotSigned

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_NOTE = 1 << 20
"""Bytes of the largest note that is read."""
MAX_SIGNATURES = 100
_ED25519 = b"\x01"
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_SIZE = re.compile("0|[1-9][0-9]{0,18}")
_LARGEST = (1 << 63) - 1


def _unbase64(text: str, what: str) -> bytes:
    """Strictly: only the one way of writing these bytes."""
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        found = b""
    if not found or base64.b64encode(found).decode() != text:
        raise InvalidNote(f"{what} is not base64")
    return found


# --- keys ----------------------------------------------------------------------------------


class Verifier(NamedTuple):
    """What a signature is checked with."""

    name: str
    key: bytes
    """The Ed25519 public key: 32 bytes."""

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read `name+hash+base64`. Raises InvalidNote."""
        name, _, rest = text.partition("+")
        hashed, _, encoded = rest.partition("+")
        if not re.fullmatch(r"[^\s+]+", name) or not re.fullmatch("[0-9a-f]{8}", hashed):
            raise InvalidNote("not a verifier key; one looks like name+0123abcd+AZ3c…")
        key = _unbase64(encoded, "the verifier key's last part")
        made = cls(name, key[1:])
        if key[:1] != _ED25519 or len(key) != 33:
            raise InvalidNote("the verifier key is not an Ed25519 key")
        if made.hash.hex() != hashed:
            raise InvalidNote("the verifier key is damaged: its hash does not fit")
        return made

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.key).decode()
        return f"{self.name}+{self.hash.hex()}+{encoded}"

    @property
    def hash(self) -> bytes:
        """The four bytes that name the key in a signature."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.key).digest()[:4]

    def accepts(self, signature: bytes, text: bytes) -> bool:
        """Whether it is this key's signature of the text."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  (slow to import)
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  (the same)

        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer(NamedTuple):
    """What signs notes."""

    name: str
    seed: bytes
    """The Ed25519 private key: 32 bytes."""

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Read `PRIVATE+KEY+name+hash+base64`, as Go's note package writes it."""
        if not text.startswith("PRIVATE+KEY+") or text.count("+") < 4:
            raise InvalidNote("not a signing key")
        _, _, name, hashed, encoded = text.split("+", 4)
        key = _unbase64(encoded, "the signing key")
        made = cls(name, key[1:])
        if key[:1] != _ED25519 or len(key) != 33 or made.verifier.hash.hex() != hashed:
            raise InvalidNote("the signing key is damaged")
        return made

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.hash.hex()}+{encoded}"

    def __repr__(self) -> str:
        return f"Signer({self.name!r}, …)"

    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  (slow)

        return ed25519.Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def verifier(self) -> Verifier:
        """The key that its signatures are checked with."""
        return Verifier(self.name, self._key().public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The note of a text, which ends in a newline."""
        signature = base64.b64encode(self.verifier.hash + self._key().sign(text.encode()))
        return f"{text}\n— {self.name} {signature.decode()}\n"


# --- notes ---------------------------------------------------------------------------------


def open_note(note: bytes, keys: Iterable[Verifier]) -> str:
    """The text of a note that is signed by one of some keys.

    A signature by any other key is ignored; one that names a key of ours must fit.

    Raises:
        InvalidNote: it is not a note.
        NotSigned: no signature is by one of the keys.
        BadSignature: one names a key of ours, but does not fit the text.
    """
    text, signatures = _taken_apart(note)
    known = {(key.name, key.hash): key for key in keys}
    accepted = False
    for name, signature in signatures:
        key = known.get((name, signature[:4]))
        if key is None:
            continue
        if not key.accepts(signature[4:], text.encode()):
            raise BadSignature(f"the signature of {name} does not fit: it was edited")
        accepted = True
    if not accepted:
        raise NotSigned("it is not signed by the key asked for")
    return text


def _taken_apart(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    if len(note) > MAX_NOTE:
        raise InvalidNote(f"a note has at most {MAX_NOTE} bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise InvalidNote("a note is UTF-8") from None
    if _CONTROL.search(whole):
        raise InvalidNote("a note has no control characters, and lines end in LF alone")
    body, blank, rest = whole.rpartition("\n\n")
    if not blank or not body or not rest.endswith("\n"):
        raise InvalidNote("a note is text, an empty line, and signatures")
    lines = rest[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise InvalidNote(f"a note has at most {MAX_SIGNATURES} signatures")
    signatures = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise InvalidNote("a line of signatures is not one")
        signature = _unbase64(match[2], "a signature")
        if len(signature) < 5:
            raise InvalidNote("a signature is too short")
        signatures.append((match[1], signature))
    return body + "\n", signatures


# --- checkpoints ---------------------------------------------------------------------------


class Checkpoint(NamedTuple):
    """A log's tree as it was at a size."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a note. Raises InvalidNote."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] != "" or not all(lines[:-1]):
            raise InvalidNote("a checkpoint has three lines: origin, size and root")
        origin, size, root, *_ = lines
        if not _SIZE.fullmatch(size) or int(size) > _LARGEST:
            raise InvalidNote("the size of a checkpoint is a number from 0, in plain digits")
        hashed = _unbase64(root, "the root of a checkpoint")
        if len(hashed) != 32:
            raise InvalidNote("the root of a checkpoint has 32 bytes")
        return cls(origin, int(size), hashed)


def open_checkpoint(note: bytes, keys: Iterable[Verifier]) -> Checkpoint:
    """A checkpoint signed by one of some keys. Raises as `open_note`."""
    return Checkpoint.parse(open_note(note, keys))
