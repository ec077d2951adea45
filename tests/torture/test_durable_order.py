"""PostgreSQL: what is acknowledged or seen is on the disk, though a commit is visible before it.

The server of these tests flushes nothing by itself, so that what is flushed was waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, Subscription

from casestore import Append, CaseStore, ConcurrencyConflict, EventRefused
from casestore.backup.backup import backup, copy
from projections import Runner
from tests.support import stories
from tests.support.command_line import Casestore
from tests.support.made_up import contents
from tests.support.postgres_server import Server
from tests.support.runners import position
from tests.support.undurable import commit_undurably, crashed, is_flushed

DIRECT, POOLED = "", "&prepare_threshold=none"


@pytest.fixture(params=[DIRECT, POOLED], ids=["direct", "pooled"])
def url(request: pytest.FixtureRequest, still_server: Server) -> str:
    """The URL of a store with an open case, like its twin (`of_twin`)."""
    schema = f"s{uuid4().hex[:12]}"
    url = f"{still_server.url}&schema={schema}{request.param}"
    for each in (url, of_twin(url)):
        with CaseStore.create(each, sealed=False) as store:
            store.append("case:1", stories.opened(), key="open")
    return url


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(tmp_path / "audit"))
    monkeypatch.setenv("CASESTORE_ACCESS_LOG", str(tmp_path / "access.ndjson"))


def of_twin(url: str) -> str:
    return url.replace("&schema=s", "&schema=t")


def server_of(url: str) -> str:
    return url.partition("&schema")[0]


def another_commits(url: str) -> str:
    """Another process commits a promise with a key, and dies before it is flushed."""
    with CaseStore.open(of_twin(url)) as twin:
        twin.append("case:1", stories.promised(), key="promise")
    return commit_undurably(url, of_twin(url))


# --- who reads -------------------------------------------------------------------------------


def first_of(subscription: Subscription[Any]) -> object:
    with subscription:
        return next(subscription)


SEEN: dict[str, Callable[[Any], object]] = {
    "read": lambda store: list(store.read()),
    "the end of the log": lambda store: list(store.read(after=2)),
    "follow": lambda store: next(store.follow(after=2)),
    "history": lambda store: store.history("case:1"),
    "case": lambda store: store.case("1"),
    "last position": lambda store: store._recorder.last_position(),
    "count": lambda store: store._recorder.count_after(),
    "names": lambda store: store._recorder.streams("case:", "", 10),
    "notifications": lambda store: store._recorder.select_notifications(1, 10),
    "subscription": lambda store: first_of(store._recorder.subscribe(gt=2)),
    "events": lambda store: store._recorder.select_events("case:1"),
}


@pytest.mark.parametrize("way", SEEN)
def test_what_a_reader_was_shown_is_on_the_disk(url: str, way: str) -> None:
    with CaseStore.open(url) as store:
        list(store.read())  # so that it knows that something is durable
        store.case("1")
        end = another_commits(url)
        SEEN[way](store)
        assert is_flushed(server_of(url), end)


def test_so_is_what_the_projections_hold(url: str) -> None:
    with CaseStore.open(url) as store, Runner(store) as runner:
        runner.catch_up()
        end = another_commits(url)
        assert runner.catch_up() == 3
    assert is_flushed(server_of(url), end)


def test_what_a_crash_takes_from_the_projections_is_made_anew(
    url: str, still_server: Server
) -> None:
    with CaseStore.open(url) as store, Runner(store) as runner:
        runner.catch_up()
        store.append("case:1", stories.promised())
        assert runner.catch_up() == 3
        before = contents(runner)
    with crashed(still_server), CaseStore.open(url) as store, Runner(store) as runner:
        # Behind a pooler all that is read is flushed, and with it the tables.
        assert position(runner) == (3 if "prepare_threshold" in url else 2)
        assert runner.catch_up() == 3
        assert contents(runner) == before


def test_and_what_a_role_reads_that_may_only_read(url: str) -> None:
    schema = url.partition("&schema=")[2].partition("&")[0]
    role = f"r{schema}"
    with psycopg.connect(server_of(url), autocommit=True) as admin:
        for sql in (
            "CREATE ROLE {role} LOGIN",
            "ALTER ROLE {role} SET default_transaction_read_only = on",
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
        ):
            admin.execute(sql.format(role=role, schema=schema).encode())
    with CaseStore.open(url.replace("postgres@", f"{role}@")) as store:
        end = another_commits(url)
        assert len(list(store.read())) == 3
    assert is_flushed(server_of(url), end)


def test_what_was_read_once_is_not_waited_for_again(url: str) -> None:
    """What others commit meanwhile is not waited for by those who read what is older."""
    with CaseStore.open(url) as store:
        # Each new connection may be to another server, so that nothing is known any more.
        cast(Any, store._recorder).datastore.pool.wait()
        list(store.read())
        end = another_commits(url)
        list(store.read(until=2))
        assert is_flushed(server_of(url), end) == (POOLED in url and POOLED != "")


# --- who is told of a decision ---------------------------------------------------------------


def conflicts(store: CaseStore) -> None:
    with pytest.raises(ConcurrencyConflict):
        store.append("case:1", stories.noted(), expected_version=1)


def is_refused(store: CaseStore) -> None:
    with pytest.raises(EventRefused, match="p1"):
        store.append("case:1", stories.promised())


def is_refused_with_others(store: CaseStore) -> None:
    with pytest.raises(EventRefused, match="p1"):
        store.append_all([("case:1", [stories.noted()]), ("case:1", [stories.promised()])])


def repeats(store: CaseStore) -> None:
    assert store.append("case:1", stories.promised(), key="promise").positions == (3,)


def inserts_twice(store: CaseStore) -> None:
    (event,) = store._recorder.select_events("case:1", gt=1)
    with pytest.raises(IntegrityError):
        store._recorder.insert_events([event])


TOLD = {
    "conflict": conflicts,
    "refusal": is_refused,
    "refusal of all": is_refused_with_others,
    "repeated key": repeats,
    "insert": inserts_twice,
}


@pytest.mark.parametrize("what", TOLD)
def test_what_a_decision_rests_on_is_on_the_disk_before_it_is_told(url: str, what: str) -> None:
    with CaseStore.open(url) as store:
        list(store.read())
        store.case("1")
        end = another_commits(url)
        TOLD[what](store)
        assert is_flushed(server_of(url), end)


# --- who copies ------------------------------------------------------------------------------


def test_a_backup_holds_only_what_is_on_the_disk(url: str, tmp_path: Path, programs: None) -> None:
    end = another_commits(url)
    assert backup(url, tmp_path / "kept").events == 3
    assert is_flushed(server_of(url), end)


def test_so_does_a_copy(url: str, tmp_path: Path) -> None:
    end = another_commits(url)
    assert copy(url, f"sqlite:///{tmp_path}/copy.db").events == 3
    assert is_flushed(server_of(url), end)


def test_a_seal_covers_only_what_is_on_the_disk(url: str) -> None:
    casestore = Casestore(url)
    assert casestore("audit", "key").code == 0
    end = another_commits(url)
    assert "3 events" in casestore("audit", "seal").fine().out
    assert is_flushed(server_of(url), end)


# --- who appends -----------------------------------------------------------------------------


def batch(store: CaseStore) -> int:
    appends = [Append(batches=(("case:1", (stories.noted(),)),)) for _ in range(3)]
    return len(store.write(appends))


ACKNOWLEDGED: dict[str, Callable[[CaseStore], int]] = {
    "one": lambda store: len(store.append("case:1", stories.noted()).positions),
    "two": lambda store: len(store.append("case:1", stories.noted(), stories.noted()).positions),
    "all": lambda store: len(store.append_all([("case:1", [stories.noted()])]).positions),
    "several": batch,
}


def test_what_is_acknowledged_outlives_a_crash(url: str, still_server: Server) -> None:
    expected = 2
    for append in ACKNOWLEDGED.values():
        with CaseStore.open(url) as store:
            store.case("1")
            expected += append(store)
        with crashed(still_server), CaseStore.open(url) as store:
            assert len(list(store.read())) == expected


def test_what_nobody_waited_for_may_be_lost_and_its_key_is_free(
    url: str, still_server: Server
) -> None:
    """And so this server loses what it may lose: the other tests here could fail."""
    with CaseStore.open(url) as store:
        store.case("1")
        another_commits(url)
        with crashed(still_server):
            assert len(store.history("case:1")) == 1
            assert store.append("case:1", stories.promised(), key="promise").versions == (2,)


def test_what_was_seen_outlives_a_crash(url: str, still_server: Server) -> None:
    with CaseStore.open(url) as store:
        store.case("1")
        another_commits(url)
        seen = next(store.follow(after=2))
        with crashed(still_server):
            assert next(store.follow(after=2)) == seen
            assert store.append("case:1", stories.noted()).positions > (seen.position,)


def test_a_role_that_may_run_only_the_functions_of_before_appends_as_before(
    url: str, still_server: Server
) -> None:
    """Where functions are not everybody's, an upgrade brings a procedure that nobody may call."""
    schema = url.partition("&schema=")[2].partition("&")[0]
    role = f"w{schema}"
    with psycopg.connect(server_of(url), autocommit=True) as admin:
        for sql in (
            "CREATE ROLE {role} LOGIN",
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
            "GRANT INSERT ON {schema}.stored_events, {schema}.customer_keys TO {role}",
            "REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA {schema} FROM PUBLIC",
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
        ):
            admin.execute(sql.format(role=role, schema=schema).encode())
    with CaseStore.open(url.replace("postgres@", f"{role}@")) as store:
        assert store.append("case:1", stories.noted()).versions == (2,)
    with crashed(still_server), CaseStore.open(url) as store:
        assert len(list(store.read())) == 3


