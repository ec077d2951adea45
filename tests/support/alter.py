"""Changing a store's tables directly, as somebody would who tampers with it."""

from __future__ import annotations

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
