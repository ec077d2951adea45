"""Bringing a store that an earlier version made to what this version makes.

Events are never rewritten, so what was sealed stays valid. Before anything is changed, there is a
backup.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from casestore.backup.backup import Backup, Progress, backup
from casestore.journal.answering import database_answers
from casestore.journal.application import Journal
from casestore.journal.place import backend, shown_as
from casestore.journal.url import SQLiteUrl, parse_url
from casestore.journal.usable import known_meta


class Upgrade(NamedTuple):
    """The result of `upgrade`."""

    lacked: tuple[str, ...]
    """What was made, or with `dry_run` would be, like "index stored_events_merges"."""
    backup: Backup | None
    """The backup that was written before; None where nothing was changed."""


def backup_place(url: str | None) -> Path | None:
    """Where the backup is written if nobody names a place: beside a SQLite store."""
    where = parse_url(url)
    if isinstance(where, SQLiteUrl):
        return where.path.with_name(f"{where.path.name}.before-upgrade")
    return None


def upgrade(
    url: str | None, file: Path, *, dry_run: bool = False, progress: Progress | None = None
) -> Upgrade:
    """Write a backup, and make what the store lacks, in one transaction.

    Where it lacks nothing, nothing is done. Writers wait while it is made. The modes of files stay
    as they are.

    Args:
        url: of the store.
        file: the path of the backup.
        dry_run: only tell what would be made.
        progress: of the backup; see there.

    Raises:
        StoreExists: there is a file already.
        StoreNotFound, StoreUnavailable, StoreDamaged.
        OSError: the backup cannot be written.
    """
    where = parse_url(url)
    shown = shown_as(url, where)
    backend(where).check_store(where, shown)
    journal = Journal(env={"CASESTORE_URL": url} if url else None)
    try:
        with database_answers(shown):
            known_meta(journal._recorder.meta(), shown, to_upgrade=True)
            lacked = tuple(journal._recorder.lacks())
        if dry_run or not lacked:
            return Upgrade(lacked, None)
        written = backup(url, file, progress=progress)
        with database_answers(shown):
            journal._recorder.upgrade()
        return Upgrade(lacked, written)
    finally:
        journal.close()
