"""The key file: the key-encryption keys of a store's personal text, which no database ever holds.

    # store <id>                           a store that the keys are of; there may be several
    casestore-key-1 <base64 of 32 bytes>   the last one is the current one

There is more than one key only while they are rotated. A file is never changed: another one is
written beside it and takes its place, so that at every moment there is a whole one at its path.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from casestore.errors import KeyFileError
from casestore.journal.url import PostgresUrl, SQLiteUrl
from casestore.system.files import sync, write_new

_KEK_LABEL = b"casestore key-encryption key id v1\x00"
_LINE = "casestore-key-1 "
_STORE = "# store "
_HEADER = (
    "# The key of a casestore's personal data. Keep a copy apart from the database and from its\n"
    "# backups: without it, what customers said can never be read again.\n"
)


def key_file_for(where: SQLiteUrl | PostgresUrl, given: Path | str | None = None) -> Path | None:
    """Where the key file is: as given, else CASESTORE_KEY_FILE, else beside a SQLite file."""
    if given is not None:
        return Path(given)
    if named := os.environ.get("CASESTORE_KEY_FILE"):
        return Path(named)
    if isinstance(where, SQLiteUrl):
        return where.path.with_name(where.path.name + ".key")
    return None


def kek_id(key: bytes) -> bytes:
    """Names a key-encryption key, and commits to it."""
    return hashlib.sha256(_KEK_LABEL + key).digest()


def create_key_file(path: Path, store_id: str | None = None) -> bytes:
    """Make a key file (mode 0600) for a store, or share the one that is there. Gives the key."""
    stores = set() if store_id is None else {store_id}
    if not path.exists():
        key = secrets.token_bytes(32)
        _write(path, [key], stores)
        return key
    keys = load_key_file(path)
    if not stores <= stores_of(path):
        with suppress(KeyFileError):  # it may be mounted to be read only
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
    """The ids of the stores that a key file is of, as far as it says. Raises KeyFileError."""
    return {line.removeprefix(_STORE) for line in _lines(path) if line.startswith(_STORE)}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except FileNotFoundError:
        raise KeyFileError(
            f"the key file {path} is missing; restore it from its backup, or name it in "
            "CASESTORE_KEY_FILE (everything but personal text works without it)"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"the key file {path} cannot be read: {error}") from None


def replace_key_file(path: Path, keys: Sequence[bytes], stores: Collection[str]) -> None:
    """Put another key file in the place of one, which is then overwritten. Raises KeyFileError."""
    destroy_replaced(path)
    new, old = _beside(path)
    try:
        new.unlink(missing_ok=True)
        _write(new, keys, stores, like=path)
        os.link(path.resolve(), old)
        new.replace(path.resolve())  # a link to it stays one
        sync(old.parent)
    except OSError as error:
        raise _cannot_write(path, error) from None
    destroy_replaced(path)


def replaced_is_left(path: Path) -> bool:
    """Whether the file that another one replaced is still there."""
    return _beside(path)[1].exists()


def destroy_replaced(path: Path) -> None:
    """Overwrite and remove the file that another one replaced, if it is still there."""
    _, old = _beside(path)
    try:
        if not old.exists():
            return
        if not old.samefile(path):  # killed before the replacement, it is another name for it
            with old.open("r+b") as file:
                file.write(secrets.token_bytes(os.fstat(file.fileno()).st_size))
                file.flush()
                os.fsync(file.fileno())
        old.unlink()
        sync(old.parent)
    except OSError as error:
        raise _cannot_write(old, error) from None


def _beside(path: Path) -> tuple[Path, Path]:
    """Where the next key file is written, and where the last one is destroyed."""
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
    """Give a file to the owner of another: who rotates may be root, and the service is not."""
    owner, present = like.stat(), path.stat()
    if hasattr(os, "chown") and owner.st_uid != present.st_uid:
        os.chown(path, owner.st_uid, owner.st_gid)


def _cannot_write(path: Path, error: OSError) -> KeyFileError:
    return KeyFileError(f"cannot write the key file {path}: {error.strerror}")
