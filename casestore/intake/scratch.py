"""What a reader has to remember of files of any size: a temporary SQLite file, gone afterwards.

It holds the records that were read, until each case's can be read together, and the lines that
were made, until they can go out in the order of time.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, Self

import msgspec

from casestore.errors import StoreUnavailable
from casestore.streams.history import to_microseconds
from casestore.transfer.lines import LeftOut, Line, Remark

_TABLES = """
CREATE TABLE records (
    kind TEXT, parent TEXT, id TEXT, version TEXT, data BLOB, whence TEXT,
    PRIMARY KEY (kind, parent, id)
) WITHOUT ROWID;
CREATE TABLE lines (
    number INTEGER PRIMARY KEY, turn INTEGER, stream TEXT, type TEXT, data BLOB, key TEXT,
    source TEXT, at INTEGER, whence TEXT, keep INTEGER, event_id TEXT, withheld INTEGER
);
CREATE TABLE told (
    number INTEGER PRIMARY KEY, reason TEXT, whence TEXT, detail TEXT, unreadable INTEGER
);
CREATE TABLE leads (stream TEXT, other TEXT);
"""
_INSERT_LINE = (
    "INSERT INTO lines "
    "(turn, stream, type, data, key, source, at, whence, keep, event_id, withheld) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
NO_ROOM = (
    "the temporary file of the import could not be written: {why}; it takes about twice the space "
    "of what is read. TMPDIR names another folder for it"
)
_TOGETHER = 100
"""How many lines, and things told, are put into their table at once."""
_CACHE_KIB = 16 * 1024


class Stored(NamedTuple):
    """A record that was put into the scratch."""

    id: str
    data: bytes
    where: str


class Scratch:
    """The records, lines and remarks of one reading.

    Readers may make tables of their own through `sql`.
    """

    def __init__(self, path: str = "") -> None:
        """Args:
        path: "" for a temporary file that SQLite makes and removes; ":memory:" for little.
        """
        self.sql = sqlite3.connect(path, isolation_level=None)
        self.sql.executescript(f"PRAGMA synchronous=OFF; PRAGMA cache_size=-{_CACHE_KIB};")
        self.sql.executescript(_TABLES)
        self.sql.execute("BEGIN")
        self.counts: Counter[str] = Counter()
        """How many things were read, by what they are called, like "rows"."""
        self._turns: dict[str, int] = {}
        self._added: list[tuple[int | str | bytes | None, ...]] = []
        """Lines that are not in their table yet."""
        self._told: list[tuple[str | bool | None, ...]] = []
        """The same for what was told."""

    def close(self) -> None:
        """Remove it."""
        self.sql.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raises StoreUnavailable if it was the scratch that failed, mostly on a full disk."""
        self.close()
        if isinstance(error, sqlite3.Error):
            raise StoreUnavailable(NO_ROOM.format(why=error)) from error

    # --- whole or not at all ----------------------------------------------------------------

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All that is put within is kept, or, if an error is raised, none of it."""
        counts = self.counts.copy()
        self._flush_told()
        self.sql.execute("SAVEPOINT input")
        try:
            yield
        except BaseException:
            if self.sql.in_transaction:  # not where a full disk has ended it
                self.sql.execute("ROLLBACK TO input")
            self.counts = counts
            self._told.clear()
            raise
        finally:
            if self.sql.in_transaction:
                self.sql.execute("RELEASE input")

    # --- records ----------------------------------------------------------------------------

    def put(
        self, kind: str, id: str, data: bytes, *, parent: str = "", version: str = "", where: str
    ) -> None:
        """Keep a record.

        If it comes again, the one with the greatest version stays, and of equal versions the
        greatest data: so the order of the files does not matter.

        Args:
            kind: the reader's word for records of its kind.
            id: the record's id, unique for its kind and parent.
            data: its JSON.
            parent: what it belongs to, like the id of its ticket.
            version: its state, like the time of its last update; texts are compared.
            where: where it was found.
        """
        self.sql.execute(
            "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (kind, parent, id) DO UPDATE SET "
            "version = excluded.version, data = excluded.data, whence = excluded.whence "
            "WHERE (excluded.version, excluded.data) > (version, data)",
            (kind, parent, id, version, data, where),
        )

    def get(self, kind: str, id: str, parent: str = "") -> Stored | None:
        """A record by its id."""
        found = self.sql.execute(
            "SELECT id, data, whence FROM records WHERE kind = ? AND parent = ? AND id = ?",
            (kind, parent, id),
        ).fetchone()
        return None if found is None else Stored(*found)

    def of(self, kind: str, parent: str = "") -> list[Stored]:
        """The records of a kind that belong to a parent, by id (as text)."""
        found = self.sql.execute(
            "SELECT id, data, whence FROM records WHERE kind = ? AND parent = ? ORDER BY id",
            (kind, parent),
        )
        return [Stored(*each) for each in found]

    def all(self, kind: str) -> Iterator[Stored]:
        """All records of a kind, by parent and id."""
        found = self.sql.execute(
            "SELECT id, data, whence FROM records WHERE kind = ? ORDER BY parent, id", (kind,)
        )
        return (Stored(*each) for each in found)

    def parents(self, *kinds: str) -> Iterator[str]:
        """Every parent of records of some kinds, once each, in order."""
        marks = ", ".join("?" * len(kinds))
        found = self.sql.execute(
            f"SELECT DISTINCT parent FROM records WHERE kind IN ({marks}) ORDER BY parent", kinds
        )
        return (parent for (parent,) in found)

    # --- lines, and what else is told -------------------------------------------------------

    def tell(self, told: LeftOut | Remark) -> None:
        """Keep what was left out, or a remark, until it is told."""
        self._told.append((*told, None, None) if isinstance(told, Remark) else told)
        if len(self._told) >= _TOGETHER:
            self._flush_told()

    def _flush_told(self) -> None:
        self.sql.executemany(
            "INSERT INTO told (reason, whence, detail, unreadable) VALUES (?, ?, ?, ?)", self._told
        )
        self._told.clear()

    def add(self, line: Line) -> None:
        """Keep a line. Those of one stream are added in the order in which they are appended."""
        turn = line.turn
        if turn is None:
            # A stream's lines never change their order, though the source's clock may step back.
            turn = self._turns[line.stream] = max(line.at, self._turns.get(line.stream, line.at))
        self._added.append((turn, *line[:-1]))
        if len(self._added) >= _TOGETHER:
            self._flush()

    def _flush(self) -> None:
        # The fields of a line but its last, `turn`, are the columns after `turn`, in their order.
        self.sql.executemany(_INSERT_LINE, self._added)
        self._added.clear()

    def forget_turns(self) -> None:
        """Called by a reader after a stream's last line, so that memory stays flat."""
        self._turns.clear()

    def told(self) -> Iterator[LeftOut | Remark]:
        """What was told, in order."""
        self._flush_told()
        rows = self.sql.execute(
            "SELECT reason, whence, detail, unreadable FROM told ORDER BY number"
        )
        for reason, where, detail, unreadable in rows:
            if detail is None:
                yield Remark(reason, where)
            else:
                yield LeftOut(reason, where, detail, bool(unreadable))

    def lines(self) -> Iterator[Line]:
        """The lines in the order of time."""
        self._flush()
        rows = self.sql.execute(
            "SELECT stream, type, data, key, source, at, whence, keep, event_id, withheld "
            "FROM lines ORDER BY turn, number"
        )
        for *fields, keep, event_id, withheld in rows:
            yield Line._make((*fields, keep == 1, event_id, withheld == 1, None))

    def line_count(self) -> int:
        """How many lines there are."""
        self._flush()
        return int(self.sql.execute("SELECT count(*) FROM lines").fetchone()[0])

    def drop_before(self, since: datetime) -> int:
        """Drop the cases in which nothing has happened since, and what was only about them.

        A case that is kept is kept whole, with its customer and the cases that it was merged into:
        a history that began in the middle would be read wrongly. Gives the number of cases.
        """
        self._flush()
        self._note_leads()
        moment = to_microseconds(since)
        self.sql.executescript("CREATE TEMP TABLE live (stream TEXT PRIMARY KEY)")
        self.sql.execute(
            "INSERT INTO live SELECT stream FROM lines GROUP BY stream HAVING max(at) >= ?",
            (moment,),
        )
        grown = 1
        while grown:
            grown = self.sql.execute(
                "INSERT OR IGNORE INTO live SELECT other FROM leads "
                "WHERE stream IN (SELECT stream FROM live)"
            ).rowcount
        gone = self.sql.execute(
            "SELECT count(DISTINCT stream) FROM lines "
            "WHERE stream LIKE 'case:%' AND stream NOT IN (SELECT stream FROM live)"
        ).fetchone()[0]
        self.sql.execute("DELETE FROM lines WHERE stream NOT IN (SELECT stream FROM live)")
        return int(gone)

    def _note_leads(self) -> None:
        rows = self.sql.execute(
            "SELECT stream, type, data FROM lines WHERE type IN ('CaseOpened', 'CaseMerged')"
        )
        for stream, kind, data in rows:
            fields: dict[str, Any] = msgspec.json.decode(data)
            if kind == "CaseOpened":
                other = f"customer:{fields['customer_id']}"
            else:
                other = f"case:{fields['into']}"
            self.sql.execute("INSERT INTO leads VALUES (?, ?)", (stream, other))
