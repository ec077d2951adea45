"""The events and objects of an OCEL log, in a temporary SQLite file, gone afterwards.

So memory stays flat: what many streams say of one object is put together there, and the events are
put in the order of happening.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, Self

import msgspec

from casestore.errors import StoreUnavailable
from casestore.store import CaseStore
from casestore.streams.history import from_microseconds, to_microseconds
from casestore.transfer.mining import histories, moment, values
from casestore.transfer.ocel_objects import Change, Link, OfStream, attributes

_TABLES = """
CREATE TABLE events (
    at INTEGER, position INTEGER, id TEXT, type TEXT, attributes BLOB, links BLOB
);
CREATE TABLE objects (id TEXT PRIMARY KEY, type TEXT) WITHOUT ROWID;
CREATE TABLE changes (
    object TEXT, at INTEGER, position INTEGER, name TEXT, value TEXT,
    PRIMARY KEY (object, at, position, name)
) WITHOUT ROWID;
CREATE TABLE links (
    object TEXT, other TEXT, qualifier TEXT, PRIMARY KEY (object, other, qualifier)
) WITHOUT ROWID;
CREATE TABLE changes_elsewhere (named BLOB, at INTEGER, position INTEGER, name TEXT, value TEXT);
CREATE TABLE links_elsewhere (object TEXT, named BLOB, qualifier TEXT);
"""
_NO_ROOM = (
    "the temporary file of the export could not be written: {why}; it takes about the space of the "
    "store. TMPDIR names another folder for it"
)
_CACHE_KIB = 16 * 1024
_encode = msgspec.json.Encoder().encode
_decode_pairs = msgspec.json.Decoder(list[tuple[str, str]]).decode
_decode_links = msgspec.json.Decoder(list[tuple[str | list[str], str]]).decode
_decode_named = msgspec.json.Decoder(list[str]).decode


class SpooledEvent(NamedTuple):
    """An event of the log."""

    id: str
    type: str
    time: str
    attributes: Sequence[tuple[str, str]]
    """Names and values."""
    links: Sequence[tuple[str, str]]
    """Ids of objects, and qualifiers."""


class Values(NamedTuple):
    """Attributes of an object that got their values at one time."""

    time: str
    values: Sequence[tuple[str, str]]
    """Names and values."""


class SpooledObject(NamedTuple):
    """An object of the log."""

    id: str
    type: str
    changes: Sequence[Values]
    """In the order of time."""
    links: Sequence[tuple[str, str]]
    """Ids of other objects, and qualifiers."""


class Spool:
    """The log of a store, or of one of its streams."""

    def __init__(self, store: CaseStore, stream: str | None) -> None:
        """Raises what `casestore.transfer.mining.histories` raises."""
        self._sql = sqlite3.connect("", isolation_level=None)
        self._sql.executescript(f"PRAGMA synchronous=OFF; PRAGMA cache_size=-{_CACHE_KIB};")
        self._sql.executescript(_TABLES)
        self._store, self._stream = store, stream
        self.count = 0
        """How many events there are."""

    def __enter__(self) -> Self:
        self._sql.execute("BEGIN")
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raises StoreUnavailable if it was the temporary file that failed."""
        self._sql.close()
        if isinstance(error, sqlite3.Error):
            raise StoreUnavailable(_NO_ROOM.format(why=error)) from error

    def fill(self) -> None:
        """Read the store."""
        for history, happened in histories(self._store, self._stream):
            said = OfStream(history, happened)
            self._is_there(said.stream)
            for recorded in happened:
                at, position = to_microseconds(recorded.occurred_at), recorded.position or 0
                self._changes(said.changes(recorded.event), at, position)
                links = [self._link(link) for link in said.links(recorded)]
                cls = type(recorded.event)
                told = [(c.name, value) for c, value in values(recorded.event, attributes(cls))]
                self._sql.execute(
                    "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
                    (at, position, recorded.uid, recorded.type, _encode(told), _encode(links)),
                )
            self.count += len(happened)
            for object_, link in said.of_objects():
                self._is_there(object_)
                self._of_objects(object_, link)
        self._settle()

    def _is_there(self, id: str) -> None:
        kind = id.partition(":")[0]
        self._sql.execute("INSERT OR IGNORE INTO objects VALUES (?, ?)", (id, kind))

    def _link(self, link: Link) -> tuple[str | list[str], str]:
        if not link.sure:
            return list(link.object), link.qualifier
        self._is_there(link.object[0])
        return link.object[0], link.qualifier

    def _of_objects(self, object_: str, link: Link) -> None:
        other, qualifier = self._link(link)
        if isinstance(other, str):
            row = (object_, other, qualifier)
            self._sql.execute("INSERT OR IGNORE INTO links VALUES (?, ?, ?)", row)
        else:
            row_elsewhere = (object_, _encode(other), qualifier)
            self._sql.execute("INSERT INTO links_elsewhere VALUES (?, ?, ?)", row_elsewhere)

    def _changes(self, changes: Iterator[Change], at: int, position: int) -> None:
        for change in changes:
            where = (at, position, change.name, change.value)
            if len(change.object) == 1:
                row = (change.object[0], *where)
                self._sql.execute("INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?, ?)", row)
            else:
                self._sql.execute(
                    "INSERT INTO changes_elsewhere VALUES (?, ?, ?, ?, ?)",
                    (_encode(change.object), *where),
                )

    def _settle(self) -> None:
        """Find what could be in any stream, now that all objects are known."""
        for named, *where in self._sql.execute("SELECT * FROM changes_elsewhere"):
            if (found := self._first(_decode_named(named))) is not None:
                row = (found, *where)
                self._sql.execute("INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?, ?)", row)
        for object_, named, qualifier in self._sql.execute("SELECT * FROM links_elsewhere"):
            if (found := self._first(_decode_named(named))) is not None:
                link = (object_, found, qualifier)
                self._sql.execute("INSERT OR IGNORE INTO links VALUES (?, ?, ?)", link)

    def _first(self, named: Sequence[str]) -> str | None:
        for id in named:
            if self._sql.execute("SELECT 1 FROM objects WHERE id = ?", (id,)).fetchone():
                return id
        return None

    # --- what is in it ------------------------------------------------------------------------

    def events(self) -> Iterator[SpooledEvent]:
        """The events in the order of happening."""
        rows = self._sql.execute(
            "SELECT id, type, at, attributes, links FROM events ORDER BY at, position"
        )
        for id, type_, at, told, links in rows:
            found = dict.fromkeys(self._found(_decode_links(links)))  # each once
            yield SpooledEvent(id, type_, _moment(at), _decode_pairs(told), list(found))

    def _found(self, links: Sequence[tuple[str | list[str], str]]) -> Iterator[tuple[str, str]]:
        for named, qualifier in links:
            id = named if isinstance(named, str) else self._first(named)
            if id is not None:
                yield id, qualifier

    def objects(self) -> Iterator[SpooledObject]:
        """The objects by id."""
        for id, type_ in self._sql.execute("SELECT id, type FROM objects ORDER BY id"):
            links = self._sql.execute(
                "SELECT other, qualifier FROM links WHERE object = ? ORDER BY other, qualifier",
                (id,),
            )
            yield SpooledObject(id, type_, list(self._values(id)), links.fetchall())

    def _values(self, id: str) -> Iterator[Values]:
        rows = self._sql.execute(
            "SELECT at, position, name, value FROM changes WHERE object = ? "
            "ORDER BY at, position, name",
            (id,),
        )
        present: dict[str, str] = {}
        for (at, _), together in groupby(rows, itemgetter(0, 1)):
            new = [(name, value) for *_, name, value in together if present.get(name) != value]
            present.update(new)
            if new:
                yield Values(_moment(at), new)


def _moment(at: int) -> str:
    return moment(from_microseconds(at))
