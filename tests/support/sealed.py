"""A store with two seals for the tests of the audit, on either database; how to tamper with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import Sealed, seal
from casestore.audit.verifying import Verified, verify
from casestore.journal.sqlite import SQLiteJournal
from casestore.tlog.note import Verifier
from tests.support import stories
from tests.support.alter import alter, execute

__all__ = ["alter", "execute"]

ROWS = """
1 customer:k1 1    2 case:c1 1    3 case:c1 2    4 case:c1 3    5 case:c2 1    6 case:c2 2
7 case:c2 3    8 customer:k2 1    9 case:c3 1    10 case:c3 2    11 case:c3 3
"""
"""Position, stream and version of the events of `make_store`. It seals after 7 and after 11."""


def tell(store: CaseStore, case_id: str, customer_id: str) -> None:
    store.append(
        f"case:{case_id}",
        stories.opened(customer_id=customer_id, subject="Ach"),
        stories.issue("i1"),
        stories.replied("r1", text="Oh."),
    )


def make_store(url: str) -> None:
    hours = iter(range(10_000))

    def clock() -> datetime:
        return stories.START + timedelta(hours=next(hours))

    with CaseStore.create(url, clock=clock) as store:
        Folder.of(store.url).make_key(origin(store))
        tell(store, "c1", "k1")
        tell(store, "c2", "k1")
        assert seal(store).new == 7
        tell(store, "c3", "k2")
        assert seal(store).new == 4


@contextmanager
def opened(url: str) -> Iterator[CaseStore]:
    with CaseStore.open(url) as store:
        yield store


def key_of(store: CaseStore) -> Verifier:
    return Folder.of(store.url).signer().verifier


def sealed(url: str) -> Sealed:
    with opened(url) as store:
        return seal(store)


def verified(url: str, **asked: object) -> Verified:
    with opened(url) as store:
        return verify(store, **asked)  # type: ignore[arg-type]


def tampered(url: str, **asked: object) -> str:
    """Verify a store that was tampered with; gives what is wrong, one finding a line."""
    result = verified(url, **asked)
    assert result.verdict == "tampered", result
    return "\n".join(f"{f.where}: {f.what}" for f in result.findings if f.level == "tampered")


def is_sqlite(store: CaseStore) -> bool:
    return isinstance(store._recorder, SQLiteJournal)


def alter_positions(store: CaseStore, *statements: str) -> None:
    """Like `alter`, for statements that also change positions, or insert rows with chosen ones."""
    if not is_sqlite(store):
        statements = ("ALTER TABLE {t} ALTER COLUMN position DROP IDENTITY IF EXISTS", *statements)
    alter(store, *statements)


def put_back(store: CaseStore, position: int) -> None:
    """Take the database back to the time when `position` was the last, its counter included."""
    alter(store, f"DELETE FROM {{t}} WHERE position > {position}")
    if is_sqlite(store):
        execute(store, f"UPDATE sqlite_sequence SET seq = {position}")
    else:
        sequence = f"pg_get_serial_sequence('{store._recorder.table}', 'position')"
        execute(store, f"SELECT setval({sequence}, {position})")


def audit_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The audit folder, made the same for both databases."""
    folder = tmp_path / "audit"
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(folder))
    monkeypatch.delenv("CASESTORE_AUDIT_KEY", raising=False)
    return folder
