"""Writing an archive of a store, and going on with one: the events after those that it holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from casestore.archive.manifest import (
    EVENTS,
    MOST_BUCKETS,
    End,
    Manifest,
    Sealed,
    keep_manifest,
    read_manifest,
    run_name,
    runs_beside,
)
from casestore.archive.parts import writing_parts
from casestore.audit.folder import Folder
from casestore.audit.leaf import NO_LEAF, hashes_of
from casestore.audit.rows import event_name, log_id, origin
from casestore.audit.sealing import words_of
from casestore.errors import (
    ArchiveRefused,
    CannotTell,
    HistoryChanged,
    StoreDamaged,
)
from casestore.journal.rows import PlainRow
from casestore.store import CaseStore
from casestore.system.files import open_file, sync
from casestore.system.garbage import fewer_collections
from casestore.system.locking import lock
from casestore.transfer.parquet import pyarrow

BUCKETS = 64
"""Unless another number is asked for when an archive is begun."""
FEW = 50_000
"""Up to so many new events are found by the streams that they are in. With more, all streams are
gone through."""
_AT_ONCE = 2_000
"""Rows that are read at a time."""
_STREAMS = 300
"""Streams that are asked for at a time."""
_NEWEST = 2**31 - 1
"""No version is larger."""
_AFTER_ALL = chr(0x10FFFF)
"""No name of a stream comes after it."""
_UNFINISHED = ".writing"
"""The folder of a write that goes on, in the archive."""
_OWN = {EVENTS, _UNFINISHED, "lock", "manifest.json"}


class Archived(NamedTuple):
    """The result of `write_archive`."""

    manifest: Manifest
    new: int
    """The number of events that were added."""
    parts: int
    """The number of files that were added."""


def write_archive(
    store: CaseStore,
    folder: Path,
    *,
    buckets: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Archived:
    """Write the events that an archive does not hold yet, up to the last one at this moment.

    Other processes that write there wait until this one is done. Where it is killed, or the disk
    is full, the archive stays as it was, and the next write does the same again.

    Args:
        store: the store. Appends go on meanwhile.
        folder: of the archive; it is made where it is missing.
        buckets: how many there are, from 1 to 512; 64 if left out. What an archive was begun with
            stays.
        progress: called with the number of events written.

    Raises:
        ImportError: pyarrow is not installed.
        ArchiveRefused: the folder is something else, or another store's archive, or has another
            number of buckets.
        ArchiveDamaged: its manifest is not as casestore writes it.
        HistoryChanged: the store has not the last event of the archive: it was restored.
        StoreDamaged: a row is not as casestore writes events.
        StoreUnavailable: the database does not answer.
        OSError: a file cannot be written.
    """
    pyarrow()
    if buckets is not None and not 1 <= buckets <= MOST_BUCKETS:
        raise ArchiveRefused(f"an archive has 1 to {MOST_BUCKETS} buckets, not {buckets}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _check_free(folder)
    with _locked(folder):
        return _write(store, folder, buckets, progress)


def _check_free(folder: Path) -> None:
    """Raises ArchiveRefused where a folder has files and is no archive."""
    there = {path.name for path in folder.iterdir()}
    if there and (not there & _OWN or ("manifest.json" not in there and there - _OWN)):
        raise ArchiveRefused(f"{folder} is not empty, and is no archive; name another folder")
    for name in sorted(there & _OWN):
        if (folder / name).is_symlink():
            raise ArchiveRefused(f"{folder / name} is a link, which is refused there")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND  # to open a pipe for writing alone would wait
    with os.fdopen(open_file(folder / "lock", flags), "ab") as file:
        lock(file.fileno())
        yield


def _write(
    store: CaseStore,
    folder: Path,
    buckets: int | None,
    progress: Callable[[int], None] | None,
) -> Archived:
    begun = read_manifest(folder)
    manifest = begun or Manifest(
        store_id=log_id(store), words=words_of(store), buckets=buckets or BUCKETS, events=0
    )
    _check_same(store, folder, manifest, buckets)
    for left in (folder / _UNFINISHED, *runs_beside(folder, manifest)):
        if left.exists():
            shutil.rmtree(left)
    seal = _newest_seal(store)
    until = store._recorder.last_position()
    _check_begins_alike(store, manifest, until)
    grown = manifest
    if until > manifest.last:
        grown = _add(store, folder, manifest, until, progress)
    if seal is not None and seal.size <= grown.events:
        grown = msgspec.structs.replace(grown, seal=seal)
    if grown != begun:
        keep_manifest(folder, grown)
    parts = len(grown.parts) - len(manifest.parts)
    return Archived(grown, grown.events - manifest.events, parts)


def _check_same(store: CaseStore, folder: Path, manifest: Manifest, buckets: int | None) -> None:
    """Raises ArchiveRefused where the archive is another's, or has another number of buckets."""
    if manifest.store_id != log_id(store):
        raise ArchiveRefused(
            f"{folder} is the archive of another store ({manifest.store_id}); name another folder"
        )
    if buckets not in (None, manifest.buckets):
        raise ArchiveRefused(
            f"{folder} was begun with {manifest.buckets} buckets, and keeps them; leave --buckets "
            "out, or begin anew in another folder"
        )


