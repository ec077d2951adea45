"""All reports of one moment as a SQLite file, for tools that read tables.

manifest           what the file is of: the moment, the position, the newest seal, the options
manifest_tables    every other table: its report, what asks for the same, how many rows it has
manifest_columns   what each column means, and how its values are to be read
summaries          what reports say below their rows: report, path, value
cases, promises …  a table for each report: see `projections.exports.tables`

The same store and options give the same bytes, with the same version of SQLite, which writes its
version into the file. For the file format see https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from casestore import CaseStore
from casestore.errors import StoreExists
from casestore.system.files import part_of
from projections.exports.meanings import meaning
from projections.exports.tables import (
    Column,
    LeftOut,
    Table,
    asked,
    columns,
    leaves,
    moment,
    tables,
    values,
)
from projections.query.asking import Ask
from projections.query.report import CannotAsk
from projections.query.seal import newest_seal

APPLICATION_ID = 0x43534558
"""Stands in the file's head, so that it is known whose file it is: "CSEX"."""
FORMAT = 1
"""Of the file: raised when a table that is not a report's changes."""
KEYS: dict[str, tuple[str, ...]] = {
    "cases": ("case_id",),
    "promises": ("case_id", "promise_id"),
    "goodwill_given": ("case_id", "ledger", "id"),
    "undelivered": ("case_id", "reply_id"),
    "waiting": ("case_id",),
    "ageing": ("from_days",),
    "repeats": ("customer_id",),
    "lapses": ("rule", "case_id", "subject"),
    "conflicts": ("case_id", "statement_id"),
    "responses": ("case_id", "message_id"),
    "period": ("period",),
}
"""The columns by which a row is the only one, of tables that have such."""
INDEXED = ("case_id", "customer_id")
_MANIFEST = """
CREATE TABLE manifest (name TEXT NOT NULL PRIMARY KEY, value);
CREATE TABLE manifest_tables (
    name TEXT NOT NULL PRIMARY KEY, meaning TEXT NOT NULL, command TEXT NOT NULL,
    "rows" INTEGER NOT NULL
);
CREATE TABLE manifest_columns (
    table_name TEXT NOT NULL, name TEXT NOT NULL, meaning TEXT NOT NULL, form TEXT NOT NULL,
    PRIMARY KEY (table_name, name)
);
CREATE TABLE summaries (
    report TEXT NOT NULL, path TEXT NOT NULL, value, PRIMARY KEY (report, path)
);
"""


class Written(NamedTuple):
    """What was written."""

    tables: int
    rows: int


def check_place(path: Path) -> None:
    """Raise StoreExists if a file stands at a path that is no such export, or is being written."""
    if path.exists():
        with path.open("rb") as file:
            head = file.read(72)
        if head[68:72] != APPLICATION_ID.to_bytes(4, "big"):
            raise StoreExists(f"{path} is there and is no export of reports; name another file")
    for end in ("-wal", "-journal"):
        if (log := path.with_name(path.name + end)).exists():
            # SQLite would take what is in it for changes of the new file.
            raise StoreExists(
                f"another program writes into {path}: {log.name} is there; end that program, or "
                "name another file"
            )


def write_sqlite(
    store: CaseStore,
    ask: Ask,
    path: Path,
    options: Sequence[str] = (),
    tick: Callable[[int], None] | None = None,
) -> Written:
    """Write all reports of a moment into a file that only its owner can read, whole or not at all.

    Args:
        store: the store.
        ask: asks reports about the moment, and the part of the store.
        path: where; an earlier export is replaced.
        options: those that write the same file again, like "--team north".
        tick: called with the number of rows written so far.

    Raises:
        StoreExists: there is another file at that place.
        StoreNotFound: the folder does not exist.
        OSError: the file cannot be written.
    """
    check_place(path)
    with part_of(path, 0o600, replace=True) as part, closing(_File(part, path)) as file:
        written = _write(file, store, ask, options, tick or (lambda _: None))
        file.end()
    return written


