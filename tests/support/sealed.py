"""A sealed store for the audit's tests, on whichever database, and what is done behind its back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
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
"""Position, stream and version of what `made` makes, sealed after 7 and after 11."""


def tell(store: CaseStore, case_id: str, customer_id: str) -> None:
    store.append(
        f"case:{case_id}",
        stories.opened(customer_id=customer_id, subject="Ach"),
        stories.issue("i1"),
        stories.replied("r1", text="Oh."),
    )


def made(url: str) -> None:
    clock = iter(range(10_000))
    later = lambda: stories.START + timedelta(hours=next(clock))  # noqa: E731
    with CaseStore.create(url, clock=later) as store:
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
    """What verifying says is wrong; it must say that something is."""
    found = verified(url, **asked)
    assert found.verdict == "tampered", found
    return "\n".join(f"{f.where}: {f.what}" for f in found.findings if f.level == "tampered")


def is_sqlite(store: CaseStore) -> bool:
    return isinstance(store.recorder, SQLiteJournal)


def freely(store: CaseStore, *statements: str) -> None:
    """As `alter`, and positions may be changed too, and put where they never were."""
    if not is_sqlite(store):
        statements = ("ALTER TABLE {t} ALTER COLUMN position DROP IDENTITY IF EXISTS", *statements)
    alter(store, *statements)


def put_back(store: CaseStore, position: int) -> None:
    """Make the database what it was when `position` was the last, its counter included."""
    alter(store, f"DELETE FROM {{t}} WHERE position > {position}")
    if is_sqlite(store):
        execute(store, f"UPDATE sqlite_sequence SET seq = {position}")
    else:
        sequence = f"pg_get_serial_sequence('{store.recorder.table}', 'position')"
        execute(store, f"SELECT setval({sequence}, {position})")


def audit_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of seals, where both databases have it in tests."""
    folder = tmp_path / "audit"
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(folder))
    monkeypatch.delenv("CASESTORE_AUDIT_KEY", raising=False)
    return folder