def _newest_seal(store: CaseStore) -> Sealed | None:
    """The newest seal in the store's audit folder; None where nothing was sealed.

    Raises InvalidNote, BadSignature, NotSigned, SealRefused: it is not a good one.
    """
    try:
        newest = Folder.of(store.url).newest(origin(store))
    except CannotTell:  # no folder was ever named for it
        return None
    if newest is None:
        return None
    seal, checkpoint = newest
    return Sealed(checkpoint.size, checkpoint.root.hex(), seal.checkpoint)


def _check_begins_alike(store: CaseStore, manifest: Manifest, until: int) -> None:
    """Check that the store has the last event of the archive. Raises HistoryChanged."""
    if (first := store._recorder.first_position()) is not None and first < 1:
        raise StoreDamaged(
            f"an event stands at position {first}, which no store gives; `casestore audit verify` "
            "says more"
        )
    if manifest.end is None:
        return
    if manifest.last > until or _end(store, manifest.last) != manifest.end:
        raise HistoryChanged(
            f"the store has not the event at position {manifest.last} with which the archive ends: "
            "an older copy was restored, or it was altered; nothing was written: "
            "`casestore audit verify` says more. To archive this history, name another folder"
        )


def _end(store: CaseStore, position: int) -> End | None:
    """What is kept of the event at a position; None where there is none."""
    rows = store._recorder.rows(position - 1, 1, stop=position)
    if not rows:
        return None
    hashed = hashes_of(log_id(store), rows)[0]
    if hashed == NO_LEAF:
        raise StoreDamaged(
            f"{event_name(rows[0])} is not as casestore writes events; `casestore doctor` says more"
        )
    return End(position, rows[0][7], hashed.hex())


def _add(
    store: CaseStore,
    folder: Path,
    manifest: Manifest,
    until: int,
    progress: Callable[[int], None] | None,
) -> Manifest:
    """Write the parts of the events after the archive's last one, and give the new manifest."""
    run = (manifest.last + 1, until)
    unfinished = folder / _UNFINISHED
    unfinished.mkdir(mode=0o700)
    try:
        with writing_parts(unfinished, manifest.buckets) as parts, fewer_collections():
            count = 0
            for rows in _new_rows(store, manifest.last, until):
                for row in rows:
                    parts.add(row)
                count += len(rows)
                if progress:
                    progress(count)
            added = parts.finish(run)
        (folder / EVENTS).mkdir(mode=0o700, exist_ok=True)
        unfinished.rename(folder / EVENTS / run_name(*run))
        sync(folder / EVENTS)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    first = min(part.first for part in added) if manifest.first is None else manifest.first
    return msgspec.structs.replace(
        manifest,
        events=manifest.events + count,
        first=first,
        end=_end(store, until),
        parts=(*manifest.parts, *added),
    )


def _new_rows(store: CaseStore, since: int, until: int) -> Iterator[Sequence[PlainRow]]:
    """The rows after a position, up to another, ordered by stream and version, some at a time."""
    feed = store._recorder.feed(since, FEW + 1)
    if len(feed) > FEW:
        name: str | None = ""
        while name is not None:
            last = store._recorder.stream_of_nth(name, _AFTER_ALL, 2 * _AT_ONCE)
            yield from _pages(store, since, until, after=(name, _NEWEST), last=last or _AFTER_ALL)
            name = last
        return
    streams = sorted({stream for position, stream in feed if position <= until})
    for start in range(0, len(streams), _STREAMS):
        some = streams[start : start + _STREAMS]
        yield from _pages(store, since, until, after=(some[0], 0), last=some[-1], streams=some)


def _pages(
    store: CaseStore,
    since: int,
    until: int,
    *,
    after: tuple[str, int],
    last: str,
    streams: Sequence[str] = (),
) -> Iterator[Sequence[PlainRow]]:
    while rows := store._recorder.rows_by_stream(
        after, last, since=since, until=until, limit=_AT_ONCE, streams=streams
    ):
        yield rows
        after = rows[-1][1], rows[-1][2]
