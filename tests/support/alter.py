"""Changing a store's tables directly, as somebody would who tampers with it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from casestore import CaseStore
from casestore.journal.sqlite import SQLiteJournal


def alter(store: CaseStore, *statements: str) -> None:
    """Run statements that the append-only triggers refuse. {t} in them is the table of events."""
    recorder = store._recorder
    if isinstance(recorder, SQLiteJournal):
        sql = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        triggers = dict(recorder.fetch(sql))
        before = [f"DROP TRIGGER {name}" for name in triggers]
        after = list(triggers.values())
    else:
        before = ["ALTER TABLE {t} DISABLE TRIGGER USER"]
        after = ["ALTER TABLE {t} ENABLE TRIGGER USER"]
    execute(store, *before, *statements, *after)


def execute(store: CaseStore, *statements: str) -> None:
    recorder: Any = store._recorder
    with recorder.datastore.transaction(commit=True) as cursor:
        for statement in statements:
            cursor.execute(statement.replace("{t}", recorder.table))


def rewrite(store: CaseStore, stream: str, before: str, after: str) -> None:
    """Put other text in the place of some in the stored events of a stream, whatever is checked
    when an event is appended."""
    written = f"convert_to(replace(convert_from(state, 'UTF8'), '{before}', '{after}'), 'UTF8')"
    if isinstance(store._recorder, SQLiteJournal):
        written = f"CAST(replace(CAST(state AS TEXT), '{before}', '{after}') AS BLOB)"
    alter(store, f"UPDATE {{t}} SET state = {written} WHERE originator_id = '{stream}'")


def hide(path: Path, left_out: str) -> None:
    """Put an index without some rows in the place of the one by which readers of a SQLite store
    find a stream. The text of the schema is as before, so only the rows tell.

    Args:
        path: of the file; no connection may be open on it.
        left_out: the condition of the rows that readers do not find any more.
    """
    index, columns = "sqlite_autoindex_stored_events_2", "(originator_id, originator_version)"

    def change(*statements: str) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            for statement in statements:
                connection.execute(statement)

    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT sql FROM sqlite_master WHERE name = 'stored_events'"
        (made,) = connection.execute(sql).fetchone()
    without = made.replace(f",\n    UNIQUE {columns}", "")
    assert without != made
    table = "UPDATE sqlite_master SET sql = '{}' WHERE name = 'stored_events'"
    change(table.format(without), f"DELETE FROM sqlite_master WHERE name = '{index}'")
    change(f"CREATE UNIQUE INDEX mine ON stored_events {columns} WHERE NOT ({left_out})")
    change(
        table.format(made),
        f"UPDATE sqlite_master SET name = '{index}', sql = NULL WHERE name = 'mine'",
    )
