"""The doctor's checks of the database: version, file or server, tables, triggers, indexes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from casestore.doctor.finding import RESTORE, SHOWN, DoctorFinding
from casestore.doctor.server import server
from casestore.journal.recorder import SCHEMA_VERSION
from casestore.journal.sqlite import SQLiteJournal
from casestore.store import CaseStore
from casestore.streams.wording import counted


def schema_version(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find a store of another version than this casestore writes."""
    version = store.meta["schema_version"]
    if version != str(SCHEMA_VERSION):
        what = f"is {version}; this casestore writes {SCHEMA_VERSION}"
        yield DoctorFinding("error", "schema version", "the store", what, "upgrade casestore")


def upgrade(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find what an upgrade would make."""
    told_below = _not_in_force(store) | {part for part, _ in store._recorder.altered()}
    if lacks := [part for part in store._recorder.lacks() if part not in told_below]:
        what = f"was made by another version: {', '.join(lacks)} missing, or not as this one makes"
        do = "run `casestore upgrade`, which makes a backup first and touches no event"
        yield DoctorFinding("warning", "upgrade", "the store", what, do)


def database(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find a damaged file, or a server that may lose commits."""
    journal = store._recorder
    if not isinstance(journal, SQLiteJournal):
        yield from server(store)
        return
    ask = journal.fetch
    for (answer,) in ask("PRAGMA integrity_check(20)"):
        if answer != "ok":
            yield DoctorFinding("error", "database", "the SQLite file", answer, RESTORE)
    mode = ask("PRAGMA journal_mode")[0][0]
    if mode != "wal" and os.access(journal.datastore.path, os.W_OK):
        what = f"its journal mode is {mode}, not wal: readers and writers wait for each other"
        do = "keep the file on a local disk, not on a network share"
        yield DoctorFinding("warning", "database", "the SQLite file", what, do)


def triggers(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find triggers that keep the table append-only and are not in force."""
    for name, in_force in store._recorder.append_only_triggers().items():
        if not in_force:
            what = f"the trigger {name} is missing: rows can be changed unnoticed"
            do = "find out who removed it, and verify the store against a sealed checkpoint"
            yield DoctorFinding("error", "append-only triggers", "stored_events", what, do)


def tables(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find what was altered in the tables, indexes, triggers and functions, or added to them."""
    told_above = _not_in_force(store)
    for part, what in store._recorder.altered():
        if part not in told_above:
            do = "find out who did that, and verify the store against a sealed checkpoint"
            changed = f"were changed: the {part} {what}"
            yield DoctorFinding("error", "tables", "the tables", changed, do)


def _not_in_force(store: CaseStore) -> set[str]:
    """The triggers that keep the table append-only and are not in force. All versions have them."""
    in_force = store._recorder.append_only_triggers()
    return {f"trigger {name}" for name, is_so in in_force.items() if not is_so}


def hidden(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find streams and customers of which readers do not find all rows."""
    for column in ("originator_id", "customer_id"):
        for name, there, found in store._recorder.hidden(column, SHOWN + 1):
            where = name if column == "originator_id" else f"customer {name}"
            what = f"has {counted(there, 'event')}, of which readers find {found}: an index hides"
            do = "keep a copy for the inquiry, then rebuild the index (REINDEX)"
            yield DoctorFinding("error", "rows that readers find", where, f"{what} the others", do)
