"""The key file: the key-encryption keys for a store's personal text, which are in no database.

    # store <id>                           a store that uses the keys; there may be several
    casestore-key-1 <base64 of 32 bytes>   a key; the last one is the current one

A file has more than one key only during a rotation. It is never edited: a new file is written
beside it and renamed to its path, so that a complete file is there at every moment.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from casestore.errors import KeyFileError
from casestore.journal.url import PostgresUrl, SQLiteUrl
from casestore.system.files import read_file, sync, write_new

_LARGEST = 1 << 20
"""Bytes."""
_KEK_LABEL = b"casestore key-encryption key id v1\x00"
_LINE = "casestore-key-1 "
_STORE = "# store "
_HEADER = (
    "# The key of a casestore's personal data. Keep a copy apart from the database and from its\n"
    "# backups: without it, what customers said can never be read again.\n"
)


def key_file_for(where: SQLiteUrl | PostgresUrl, path: Path | str | None = None) -> Path | None:
    """The path of a store's key file: `path`, else CASESTORE_KEY_FILE, else beside a SQLite file.

    None on PostgreSQL, where neither is given.
    """
    if path is not None:
        return Path(path)
    if variable := os.environ.get("CASESTORE_KEY_FILE"):
        return Path(variable)
    if isinstance(where, SQLiteUrl):
        return where.path.with_name(where.path.name + ".key")
    return None


def kek_id(key: bytes) -> bytes:
    """The id of a key-encryption key (32 bytes): a hash, so no other key has the same id."""
    return hashlib.sha256(_KEK_LABEL + key).digest()


def create_key_file(path: Path, store_id: str | None = None) -> bytes:
    """Make a key file (mode 0600) for a store, or use the one that is there for this store too.

    Gives the current key, 32 bytes. Raises KeyFileError.
    """
    stores = set() if store_id is None else {store_id}
    if not path.exists():
        key = secrets.token_bytes(32)
        _write(path, [key], stores)
        return key
    keys = load_key_file(path)
    if not stores <= stores_of(path):
        with suppress(KeyFileError):  # the file may be read-only: then it lacks the store's id
            replace_key_file(path, keys, stores | stores_of(path))
    return keys[-1]


def load_key_file(path: Path) -> list[bytes]:
    """The keys in a key file, oldest first. Raises KeyFileError."""
    keys = []
    for line in _lines(path):
        if line.startswith(_LINE):
            try:
                key = base64.b64decode(line.removeprefix(_LINE), validate=True)
            except ValueError:
                key = b""
            if len(key) != 32:
                raise KeyFileError(f"the key file {path} is damaged; restore it from its backup")
            keys.append(key)
    if not keys:
        raise KeyFileError(f"{path} is not a casestore key file; it holds no key")
    return keys


def stores_of(path: Path) -> set[str]:
    """The ids of the stores that a key file names, which may lack some. Raises KeyFileError."""
    return {line.removeprefix(_STORE) for line in _lines(path) if line.startswith(_STORE)}


def _lines(path: Path) -> list[str]:
    try:
        return read_file(path, _LARGEST, private=True).decode("ascii").splitlines()
    except FileNotFoundError:
        raise KeyFileError(
            f"the key file {path} is missing; restore it from its backup, or name it in "
            "CASESTORE_KEY_FILE (everything but personal text works without it)"
        ) from None
    except PermissionError as error:
        if error.errno == errno.EPERM:  # casestore.system.files says why
            raise KeyFileError(f"the key file {path} cannot be used: {error.strerror}") from None
        raise KeyFileError(
            f"the key file {path} cannot be read: permission denied; it is its owner's alone: name "
            "a copy of your own in CASESTORE_KEY_FILE"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise KeyFileError(f"the key file {path} cannot be used: {why}") from None


def replace_key_file(path: Path, keys: Sequence[bytes], stores: Collection[str]) -> None:
    """Replace a key file, and destroy the old one. Raises KeyFileError.

    Args:
        path: of the file.
        keys: for the new file, oldest first.
        stores: ids of the stores that use the keys.
    """
    destroy_replaced(path)
    new, old = _new_and_old(path)
    try:
        new.unlink(missing_ok=True)
        _write(new, keys, stores, like=path)
        os.link(path.resolve(), old)
        new.replace(path.resolve())  # where the path is a symbolic link, it stays one
        sync(old.parent)
    except OSError as error:
        raise _cannot_write(path, error) from None
    destroy_replaced(path)


def replaced_is_left(path: Path) -> bool:
    """Whether the old file is still there after a replacement."""
    return _new_and_old(path)[1].exists()


def destroy_replaced(path: Path) -> None:
    """Overwrite and remove the old file of a replacement, if it is still there.

    Raises KeyFileError.
    """
    _, old = _new_and_old(path)
    try:
        if not old.exists():
            return
        # A process that was killed before the replacement left `old` as a second name (hard link)
        # of the file in use, which must not be overwritten.
        if not old.samefile(path):
            with old.open("r+b") as file:
                file.write(secrets.token_bytes(os.fstat(file.fileno()).st_size))
                file.flush()
                os.fsync(file.fileno())
        old.unlink()
        sync(old.parent)
    except OSError as error:
        raise _cannot_write(old, error) from None


def _new_and_old(path: Path) -> tuple[Path, Path]:
    """Where the next key file is written, and where the one that it replaces is destroyed."""
    real = path.resolve()
    return real.with_name(f"{real.name}.new"), real.with_name(f"{real.name}.old")


def _write(
    path: Path, keys: Sequence[bytes], stores: Collection[str], like: Path | None = None
) -> None:
    lines = [_HEADER, *(f"{_STORE}{store_id}\n" for store_id in sorted(stores))]
    lines += [f"{_LINE}{base64.b64encode(key).decode()}\n" for key in keys]
    try:
        write_new(path, "".join(lines).encode("ascii"), 0o600)
        if like is not None:
            keep_owner(path, like)
        sync(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from None


def keep_owner(path: Path, like: Path) -> None:
    """Give a file the owner of another file, `like`. Raises OSError.

    A rotation may run as root, and the service that then reads the file does not.
    """
    wanted, present = like.stat(), path.stat()
    if hasattr(os, "chown") and wanted.st_uid != present.st_uid:
        os.chown(path, wanted.st_uid, wanted.st_gid)


def _cannot_write(path: Path, error: OSError) -> KeyFileError:
    return KeyFileError(f"cannot write the key file {path}: {error.strerror}")