def _write(
    file: _File,
    store: CaseStore,
    ask: Ask,
    options: Sequence[str],
    tick: Callable[[int], None],
) -> Written:
    left_out: dict[str, str] = {}
    count = rows = 0
    for table in tables():
        if isinstance(table, LeftOut):
            left_out[table.report] = table.why
            continue
        try:
            for number in _fill(file, table, ask):
                rows += number
                tick(rows)
            count += 1
        except CannotAsk as error:
            left_out[table.command] = str(error)
    file.insert("manifest", _about(store, ask, options, left_out))
    return Written(count, rows)


def _fill(file: _File, table: Table, ask: Ask) -> Iterator[int]:
    """Write a report's table, its summary, and what the manifest says of it.

    Gives the number of rows each time that some were written. Raises CannotAsk before anything is.
    """
    own, key = columns(table), KEYS.get(table.name, ())
    number = 0
    for group in table.groups or (None,):
        rows = asked(table, ask, group)
        if group in (None, *table.groups[:1]):
            file.create(table.name, own, key)
        file.insert(table.name, values(own, rows))
        told = leaves(rows.summary, group or "")
        file.insert("summaries", ((table.name, *leaf) for leaf in told))
        more = len(rows.lines)
        del rows  # before the next ones are made
        number += more
        yield more
    file.index(table.name, own, key)
    file.insert("manifest_tables", [(table.name, table.report.help, table.command, number)])
    meant = ((table.name, each.name, meaning(table, each), each.form) for each in own)
    file.insert("manifest_columns", meant)


def _about(
    store: CaseStore, ask: Ask, options: Sequence[str], left_out: dict[str, str]
) -> Iterator[tuple[str, Any]]:
    """The rows of the manifest."""
    yield "made_by", f"casestore {version('casestore')}"
    yield "format", FORMAT
    yield "store_id", store.meta["store_id"]
    for name in ("as_of", "known_at"):
        at = getattr(ask.selection, name)
        yield name, None if at is None else moment(at)
    yield "position", ask.position
    yield "time_zone", str(ask.selection.tz)
    yield "options", " ".join(options)
    yield "streams_missing", ask.parked
    seal = newest_seal(store)
    for name in ("size", "root", "position", "problem"):
        yield f"seal_{name}", None if seal is None else getattr(seal, name)
    for report, why in left_out.items():
        yield f"left_out: {report}", why


class _File:
    """A new SQLite file. What cannot be written raises OSError.

    Args:
        part: the empty file.
        path: its later name, for errors.
    """

    def __init__(self, part: Path, path: Path) -> None:
        self._path = path
        self._made = sqlite3.connect(part, isolation_level=None)
        with self._naming():
            # Nobody sees the file before it is whole, so it needs no journal and waits for no disk.
            self._made.executescript(
                "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8'; PRAGMA journal_mode = OFF;"
                "PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; BEGIN;"
                + _MANIFEST
            )

    def create(self, name: str, of: Sequence[Column], key: Sequence[str]) -> None:
        """Create a table."""
        lines = [f'"{e.name}" {e.kind}{" NOT NULL" if e.needed else ""}' for e in of]
        if key:
            lines.append(f"PRIMARY KEY ({', '.join(key)})")
        inside = ",\n  ".join(lines)
        with self._naming():
            self._made.execute(f'CREATE TABLE "{name}" (\n  {inside}\n)')

    def index(self, name: str, of: Sequence[Column], key: Sequence[str]) -> None:
        """Create the indexes by which tables are joined."""
        for column in of:
            if column.name in INDEXED and key[:1] != (column.name,):
                with self._naming():
                    self._made.execute(
                        f'CREATE INDEX "{name}_{column.name}" ON "{name}" ("{column.name}")'
                    )

    def insert(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows, each with all columns of a table."""
        rows = iter(rows)
        first = next(rows, None)
        if first is None:
            return
        marks = ", ".join("?" * len(first))
        insert = f'INSERT INTO "{name}" VALUES ({marks})'
        with self._naming():
            self._made.execute(insert, first)
            self._made.executemany(insert, rows)

    def end(self) -> None:
        """Write out all that is still in memory."""
        with self._naming():
            self._made.execute("COMMIT")
            self._made.close()

    def close(self) -> None:
        """Let go of the file."""
        self._made.close()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
            code = errno.ENOSPC if full else errno.EIO
            raise OSError(code, str(error), str(self._path)) from error
