"""Making a backup, restoring it, and copying a store to another place.

What was restored or copied is checked before it can be used. Every row is read back from the new
place, and must have the same leaf hash as the row that was written. The Merkle tree of the rows is
compared with the checkpoints, if there are any.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from casestore.audit.checkpoints import Checkpoints, Target
from casestore.audit.folder import Folder
from casestore.audit.held import HeldCheckpoint
from casestore.audit.leaf import NO_LEAF, hashes_of, origin_of
from casestore.audit.rows import event_name
from casestore.backup.pg_dump import DUMP, dump, reading_dump
from casestore.backup.snapshot import (
    Contents,
    chunked,
    companions,
    database_errors,
    new_place,
    read_only,
    reading,
    without_companions,
)
from casestore.errors import CannotTell, StoreDamaged, StoreExists
from casestore.journal.place import backend, shown_as
from casestore.journal.url import PostgresUrl, SQLiteUrl, parse_url
from casestore.journal.usable import known_meta
from casestore.system.files import part_of
from casestore.tlog.merkle import Frontier
from casestore.tlog.note import Verifier

_SQLITE = b"SQLite format 3\x00"
_PAGES = 1000
"""Pages to copy in one step."""
Progress = Callable[[int], None]
"""Called with the number of pages or events done so far."""


# --- making a backup -----------------------------------------------------------------------


class Backup(NamedTuple):
    """The result of `backup`."""

    file: Path
    events: int
    """The number of events in it."""
    position: int
    """The position of the last event in it; 0 where it has none."""
    sha256: str
    """Of the file, in hex."""


def backup(
    url: str | None, file: Path, *, force: bool = False, progress: Progress | None = None
) -> Backup:
    """Write a store, as it is at one moment, into a file. Appends go on meanwhile.

    The backup of a SQLite store is a SQLite file that can be opened as a store. The backup of a
    PostgreSQL store is a dump in pg_dump's custom format.

    Args:
        url: of the store.
        file: the path to write to. The file is written completely or not at all, and only its
            owner can read it.
        force: replace an earlier backup.
        progress: called with the number of pages copied; only on SQLite.

    Raises:
        StoreExists: there is a file already.
        StoreNotFound, StoreUnavailable, StoreDamaged.
        OSError: the file cannot be written.
    """
    where = parse_url(url)
    backend(where).check_store(where, shown_as(url, where))
    _may_be_written(file, where, force)
    with part_of(file, 0o600, replace=force) as part, without_companions(part):
        if isinstance(where, SQLiteUrl):
            with database_errors(f"the backup {file}"):
                events, position = _online_backup(where.path, part, progress)
        else:
            events, position = dump(where, part)
        with part.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return Backup(file, events, position, digest)


def _may_be_written(file: Path, where: SQLiteUrl | PostgresUrl, force: bool) -> None:
    """Raises StoreExists, or StoreDamaged where the file there is no backup."""
    if not file.exists():
        return
    if not force:
        raise StoreExists(f"cannot write {file}: it is there already; use another name, or --force")
    in_use = any(companion.exists() for companion in companions(file))
    if in_use or (isinstance(where, SQLiteUrl) and file.samefile(where.path)):
        raise StoreExists(f"cannot write {file}: it is a store in use; use another name")
    _kind(file)  # a file that is no backup must not be replaced


def _online_backup(path: Path, part: Path, progress: Progress | None) -> tuple[int, int]:
    """The number of events copied, and the last position."""
    # The source is in a read transaction: without one, SQLite would start the backup again whenever
    # another process commits.
    with closing(read_only(path)) as source, closing(sqlite3.connect(part)) as copied:
        source.backup(copied, pages=_PAGES, progress=_counting(progress))
        # Not WAL: a backup must be one file, and readable where nothing can be written.
        copied.execute("PRAGMA journal_mode = DELETE")
        sql = "SELECT count(*), max(position) FROM stored_events"
        events, last = copied.execute(sql).fetchone()
    return events, last or 0


def _counting(progress: Progress | None) -> Any:
    def count(_status: int, remaining: int, total: int) -> None:
        if progress:
            progress(total - remaining)

    return count


# --- restoring a backup, copying a store ---------------------------------------------------


class StoreCopy(NamedTuple):
    """The result of `restore` and `copy`: a store in its new place."""

    store_id: str
    events: int
    """The number of its events."""
    position: int
    """The position of the last event; 0 where there is none."""
    root: bytes
    """The root of the Merkle tree over the events, 32 bytes."""
    proven: Target | None
    """The largest checkpoint that the events fit; None where there was none to compare with."""
    newer: Target | None
    """The largest checkpoint, if it covers more events than there are: the later ones are missing.
    None if there is no such checkpoint."""


def restore(
    file: Path,
    url: str | None,
    *,
    held: Sequence[HeldCheckpoint] = (),
    keys: Sequence[Verifier] = (),
    progress: Progress | None = None,
) -> StoreCopy:
    """Restore a backup into a new place: complete and checked, or not at all.

    Args:
        file: what `backup` wrote, from either database.
        url: the new place, on either database: a SQLite file or a PostgreSQL schema that does not
            exist.
        held: checkpoints that somebody keeps. The seals in the audit folder of the new place count
            too.
        keys: verifier keys to trust, besides those in the audit folder.
        progress: called with the number of events written.

    Raises:
        StoreDamaged: the file is no backup, or cannot be read; or its events are not those that
            were signed; or a checkpoint was changed after it was signed.
        StoreExists: something is at that place.
        CannotTell: a checkpoint is of another store, or signed by an unknown key.
        StoreNotFound: the folder of the new place does not exist.
        StoreUnavailable: a database does not answer, or made by a later version of casestore.
        OSError: a file cannot be read or written.
    """
    where = parse_url(url)
    with _reading_backup(file) as contents:
        known_meta(contents.meta or None, str(file))
        signed = _signed(where, contents.meta["store_id"], held, keys)
        return _put(contents, where, signed, progress)


def copy(from_url: str | None, to_url: str, *, progress: Progress | None = None) -> StoreCopy:
    """Copy a store, as it is at one moment, into a new place: complete and checked, or not at all.

    The two places can be on different databases. What is appended meanwhile is not in the copy: to
    move a store, stop its writers first.

    Args:
        from_url: of the store.
        to_url: the new place: a SQLite file or a PostgreSQL schema that does not exist.
        progress: called with the number of events written.

    Raises:
        StoreExists: something is at the new place.
        StoreNotFound, StoreUnavailable, StoreDamaged, OSError.
    """
    with reading(parse_url(from_url)) as place:
        return _put(place.contents(), parse_url(to_url), [], progress)


@contextmanager
def _reading_backup(file: Path) -> Iterator[Contents]:
    if _kind(file) == DUMP:
        with reading_dump(file) as contents:
            yield contents
        return
    with database_errors(f"the backup {file}"), closing(read_only(file)) as connection:
        ((answer,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
        if answer != "ok":
            raise StoreDamaged(f"the backup {file} is damaged: {answer.splitlines()[-1]}")
    backed_up = SQLiteUrl(file.absolute())
    if not backend(backed_up).holds_store(backed_up):
        raise StoreDamaged(f"{file} is not a backup: it is a SQLite file, but no store")
    with reading(backed_up) as place:
        yield place.contents()


def _kind(file: Path) -> bytes:
    """The bytes that the file begins with: _SQLITE or DUMP. Raises StoreDamaged."""
    with file.open("rb") as opened:
        begin = opened.read(len(_SQLITE))
    for kind in (_SQLITE, DUMP):
        if begin.startswith(kind):
            return kind
    raise StoreDamaged(f"{file} is not a backup: it is neither a SQLite file nor a dump")


def _signed(
    where: SQLiteUrl | PostgresUrl,
    store_id: str,
    held: Sequence[HeldCheckpoint],
    keys: Sequence[Verifier],
) -> list[Target]:
    """The checkpoints to compare a backup with, smallest first.

    Raises StoreDamaged or CannotTell where one of them is not good.
    """
    origin = origin_of(store_id)
    if keys:
        with suppress(CannotTell):  # no audit folder is named
            keys = [*keys, *Folder.of(where.url).verifiers()]
    checkpoints = Checkpoints(where.url, origin, keys, held)
    # A backup can be restored without any checkpoint. Then the last finding says that there is
    # none, and is left out.
    problems = checkpoints.findings if checkpoints.targets else checkpoints.findings[:-1]
    for level, error in (("tampered", StoreDamaged), ("cannot tell", CannotTell)):
        for problem in problems:
            if problem.level == level:
                text = f"{problem.where}: {problem.what}; {problem.do}".rstrip("; ")
                raise error(f"nothing was restored: {text}")
    return sorted(checkpoints.targets, key=lambda target: target.size)


def _put(
    contents: Contents,
    where: SQLiteUrl | PostgresUrl,
    signed: Sequence[Target],
    progress: Progress | None,
) -> StoreCopy:
    store_id = contents.meta["store_id"]
    written, tree = _Tree(store_id), _Tree(store_id, signed)
    with new_place(where) as place:

        def take(rows: Sequence[Any]) -> None:
            written.take(rows)
            if progress:
                progress(written.size)

        place.fill(contents, take)
        for rows in chunked(place.rows()):
            tree.take(rows)
        # A dump gives its rows in any order, so sums of hashes are compared. A leaf has its
        # position in it, so the same leaves can only make the same tree.
        if (tree.size, tree.leaves) != (written.size, written.leaves):
            raise StoreDamaged(f"{place.shown} does not give back what was written to it")
    newer = signed[-1] if signed and signed[-1].size > tree.size else None
    return StoreCopy(store_id, tree.size, tree.last, tree.root(), tree.proven, newer)


class _Tree(Frontier):
    """The tree of rows, which is compared with checkpoints as it grows. Raises StoreDamaged.

    Args:
        log_id: the id of the store.
        signed: the checkpoints, smallest first.
    """

    def __init__(self, log_id: str, signed: Sequence[Target] = ()) -> None:
        super().__init__()
        self.leaves = 0
        """The sum of the leaf hashes, as numbers."""
        self.last = 0
        """The last position."""
        self.proven: Target | None = None
        """The largest checkpoint so far that fits."""
        self._log_id = log_id
        self._ahead = list(reversed(signed))
        self._compare()

    def take(self, rows: Sequence[Any]) -> None:
        """Add rows (as Row)."""
        new = hashes_of(self._log_id, rows)
        if NO_LEAF in new:
            raise StoreDamaged(
                f"{event_name(rows[new.index(NO_LEAF)])} is not as casestore writes them"
            )
        for leaf in new:
            self.append(leaf)
            self.leaves += int.from_bytes(leaf, "big")
            self._compare()
        self.last = rows[-1][0]

    def _compare(self) -> None:
        while self._ahead and self._ahead[-1].size == self.size:
            self.proven = self._ahead.pop()
            if self.proven.root != self.root():
                raise StoreDamaged(
                    f"the first {self.size} events are not those that {self.proven.label} signed: "
                    "the backup was altered, or is of a history that went on differently; nothing "
                    "was kept"
                )
