"""Export as OCEL 2.0 in SQLite: the same log as `casestore.transfer.ocel`, in tables.

Format: https://www.ocel-standard.org/specification/formats/sqlite/, and section 6 of the
specification (arXiv:2403.01975). A table for each type of event holds its attributes. One for each
type of object holds a row for its first values, and a row for each later one, with the name of what
changed in `ocel_changed_field`.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from casestore.store import CaseStore
from casestore.transfer.mining import Type
from casestore.transfer.ocel import EVENT_TYPES, attribute_types
from casestore.transfer.ocel_objects import OBJECTS
from casestore.transfer.ocel_spool import Spool, SpooledObject, Values

_TABLES = """
CREATE TABLE event_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT);
CREATE TABLE object_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT);
CREATE TABLE event (
    ocel_id TEXT PRIMARY KEY, ocel_type TEXT REFERENCES event_map_type (ocel_type)
);
CREATE TABLE object (
    ocel_id TEXT PRIMARY KEY, ocel_type TEXT REFERENCES object_map_type (ocel_type)
);
CREATE TABLE event_object (
    ocel_event_id TEXT REFERENCES event (ocel_id),
    ocel_object_id TEXT REFERENCES object (ocel_id),
    ocel_qualifier TEXT,
    PRIMARY KEY (ocel_event_id, ocel_object_id, ocel_qualifier)
);
CREATE TABLE object_object (
    ocel_source_id TEXT REFERENCES object (ocel_id),
    ocel_target_id TEXT REFERENCES object (ocel_id),
    ocel_qualifier TEXT,
    PRIMARY KEY (ocel_source_id, ocel_target_id, ocel_qualifier)
);
"""
_SQL_TYPES: Mapping[Type, str] = {
    "string": "TEXT",
    "time": "TIMESTAMP",
    "integer": "INTEGER",
    "float": "REAL",
    "boolean": "BOOLEAN",
}
_BEGINNING = "1970-01-01T00:00:00.000000Z"
"""The time of an object without attributes."""
_CACHE_KIB = 16 * 1024

Execute = Callable[[str, Sequence[Any]], object]


def write_ocel_sqlite(store: CaseStore, path: Path, *, stream: str | None = None) -> int:
    """Write all events of cases and customers into a file. Gives their number.

    The arguments and errors are those of `casestore.transfer.ocel.write_ocel`.
    """
    with Spool(store, stream) as spool:
        spool.fill()
        log = sqlite3.connect(path, isolation_level=None)
        try:
            # Nobody else sees the file, and it is removed if this fails.
            log.executescript(
                f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{_CACHE_KIB};"
            )
            log.executescript(_TABLES)
            log.execute("BEGIN")
            _write(log.execute, spool)
            log.execute("COMMIT")
        except sqlite3.Error as error:
            raise OSError(errno.EIO, str(error)) from error
        finally:
            log.close()
        return spool.count


def _write(execute: Execute, spool: Spool) -> None:
    for cls in EVENT_TYPES:
        _type(execute, "event", cls.__name__, attribute_types(cls))
    for name, told in OBJECTS.items():
        _type(execute, "object", name, told)
    for found in spool.objects():
        execute("INSERT INTO object VALUES (?, ?)", (found.id, found.type))
        types = OBJECTS[found.type]
        for row in _rows(found):
            _insert(execute, f"object_{found.type}", row, types)
    for found in spool.objects():
        for other, qualifier in found.links:
            execute("INSERT INTO object_object VALUES (?, ?, ?)", (found.id, other, qualifier))
    of_events = {cls.__name__: attribute_types(cls) for cls in EVENT_TYPES}
    for event in spool.events():
        execute("INSERT INTO event VALUES (?, ?)", (event.id, event.type))
        row = {"ocel_id": event.id, "ocel_time": event.time, **dict(event.attributes)}
        _insert(execute, f"event_{event.type}", row, of_events[event.type])
        for other, qualifier in event.links:
            execute("INSERT INTO event_object VALUES (?, ?, ?)", (event.id, other, qualifier))


def _type(execute: Execute, what: str, name: str, told: Mapping[str, Type]) -> None:
    execute(f"INSERT INTO {what}_map_type VALUES (?, ?)", (name, name))
    key = "PRIMARY KEY " if what == "event" else ""
    changed = [] if what == "event" else ["ocel_changed_field TEXT"]
    columns = [
        f"ocel_id TEXT {key}REFERENCES {what} (ocel_id)",
        "ocel_time TIMESTAMP",
        *changed,
        *(f'"{attribute}" {_SQL_TYPES[type_]}' for attribute, type_ in told.items()),
    ]
    execute(f'CREATE TABLE "{what}_{name}" ({", ".join(columns)})', ())


def _rows(found: SpooledObject) -> Iterator[dict[str, str]]:
    """An object's first values, and then its changes."""
    first, *later = found.changes or [Values(_BEGINNING, ())]
    yield {"ocel_id": found.id, "ocel_time": first.time, **dict(first.values)}
    for change in later:
        for name, value in change.values:
            changed = {"ocel_time": change.time, "ocel_changed_field": name, name: value}
            yield {"ocel_id": found.id, **changed}


def _insert(
    execute: Execute, table: str, row: Mapping[str, str], types: Mapping[str, Type]
) -> None:
    names: Iterable[str] = (f'"{name}"' for name in row)
    held = [
        int(value == "true") if types.get(name) == "boolean" else value
        for name, value in row.items()
    ]
    marks = ", ".join("?" * len(row))
    execute(f'INSERT INTO "{table}" ({", ".join(names)}) VALUES ({marks})', held)