# --- the lock --------------------------------------------------------------------------------

SLOW = "&options=-c%20commit_delay%3D100000%20-c%20commit_siblings%3D0"
"""A flush takes a tenth of a second."""


@pytest.mark.parametrize("way", ["one", "several"])
def test_the_lock_is_free_before_the_flush(url: str, way: str) -> None:
    """While a writer waits for its flush, its event is there, and others may write."""
    with (
        CaseStore.open(url.replace("&schema", f"{SLOW}&schema")) as store,
        psycopg.connect(server_of(url), autocommit=True) as other,
    ):
        store.case("1")
        schema = store._recorder.schema  # type: ignore[attr-defined]
        table = f'"{schema}".stored_events'
        lock = f"pg_try_advisory_xact_lock(hashtextextended('casestore:{schema}', 4711))"
        deadline = time.monotonic() + 60
        found = False
        while not found:
            assert time.monotonic() < deadline
            (before,) = one_row(other, f"SELECT count(*) FROM {table}")
            with ThreadPoolExecutor(1) as pool:
                appending = pool.submit(ACKNOWLEDGED[way], store)
                while not appending.done() and not found:
                    there, is_free = one_row(other, f"SELECT count(*), {lock} FROM {table}")
                    found = there > before and is_free and not appending.done()


def one_row(connection: psycopg.Connection[Any], sql: str) -> Any:
    return connection.execute(sql.encode()).fetchone()
