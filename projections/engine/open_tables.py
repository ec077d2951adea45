"""Opens the tables that belong to a store, on either database.

They stand beside the store. If CASESTORE_PROJECTIONS names a file, they stand in that SQLite file
instead: this is for a reader who may not write beside the store.
"""

from __future__ import annotations

import os
from contextlib import closing
from glob import escape
from pathlib import Path
from typing import Any, cast

from casestore import CaseStore, StoreUnavailable
from casestore.journal.url import PostgresUrl, SQLiteUrl, parse_url
from projections.engine.postgres import PostgresTables
from projections.engine.sqlite import ScratchTables, SQLiteTables
from projections.engine.tables import Tables


def open_tables(store: CaseStore, *, for_one_report: bool = False) -> Tables:
    """Open the tables of a store's projections, and make them if there are none.

    Args:
        store: the store.
        for_one_report: where the tables cannot be written, as on a hot standby, give tables that
            are made for one report and gone after it.

    Raises:
        StoreUnavailable: the tables cannot be opened or made.
    """
    where = parse_url(store.url)
    file = _file(where)
    if file is None:
        assert isinstance(where, PostgresUrl)  # noqa: S101  (else there is a file)
        datastore = cast(Any, store._recorder).datastore
        if PostgresTables.can_be_written(datastore):
            return PostgresTables(datastore, where.conninfo)
        place = f"the schema beside {where.schema!r}"
    else:
        model = None
        if isinstance(where, SQLiteUrl) and file == _beside(where):
            model = where.path
        if os.access(file if file.exists() else file.parent, os.W_OK):
            return SQLiteTables(file, model)
        place = str(file)
    if for_one_report:
        return ScratchTables()
    raise StoreUnavailable(
        f"the tables of the projections cannot be written: {place} may only be read; name a file "
        "of your own for them in CASESTORE_PROJECTIONS"
    )


def tables_that_are_there(store: CaseStore) -> Tables | None:
    """The tables of a store's projections as they are; None where nobody has made them yet.

    Raises StoreUnavailable.
    """
    where = parse_url(store.url)
    file = _file(where)
    if file is not None:
        return SQLiteTables(file) if file.exists() else None
    datastore = cast(Any, store._recorder).datastore
    assert isinstance(where, PostgresUrl)  # noqa: S101  (else there is a file)
    return (
        PostgresTables(datastore, where.conninfo) if PostgresTables.are_there(datastore) else None
    )


def _file(where: SQLiteUrl | PostgresUrl) -> Path | None:
    if named := os.environ.get("CASESTORE_PROJECTIONS"):
        file = Path(named).absolute()
        if not file.parent.is_dir():
            raise StoreUnavailable(
                f"CASESTORE_PROJECTIONS names {named}: the folder {file.parent} does not exist"
            )
        return file
    return _beside(where) if isinstance(where, SQLiteUrl) else None


def _beside(where: SQLiteUrl) -> Path:
    return where.path.with_name(f"{where.path.name}.projections")


def drop_tables(store: CaseStore) -> None:
    """Drop the tables that an earlier store at the same place left behind.

    The next report makes new ones.
    """
    if (path := _file(parse_url(store.url))) is not None:
        for file in path.parent.glob(f"{escape(path.name)}*"):
            file.unlink(missing_ok=True)
        return
    with closing(open_tables(store)) as tables, tables.writing() as cursor:
        tables.lock(cursor)
        for tracked in tables.tracked(cursor):
            tables.drop(cursor, tracked.table)
            tables.forget(cursor, tracked)


def scratch_tables(path: Path | None = None, *, filled: bool = False) -> Tables:
    """Tables for one report. They are gone when they are closed.

    Args:
        path: a file to keep them in instead; whoever names it removes it.
        filled: whether the file has them already, and is only read.
    """
    return ScratchTables(path, filled=filled)
