"""Reading an archive, in flat memory, without the store that it was written from."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any

from casestore.archive.columns import COLUMNS, rows_of, schema
from casestore.archive.manifest import Bucket, Manifest, Part, read_manifest
from casestore.errors import ArchiveDamaged, StoreNotFound
from casestore.journal.questions import MERGES
from casestore.journal.rows import PlainRow
from casestore.transfer.parquet import pyarrow

RESTORE = "restore it from a copy of the archive"
"""What to do where a file is damaged."""
_BY_STREAM = itemgetter(1, 2)
_STREAM = list(COLUMNS).index("stream")
_WITHOUT_WORDS = [name for name in COLUMNS if name != "personal"]


class Archive:
    """An archive in a folder, as its manifest says when it is opened.

    It holds no file open, and can be pickled. A write that goes on meanwhile does not matter.

    Args:
        folder: of the archive.

    Raises:
        ImportError: pyarrow is not installed.
        StoreNotFound: there is no archive.
        ArchiveRefused: it is something else, or of a later version.
        ArchiveDamaged: the manifest is not as casestore writes it.
    """

    def __init__(self, folder: Path | str) -> None:
        pyarrow()
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        if manifest is None:
            raise StoreNotFound(
                f"{self.folder} is no archive: it has no manifest.json; write one with "
                "`casestore archive write`"
            )
        self.manifest: Manifest = manifest

    @property
    def buckets(self) -> list[int]:
        """The numbers of the buckets that have events, sorted."""
        return sorted({part.bucket for part in self.manifest.parts if part.bucket is not None})

    def rows(
        self,
        bucket: Bucket,
        until: int | None = None,
        *,
        between: tuple[str, str] | None = None,
        words: bool = False,
    ) -> Iterator[PlainRow]:
        """The stored rows of a bucket, ordered by stream and version: cases, then customers.

        Neither their order nor that versions are dense is checked.

        Args:
            bucket: its number; None for the events of no customer.
            until: the last position; the last one of the archive if left out.
            between: only streams from this name to that one, both included, like
                ("customer:", "customer;") for all customers.
            words: read the personal parts too, as they are stored; otherwise they are None.

        Raises:
            ArchiveDamaged: a file is missing, or is not as casestore wrote it.
        """
        columns = list(COLUMNS) if words else _WITHOUT_WORDS
        return self._merged(bucket, columns, until, between)

    def versions(self, bucket: Bucket) -> Iterator[tuple[str, int]]:
        """The stream and the version of each row of a bucket, in the order of `rows`."""
        return ((row[1], row[2]) for row in self._merged(bucket, ["stream", "version"], None, None))

    def rows_without_customer(self, until: int | None = None) -> Iterator[PlainRow]:
        """The rows of the policy stream, as `rows`."""
        return self.rows(None, until)

    def merges(self, until: int | None = None) -> list[PlainRow]:
        """The rows of all CaseMerged and CustomerMerged, of all buckets, in order of position.

        Raises ArchiveDamaged.
        """
        found: list[PlainRow] = []
        for part in self.manifest.parts:
            with opened(self.folder, part) as file:
                for group in range(file.num_row_groups):
                    topics = file.read_row_group(group, ["topic"], use_threads=False)["topic"]
                    if not set(topics.unique().to_pylist()).isdisjoint(MERGES):
                        rows = _read(file, group, _WITHOUT_WORDS)
                        found += (row for row in rows if row[3] in MERGES)
        return sorted(row for row in found if until is None or row[0] <= until)

    def groups(
        self, part: Part, *, words: bool = False, as_it_is: bool = False
    ) -> Iterator[list[PlainRow]]:
        """The rows of a part as they stand in it, some at a time.

        Args:
            part: one of the manifest's.
            words: read the personal parts too.
            as_it_is: read it also where it has not the size that the manifest says.

        Raises:
            ArchiveDamaged: it is missing, or is not as casestore wrote it.
        """
        with opened(self.folder, part, as_it_is=as_it_is) as file:
            for group in range(file.num_row_groups):
                yield list(_read(file, group, list(COLUMNS) if words else _WITHOUT_WORDS))

    def _merged(
        self,
        bucket: Bucket,
        columns: Sequence[str],
        until: int | None,
        between: tuple[str, str] | None,
    ) -> Iterator[PlainRow]:
        parts = [
            self._rows_of(part, columns, until, between)
            for part in self.manifest.of(bucket)
            if until is None or part.first <= until
        ]
        return parts[0] if len(parts) == 1 else merge(*parts, key=_BY_STREAM)

    def _rows_of(
        self,
        part: Part,
        columns: Sequence[str],
        until: int | None,
        between: tuple[str, str] | None,
    ) -> Iterator[PlainRow]:
        whole = until is None or part.last <= until
        group, groups = 0, 1
        while group < groups:
            with opened(self.folder, part) as file:  # anew: a bucket may have more parts than
                groups = file.num_row_groups  # a process may have open files
                if groups == 0 or (between and not _may_hold(file, group, *between)):
                    rows: Iterator[PlainRow] = iter(())
                else:
                    rows = _read(file, group, columns)
            group += 1
            if not whole:
                rows = (row for row in rows if row[0] <= (until or 0))
            if between:
                first, last = between
                rows = (row for row in rows if first <= row[1] <= last)
            yield from rows


def _may_hold(file: Any, group: int, first: str, last: str) -> bool:
    """Whether a row group may have streams from a name to another, by its statistics."""
    known = file.metadata.row_group(group).column(_STREAM).statistics
    if known is None or not known.has_min_max:
        return True
    return bool(known.min <= last and first <= known.max)


def _read(file: Any, group: int, columns: Sequence[str]) -> Iterator[PlainRow]:
    try:  # not by threads: a process that forks may read an archive
        table = file.read_row_group(group, columns, use_threads=False)
        table.validate(full=True)  # a text that is not UTF-8 is found here, not when it is made
        return rows_of(table)
    except (OSError, ValueError) as error:
        known = file.metadata.row_group(group).column(_STREAM).statistics
        if known is None or not known.has_min_max:
            raise
        raise OSError(f"the events of {known.min} to {known.max}: {error}") from None


@contextmanager
def opened(folder: Path, part: Part, *, as_it_is: bool = False) -> Iterator[Any]:
    """Open a part as a pyarrow.parquet.ParquetFile; see `Archive.groups`.

    Raises ArchiveDamaged, also for what goes wrong while it is read in the context.
    """
    pa, parquet = pyarrow()
    path = folder / part.name
    try:
        size = ordinary(path)
        if size != part.bytes and not as_it_is:
            raise _damaged(path, f"has {size:,} bytes, and the manifest says {part.bytes:,}")
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(schema(pa)):
                raise _damaged(path, "has other columns than an archive")
            if file.metadata.num_rows != part.rows and not as_it_is:
                raise _damaged(path, "has not as many rows as the manifest says")
            yield file
    except FileNotFoundError:
        raise _damaged(path, "is missing") from None
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        why = str(error).partition("\n")[0][:200]
        raise _damaged(path, f"cannot be read: {why}") from None


def ordinary(path: Path) -> int:
    """The size of an ordinary file that is no link. Raises ArchiveDamaged, FileNotFoundError."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or path.parent.is_symlink() or path.parents[1].is_symlink():
        raise _damaged(path, "is no ordinary file, or is in a link")
    return status.st_size


def _damaged(path: Path, what: str) -> ArchiveDamaged:
    return ArchiveDamaged(f"{path} {what}; {RESTORE}")
