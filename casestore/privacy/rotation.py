"""Rotation: another key-encryption key, so that copies of the key table become useless.

    1. the key file is replaced by one with the old and a new key;
    2. the store names the new one: from then on no data key is wrapped by the old one;
    3. every data key is wrapped anew, some to a commit;
    4. the key file is replaced by one with the new key alone, and the old one overwritten.

At each moment the file in place opens every data key there is. So whoever was killed can be
followed by anybody: what a rotation finds done, it leaves. Data keys do not change, and events
are not touched.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from casestore.errors import KeyFileError
from casestore.journal.answering import database_answers
from casestore.keys.key_file import (
    destroy_replaced,
    kek_id,
    load_key_file,
    replace_key_file,
    stores_of,
)
from casestore.store import CaseStore

_BATCH = 500
"""Data keys to wrap in one commit: writers wait so long."""


class Rotation(NamedTuple):
    """What a rotation did, or would do."""

    key_file: Path
    wrapped: int
    """Data keys that were wrapped anew."""
    resumed: bool
    """Whether it went on with one that was interrupted."""


def rotate(
    store: CaseStore, *, dry_run: bool = False, progress: Callable[[int], None] | None = None
) -> Rotation:
    """Wrap all data keys with a new key-encryption key, and destroy the old one.

    Other processes read the key file again when they need to. Copies of it, on other machines and
    in backups, are for the operator to replace.

    Args:
        store: a sealed one, with its key file.
        dry_run: look only whether it can be done, and how many data keys there are to wrap.
        progress: told the number of data keys done.

    Raises:
        KeyFileError: the file cannot be read or replaced, or is not this store's alone.
        StoreDamaged: a data key does not open; then nothing is destroyed.
    """
    path = _own_file(store)
    if dry_run:
        keys = load_key_file(path)
        _check(store, path, keys)
        return Rotation(path, _left(store, kek_id(keys[-1]), len(keys) > 1), len(keys) > 1)
    with (
        database_answers("the store"),
        store.recorder.writing() as writing,
    ):  # one rotation at a time
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
    store.vault.turn_to(new.hex())
    done = 0
    while count := _wrap_some(store, new):
        done += count
        if progress is not None:
            progress(done)
    with database_answers("the store"), store.recorder.writing():
        if load_key_file(path) == keys:  # else another process has ended this rotation
            _check(store, path, keys[-1:])
            replace_key_file(path, keys[-1:], stores_of(path))
    store.vault.turn_to(_named(store))
    return Rotation(path, done, resumed)


def _wrap_some(store: CaseStore, new: bytes) -> int:
    """Wrap some data keys with the new key that are wrapped by another; how many there were."""
    with database_answers("the store"), store.recorder.writing() as writing:
        if _named(store) != new.hex():  # another process has ended this rotation and begun one
            return 0
        rows = store.recorder.keys_not_wrapped_by(new, _BATCH)
        writing.rewrap(new.hex(), list(map(store.vault.rewrap, rows)))
        writing.commit([])
    return len(rows)


def _own_file(store: CaseStore) -> Path:
    path = store.vault.key_file
    if not store.vault.is_sealed:
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
    """Refuse before anything is written, where the file is not the store's."""
    wanted = store.recorder.kek_ids() | {bytes.fromhex(_named(store))}
    if wanted - {kek_id(key) for key in keys}:
        raise KeyFileError(
            f"the key file {path} does not open every key of this store; name the right one in "
            "CASESTORE_KEY_FILE"
        )


def _named(store: CaseStore) -> str:
    """The id of the key-encryption key that the store names for new data keys."""
    return (store.recorder.meta() or {}).get("kek_id", "")


def _left(store: CaseStore, new: bytes, begun: bool) -> int:
    return store.recorder.count_keys(not_wrapped_by=new if begun else None)
