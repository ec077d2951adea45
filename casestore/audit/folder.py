"""The audit folder: the signing key, every seal, and the tree's hashes, outside the database.

It is the folder `<db>.audit` beside a SQLite store, or CASESTORE_AUDIT_DIR:

    key          the signing key (mode 0600); CASESTORE_AUDIT_KEY names another place
    verifiers    the verifier key of each signing key that was used here, one on a line
    seals/       one file for each checkpoint that was signed, named by its size; never changed
    checkpoint   a copy of the newest checkpoint, to give to others
    verified     the size up to which the events were verified last
    hashes/      a cache: see casestore.tlog.tiles
    lock         locked by the process that is sealing

The newest seal is here and not in the database. So if the database is restored to an older state,
and goes on differently, the same key does not sign that second history.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from casestore.errors import (
    CannotTell,
    InvalidNote,
    KeyFileError,
    SealRefused,
)
from casestore.journal.url import SQLiteUrl, parse_url
from casestore.system.decoders import decoder
from casestore.system.files import (
    move_new,
    open_file,
    read_file,
    sync,
    write_new,
    write_whole,
)
from casestore.system.locking import lock
from casestore.tlog.note import Checkpoint, Signer, Verifier, open_checkpoint
from casestore.tlog.tiles import Hashes

_LARGEST = 1 << 20
"""Bytes: a larger file in the folder, beside the hashes, is none of ours."""
_KEY_HEADER = (
    "# The key that signs this casestore's checkpoints. Who has it can sign another history:\n"
    "# keep it away from those who can change the database.\n"
)


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file in seals/: a checkpoint, and what the next seal needs to know."""

    checkpoint: str
    """The signed note."""
    last: str
    """The leaf (JSON) of the last event that it covers; empty where it covers none."""
    given: int
    """The last position that the database had given to an event by then, committed or not."""
    words: Literal["sealed", "plain"] | None = None
    """How the store keeps personal text, which it says for good when it is made. None in a seal
    from before this was kept."""
    erasures: int | None = None
    """How many erasures of customers it covers; None in a seal from before this was kept."""


