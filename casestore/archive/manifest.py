"""The manifest of an archive, and where its files are.

    manifest.json                       what the archive holds; written last, whole or not at all
    events/FIRST-LAST/bucket-017.parquet  the events of a bucket at positions FIRST to LAST
    events/FIRST-LAST/bucket-none.parquet those of no customer: the policies
    lock                                locked by the process that is writing

Each write adds one folder, for the positions after those of the folder before. A file belongs to
the archive only if the manifest names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal
from zlib import crc32

import msgspec

from casestore.errors import ArchiveDamaged, ArchiveRefused
from casestore.system.decoders import decoder
from casestore.system.files import read_file, sync, write_whole

FORMAT: Literal["casestore archive"] = "casestore archive"
VERSION = 1
"""Of the format. A reader refuses a later one."""
MOST_BUCKETS = 512
"""As many files are written at a time."""
EVENTS = "events"
_LARGEST = 1 << 30
"""Bytes: a larger manifest is none of ours."""
_RUN = re.compile(r"[0-9]{19}-[0-9]{19}")

Bucket = int | None
"""The number of a bucket, from 0 on; None for what belongs to no customer."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Parquet file of one bucket, from one write."""

    bucket: Bucket
    run: tuple[int, int]
    """The first and the last position that the write could have found."""
    first: int
    """The first position in the file."""
    last: int
    """The last position in it."""
    rows: int
    bytes: int
    sha256: str
    """Of the file, in hex."""

    @property
    def name(self) -> str:
        """The file's path in the archive, with slashes."""
        return f"{EVENTS}/{run_name(*self.run)}/{file_name(self.bucket)}"


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last event of an archive, by which a store is known again."""

    position: int
    event_id: str
    leaf_hash: str
    """Of its leaf in the Merkle tree (RFC 6962), in hex."""


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest seal that covers no more than the archive, when it was written."""

    size: int
    """The number of events that it covers, from the first one on."""
    root: str
    """Of the Merkle tree over them, in hex."""
    checkpoint: str
    """The signed note (C2SP tlog-checkpoint)."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an archive holds."""

    format: Literal["casestore archive"] = FORMAT
    version: int = VERSION
    store_id: str
    words: Literal["sealed", "plain"]
    """How the store keeps personal text, and so how it stands in the archive."""
    buckets: int
    """A customer's events are in the bucket crc32(customer id in UTF-8) modulo this number."""
    events: int
    first: int | None = None
    """The position of the first event; None without events."""
    end: End | None = None
    seal: Sealed | None = None
    parts: tuple[Part, ...] = ()
    """In the order of the writes, and of the buckets."""

    @property
    def last(self) -> int:
        """The position of the last event; 0 without events."""
        return self.end.position if self.end else 0

    def of(self, bucket: Bucket) -> list[Part]:
        """The parts of a bucket, in the order of the writes."""
        return [part for part in self.parts if part.bucket == bucket]


def bucket_of(customer_id: str | None, buckets: int) -> Bucket:
    """The bucket of a customer's events."""
    return None if customer_id is None else crc32(customer_id.encode()) % buckets


def run_name(first: int, last: int) -> str:
    """The name of the folder of a write."""
    return f"{first:019d}-{last:019d}"


def file_name(bucket: Bucket) -> str:
    """The name of a bucket's file in it."""
    return "bucket-none.parquet" if bucket is None else f"bucket-{bucket:03d}.parquet"


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of an archive; None where there is none.

    Raises:
        ArchiveDamaged: it is not as casestore writes it.
        ArchiveRefused: it is of a later version of casestore, or of something else.
    """
    path = folder / "manifest.json"
    try:
        data = read_file(path, _LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ArchiveDamaged(f"{path} cannot be read: {error.strerror}") from None
    try:
        kind = decoder(_Kind)(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        kind = _Kind()
    if kind.format != FORMAT:
        raise ArchiveRefused(f"{path} is not the manifest of an archive; name another folder")
    if kind.version > VERSION:
        raise ArchiveRefused(
            f"{folder} was written by a later casestore, in version {kind.version} of the format; "
            "upgrade this one"
        )
    try:
        manifest = decoder(Manifest)(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = str(error)[:200]
        raise ArchiveDamaged(f"{path} was altered: {why}; restore it from a copy") from None
    if (wrong := next(_contradictions(manifest), None)) is not None:
        raise ArchiveDamaged(f"{path} was altered: {wrong}; restore it from a copy")
    return manifest


class _Kind(msgspec.Struct):
    format: str = ""
    version: int = 0


def _contradictions(manifest: Manifest) -> Iterator[str]:
    """What in a manifest contradicts something else in it, in words."""
    if not 1 <= manifest.buckets <= MOST_BUCKETS:
        yield f"it has {manifest.buckets} buckets"
    if sum(part.rows for part in manifest.parts) != manifest.events:
        yield "its parts have not as many rows as it has events"
    runs = sorted({part.run for part in manifest.parts})
    if any(after[0] != before[1] + 1 for before, after in pairwise(runs)):
        yield "its writes do not follow each other"
    if (runs[-1][1] if runs else 0) != manifest.last:
        yield "its last write does not end with its last event"
    if (min(part.first for part in manifest.parts) if runs else None) != manifest.first:
        yield "its first event is in none of its parts"
    for part in manifest.parts:
        if part.bucket is not None and not 0 <= part.bucket < manifest.buckets:
            yield f"it has no bucket {part.bucket}"
        if part.rows < 1 or not 1 <= part.run[0] <= part.first <= part.last <= part.run[1]:
            yield f"{part.name} has not the rows that it says"
    if len({(part.run, part.bucket) for part in manifest.parts}) < len(manifest.parts):
        yield "it names a part twice"


def keep_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, durably, whole or not at all. Raises OSError."""
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    write_whole(folder / "manifest.json", data + b"\n", 0o600)
    sync(folder)


def runs_beside(folder: Path, manifest: Manifest) -> Iterator[Path]:
    """The folders of writes that the manifest does not name: what a killed writer left."""
    named = {run_name(*part.run) for part in manifest.parts}
    with_events = folder / EVENTS
    for path in sorted(with_events.iterdir()) if with_events.is_dir() else ():
        if _RUN.fullmatch(path.name) and path.name not in named:
            yield path
