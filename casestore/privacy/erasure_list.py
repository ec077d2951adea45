"""The list of erasures, in the file `<key file>.erased`, apart from the database.

A database that is restored from an older backup does not know who was erased since; the list does.
It holds ids, times and codes, and no personal text. Each line is one erasure as JSON:
`{"store_id": …, "customer_id": …, "erased_at": …, "basis": …, "event_id": …, "proof": …}`.

The proof is an HMAC-SHA256 with a key made of one in the key file. So nobody who has not the key
file can add a line by which `reapply` would destroy another customer's key. It does not prove that
no line is missing: whoever may write the file may take lines away. The newest seal tells how many
erasures it covers: `casestore.privacy.erasure.lost` compares.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.errors import CaseStoreError, KeyFileError
from casestore.keys.key_file import keep_owner, load_key_file
from casestore.store import CaseStore
from casestore.system.files import open_file, read_file


class ErasureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure, with all that is needed to repeat it in an older database."""

    store_id: str
    customer_id: str
    erased_at: datetime
    basis: str
    """The legal reason, as a code."""
    event_id: str
    """Of the PersonalDataErased."""


class _Line(ErasureRecord, frozen=True, kw_only=True):
    proof: str = ""
    """In hex; empty where the key file was not at hand."""


GIVE = "give it to the owner of the key file (chown)"
"""What to do with a list that is another user's."""
_decode = msgspec.json.Decoder(_Line).decode
_LARGEST = 1 << 28
"""Bytes: room for about a million erasures."""
_LABEL = b"casestore erasure list v1\x00"


def list_file(store: CaseStore) -> Path | None:
    """The path of a store's list; None where no key file is named."""
    key_file = store._vault.key_file
    return None if key_file is None else key_file.with_name(f"{key_file.name}.erased")


def lines_of(path: Path) -> list[bytes]:
    """The lines of a list, whatever is in them; none where it is not there.

    Raises OSError, also where a pipe stands in its place, or it is larger than any list.
    """
    try:
        return read_file(path, _LARGEST, follow=True).splitlines()
    except FileNotFoundError:
        return []


def listed(store: CaseStore) -> list[ErasureRecord]:
    """The erasures of a store that its list proves; all that it names where no key is at hand.

    A line that cannot be read is left out: a process may have died while it wrote the line. Raises
    OSError.
    """
    proves = Proofs(store)
    lines = [line for line in _lines(store) if not proves.keys or proves.is_of_us(line)]
    return [proves.record(line) for line in lines]


def unproven(store: CaseStore) -> list[ErasureRecord]:
    """The erasures that a store's list names, and that it does not prove. Raises OSError."""
    proves = Proofs(store)
    proven = {line.event_id for line in _lines(store) if proves.is_of_us(line)}
    return [proves.record(line) for line in _lines(store) if line.event_id not in proven]


def sealed_erasures(store: CaseStore) -> int:
    """How many erasures the newest seal covers.

    0 also where no seal can be read, of which `audit verify` tells, or it is from before this was
    kept.
    """
    try:
        newest = Folder.of(store.url).newest(origin(store))
    except CaseStoreError:
        return 0
    return newest[0].erasures or 0 if newest else 0


def _lines(store: CaseStore) -> list[_Line]:
    path = list_file(store)
    lines = []
    for line in lines_of(path) if path is not None else ():
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            lines.append(_decode(line))
    return [line for line in lines if line.store_id == store.meta["store_id"]]


class Proofs:
    """Makes and checks the proofs of lines, by the keys in a store's key file.

    Args:
        store: the store. Without its key file, nothing is proven.
    """

    def __init__(self, store: CaseStore) -> None:
        self.keys: list[bytes] = []
        """The newest one last."""
        if store._vault.is_sealed and store._vault.key_file is not None:
            with suppress(KeyFileError):
                keys = load_key_file(store._vault.key_file)
                self.keys = [hashlib.sha256(_LABEL + key).digest() for key in keys]

    def read(self, line: bytes) -> tuple[ErasureRecord, bool]:
        """The erasure that a line tells of, and whether it is proven. Raises ValueError."""
        read = _decode(line)
        return self.record(read), self.is_of_us(read)

    @staticmethod
    def record(line: _Line) -> ErasureRecord:
        """What a line tells."""
        fields = ErasureRecord.__struct_fields__
        return ErasureRecord(**{name: getattr(line, name) for name in fields})

    def is_of_us(self, line: _Line) -> bool:
        """Whether one of the keys made the proof of a line."""
        record = self.record(line)
        proof = line.proof.encode()  # text that is not ASCII cannot be compared
        return any(hmac.compare_digest(_proof(key, record).encode(), proof) for key in self.keys)

    def line(self, record: ErasureRecord) -> _Line:
        """A line with its proof by the newest key, which is empty where there is none."""
        proof = _proof(self.keys[-1], record) if self.keys else ""
        return _Line(**msgspec.structs.asdict(record), proof=proof)


def _proof(key: bytes, record: ErasureRecord) -> str:
    told = [getattr(record, name) for name in ErasureRecord.__struct_fields__]
    return hmac.new(key, msgspec.json.encode(told), hashlib.sha256).hexdigest()


def note(store: CaseStore, records: Iterable[ErasureRecord]) -> str | None:
    """Add the erasures that the list lacks, or does not prove by the newest key.

    Gives None, or in words why it could not.
    """
    records, path = list(records), list_file(store)
    if not records:
        return None
    if path is None:
        return "erasures are kept in the database alone; name the key file in CASESTORE_KEY_FILE"
    proves = Proofs(store)
    try:
        there = set(_lines(store))
        lines = (proves.line(record) for record in records)
        if new := [line for line in lines if line not in there]:
            _add(path, b"".join(msgspec.json.encode(line) + b"\n" for line in new))
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
    descriptor = open_file(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, follow=True, mode=0o600)
    with os.fdopen(descriptor, "r+b") as file:
        # The last line has no end where a process died while it wrote it.
        torn = False
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            torn = file.read() != b"\n"
        file.write(b"\n" + lines if torn else lines)
        file.flush()
        os.fsync(file.fileno())
