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
from casestore.errors import ArchiveDamaged, ArchiveRefused
from casestore.journal.questions import MERGES
from casestore.journal.rows import PlainRow
from casestore.transfer.parquet import pyarrow

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
        ArchiveRefused: there is no archive, or one of a later version.
        ArchiveDamaged: the manifest is not as casestore writes it.
    """

    def __init__(self, folder: Path | str) -> None:
        pyarrow()
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        if manifest is None:
            raise ArchiveRefused(
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
        parts = [
            self._rows_of(part, until, between, words=words) for part in self.manifest.of(bucket)
        ]
        return parts[0] if len(parts) == 1 else merge(*parts, key=_BY_STREAM)

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

    def groups(self, part: Part, *, words: bool = False) -> Iterator[list[PlainRow]]:
        """The rows of a part as they stand in it, some at a time. Raises ArchiveDamaged."""
        with opened(self.folder, part) as file:
            for group in range(file.num_row_groups):
                yield list(_read(file, group, list(COLUMNS) if words else _WITHOUT_WORDS))

    def _rows_of(
        self, part: Part, until: int | None, between: tuple[str, str] | None, *, words: bool
    ) -> Iterator[PlainRow]:
        if until is not None and part.first > until:
            return
        columns = list(COLUMNS) if words else _WITHOUT_WORDS
        whole = until is None or part.last <= until
        with opened(self.folder, part) as file:
            for group in range(file.num_row_groups):
                if between and not _may_hold(file, group, *between):
                    continue
                rows = _read(file, group, columns)
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
    # Not by threads: a process that forks may read an archive.
    return rows_of(file.read_row_group(group, columns, use_threads=False))


@contextmanager
def opened(folder: Path, part: Part) -> Iterator[Any]:
    """Open a part as a pyarrow.parquet.ParquetFile.

    Raises ArchiveDamaged, also for what goes wrong while it is read in the context.
    """
    pa, parquet = pyarrow()
    path = folder / part.name
    try:
        size = ordinary(path)
        if size != part.bytes:
            raise _damaged(path, f"has {size:,} bytes, and the manifest says {part.bytes:,}")
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(schema(pa)):
                raise _damaged(path, "has other columns than an archive")
            if file.metadata.num_rows != part.rows:
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
    return ArchiveDamaged(f"{path} {what}; restore it from a copy of the archive")
