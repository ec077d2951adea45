"""The list of those who were erased, in a file beside the key file and apart from the database.

An older database that is put back does not know whom it is to forget; the list does. It holds
ids, times and codes, and no words: `{"store_id": …, "customer_id": …, "erased_at": …, "basis": …,
"event_id": …}`, one erasure a line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from casestore.keys.key_file import keep_owner
from casestore.store import CaseStore


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure on record: no words, and enough to do it again in an older database."""

    store_id: str
    customer_id: str
    erased_at: datetime
    basis: str
    event_id: str


decode = msgspec.json.Decoder(Noted).decode


def list_file(store: CaseStore) -> Path | None:
    """Where a store's erasures are noted; None where no key file is named."""
    key_file = store.vault.key_file
    return None if key_file is None else key_file.with_name(f"{key_file.name}.erased")


def listed(store: CaseStore) -> list[Noted]:
    """The erasures of a store that the list holds. Lines that are torn are left out."""
    path = list_file(store)
    found = []
    for line in path.read_bytes().splitlines() if path is not None and path.exists() else ():
        with suppress(msgspec.DecodeError):
            found.append(decode(line))
    return [each for each in found if each.store_id == store.meta["store_id"]]


def note(store: CaseStore, made: Iterable[Noted]) -> str | None:
    """Add the erasures that the list lacks; gives why it could not be done, if so."""
    made, path = list(made), list_file(store)
    if not made:
        return None
    if path is None:
        return "erasures are kept in the database alone; name the key file in CASESTORE_KEY_FILE"
    try:
        there = {each.event_id for each in listed(store)}
        new = [each for each in made if each.event_id not in there]
        if new:
            _add(path, b"".join(msgspec.json.encode(each) + b"\n" for each in new))
            if store.vault.key_file is not None and store.vault.key_file.exists():
                keep_owner(path, store.vault.key_file)
    except OSError as error:
        return f"the erasure could not be noted in {path}: {error.strerror}"
    return None


def _add(path: Path, lines: bytes) -> None:
    torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(b"\n" + lines if torn else lines)
        file.flush()
        os.fsync(file.fileno())
