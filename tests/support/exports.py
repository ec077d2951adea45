"""SQLite exports of reports in tests: writing one, and what the command line says of the same."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from casestore import CaseStore
from projections.exports.sqlite import write_sqlite
from projections.query.asking import asking
from projections.query.selection import Selection
from tests.support.command_line import Casestore


def exported(store: CaseStore, path: Path, **asked: Any) -> Path:
    """Write an export of a store."""
    with asking(store, Selection(**asked)) as ask:
        write_sqlite(store, ask, path)
    return path


def read(path: Path, sql: str, *params: Any) -> list[Any]:
    """What a query of an export answers."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as export:
        return export.execute(sql, params).fetchall()


def rows_of(path: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table, in the order in which they were written."""
    names = [row[1] for row in read(path, f'PRAGMA table_info("{table}")')]
    return [
        dict(zip(names, row, strict=True))
        for row in read(path, f'SELECT * FROM "{table}" ORDER BY rowid')
    ]


def reported(casestore: Casestore, command: str, *options: str) -> Iterator[dict[str, Any]]:
    """What the command line says, as JSON, of what a table of an export holds.

    Args:
        casestore: the command line.
        command: as `manifest_tables` has it: with every grouping, like `lapses --by rule|team`.
        options: further ones.
    """
    words, _, groups = re.fullmatch(r"(.*?)( (\w+(?:\|\w+)+))?", command).group(1, 2, 3)  # type: ignore[union-attr]
    for group in groups.split("|") if groups else [None]:
        ran = casestore(*words.split(), *([group] if group else []), *options, "--format", "json")
        yield {"group": group, **ran.fine().json}


def as_row(line: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """A line of a report's JSON as a row of an export."""
    row: dict[str, Any] = dict.fromkeys(columns)
    for name, value in line.items():
        if isinstance(value, dict) and set(value) == {"amount", "currency"}:
            row[name], row[f"{name}_currency"] = value["amount"], value["currency"]
        elif isinstance(value, list):
            row[name] = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        elif isinstance(value, str) and name.endswith(("at", "since")):
            at = datetime.fromisoformat(value)
            row[name] = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        else:
            row[name] = int(value) if isinstance(value, bool) else value
    return row
