"""A database that commits and does not say so, that is busy, or that hangs up: append once."""

import select
import socket
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any, cast
from urllib.parse import quote, urlencode
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from casestore import (
    Actor,
    CaseOpened,
    CaseStore,
    NoteAdded,
    Retry,
    StoreUnavailable,
)
from casestore.journal import sqlite_connect, sqlite_datastore
from casestore.journal.sqlite_connect import Connected
from casestore.journal.url import PostgresUrl, parse_url
from tests.support.busy import busy

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANA = Actor(kind="agent", id="ana")


def note(text: str | None = None) -> NoteAdded:
    return NoteAdded(occurred_at=NOON, actor=ANA, text=text)


def opened(customer_id: str = "c-1") -> CaseOpened:
    return CaseOpened(occurred_at=NOON, actor=ANA, customer_id=customer_id, channel="phone")


class Line(ABC):
    """The way to a database, on which the answer to one commit can be lost."""

    url: str
    armed = False
    """Whether the next answer is to be lost."""

    @abstractmethod
    def close(self) -> None: ...


class SQLiteLine(Line):
    """No wire to cut here: the commit is made, and then fails."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._patch = pytest.MonkeyPatch()
        line = self

        class Connection(Connected):
            def commit(self) -> None:
                super().commit()
                if line.armed:
                    line.armed = False
                    raise sqlite3.OperationalError("disk I/O error")

        self._patch.setattr(sqlite_connect, "Connected", Connection)

    def close(self) -> None:
        self._patch.undo()


class PostgresLine(Line):
    """A wire through us to the server, cut where an answer comes after events were committed."""

    def __init__(self, url: str) -> None:
        where = parse_url(url)
        assert isinstance(where, PostgresUrl)
        self._where = where
        self._watch = psycopg.connect(where.conninfo, autocommit=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [Thread(target=self._listen)]
        self._threads[0].start()
        host, port = self._listener.getsockname()
        given = conninfo_to_dict(where.conninfo) | {"host": host, "port": port, "hostaddr": None}
        given |= {"sslmode": "disable", "gssencmode": "disable"}  # two sides cannot agree on keys
        options = {name: value for name, value in given.items() if value is not None}
        self.url = f"postgresql:///?{urlencode(options, quote_via=quote)}&schema={where.schema}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()
        self._watch.close()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            self._threads.append(Thread(target=self._carry, args=(client,)))
            self._threads[-1].start()

    def _carry(self, client: socket.socket) -> None:
        with client, self._call() as server:
            before = None
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    if not (data := ready.recv(1 << 16)):
                        return
                    if ready is client:
                        if self.armed and b'"occurred_at"' in data:  # an event
                            before = self._events()
                        server.sendall(data)
                    elif before is not None and self._events() > before:
                        self.armed = False
                        return
                    else:
                        client.sendall(data)

    def _events(self) -> int:
        table = Identifier(self._where.schema, "stored_events")
        return self._watch.execute(SQL("SELECT FROM {}").format(table)).rowcount

    def _call(self) -> socket.socket:
        host, port = self._watch.info.host, self._watch.info.port
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server


@pytest.fixture
def line(store_url: str) -> Iterator[Line]:
    kind = SQLiteLine if store_url.startswith("sqlite") else PostgresLine
    with closing(kind(store_url)) as line:
        yield line


@pytest.fixture
def store(line: Line) -> Iterator[CaseStore]:
    with CaseStore.create(line.url) as store:
        store.append("case:1", opened())
        yield store


# --- the answer is lost ----------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "crm-1"])
def test_an_append_whose_answer_is_lost_is_made_once(
    line: Line, store: CaseStore, key: str | None
) -> None:
    line.armed = True

    receipt = store.append("case:1", note(), note("she wept"), key=key, expected_version=1)

    assert not line.armed
    events = list(store.history("case:1", reveal=True))
    assert [each.event for each in events] == [opened(), note(), note("she wept")]
    assert receipt.versions == (2, 3)
    assert list(receipt.positions) == [each.position for each in events[1:]]
    assert list(receipt.event_ids) == [each.event_id for each in events[1:]]
    assert store.append("case:1", note()).versions == (4,)


def test_so_is_one_of_several_streams_with_a_new_customer_and_first_words(
    line: Line, store: CaseStore
) -> None:
    line.armed = True

    receipt = store.append_all(
        [("case:1", [note("one")]), ("case:2", [opened("c-new"), note("two")])]
    )

    assert not line.armed
    assert receipt.versions == (2, 1, 2)
    read = list(store.read(receipt.positions[0] - 1, reveal=True))
    assert [(each.stream, each.type) for each in read] == [
        ("case:1", "NoteAdded"),
        ("customer:c-new", "CustomerRegistered"),
        ("case:2", "CaseOpened"),
        ("case:2", "NoteAdded"),
    ]
    assert [read[0].event, read[3].event] == [note("one"), note("two")]


def test_who_gives_up_may_ask_again_with_the_same_key(line: Line, store: CaseStore) -> None:
    with CaseStore.open(line.url, retry=Retry(attempts=1)) as impatient:
        line.armed = True
        with pytest.raises(StoreUnavailable, match=r"[^\n]* with the same key"):
            impatient.append("case:1", note(), key="crm-1")
    assert not line.armed

    receipt = store.append("case:1", note(), key="crm-1")

    assert receipt.versions == (2,)
    assert len(store.history("case:1")) == 2


# --- the database is busy --------------------------------------------------------------------


def test_an_append_waits_for_its_turn_and_nobody_else_does(line: Line, store: CaseStore) -> None:
    with CaseStore.open(line.url) as other, ThreadPoolExecutor() as threads:
        with busy(other):
            waiting = threads.submit(store.append, "case:1", note())
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
            assert threads.submit(store.history, "case:1").result(10)
        assert waiting.result(10).versions == (2,)


def test_nor_does_a_reader_where_two_threads_wait(line: Line, store: CaseStore) -> None:
    with CaseStore.open(line.url) as other, ThreadPoolExecutor() as threads:
        with busy(other):
            waiting = [threads.submit(store.append, "case:1", note()) for _ in "ab"]
            assert not wait(waiting, 0.3).done
            assert threads.submit(store.history, "case:1").result(3)
        assert sorted(each.result(10).versions for each in waiting) == [(2,), (3,)]


def test_an_append_whose_turn_never_comes_says_so(
    line: Line, store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, reason = line.url, "0.1 seconds"
    monkeypatch.setattr(sqlite_datastore, "LOCK_TIMEOUT", 0.1)
    if isinstance(line, PostgresLine):
        url += "&options=-c%20lock_timeout%3D100"
        reason = "all of lock_timeout"
    with (
        CaseStore.open(url, retry=Retry(attempts=2, wait=0.01)) as impatient,
        busy(store),
        pytest.raises(StoreUnavailable) as refused,
    ):
        impatient.append("case:1", note())
    assert str(refused.value) == (
        f"the database did not take the append: another writer held the write lock for {reason}; "
        "nothing is lost by trying again, with the same key"
    )
    assert len(store.history("case:1")) == 1


def test_in_a_crowd_nobody_waits_longer_than_that_nor_do_readers(
    line: Line, store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty threads are more than a store has connections."""
    monkeypatch.setattr(sqlite_datastore, "LOCK_TIMEOUT", 2)
    url = line.url
    if isinstance(line, PostgresLine):
        url += "&options=-c%20lock_timeout%3D2s"
    with CaseStore.open(url) as crowded, ThreadPoolExecutor(31) as threads:
        assert crowded.case("1")

        def refused() -> float:
            begun = time.monotonic()
            with pytest.raises(StoreUnavailable, match="another writer held the write lock"):
                crowded.append("case:1", note())
            return time.monotonic() - begun

        with busy(store):
            waiting = [threads.submit(refused) for _ in range(30)]
            time.sleep(0.5)
            assert len(crowded.history("case:1")) == 1
            assert not all(each.done() for each in waiting)
            assert max(each.result() for each in waiting) < 20  # one after the other: a minute
        assert crowded.append("case:1", note()).versions == (2,)


