"""Opening the tables that belong to a store, whatever its database."""

from __future__ import annotations

from contextlib import closing
from glob import escape
from typing import Any, cast

from casestore import CaseStore
from casestore.journal.url import SQLiteUrl, parse_url
from projections.engine.postgres import PostgresTables
from projections.engine.sqlite import ScratchTables, SQLiteTables
from projections.engine.tables import Tables


def open_tables(store: CaseStore) -> Tables:
    """The tables of a store's projections, made if they are not there."""
    where = parse_url(store.url)
    if isinstance(where, SQLiteUrl):
        return SQLiteTables(where.path.with_name(f"{where.path.name}.projections"))
    return PostgresTables(cast(Any, store._recorder).datastore, where.conninfo)


def drop_tables(store: CaseStore) -> None:
    """Drop what the projections of an earlier store at the same place left there.

    A report makes them anew.
    """
    where = parse_url(store.url)
    if isinstance(where, SQLiteUrl):
        for file in where.path.parent.glob(f"{escape(where.path.name)}.projections*"):
            file.unlink(missing_ok=True)
        return
    with closing(open_tables(store)) as tables, tables.writing() as cursor:
        tables.lock(cursor)
        for tracked in tables.tracked(cursor):
            tables.drop(cursor, tracked.table)
        for name in ("tracking", "parked"):
            cursor.run(f"DELETE FROM {tables.at(name)}")


def scratch_tables() -> Tables:
    """Tables for one report, gone when they are closed."""
    return ScratchTables()
