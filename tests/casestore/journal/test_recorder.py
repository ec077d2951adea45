"""eventsourcing's own conformance cases, over both of our recorders.

They say nothing of commit visibility, crashes or several processes: test_processes does.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    RecorderTestCase,
)

from casestore.journal import postgres, postgres_datastore, sqlite, sqlite_datastore
from casestore.journal.recorder import JournalRecorder
from casestore.journal.url import PostgresUrl, parse_url


class _Case(RecorderTestCase):
    """A test case of eventsourcing's with a recorder of ours, which a fixture sets."""

    recorder: JournalRecorder

    def create_recorder(self) -> JournalRecorder:
        self.recorder.create_table()
        return self.recorder

    def new_originator_id(self) -> str:
        return f"case:{uuid4()}"  # our streams have names; eventsourcing's own have UUIDs


@contextmanager
def _waited_for() -> Iterator[None]:
    """The threads that a case leaves behind: one of them does not wait for its readers."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:  # the PostgreSQL pool's own
            thread.join()


class _OnSQLite(_Case):
    @pytest.fixture(autouse=True)
    def _database(self, tmp_path: Path) -> Iterator[None]:
        datastore = sqlite_datastore.Datastore(tmp_path / "store.db", create=True)
        self.recorder = sqlite.SQLiteJournal(datastore)
        with _waited_for():
            yield
        datastore.close()


class _OnPostgres(_Case):
    @pytest.fixture(autouse=True)
    def _database(self, postgres_schema_url: str) -> Iterator[None]:
        url = parse_url(postgres_schema_url)
        assert isinstance(url, PostgresUrl)
        datastore = postgres_datastore.Datastore(url)
        self.recorder = postgres.PostgresJournal(datastore)
        with _waited_for():
            yield
        datastore.close()


class _ApplicationRecorder(ApplicationRecorderTestCase[JournalRecorder]):
    def test_insert_subscribe(self) -> None:
        """Offered by eventsourcing as optional, because its own SQLite cannot."""
        self.optional_test_insert_subscribe()

    # Left out: it prints a rate and asserts nothing. `python -m tests.bench` measures.
    test_performance = None  # type: ignore[assignment]


class TestSQLiteApplicationRecorder(_OnSQLite, _ApplicationRecorder): ...


class TestPostgresApplicationRecorder(_OnPostgres, _ApplicationRecorder): ...


class TestSQLiteNonInterleaving(_OnSQLite, NonInterleavingNotificationIDsBaseCase): ...


class TestPostgresNonInterleaving(_OnPostgres, NonInterleavingNotificationIDsBaseCase): ...


# Else pytest would collect them, as it does every TestCase that a module holds.
del ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase, RecorderTestCase
del _ApplicationRecorder, _Case, _OnPostgres, _OnSQLite