# --- the database hangs up -------------------------------------------------------------------


@pytest.fixture
def hung_up(postgres_url: str, postgres_schema_url: str, tmp_path: Path) -> Iterator[CaseStore]:
    """A store with eight idle connections, every one of them cut by the server."""
    name = uuid4().hex
    url = f"{postgres_schema_url}&application_name={name}"
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    with CaseStore.create(url, key_file=tmp_path / "key") as store:
        store.append("case:known", opened())
        with CaseStore.open(url) as other:
            other.append("case:not-yet-read", opened())
        with ExitStack() as used:
            for _ in range(8):
                datastore = cast(Any, store._recorder).datastore
                used.enter_context(datastore.get_connection())
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(cut, (name,))
        yield store


@pytest.mark.parametrize("stream", ["case:known", "case:not-yet-read"])
def test_an_append_outlives_the_connections_that_it_finds(hung_up: CaseStore, stream: str) -> None:
    assert hung_up.append(stream, note()).versions == (2,)


ASKED: dict[str, Callable[[CaseStore], object]] = {
    "case": lambda store: store.case("known"),
    "follow": lambda store: next(store.follow()),
    "history": lambda store: store.history("case:known"),
    "read": lambda store: next(store.read()),
    "streams": lambda store: next(store.streams("case")),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_reader_outlives_them_too(hung_up: CaseStore, ask: Callable[[CaseStore], object]) -> None:
    assert ask(hung_up)


@pytest.mark.parametrize("busy_then", [False, True])
def test_a_closed_store_leaves_no_connection_behind(
    postgres_url: str, postgres_schema_url: str, tmp_path: Path, busy_then: bool
) -> None:
    """Not even that of an append which ends only after the store was closed."""
    name = uuid4().hex
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    with psycopg.connect(postgres_url, autocommit=True) as admin:

        def left(expected: int) -> bool:
            until = time.monotonic() + 10
            while time.monotonic() < until:  # the server takes a moment to notice
                (found,) = admin.execute(count, (name,)).fetchone() or (0,)
                if found == expected:
                    return True
                time.sleep(0.05)
            return False

        url = f"{postgres_schema_url}&application_name={name}"
        with CaseStore.create(url, key_file=tmp_path / "key") as store:
            store.append("case:1", opened())
            writing = store._recorder.writing(optimistic=True)
            if busy_then:
                writing.__enter__()
        if busy_then:
            assert left(1)
            writing.__exit__(None, None, None)
        assert left(0)
