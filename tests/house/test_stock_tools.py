"""eventsourcing's own tools over our journal: projection runner, log reader, `Application.save`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder
from eventsourcing.system import NotificationLogReader

from casestore import (
    Actor,
    CaseAssigned,
    CaseOpened,
    CaseStore,
    EventCorrected,
    InvalidEvent,
    NoteAdded,
    PromiseMade,
    Recorded,
)
from casestore.journal.application import Journal

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANA = Actor(kind="agent", id="ana")
IN_ANOTHER_PROCESS = """
import sys
from tests.house.test_stock_tools import promise
from casestore import CaseStore
with CaseStore.open(sys.argv[1]) as store:
    print(store.append("case:1", promise("elsewhere")).position)
"""


def promise(promise_id: str) -> PromiseMade:
    return PromiseMade(occurred_at=NOON, actor=ANA, promise_id=promise_id, kind="refund")


class PromisesView(SQLiteTrackingRecorder):
    """Promise ids in the order of their coming, and the position, in one transaction."""

    def construct_create_table_statements(self) -> list[str]:
        ours = "CREATE TABLE IF NOT EXISTS promises (n INTEGER PRIMARY KEY, promise_id TEXT)"
        return [*super().construct_create_table_statements(), ours]

    def add(self, promise_id: str, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute("INSERT INTO promises (promise_id) VALUES (?)", (promise_id,))
            self._insert_tracking(cursor, tracking)

    def all(self) -> list[str]:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute("SELECT promise_id FROM promises ORDER BY n")
            return [row["promise_id"] for row in cursor.fetchall()]


class Promises(Projection[PromisesView]):
    topics = ("PromiseMade",)  # our topics are type names, and the database filters by them

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        assert isinstance(domain_event, Recorded)
        assert domain_event.position == tracking.notification_id
        self.view.add(domain_event.event.promise_id, tracking)  # type: ignore[attr-defined]


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as store:
        opened = CaseOpened(occurred_at=NOON, actor=ANA, customer_id="c-7", channel="phone")
        store.append("case:1", opened)
        yield store


@contextmanager
def running(url: str, view: Path) -> Iterator[ProjectionRunner[Journal, PromisesView]]:
    settings = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "PROMISES_SQLITE_DBNAME": str(view)}
    with ProjectionRunner(
        application_class=Journal,
        projection_class=Promises,
        view_class=PromisesView,
        env={"CASESTORE_URL": url, **settings},
    ) as runner:
        yield runner
    runner.view.datastore.close()  # the runner closes its application only


def test_the_stock_projection_runner_follows_us(
    store: CaseStore, store_url: str, tmp_path: Path
) -> None:
    view = tmp_path / "view.db"
    store.append("case:1", promise("before"))
    with running(store_url, view) as runner:
        receipt = store.append(
            "case:1", promise("live"), CaseAssigned(occurred_at=NOON, actor=ANA, team="t")
        )
        runner.wait(receipt.positions[0], timeout=10)
        assert runner.view.all() == ["before", "live"]

        command = [sys.executable, "-c", IN_ANOTHER_PROCESS, store_url]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        runner.wait(int(answer.stdout), timeout=10)
        assert runner.view.all() == ["before", "live", "elsewhere"]

    missed = store.append("case:1", promise("missed"))
    with running(store_url, view) as runner:
        runner.wait(missed.position, timeout=10)
        assert runner.view.all() == ["before", "live", "elsewhere", "missed"]


def test_the_stock_log_reader_reads_section_by_section(store: CaseStore) -> None:
    for n in range(25):
        store.append("case:1", promise(f"p-{n}"))
    reader = NotificationLogReader(store.journal.notification_log, section_size=10)

    read = list(reader.read(start=1))

    assert [each.id for each in read] == [recorded.position for recorded in store.read()]
    mapper = store.journal.mapper
    assert [mapper.to_domain_event(each) for each in read] == list(store.read())
    assert [
        len(section) for section in reader.select(start=None, topics=["PromiseMade"], stop=24)
    ] == [10, 10, 2]


def test_the_stock_repository_applies_corrections(store: CaseStore, store_url: str) -> None:
    made = store.append("case:1", promise("p-1"))
    store.append(
        "case:1",
        EventCorrected(
            occurred_at=NOON,
            actor=ANA,
            event_id=made.event_ids[0],
            kind="voided",
            reason="mistyped",
            authorised_by=ANA,
        ),
    )
    with CaseStore.open(store_url) as cold:  # folds what the mapper gives, not what it appended
        assert cold.case("1").promises == {}


def _next(store: CaseStore, event: NoteAdded | PromiseMade) -> Recorded:
    version = len(store.history("case:1")) + 1
    return Recorded(event, "case:1", version, None, str(uuid4()), "c-7", None)


def test_save_takes_a_recorded_and_the_store_gives_position_and_time(store: CaseStore) -> None:
    new = _next(store, promise("saved"))

    (recording,) = store.journal.save(new)

    assert recording.domain_event is new
    *_, read = store.read()
    assert read.event == new.event
    assert read.event_id == new.event_id
    assert read.customer_id == "c-7"
    assert read.position == recording.notification.id
    assert read.recorded_at is not None
    assert store.append("case:1", promise("next")).versions == (new.version + 1,)


def test_save_refuses_a_version_that_is_taken(store: CaseStore) -> None:
    first, second = _next(store, promise("first")), _next(store, promise("second"))
    store.journal.save(first)
    with pytest.raises(IntegrityError):
        store.journal.save(second)
    assert [r.event for r in store.history("case:1")][1:] == [first.event]


def test_save_refuses_words_that_are_not_sealed(store: CaseStore) -> None:
    said = NoteAdded(occurred_at=NOON, actor=ANA, text="she wept")
    with pytest.raises(InvalidEvent) as refused:
        store.journal.save(_next(store, said))
    assert str(refused.value) == (
        "NoteAdded has personal text, which is sealed on the way in: "
        "append it through CaseStore.append"
    )
    assert len(store.history("case:1")) == 1
