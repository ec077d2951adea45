"""The doctor: whether a store is whole, as far as its rows can tell by themselves.

`examine` gives findings and prints nothing. Memory is flat: rows are read in position order, a
chunk at a time, and what spans a stream is asked of the database. Whether somebody altered a row
with care is a question for the audit, which has signatures to compare with.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Literal, NamedTuple

import msgspec
from eventsourcing.persistence import DatabaseError, InterfaceError, OperationalError

from casestore import privacy, streams
from casestore.erasure_list import list_file, listed
from casestore.errors import (
    CaseStoreError,
    InvalidStream,
    KeyFileError,
    StoreDamaged,
    StoreUnavailable,
)
from casestore.events import CaseOpened, Event
from casestore.history import Metadata, from_microseconds
from casestore.journal.recorder import SCHEMA_VERSION, UNSCRUBBED, KeyRow, Row
from casestore.journal.sqlite import SQLiteJournal
from casestore.key_file import kek_id, load_key_file, replaced_is_left
from casestore.store import CaseStore

Level = Literal["ok", "warning", "error"]
SHOWN = 20
"""Findings of one check to give; the rest are counted."""
_CHUNK = 2000
_RESTORE = "restore the store from a backup, and keep this one for the inquiry"


class Finding(NamedTuple):
    """What a check found."""

    level: Level
    check: str
    where: str = ""
    what: str = ""
    do: str = ""


Progress = Callable[[int], None]


def examine(store: CaseStore, *, progress: Progress | None = None) -> Iterator[Finding]:
    """Look at a store from all sides. Each check gives an "ok", or what it found.

    Args:
        store: an open one; opening it has shown that it can be reached and read.
        progress: told the number of events looked at.

    Raises:
        StoreUnavailable: the database stopped answering.
    """
    for checks, look in _looks(progress or (lambda _: None)):
        counts = dict.fromkeys(checks, 0)
        kinds: dict[str, Finding] = {}
        try:
            for finding in look(store):
                kinds[finding.check] = finding
                counts[finding.check] += 1
                if counts[finding.check] <= SHOWN:
                    yield finding
        except (DatabaseError, InterfaceError, StoreUnavailable) as error:
            why = error.__cause__ if isinstance(error, StoreUnavailable) else error
            if isinstance(why, (OperationalError, InterfaceError)):
                raise StoreUnavailable(f"the database stopped answering: {why}") from error
            counts = {checks[0]: 1}
            yield Finding("error", checks[0], "the database", f"cannot be read: {why}", _RESTORE)
        for check, count in counts.items():
            if count == 0:
                yield Finding("ok", check)
            elif count > SHOWN:
                yield kinds[check]._replace(where="", what=f"and {count - SHOWN} more of this kind")


Look = Callable[[CaseStore], Iterator[Finding]]


def _looks(progress: Progress) -> Iterator[tuple[tuple[str, ...], Look]]:
    yield ("schema version",), _schema
    yield ("database",), _database
    yield ("append-only triggers",), _triggers
    yield ("dense versions",), _dense
    yield ("positions in order",), _positions
    yield _SCANNED, lambda store: _scan(store, progress)
    yield ("one customer per case",), _customers
    yield ("key file",), _key_file
    yield ("keys of words",), _keys_of_words
    yield ("erasures",), _erasures
    yield ("pseudonymous ids",), _ids


def _schema(store: CaseStore) -> Iterator[Finding]:
    version = store.meta["schema_version"]
    if version != str(SCHEMA_VERSION):
        what = f"is {version}; this casestore writes {SCHEMA_VERSION}"
        yield Finding("error", "schema version", "the store", what, "upgrade casestore")


# --- the database --------------------------------------------------------------------------


def _database(store: CaseStore) -> Iterator[Finding]:
    ask = store.recorder.fetch
    if not isinstance(store.recorder, SQLiteJournal):
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            if ask("SELECT current_setting(?)", [name])[0][0] == "off":
                what, do = f"{name} is off: a crash can lose events", "switch it on"
                yield Finding("warning", "database", "PostgreSQL", what, do)
        return
    for (said,) in ask("PRAGMA quick_check(20)"):
        if said != "ok":
            yield Finding("error", "database", "the SQLite file", said, _RESTORE)
    mode = ask("PRAGMA journal_mode")[0][0]
    if mode != "wal":
        what = f"its journal mode is {mode}, not wal: readers and writers wait for each other"
        do = "keep the file on a local disk, not on a network share"
        yield Finding("warning", "database", "the SQLite file", what, do)


def _triggers(store: CaseStore) -> Iterator[Finding]:
    recorder = store.recorder
    if isinstance(recorder, SQLiteJournal):
        wanted = ["no_update", "no_delete", "no_replace"]
        sql = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        found = {name for (name,) in recorder.fetch(sql)}
    else:
        wanted = ["no_change", "no_truncate"]
        sql = (
            "SELECT tgname::text FROM pg_trigger WHERE tgrelid = to_regclass(?) "
            "AND tgenabled <> 'D'"
        )
        found = {name for (name,) in recorder.fetch(sql, [recorder.table])}
    for name in wanted:
        if f"stored_events_{name}" not in found:
            what = f"the trigger stored_events_{name} is missing: rows can be changed unnoticed"
            do = "find out who removed it, and verify the store against a sealed checkpoint"
            yield Finding("error", "append-only triggers", "stored_events", what, do)


# --- the rows ------------------------------------------------------------------------------


def _dense(store: CaseStore) -> Iterator[Finding]:
    """Versions are 1..n: as many as the largest, and beginning with 1."""
    sql = (
        "SELECT originator_id, count(*), min(originator_version), max(originator_version) "
        f"FROM {store.recorder.table} GROUP BY originator_id "
        "HAVING min(originator_version) <> 1 OR max(originator_version) <> count(*) "
        "ORDER BY originator_id"
    )
    for stream, count, first, last in store.recorder.fetch(sql):
        what = f"has {count} events with versions from {first} to {last}: some are missing"
        yield Finding("error", "dense versions", stream, what, _RESTORE)


def _positions(store: CaseStore) -> Iterator[Finding]:
    """A later version of a stream has a later position."""
    table = store.recorder.table
    sql = (
        f"SELECT b.originator_id, b.originator_version FROM {table} a JOIN {table} b "
        "ON b.originator_id = a.originator_id AND b.originator_version = a.originator_version + 1 "
        "WHERE b.position <= a.position ORDER BY b.position"
    )
    for stream, version in store.recorder.fetch(sql):
        what = "stands before the version before it"
        yield Finding("error", "positions in order", f"{stream} version {version}", what, _RESTORE)


def _customers(store: CaseStore) -> Iterator[Finding]:
    """All rows of a case or customer are about one customer, and those of the policy about none."""
    sql = (
        f"SELECT originator_id FROM {store.recorder.table} GROUP BY originator_id "
        "HAVING CASE WHEN originator_id = 'policy' THEN count(customer_id) > 0 "
        "ELSE count(DISTINCT customer_id) <> 1 OR count(customer_id) <> count(*) END "
        "ORDER BY originator_id"
    )
    for (stream,) in store.recorder.fetch(sql):
        what = "has rows of different customers, or of none"
        yield Finding("error", "one customer per case", stream, what, _RESTORE)


_SCANNED = ("events can be read", "times of recording", "customers of events", "personal parts")
_metadata = msgspec.json.Decoder(Metadata).decode


def _scan(store: CaseStore, progress: Progress) -> Iterator[Finding]:
    """Read every row, and look at it alone and beside the one before it."""
    after, seen, last = 0, 0, 0
    while rows := store.recorder.rows(after, _CHUNK):
        for row in map(Row._make, rows):
            yield from _look_at(store, row)
            if row.recorded_us < last:
                what = f"was recorded at {from_microseconds(row.recorded_us)}, before the event "
                what += f"before it ({from_microseconds(last)})"
                yield _at(row, "times of recording", what)
            last = row.recorded_us
        after = rows[-1][0]
        seen += len(rows)
        progress(seen)


def _look_at(store: CaseStore, row: Row) -> Iterator[Finding]:
    try:
        event = store.journal.codec.decode(row.topic, row.state)
        kind, each = streams.parse(row.stream)
        personal = _metadata(row.metadata).personal
    except (StoreDamaged, InvalidStream, msgspec.DecodeError) as error:
        yield _at(row, "events can be read", str(error))
        return
    if type(event) not in streams.KINDS[kind].events:
        yield _at(row, "events can be read", f"{row.topic} does not belong into such a stream")
    expected = _customer(event, kind, each)
    if expected is not None and row.customer_id != expected:
        what = f"is kept for customer {row.customer_id!r}, but is about {expected!r}"
        yield _at(row, "customers of events", what)
    if bool(personal) != (row.personal is not None):
        yield _at(row, "personal parts", "its personal text and the list of it do not agree")


def _customer(event: Event, kind: str, each: str) -> str | None:
    """The customer whom an event names by itself."""
    if isinstance(event, CaseOpened):
        return event.customer_id
    return each if kind == "customer" else None


def _at(row: Row, check: str, what: str) -> Finding:
    where = f"{row.stream} version {row.version}, position {row.position}"
    return Finding("error", check, where, what, _RESTORE)


# --- keys and ids --------------------------------------------------------------------------


def _key_file(store: CaseStore) -> Iterator[Finding]:
    vault, check = store.vault, "key file"
    if not vault.is_sealed:
        what = "was made with --unsealed: personal text can be read by all, and never erased"
        do = "export it with --reveal, and import it into a sealed one"
        yield Finding("warning", check, "the store", what, do)
        return
    where = str(vault.key_file) if vault.key_file else "the key file"
    try:
        if vault.key_file is None:
            raise KeyFileError("no key file is named for this store")  # noqa: TRY301
        keys = {kek_id(key) for key in load_key_file(vault.key_file)}
    except KeyFileError as error:
        what, _, do = str(error).partition("; ")
        yield Finding("error", check, where, what, do or "restore it from its backup")
        return
    sql = f"SELECT DISTINCT substr(wrapped, 1, 32) FROM {store.recorder.keys_table}"
    wanted = {bytes(each) for (each,) in store.recorder.fetch(sql)}
    if (wanted | {bytes.fromhex(vault.current_kek or "")}) - keys:
        what = "does not hold every key that this store's personal text was sealed with"
        yield Finding("error", check, where, what, "name the right one in CASESTORE_KEY_FILE")
    else:
        for place, problem in chain(_closed_keys(store), _opens(store)):
            yield Finding("error", check, place, problem, _RESTORE)
    if len(keys) > 1:
        what = "holds two keys: a rotation was interrupted"
        yield Finding("warning", check, where, what, "finish it with `casestore privacy rotate`")
    if replaced_is_left(vault.key_file):
        what = "the key file that a rotation replaced is still beside it"
        yield Finding("warning", check, where, what, "`casestore doctor --fix` destroys it")
    if os.name == "posix" and vault.key_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        what = "others than its owner may read it"
        yield Finding("warning", check, where, what, f"chmod 600 {where}")


def _opens(store: CaseStore) -> Iterator[tuple[str, str]]:
    """Where and why the first personal part there is does not open."""
    sql = f"SELECT min(position) FROM {store.recorder.table} WHERE personal IS NOT NULL"
    first = store.recorder.fetch(sql)[0][0]
    if first is not None:
        try:
            list(store.read(first - 1, until=first, reveal=True))
        except CaseStoreError as error:
            yield f"position {first}", str(error)


def _closed_keys(store: CaseStore) -> Iterator[tuple[str, str]]:
    """Which wrapped data keys do not open, and why."""
    sql = (
        f"SELECT customer_id, key_id, wrapped FROM {store.recorder.keys_table} "
        "WHERE customer_id > ? ORDER BY customer_id LIMIT ?"
    )
    after = ""
    while rows := store.recorder.fetch(sql, [after, _CHUNK]):
        for row in map(KeyRow._make, rows):
            try:
                store.vault.unwrap(row)
            except CaseStoreError as error:
                yield f"customer {row.customer_id}", str(error)
        after = rows[-1][0]


def _keys_of_words(store: CaseStore) -> Iterator[Finding]:
    """Sealed words whose key is gone, though no erasure after them is on record."""
    table, keys = store.recorder.table, store.recorder.keys_table
    sql = (
        f"SELECT e.customer_id, count(*), min(e.position) FROM {table} e WHERE e.personal IS NOT "
        "NULL AND substr(e.personal, 1, 1) = ? "
        f"AND NOT EXISTS (SELECT 1 FROM {keys} k WHERE k.customer_id = e.customer_id "
        "AND k.key_id = substr(e.personal, 2, 32)) "
        f"AND NOT EXISTS (SELECT 1 FROM {table} x WHERE x.customer_id = e.customer_id "
        "AND x.topic = 'PersonalDataErased' AND x.position > e.position) "
        "GROUP BY e.customer_id ORDER BY 1"
    )
    for customer_id, count, first in store.recorder.fetch(sql, [b"\x01"]):
        what = f"the key of {count} events with words, from position {first} on, is missing, and "
        what += "no erasure is on record: evidence was destroyed"
        do = "restore the key table from a backup, and find out who deleted the key"
        yield Finding("error", "keys of words", f"customer {customer_id}", what, do)


def _erasures(store: CaseStore) -> Iterator[Finding]:
    """Erasures that are not finished, or that this database does not know of any more."""
    check, finish = "erasures", "`casestore doctor --fix` finishes it"
    for customer_id, _ in privacy.outlived(store):
        what = "was erased, but the key is there: what they said before can still be read"
        yield Finding("error", check, f"customer {customer_id}", what, finish)
    if UNSCRUBBED in (store.recorder.meta() or {}):
        what = "may still hold bytes of a key that was destroyed"
        yield Finding("warning", check, "the database's files", what, finish)
    if (path := list_file(store)) is None or not store.vault.is_sealed:
        return
    made = {each.event_id: each for each in privacy.erasures(store)}
    noted = {each.event_id: each for each in listed(store)}
    for event_id in made.keys() - noted.keys():
        what = f"their erasure is not noted in {path}"
        where = f"customer {made[event_id].customer_id}"
        yield Finding("warning", check, where, what, finish)
    for event_id in noted.keys() - made.keys():
        each = noted[event_id]
        what = f"was erased on {each.erased_at:%Y-%m-%d}, and this database does not know of it: "
        what += "an older one was put back"
        do = "`casestore privacy reapply` erases them again"
        yield Finding("error", check, f"customer {each.customer_id}", what, do)


_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_TELEPHONE = re.compile(r"(\+|00)[1-9][\d ()/.-]{6,}|\(?0\d{1,5}[) /.-]+\d[\d ()/.-]{4,}")


def _ids(store: CaseStore) -> Iterator[Finding]:
    """Ids should be pseudonymous: they cannot be erased."""
    for kind in ("case", "customer"):
        for stream in store.streams(kind):
            each = stream.partition(":")[2]
            for pattern, like in ((_MAIL, "a mail address"), (_TELEPHONE, "a telephone number")):
                if pattern.fullmatch(each):
                    where = f"{kind}:{each[:3]}…"
                    what = f"its id looks like {like}, which no erasure can remove"
                    do = "give ids that say nothing about the person"
                    yield Finding("warning", "pseudonymous ids", where, what, do)
