"""The list of erasures, in the file `<key file>.erased`, apart from the database.

A database that is restored from an older backup does not know who was erased since; the list does.
It holds ids, times and codes, and no personal text. Each line is one erasure as JSON:
`{"store_id": …, "customer_id": …, "erased_at": …, "basis": …, "event_id": …}`.
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


class ErasureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure, with all that is needed to repeat it in an older database."""

    store_id: str
    customer_id: str
    erased_at: datetime
    basis: str
    """The legal reason, as a code."""
    event_id: str
    """Of the PersonalDataErased."""


GIVE = "give it to the owner of the key file (chown)"
"""What to do with a list that is another user's."""
decode = msgspec.json.Decoder(ErasureRecord).decode


def list_file(store: CaseStore) -> Path | None:
    """The path of a store's list; None where no key file is named."""
    key_file = store._vault.key_file
    return None if key_file is None else key_file.with_name(f"{key_file.name}.erased")


def listed(store: CaseStore) -> list[ErasureRecord]:
    """The erasures of a store that its list holds. Raises OSError.

    A line that cannot be read is left out: a process may have died while it wrote the line.
    """
    path = list_file(store)
    records = []
    for line in path.read_bytes().splitlines() if path is not None and path.exists() else ():
        with suppress(msgspec.DecodeError):
            records.append(decode(line))
    return [record for record in records if record.store_id == store.meta["store_id"]]


def note(store: CaseStore, records: Iterable[ErasureRecord]) -> str | None:
    """Add the erasures that the list lacks. Gives None, or in words why it could not."""
    records, path = list(records), list_file(store)
    if not records:
        return None
    if path is None:
        return "erasures are kept in the database alone; name the key file in CASESTORE_KEY_FILE"
    try:
        listed_ids = {record.event_id for record in listed(store)}
        new = [record for record in records if record.event_id not in listed_ids]
        if new:
            _add(path, b"".join(msgspec.json.encode(record) + b"\n" for record in new))
            if store._vault.key_file is not None and store._vault.key_file.exists():
                return _give_to_owner(path, store._vault.key_file)
    except OSError as error:
        return f"the erasure could not be noted in {path}: {error.strerror}"
    return None


def _give_to_owner(path: Path, key_file: Path) -> str | None:
    try:
        keep_owner(path, key_file)
    except PermissionError:
        return f"the list of erasures {path} is not readable to the owner of the key file; {GIVE}"
    return None


def _add(path: Path, lines: bytes) -> None:
    # The last line has no end where a process died while it wrote it.
    torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(b"\n" + lines if torn else lines)
        file.flush()
        os.fsync(file.fileno())