class Folder(NamedTuple):
    """The audit folder of a store."""

    path: Path
    key_file: Path
    """The file of the signing key."""

    @classmethod
    def of(cls, url: str | None) -> Folder:
        """The audit folder of a store's URL, or of CASESTORE_URL's.

        Raises CannotTell on PostgreSQL if none is named.
        """
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
        """The hashes of the tree, in the folder `hashes`."""
        return Hashes(self.path / "hashes")

    # --- keys ------------------------------------------------------------------------------

    def make_key(self, name: str) -> tuple[Verifier, bool]:
        """Make the signing key, or use the one that is there.

        Args:
            name: of a new key.

        Gives its verifier key, and whether it is new.

        Raises:
            KeyFileError: the key cannot be read or written, or a key is there without the folder
                that it belongs to.
            InvalidNote: the list of verifier keys cannot be read.
        """
        if self.key_file.exists() and not (self.path / "verifiers").exists():
            raise self._stray_key()
        self.path.mkdir(parents=True, exist_ok=True)
        with (
            self._hold_lock()
        ):  # two keys made at once would be one in `verifiers` and one in `key`
            return self._make_key(name)

    def _make_key(self, name: str) -> tuple[Verifier, bool]:
        """As `make_key`, under the lock: of two at once, `verifiers` and `key` would differ."""
        known = self.verifiers()
        if known and all(verifier.name != name for verifier in known):
            raise KeyFileError(
                f"{self.path} is the audit folder of another store ({known[0].name}); name one of "
                "its own for this store in CASESTORE_AUDIT_DIR"
            )
        if self.key_file.exists():
            verifier = self.signer().verifier
            if verifier in known:
                return verifier, False
            raise self._stray_key()
        signer = Signer(name, secrets.token_bytes(32))
        # The verifier key is written first: a process that is killed between the two writes leaves
        # no signing key, and a signing key without its verifier key here would be refused.
        lines = "".join(f"{verifier}\n" for verifier in (*known, signer.verifier))
        write_whole(self.path / "verifiers", lines.encode())
        try:
            write_new(self.key_file, f"{_KEY_HEADER}{signer}\n".encode(), 0o600)
            sync(self.key_file.parent)
        except OSError as error:
            raise KeyFileError(
                f"cannot write the key file {self.key_file}: {error.strerror}"
            ) from None
        return signer.verifier, True

    def _stray_key(self) -> KeyFileError:
        return KeyFileError(
            f"the key {self.key_file} is there, but {self.path} does not know it: restore "
            "that folder, so that the key cannot sign a second history; or move the key away"
        )

    def verifiers(self) -> list[Verifier]:
        """The verifier keys of all signing keys that were used here, oldest first.

        Raises InvalidNote.
        """
        try:
            lines = read_file(self.path / "verifiers", _LARGEST).decode().splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidNote(f"{self.path / 'verifiers'} cannot be read: {error}") from None
        return [Verifier.parse(line) for line in lines]

    def signer(self) -> Signer:
        """The signing key. Raises KeyFileError."""
        try:
            lines = read_file(self.key_file, _LARGEST, private=True).decode().splitlines()
        except FileNotFoundError:
            raise KeyFileError(
                f"there is no signing key at {self.key_file}; make one with `casestore audit key`"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise KeyFileError(f"the key file {self.key_file} cannot be used: {why}") from None
        try:
            (key,) = (line for line in lines if line and not line.startswith("#"))
            return Signer.parse(key)
        except (ValueError, InvalidNote):
            raise KeyFileError(
                f"{self.key_file} is not a signing key, or is damaged; restore it from its backup"
            ) from None

    # --- seals -----------------------------------------------------------------------------

    def seal_files(self) -> list[Path]:
        """The files of the seals, in order of size.

        Raises SealRefused where a link stands in the place of their folder.
        """
        if (seals := self.path / "seals").is_symlink():
            raise SealRefused(f"{seals}: it is a link, which is refused there")
        return sorted(seals.glob("*.json"))

    def newest(self, origin: str) -> tuple[Seal, Checkpoint] | None:
        """The newest seal and its checkpoint; None if there is none.

        Raises as `open_seal`, and SealRefused where the file `checkpoint` is of a newer one.
        """
        files = self.seal_files()
        keys = self.verifiers()
        newest = self.open_seal(files[-1], origin, keys) if files else None
        if (copy := self.handed_out()) is not None:
            handed_out = open_checkpoint(copy, keys)
            size = newest[1].size if newest else 0
            if handed_out.size > size or (
                newest and handed_out.size == size and handed_out.root != newest[1].root
            ):
                raise SealRefused(
                    f"{self.path / 'checkpoint'} signs {handed_out.size} events, and the newest "
                    f"seal {size}: a seal was taken away or replaced"
                )
        return newest

    def open_seal(
        self, file: Path, origin: str, keys: Sequence[Verifier]
    ) -> tuple[Seal, Checkpoint]:
        """Read a seal, and check it.

        Args:
            file: one of `seal_files`.
            origin: the name of the store's log.
            keys: the verifier keys to trust.

        Raises:
            SealRefused: it is of another log.
            InvalidNote: it is not as casestore writes it.
            BadSignature, NotSigned: see casestore.tlog.note.
        """
        try:
            seal = decoder(Seal)(read_file(file, _LARGEST))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise InvalidNote("it cannot be read") from None
        except OSError as error:
            raise InvalidNote(f"it cannot be read: {error.strerror}") from None
        checkpoint = open_checkpoint(seal.checkpoint.encode(), keys)
        if checkpoint.origin != origin:
            raise SealRefused(f"it is of another log, {checkpoint.origin}")
        if file.name != seal_name(checkpoint.size):
            raise InvalidNote("it has another size than its name says")
        return seal, checkpoint

    def keep(self, seal: Seal, size: int) -> None:
        """Write a seal, completely or not at all. Raises OSError, also if its size has one."""
        path = self.path / "seals" / seal_name(size)
        path.parent.mkdir(exist_ok=True)
        part = self.path / "seal.part"
        part.unlink(missing_ok=True)  # left by a sealer that was killed; we hold the lock
        write_new(part, msgspec.json.encode(seal))
        move_new(part, path)
        sync(path.parent)

    def handed_out(self) -> bytes | None:
        """What the file `checkpoint` holds, the copy to give to others; None where it is not there.

        Raises InvalidNote where it cannot be read.
        """
        try:
            return read_file(self.path / "checkpoint", _LARGEST)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InvalidNote(f"it cannot be read: {error.strerror}") from None

    def hand_out(self, seal: Seal) -> Path:
        """Write the newest checkpoint to the file `checkpoint`, if it is not there; its path."""
        path = self.path / "checkpoint"
        if self.handed_out() != seal.checkpoint.encode():
            write_whole(path, seal.checkpoint.encode())
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock, so that only one process seals. It waits for the lock.

        Raises CannotTell where the folder was never set up.
        """
        if not (self.path / "verifiers").exists():
            raise CannotTell(
                f"{self.path} holds no seals and no keys; restore it from its backup, or begin "
                "with `casestore audit key`"
            )
        with self._hold_lock():
            yield

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        # The lock goes with the file object, even where a signal handler interrupts us.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(open_file(self.path / "lock", flags), "ab") as file:
            lock(file.fileno())
            yield

    # --- what was verified -----------------------------------------------------------------

    def verified(self) -> int:
        """The size up to which the events were verified last; 0 where they never were."""
        try:
            return int(read_file(self.path / "verified", _LARGEST).decode("ascii"))
        except (OSError, ValueError):
            return 0

    def remember_verified(self, size: int) -> None:
        """Record that the events up to a size were verified. Raises OSError."""
        write_whole(self.path / "verified", f"{size}\n".encode())


def seal_name(size: int) -> str:
    """The name of the file of a seal of some events."""
    return f"{size:019d}.json"
