"""Rotation: replacing the key-encryption key, so that old copies of the key table become useless.

    1. The key file is replaced by one that has the old key and a new one.
    2. The store names the new key: from then on no new data key is wrapped by the old one.
    3. Every data key is wrapped by the new key, some of them in each commit, and so is the import
       secret.
    4. The key file is replaced by one that has only the new key, and the old file is overwritten.

At each moment the key file has the keys that unwrap every data key. So if a process is killed, any
process can start the rotation again: it skips the steps that are done. Data keys and events do not
change.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from casestore.errors import KeyFileError
from casestore.journal.answering import database_answers
from casestore.journal.rows import OF_IMPORTS, KeyRow
from casestore.keys.key_file import (
    destroy_replaced,
    kek_id,
    load_key_file,
    replace_key_file,
    stores_of,
)
from casestore.privacy.erasure_list import listed, note
from casestore.store import CaseStore

_BATCH = 500
"""Data keys to wrap in one commit. Other writers wait while it lasts."""


class Rotation(NamedTuple):
    """What a rotation did, or with `dry_run` would do."""

    key_file: Path
    wrapped: int
    """Data keys of customers that were wrapped by the new key."""
    resumed: bool
    """Whether it went on with a rotation that was interrupted."""


def rotate(
    store: CaseStore, *, dry_run: bool = False, progress: Callable[[int], None] | None = None
) -> Rotation:
    """Wrap all data keys with a new key-encryption key, and destroy the old one.

    Other processes read the key file again when they need the new key. The operator must replace
    copies of the file on other machines and in backups.

    Args:
        store: a sealed one, with its key file.
        dry_run: change nothing; check only whether it can be done, and count the data keys.
        progress: called after each commit with the number of data keys done.

    Raises:
        KeyFileError: the file cannot be read or replaced, or other stores use it too.
        StoreDamaged: a data key cannot be unwrapped; then no key is destroyed.
        StoreUnavailable: the database does not answer.
    """
    path = _own_file(store)
    if dry_run:
        keys = load_key_file(path)
        _check(store, path, keys)
        return Rotation(path, _left(store, kek_id(keys[-1]), len(keys) > 1), len(keys) > 1)
    # Steps 1 and 2, under the write lock, so that no other process begins a rotation meanwhile.
    with database_answers("the store"), store._recorder.writing() as writing:
        keys = load_key_file(path)
        _check(store, path, keys)
        destroy_replaced(path)
        resumed = len(keys) > 1
        if not resumed:
            keys.append(secrets.token_bytes(32))
            replace_key_file(path, keys, stores_of(path))
        new = kek_id(keys[-1])
        writing.rewrap(new.hex(), [])
        writing.commit([])
    store._vault.turn_to(new.hex())
    done = 0
    while rows := _wrap_some(store, new):
        done += sum(row.customer_id != OF_IMPORTS for row in rows)
        if progress is not None:
            progress(done)
    # Proven by the new key too; what cannot be written now, the doctor tells and mends.
    note(store, listed(store))
    with database_answers("the store"), store._recorder.writing():
        if load_key_file(path) == keys:  # otherwise another process has finished this rotation
            _check(store, path, keys[-1:])
            replace_key_file(path, keys[-1:], stores_of(path))
    store._vault.turn_to(_named(store))
    return Rotation(path, done, resumed)


def _wrap_some(store: CaseStore, new: bytes) -> list[KeyRow]:
    """Wrap up to _BATCH data keys with the new key, and give them; none when all are done."""
    with database_answers("the store"), store._recorder.writing() as writing:
        if _named(store) != new.hex():  # another process has finished this one and begun the next
            return []
        rows = store._recorder.keys_not_wrapped_by(new, _BATCH)
        writing.rewrap(new.hex(), list(map(store._vault.rewrap, rows)))
        writing.commit([])
    return rows


def _own_file(store: CaseStore) -> Path:
    """The path of the store's key file, which no other store must use."""
    path = store._vault.key_file
    if not store._vault.is_sealed:
        raise KeyFileError("the store was made with --unsealed: it has no key to rotate")
    if path is None:
        raise KeyFileError("no key file is named for this store; set CASESTORE_KEY_FILE")
    others = stores_of(path) - {store.meta["store_id"]}
    if others:
        raise KeyFileError(
            f"{path} is the key file of other stores too ({', '.join(sorted(others))}), and they "
            "would lose their words: name a copy for this store in CASESTORE_KEY_FILE, without the "
            "lines that name the others"
        )
    return path


def _check(store: CaseStore, path: Path, keys: list[bytes]) -> None:
    """Refuse, before anything is written, a key file that lacks a key of the store."""
    needed = store._recorder.kek_ids() | {bytes.fromhex(_named(store))}
    if needed - {kek_id(key) for key in keys}:
        raise KeyFileError(
            f"the key file {path} does not open every key of this store; name the right one in "
            "CASESTORE_KEY_FILE"
        )


def _named(store: CaseStore) -> str:
    """The id, in hex, of the key-encryption key that the store names for new data keys."""
    return (store._recorder.meta() or {}).get("kek_id", "")


def _left(store: CaseStore, new: bytes, begun: bool) -> int:
    """The number of data keys to wrap: all, or the rest if a rotation to `new` was begun."""
    return store._recorder.count_keys(not_wrapped_by=new if begun else None)
