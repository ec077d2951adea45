"""Backups, putting them back, and moving a store to another place.

What is restored or moved is proven before it is put to use: every row is read back, and their
Merkle root is compared with that of what was read, and with the checkpoints there are.
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
    new_place,
    read_only,
    reading,
    saying,
    without_companions,
)
from casestore.errors import CannotTell, StoreDamaged, StoreExists
from casestore.journal.place import backend, known_meta, not_found, shown_as
from casestore.journal.url import PostgresUrl, SQLiteUrl, parse_url
from casestore.system.files import part_of
from casestore.tlog.merkle import Frontier
from casestore.tlog.note import Verifier

_SQLITE = b"SQLite format 3\x00"
_PAGES = 1000
"""Pages to copy in one step."""
Progress = Callable[[int], None]


# --- making a backup -----------------------------------------------------------------------


class Backup(NamedTuple):
    """A backup that was made."""

    file: Path
    events: int
    position: int
    """Of the last event in it; 0 in an empty one."""
    sha256: str


def backup(
    url: str | None, file: Path, *, force: bool = False, progress: Progress | None = None
) -> Backup:
    """Write a store as it is at one moment into a file; whoever appends goes on doing so.

    On SQLite the file is itself a store's; on PostgreSQL it is a dump in pg_dump's custom format.

    Args:
        url: of the store.
        file: is there whole, readable by its owner alone, or not at all.
        force: take the place of an earlier backup.
        progress: told the number of pages copied; on SQLite alone.

    Raises:
        StoreExists: there is a file already.
        StoreNotFound, StoreUnavailable, StoreDamaged.
    """
    where = parse_url(url)
    if not backend(where).holds_store(where):
        raise not_found(shown_as(url, where))
    _may_be_written(file, where, force)
    with part_of(file, 0o600, replace=force) as part, without_companions(part):
        if isinstance(where, SQLiteUrl):
            with saying(f"the backup {file}"):
                events, position = _online_backup(where.path, part, progress)
        else:
            events, position = dump(where, part)
        with part.open("rb") as made:
            digest = hashlib.file_digest(made, "sha256").hexdigest()
    return Backup(file, events, position, digest)


def _may_be_written(file: Path, where: SQLiteUrl | PostgresUrl, force: bool) -> None:
    if not file.exists():
        return
    if not force:
        raise StoreExists(f"cannot write {file}: it is there already; use another name, or --force")
    in_use = any(each.exists() for each in companions(file))
    if in_use or (isinstance(where, SQLiteUrl) and file.samefile(where.path)):
        raise StoreExists(f"cannot write {file}: it is a store in use; use another name")
    _kind(file)  # only a backup is replaced by one


def _online_backup(path: Path, part: Path, progress: Progress | None) -> tuple[int, int]:
    # The source is in a transaction, without which each commit would begin the backup anew.
    with closing(read_only(path)) as source, closing(sqlite3.connect(part)) as made:
        source.backup(made, pages=_PAGES, progress=_counting(progress))
        made.execute("PRAGMA journal_mode = DELETE")  # one file, that can be read on any medium
        events, last = made.execute("SELECT count(*), max(position) FROM stored_events").fetchone()
    return events, last or 0


def _counting(progress: Progress | None) -> Any:
    def count(_status: int, remaining: int, total: int) -> None:
        if progress:
            progress(total - remaining)

    return count


# --- putting one back, moving a store ------------------------------------------------------


class Kept(NamedTuple):
    """A store as it stands in its new place."""

    store_id: str
    events: int
    position: int
    """Of the last event; 0 in an empty store."""
    root: bytes
    """The Merkle tree's."""
    proven: Target | None
    """The largest checkpoint that its events gave; None where there was none to compare with."""
    newer: Target | None
    """The largest checkpoint of more events than there are: those since are missing."""


