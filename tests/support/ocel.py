"""An OCEL 2.0 log as tests look at it, and the rules for one in SQLite.

The rules are those of section 6 of the specification (arXiv:2403.01975): which tables and columns
there are, of which types, and which keys they have.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_KEYS = {
    "event_map_type": {"ocel_type"},
    "object_map_type": {"ocel_type"},
    "event": {"ocel_id"},
    "object": {"ocel_id"},
    "event_object": {"ocel_event_id", "ocel_object_id", "ocel_qualifier"},
    "object_object": {"ocel_source_id", "ocel_target_id", "ocel_qualifier"},
}
_REFERENCES = {
    "event": {("ocel_type", "event_map_type", "ocel_type")},
    "object": {("ocel_type", "object_map_type", "ocel_type")},
    "event_object": {
        ("ocel_event_id", "event", "ocel_id"),
        ("ocel_object_id", "object", "ocel_id"),
    },
    "object_object": {
        ("ocel_source_id", "object", "ocel_id"),
        ("ocel_target_id", "object", "ocel_id"),
    },
}
_TYPES = {"TEXT", "TIMESTAMP", "INTEGER", "REAL", "BOOLEAN"}


def broken_rules(path: Path) -> list[str]:
    """Which rules a file breaks."""
    with sqlite3.connect(path) as log:
        found = list(_broken(log))
    log.close()
    return found


def _broken(log: sqlite3.Connection) -> Iterator[str]:
    tables = {name for (name,) in log.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    for table, key in _KEYS.items():
        columns = log.execute(f"PRAGMA table_info({table})").fetchall()
        if {name for _, name, *_, primary in columns if primary} != key:
            yield f"the key of {table}"
        if not _REFERENCES.get(table, set()) <= _references(log, table):
            yield f"the references of {table}"
    expected = set(_KEYS)
    for what in ("event", "object"):
        for type_, mapped in log.execute(f"SELECT * FROM {what}_map_type").fetchall():
            table = f"{what}_{mapped}"
            expected.add(table)
            columns = log.execute(f'PRAGMA table_info("{table}")').fetchall()
            types = {name: declared for _, name, declared, *_ in columns}
            if types.get("ocel_id") != "TEXT" or types.get("ocel_time") != "TIMESTAMP":
                yield f"the columns of {table}"
            if what == "object" and "ocel_changed_field" not in types:
                yield f"{table} has no ocel_changed_field"
            if not set(types.values()) <= _TYPES:
                yield f"the types of {table}"
            if ("ocel_id", what, "ocel_id") not in _references(log, table):
                yield f"the references of {table}"
            missing = log.execute(
                f"SELECT count(*) FROM {what} WHERE ocel_type = ? "
                f'AND ocel_id NOT IN (SELECT ocel_id FROM "{table}")',
                (type_,),
            )
            if missing.fetchone()[0]:
                yield f"{table} lacks some {what}s"
    if tables != expected:
        yield f"the tables {tables ^ expected}"
    if log.execute("PRAGMA foreign_key_check").fetchall():
        yield "what is referred to is not there"


def _references(log: sqlite3.Connection, table: str) -> set[tuple[str, str, str]]:
    rows = log.execute(f'PRAGMA foreign_key_list("{table}")').fetchall()
    return {(source, other, target) for _, _, other, source, target, *_ in rows}


def values_of(log: dict[str, Any], object_: str) -> dict[str, list[str]]:
    """The values of an object's attributes, by name, in the order of time."""
    (found,) = (each for each in log["objects"] if each["id"] == object_)
    values: dict[str, list[str]] = {}
    for each in found["attributes"]:
        values.setdefault(each["name"], []).append(each["value"])
    return values


def related(thing: dict[str, Any]) -> set[tuple[str, str]]:
    """The qualifiers and objects of an event, or of an object."""
    return {(each["qualifier"], each["objectId"]) for each in thing["relationships"]}


def loaded(path: Path) -> dict[str, Any]:
    """The log of a file in JSON."""
    return dict(json.loads(path.read_bytes()))
