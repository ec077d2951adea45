"""Signed notes and checkpoints, as C2SP writes them.

A note (c2sp.org/signed-note) is a text with signatures. A checkpoint (c2sp.org/tlog-checkpoint) is
a note whose text gives the size of a log's tree (its number of leaves) and its root. Signatures are
Ed25519. A note may come from anybody, so whatever differs from the format is refused.
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
"""Bytes. A longer note is refused."""
MAX_SIGNATURES = 100
"""A note with more is refused."""
_ED25519 = b"\x01"
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_SIZE = re.compile("0|[1-9][0-9]{0,18}")
_LARGEST = (1 << 63) - 1


def _unbase64(text: str, name: str) -> bytes:
    """The bytes of a base64 text; only their canonical text is taken."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    if not data or base64.b64encode(data).decode() != text:
        raise InvalidNote(f"{name} is not base64")
    return data


# --- keys ----------------------------------------------------------------------------------


class Verifier(NamedTuple):
    """A verifier key: the public key that a signature is checked with, and its name."""

    name: str
    key: bytes
    """The Ed25519 public key: 32 bytes."""

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read `name+hash+base64` (c2sp.org/signed-note). Raises InvalidNote."""
        name, _, rest = text.partition("+")
        hashed, _, encoded = rest.partition("+")
        if not re.fullmatch(r"[^\s+]+", name) or not re.fullmatch("[0-9a-f]{8}", hashed):
            raise InvalidNote("not a verifier key; one looks like name+0123abcd+AZ3c…")
        key = _unbase64(encoded, "the verifier key's last part")
        verifier = cls(name, key[1:])
        if key[:1] != _ED25519 or len(key) != 33:
            raise InvalidNote("the verifier key is not an Ed25519 key")
        if verifier.hash.hex() != hashed:
            raise InvalidNote("the verifier key is damaged: its hash does not fit")
        return verifier

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.key).decode()
        return f"{self.name}+{self.hash.hex()}+{encoded}"

    @property
    def hash(self) -> bytes:
        """The key id of c2sp.org/signed-note: the four bytes that name the key in a signature."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.key).digest()[:4]

    def accepts(self, signature: bytes, text: bytes) -> bool:
        """Whether a signature (64 bytes) of a text was made with this key."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  (slow to import)
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  (the same)

        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer(NamedTuple):
    """A signing key: the private key that signs notes, and its name."""

    name: str
    seed: bytes
    """The Ed25519 private key: 32 bytes."""

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Read `PRIVATE+KEY+name+hash+base64`, as Go's golang.org/x/mod/sumdb/note writes it.

        Raises InvalidNote.
        """
        if not text.startswith("PRIVATE+KEY+") or text.count("+") < 4:
            raise InvalidNote("not a signing key")
        _, _, name, hashed, encoded = text.split("+", 4)
        key = _unbase64(encoded, "the signing key")
        signer = cls(name, key[1:])
        if key[:1] != _ED25519 or len(key) != 33 or signer.verifier.hash.hex() != hashed:
            raise InvalidNote("the signing key is damaged")
        return signer

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
        """The verifier key for its signatures."""
        return Verifier(self.name, self._key().public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The text as a signed note. The text must end in a newline."""
        signature = base64.b64encode(self.verifier.hash + self._key().sign(text.encode()))
        return f"{text}\n— {self.name} {signature.decode()}\n"


# --- notes ---------------------------------------------------------------------------------


def open_note(note: bytes, keys: Iterable[Verifier]) -> str:
    """The text of a note that is signed by at least one of the keys.

    Signatures by other keys are ignored.

    Raises:
        InvalidNote: it is not a note.
        NotSigned: no signature names one of the keys.
        BadSignature: a signature names one of the keys, but is not its signature of the text.
    """
    text, signatures = _split(note)
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


def _split(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """A note's text, and the key name and the bytes of each signature."""
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
    """The root of a log's tree at one size."""

    origin: str
    """The name of the log."""
    size: int
    """Number of leaves."""
    root: bytes
    """32 bytes."""

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a note; lines after the third are ignored. Raises InvalidNote."""
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
    """A checkpoint that is signed by at least one of the keys. Raises as `open_note`."""
    return Checkpoint.parse(open_note(note, keys))
