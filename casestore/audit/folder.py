"""What sealing keeps outside the database: the signing key, every seal, and the tree's hashes.

A folder, `<db>.audit` beside a SQLite store or CASESTORE_AUDIT_DIR:

    key          signs checkpoints (mode 0600); elsewhere with CASESTORE_AUDIT_KEY
    verifiers    the verifier key of each key that ever signed here, one a line
    seals/       one file for each checkpoint signed, named by its size; never changed
    checkpoint   a copy of the newest, to hand out
    verified     the size up to which all was verified last
    hashes/      a cache: see casestore.tlog.tiles

Because the newest seal is here and not in the database, a database that was put back to an older
state cannot be made to grow another history under the same key.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from casestore.errors import (
    CannotTell,
    InvalidNote,
    KeyFileError,
    SealRefused,
)
from casestore.journal.url import SQLiteUrl, parse_url
from casestore.system.files import sync, write_new, write_whole
from casestore.tlog.note import Checkpoint, Signer, Verifier, open_checkpoint
from casestore.tlog.tiles import Hashes

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


_KEY_HEADER = (
    "# The key that signs this casestore's checkpoints. Who has it can sign another history:\n"
    "# keep it away from those who can change the database.\n"
)


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint as it is kept."""

    checkpoint: str
    """The signed note."""
    last: str
    """The leaf of the last event that it covers; empty where there is none."""
    given: int
    """The last position that the database had given by then, whatever became of it."""


class Folder(NamedTuple):
    """The audit folder of a store."""

    path: Path
    key_file: Path

    @classmethod
    def of(cls, url: str) -> Folder:
        """The folder of a store. Raises CannotTell where none is named."""
        where = parse_url(url)
        if named := os.environ.get("CASESTORE_AUDIT_DIR"):
            path = Path(named)
        elif isinstance(where, SQLiteUrl):
            path = where.path.with_name(where.path.name + ".audit")
        else:
            raise CannotTell(
                "a store on PostgreSQL needs a folder for its seals; name one in "
                "CASESTORE_AUDIT_DIR"
            )
        return cls(path, Path(os.environ.get("CASESTORE_AUDIT_KEY") or path / "key"))

    @property
    def hashes(self) -> Hashes:
        """The kept hashes."""
        return Hashes(self.path / "hashes")

    # --- keys ------------------------------------------------------------------------------

    def make_key(self, name: str) -> tuple[Verifier, bool]:
        """Make the signing key, or find the one there is; whether it is new.

        Raises KeyFileError, also where a key is there and the seals that it signed are not.
        """
        known = self.verifiers()
        if self.key_file.exists():
            verifier = self.signer().verifier
            if verifier in known:
                return verifier, False
            raise KeyFileError(
                f"the key {self.key_file} is there, but {self.path} does not know it: restore "
                "that folder, lest the key sign a second history; or move the key away"
            )
        signer = Signer(name, secrets.token_bytes(32))
        self.path.mkdir(parents=True, exist_ok=True)
        # Known first: a key that has no line there signs nothing.
        lines = "".join(f"{each}\n" for each in (*known, signer.verifier))
        write_whole(self.path / "verifiers", lines.encode())
        try:
            write_new(self.key_file, f"{_KEY_HEADER}{signer}\n".encode(), 0o600)
        except OSError as error:
            raise KeyFileError(
                f"cannot write the key file {self.key_file}: {error.strerror}"
            ) from None
        return signer.verifier, True

    def verifiers(self) -> list[Verifier]:
        """The keys that signed here, oldest first. Raises InvalidNote."""
        try:
            lines = (self.path / "verifiers").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [Verifier.parse(line) for line in lines]

    def signer(self) -> Signer:
        """The signing key. Raises KeyFileError."""
        try:
            lines = self.key_file.read_text("utf-8").splitlines()
        except FileNotFoundError:
            raise KeyFileError(
                f"there is no signing key at {self.key_file}; make one with `casestore audit key`"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(f"the key file {self.key_file} cannot be read: {error}") from None
        try:
            (key,) = (line for line in lines if line and not line.startswith("#"))
            return Signer.parse(key)
        except (ValueError, InvalidNote):
            raise KeyFileError(
                f"{self.key_file} is not a signing key, or is damaged; restore it from its backup"
            ) from None

    # --- seals -----------------------------------------------------------------------------

    def seal_files(self) -> list[Path]:
        """The seals, smallest first."""
        return sorted((self.path / "seals").glob("*.json"))

    def newest(self, origin: str) -> tuple[Seal, Checkpoint] | None:
        """The newest seal, if there is one. Raises SealRefused where it is not as it was kept."""
        files = self.seal_files()
        return self.open_seal(files[-1], origin, self.verifiers()) if files else None

    def open_seal(
        self, file: Path, origin: str, keys: Sequence[Verifier]
    ) -> tuple[Seal, Checkpoint]:
        """Read a seal. Raises SealRefused, InvalidNote, BadSignature, NotSigned."""
        try:
            seal = msgspec.json.decode(file.read_bytes(), type=Seal)
        except msgspec.DecodeError:
            raise InvalidNote("it cannot be read") from None
        checkpoint = open_checkpoint(seal.checkpoint.encode(), keys)
        if checkpoint.origin != origin:
            raise SealRefused(f"it is of another log, {checkpoint.origin}")
        if file.name != _seal_name(checkpoint.size):
            raise InvalidNote("it has another size than its name says")
        return seal, checkpoint

    def keep(self, seal: Seal, size: int) -> None:
        """Keep a seal, whole or not at all, and only if there is none of that size."""
        path = self.path / "seals" / _seal_name(size)
        path.parent.mkdir(exist_ok=True)
        part = self.path / "seal.part"
        part.unlink(missing_ok=True)  # of a sealer that was killed; we hold the lock
        write_new(part, msgspec.json.encode(seal))
        os.link(part, path)  # fails where there is one, as a rename would not
        part.unlink()
        sync(path.parent)

    def hand_out(self, seal: Seal) -> Path:
        """See that `checkpoint` is a copy of the newest seal."""
        path = self.path / "checkpoint"
        if not path.exists() or path.read_bytes() != seal.checkpoint.encode():
            write_whole(path, seal.checkpoint.encode())
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait for our turn to seal. Raises CannotTell where nothing was ever set up."""
        if not (self.path / "verifiers").exists():
            raise CannotTell(
                f"{self.path} holds no seals and no keys; restore it from its backup, or begin "
                "with `casestore audit key`"
            )
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    # --- verified up to here ---------------------------------------------------------------

    def verified(self) -> int:
        """The size up to which all was verified last; 0 where it never was."""
        try:
            return int((self.path / "verified").read_text("ascii"))
        except (OSError, ValueError):
            return 0

    def remember_verified(self, size: int) -> None:
        """Note that all was verified up to a size."""
        write_whole(self.path / "verified", f"{size}\n".encode())


def _seal_name(size: int) -> str:
    return f"{size:019d}.json"