def restore(
    file: Path,
    url: str | None,
    *,
    held: Sequence[HeldCheckpoint] = (),
    keys: Sequence[Verifier] = (),
    progress: Progress | None = None,
) -> Kept:
    """Put a backup back into an empty place: whole and proven, or not at all.

    Args:
        file: what `backup` wrote, of either database.
        url: the place: a SQLite file or a PostgreSQL schema that is not there.
        held: checkpoints that somebody kept. Those of the place's audit folder count, too.
        keys: whose signatures count, besides those that the audit folder knows.
        progress: told the number of events written.

    Raises:
        StoreDamaged: it is not a backup, or its events are not those that were signed, or a
            checkpoint is not as it was signed.
        StoreExists: something is at that place.
        CannotTell: a checkpoint is of another store, or of a key that is not known.
        StoreNotFound, StoreUnavailable.
    """
    where = parse_url(url)
    with _reading_backup(file) as contents:
        known_meta(contents.meta or None, str(file))
        signed = _signed(where, contents.meta["store_id"], held, keys)
        return _put(contents, where, signed, progress)


def copy(from_url: str | None, to_url: str, *, progress: Progress | None = None) -> Kept:
    """Copy a store as it is at one moment into an empty place: whole and proven, or not at all.

    From any database to any other. What is appended meanwhile is not in the copy: stop the writers
    before the move.

    Raises StoreExists, StoreNotFound, StoreUnavailable, StoreDamaged.
    """
    with reading(parse_url(from_url)) as place:
        return _put(place.contents(), parse_url(to_url), [], progress)


@contextmanager
def _reading_backup(file: Path) -> Iterator[Contents]:
    if _kind(file) == DUMP:
        with reading_dump(file) as contents:
            yield contents
        return
    with saying(f"the backup {file}"), closing(read_only(file)) as looking:
        ((said,),) = looking.execute("PRAGMA integrity_check(1)").fetchall()
        if said != "ok":
            raise StoreDamaged(f"the backup {file} is damaged: {said.splitlines()[-1]}")
    backed_up = SQLiteUrl(file.absolute())
    if not backend(backed_up).holds_store(backed_up):
        raise StoreDamaged(f"{file} is not a backup: it is a SQLite file, but no store")
    with reading(backed_up) as place:
        yield place.contents()


def _kind(file: Path) -> bytes:
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
    """The checkpoints to compare with, smallest first: all must be good."""
    origin = origin_of(store_id)
    if keys:
        with suppress(CannotTell):  # no folder is named
            keys = [*keys, *Folder.of(where.url).verifiers()]
    known = Checkpoints(where.url, origin, keys, held)
    # To have none is no hindrance, and the last that is said.
    problems = known.findings if known.targets else known.findings[:-1]
    for level, error in (("tampered", StoreDamaged), ("cannot tell", CannotTell)):
        for each in problems:
            if each.level == level:
                said = f"{each.where}: {each.what}; {each.do}".rstrip("; ")
                raise error(f"nothing was restored: {said}")
    return sorted(known.targets, key=lambda target: target.size)


def _put(
    contents: Contents,
    where: SQLiteUrl | PostgresUrl,
    signed: Sequence[Target],
    progress: Progress | None,
) -> Kept:
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
        # A leaf holds its position: the same leaves, in whatever order, are the same tree.
        if (tree.size, tree.leaves) != (written.size, written.leaves):
            raise StoreDamaged(f"{place.shown} does not give back what was written to it")
    newer = signed[-1] if signed and signed[-1].size > tree.size else None
    return Kept(store_id, tree.size, tree.last, tree.root(), tree.proven, newer)


class _Tree(Frontier):
    """The tree of rows, compared with checkpoints as it grows. Raises StoreDamaged."""

    def __init__(self, log_id: str, signed: Sequence[Target] = ()) -> None:
        super().__init__()
        self.leaves = 0
        """The sum of their hashes."""
        self.last = 0
        self.proven: Target | None = None
        self._log_id = log_id
        self._ahead = list(reversed(signed))
        self._compare()

    def take(self, rows: Sequence[Any]) -> None:
        """Add rows."""
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
