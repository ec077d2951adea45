"""PostgreSQL as others run it: their settings and names, restarts, standbys, poolers, crowds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from uuid import uuid4

import msgspec
import psycopg
import pytest

from casestore import CaseStore, HistoryChanged, PersonalDataErased, StoreUnavailable
from casestore.audit.evidence import write_bundle
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.audit.verifying import verify
from casestore.backup.backup import backup, restore
from casestore.doctor.examine import examine
from casestore.privacy.erasure import erase
from projections import Runner, reports
from tests.support import stories
from tests.support.command_line import Casestore
from tests.support.pooler import PROGRAM, pooler
from tests.support.postgres_server import Server, standby_of


@pytest.fixture(autouse=True)
def _key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))


def use(url: str) -> None:
    """Everything that a service and an operator do with a store."""
    with CaseStore.create(url) as store:
        use_store(store)
        for finding in examine(store):
            assert finding.level == "ok", finding


def use_store(store: CaseStore) -> None:
    number = uuid4().hex
    store.append(f"case:{number}", stories.opened(customer_id=number), key="k")
    for _ in range(12):  # psycopg prepares what is run more than five times
        store.append(f"case:{number}", stories.noted())
    store.append(f"case:{number}", stories.gave())
    assert store.append(f"case:{number}", stories.opened(customer_id=number), key="k").versions == (
        1,
    )
    assert store.case(number).status == "open"
    assert len(store.history(f"case:{number}", reveal=True)) == 14
    assert len(list(islice(store.follow(), 10))) == 10
    assert number in {row.case_id for row in reports.cases(store).rows}
    with Runner(store) as runner:
        runner.rebuild()
        assert runner.catch_up() == runner.head()
    erase(store, number, basis="gdpr-17", actor=stories.ANNA)
    assert any(isinstance(r.event, PersonalDataErased) for r in store.read())


# --- settings and names ----------------------------------------------------------------------

HARMFUL = {
    "synchronous_commit": "off",
    "default_transaction_isolation": "serializable",
    "array_nulls": "off",
    "row_security": "on",
    "standard_conforming_strings": "off",
    "plan_cache_mode": "force_custom_plan",
    "lock_timeout": "0",
}


@pytest.mark.parametrize("of", ["role", "database"])
def test_what_a_server_is_set_to_does_not_matter(
    postgres_server: Server, of: str, tmp_path: Path, programs: None
) -> None:
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        for name, value in HARMFUL.items():
            admin.execute(f"ALTER {of} postgres SET {name} = '{value}'")
    url = f"{postgres_server.url}&schema=s"
    use(url)
    with CaseStore.open(url) as store:
        asked = {
            name: store._recorder.fetch("SELECT current_setting(?)", [name]) for name in HARMFUL
        }
        with store._recorder.writing() as writing:
            cursor = writing._cursor  # type: ignore[attr-defined]
            shown = cursor.execute("SHOW synchronous_commit").fetchone()
    assert shown == ("on",)
    assert {name: value for name, ((value,),) in asked.items()} == {
        "synchronous_commit": "on",
        "default_transaction_isolation": "read committed",
        "array_nulls": "on",
        "row_security": "off",
        "standard_conforming_strings": "on",
        "plan_cache_mode": "force_generic_plan",
        "lock_timeout": "30s",
    }
    backup(url, tmp_path / "kept")
    restore(tmp_path / "kept", f"{postgres_server.url}&schema=again")
    with CaseStore.open(f"{postgres_server.url}&schema=again") as again, CaseStore.open(url) as it:
        assert again._recorder.rows(0, 1000) == it._recorder.rows(0, 1000)


def test_what_a_server_is_set_to_meanwhile_does_not_matter(postgres_server: Server) -> None:
    with CaseStore.create(f"{postgres_server.url}&schema=s") as store:
        store.append("case:1", stories.opened())
        with psycopg.connect(postgres_server.url, autocommit=True) as admin:
            for setting in ("synchronous_commit = off", "lock_timeout = 0"):
                admin.execute(f"ALTER SYSTEM SET {setting}")
            admin.execute("SELECT pg_reload_conf()")
            ask = "SELECT current_setting('synchronous_commit')"
            wait_for(lambda: admin.execute(ask).fetchone() == ("off",))
        store.append("case:1", stories.noted())
        assert store._recorder.fetch(ask) == [("on",)]
        with store._recorder.writing() as writing:
            cursor = writing._cursor  # type: ignore[attr-defined]
            assert cursor.execute(ask).fetchone() == ("on",)


def test_a_stricter_setting_stays(postgres_server: Server) -> None:
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute("ALTER ROLE postgres SET synchronous_commit = 'remote_apply'")
        admin.execute("ALTER ROLE postgres SET lock_timeout = '5s'")
    with CaseStore.create(f"{postgres_server.url}&schema=s") as store:
        for name, value in (("synchronous_commit", "remote_apply"), ("lock_timeout", "5s")):
            assert store._recorder.fetch("SELECT current_setting(?)", [name]) == [(value,)]


@pytest.mark.parametrize("schema", ["user", "order", "select", "table"])
def test_a_schema_may_have_a_word_of_sql_as_its_name(
    postgres_server: Server, schema: str, tmp_path: Path, programs: None
) -> None:
    url = f"{postgres_server.url}&schema={schema}"
    use(url)
    backup(url, tmp_path / "kept")
    restore(tmp_path / "kept", f"{postgres_server.url}&schema=grant")
    assert Casestore(f"{postgres_server.url}&schema=grant")("cases").code == 0


# --- restarts --------------------------------------------------------------------------------


@contextmanager
def in_background(work: Callable[[threading.Event], object]) -> Iterator[list[BaseException]]:
    failed: list[BaseException] = []
    stop = threading.Event()

    def run() -> None:
        try:
            work(stop)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_followers_and_runners_go_on_after_a_restart(
    postgres_server: Server, ends: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "casestore")
    with CaseStore.create(f"{postgres_server.url}&schema=s") as store, Runner(store) as runner:
        seen: list[int] = []

        def follow(stop: threading.Event) -> None:
            seen.extend(recorded.position or 0 for recorded in store.follow(stop=stop))

        def run(stop: threading.Event) -> None:
            runner.run(stop=stop)

        with in_background(follow) as failed, in_background(run) as failed_too:
            store.append("case:1", stories.opened())
            wait_for(lambda: len(seen) == 2)
            getattr(postgres_server, ends)()
            time.sleep(0.5)
            with pytest.raises(StoreUnavailable):
                store.history("case:1")
            postgres_server.start()
            position = store.append("case:1", stories.noted()).position
            wait_for(lambda: len(seen) == 3)
            runner.wait(position, timeout=30)
        assert failed == failed_too == []
        assert seen == sorted(set(seen))
    said = [record.message for record in caplog.records]
    for what in ("following the store", "keeping the projections up to date"):
        assert [line for line in said if line.startswith(f"{what} is interrupted")]
        assert f"{what} goes on" in said


def test_after_a_long_outage_the_first_append_is_taken_at_once(postgres_server: Server) -> None:
    """And during it none waits for a connection more than once."""
    with CaseStore.create(f"{postgres_server.url}&schema=s") as store:
        store.append("case:1", stories.opened())
        datastore = store._recorder.datastore  # type: ignore[attr-defined]
        datastore.pool.timeout = 2.0
        postgres_server.stop()
        for _ in range(8):  # the pool's own attempts came less and less often
            begun = time.monotonic()
            with pytest.raises(StoreUnavailable, match="couldn't get a connection"):
                store.append("case:1", stories.noted())
            assert time.monotonic() - begun < 4
        postgres_server.start()
        datastore.pool.timeout = 30.0
        begun = time.monotonic()
        assert store.append("case:1", stories.noted()).versions == (2,)
        assert time.monotonic() - begun < 20


def test_who_waits_for_a_connection_gets_one_as_soon_as_the_server_is_back(
    postgres_server: Server,
) -> None:
    """And not only who comes after it is back: the pool had given up, and they waited for 30 s."""
    with CaseStore.create(f"{postgres_server.url}&schema=s") as store:
        store.append("case:1", stories.opened())
        pool = store._recorder.datastore.pool  # type: ignore[attr-defined]
        pool.reconnect_timeout = 0.2
        postgres_server.stop()
        with ThreadPoolExecutor() as threads:
            writes = threads.submit(store.append, "case:1", stories.noted())
            reads = threads.submit(store.history, "case:1")
            wait_for(lambda: pool.get_stats().get("connections_errors", 0) > 8)
            postgres_server.start()
            assert writes.result(60).versions == (2,)
            assert len(reads.result(60)) in (1, 2)


# --- crowds ----------------------------------------------------------------------------------


def test_two_hundred_followers_need_two_connections(store_url: str) -> None:
    """And whoever reads or appends beside them does not wait for one."""
    with CaseStore.create(store_url) as store:
        store.append("case:1", stories.opened())
        seen = [0] * 200
        stop = threading.Event()

        def follow(number: int) -> None:
            for _ in store.follow(stop=stop):
                seen[number] += 1

        threads = [threading.Thread(target=follow, args=[n], daemon=True) for n in range(200)]
        for thread in threads:
            thread.start()
        wait_for(lambda: set(seen) == {2})
        begun = time.monotonic()
        for _ in range(5):
            store.append("case:1", stories.noted())
            assert store.case("1").status == "open"
        wait_for(lambda: set(seen) == {7})
        assert time.monotonic() - begun < 20
        if "postgres" in store_url:
            name = store_url.rpartition("=")[2]
            channel = f"casestore_{name}"[:63]
            sessions = store._recorder.fetch(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE ?", [f"%{channel}%"]
            )
            assert sessions[0][0] <= 2  # the one that listens, and this one
            used = store._recorder.fetch(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE ?", [f'%"{name}"%']
            )
            assert used[0][0] <= 4
        stop.set()
        for thread in threads:
            thread.join(10)


# --- poolers and standbys --------------------------------------------------------------------


@pytest.fixture
def pooled(postgres_server: Server) -> Iterator[str]:
    if PROGRAM is None:
        pytest.skip("pgbouncer is not here")
    with pooler(postgres_server) as url:
        yield url


def test_behind_a_transaction_pooler(pooled: str, postgres_server: Server) -> None:
    use(f"{pooled}&prepare_threshold=none&schema=s")
    with ExitStack() as stack:
        url = f"{pooled}&prepare_threshold=none&schema=s"
        stores = [stack.enter_context(CaseStore.open(url)) for _ in range(8)]

        def append(store: CaseStore) -> None:
            for number in range(15):
                store.append("case:busy", stories.noted(), key=f"{id(store)} {number}")
                store.history("case:busy")

        stores[0].append("case:busy", stories.opened())
        for store in stores:
            stack.enter_context(_threaded(append, store))
    with CaseStore.open(f"{postgres_server.url}&schema=s") as direct:
        versions = [r.version for r in direct.history("case:busy").originals]
        assert versions == list(range(1, 8 * 15 + 2))
        # It left nothing of ours in the sessions, which others have next.
        with psycopg.connect(pooled) as other:
            assert other.execute("SHOW plan_cache_mode").fetchone() == ("auto",)


@contextmanager
def _threaded(work: Callable[[CaseStore], object], store: CaseStore) -> Iterator[None]:
    with in_background(lambda _: work(store)) as failed:
        yield
    assert failed == []


def test_behind_a_pooler_the_server_can_be_named_for_what_needs_a_session(
    pooled: str, postgres_server: Server, tmp_path: Path, programs: None
) -> None:
    listen = postgres_server.url.replace(":", "%3A").replace("/", "%2F").replace("?", "%3F")
    listen = listen.replace("&", "%26").replace("=", "%3D")
    url = f"{pooled}&prepare_threshold=none&schema=s&listen_url={listen}"
    use(url)
    backup(url, tmp_path / "kept")
    with CaseStore.open(url) as store:
        assert len(list(islice(store.follow(), 3))) == 3
        assert store._recorder.scrub()


def test_reports_of_a_hot_standby_are_those_of_its_server(
    postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CaseStore.create(f"{postgres_server.url}&schema=s") as store:
        store.append("case:1", stories.opened())
        before = msgspec.to_builtins(reports.cases(store).rows)
        with standby_of(postgres_server) as standby:
            url = f"{standby.url}&schema=s"
            store.append("case:2", stories.opened())
            with CaseStore.open(url) as copy:
                wait_for(lambda: len(list(copy.read())) == len(list(store.read())))
                with pytest.raises(StoreUnavailable, match="can only be read"):
                    copy.append("case:1", stories.noted())
                for known in (None, copy.now()):
                    rows = msgspec.to_builtins(reports.cases(copy, known_at=known).rows)
                    assert rows == msgspec.to_builtins(reports.cases(store).rows)
                    assert rows != before
                with pytest.raises(StoreUnavailable, match="CASESTORE_PROJECTIONS"), Runner(copy):
                    pass
            assert Casestore(url)("cases").code == 0
            monkeypatch.setenv("CASESTORE_PROJECTIONS", str(tmp_path / "tables"))
            with CaseStore.open(url) as copy, Runner(copy) as runner:
                assert runner.catch_up() == runner.head()
                assert reports.cases(copy).total == 2
            assert (tmp_path / "tables").exists()


def test_who_may_only_select_gets_reports(postgres_server: Server) -> None:
    with CaseStore.create(f"{postgres_server.url}&schema=s") as store:
        store.append("case:1", stories.opened())
        expected = msgspec.to_builtins(reports.cases(store).rows)
        with psycopg.connect(postgres_server.url, autocommit=True) as admin:
            admin.execute("CREATE ROLE reader LOGIN")
            admin.execute("GRANT USAGE ON SCHEMA s TO reader")
            admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA s TO reader")
        url = postgres_server.url.replace("postgres@", "reader@") + "&schema=s"
        with CaseStore.open(url) as reading:
            assert msgspec.to_builtins(reports.cases(reading).rows) == expected
            with pytest.raises(StoreUnavailable, match="permission denied"):
                reading.append("case:1", stories.noted())
            # It may not see the last position that was given.
            (head,) = (r.position or 0 for r in islice(reading.follow(1), 1))
            assert list(reading.read(head)) == []
            with pytest.raises(HistoryChanged):
                list(reading.read(head + 1))


def test_a_policy_that_hides_rows_is_an_error_of_every_read(
    postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table stays as it is: without that, a case's last events would be gone in silence."""
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(tmp_path / "audit"))
    with CaseStore.create(f"{postgres_server.url}&schema=hidden") as store:
        store.append("case:1", stories.opened(), stories.issue())
        Folder.of(store.url).make_key(origin(store))
        seal(store)
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE clerk LOGIN")
        admin.execute("GRANT USAGE ON SCHEMA hidden TO clerk")
        admin.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA hidden TO clerk")
        admin.execute("ALTER TABLE hidden.stored_events ENABLE ROW LEVEL SECURITY")
        admin.execute("CREATE POLICY hiding ON hidden.stored_events USING (originator_version < 2)")
    url = postgres_server.url.replace("postgres@", "clerk@") + "&schema=hidden"
    asked: tuple[Callable[[CaseStore], object], ...] = (
        lambda s: s.history("case:1"),
        lambda s: s.case("1"),
        lambda s: list(s.read()),
        lambda s: s.append("case:1", stories.noted()),
        lambda s: write_bundle(s, "1", tmp_path / "bundle"),
        verify,
        seal,
    )
    with CaseStore.open(url) as store:
        for ask in asked:
            with pytest.raises(StoreUnavailable, match="affected by row-level security policy"):
                ask(store)
    ran = Casestore(url, CASESTORE_AUDIT_DIR=str(tmp_path / "audit"))("doctor")
    assert ran.code in (1, 3)
    assert "row-level security policy" in ran.out + ran.err


# --- connections that cannot be had ----------------------------------------------------------


def test_a_worker_that_cannot_connect_prints_one_line(postgres_server: Server) -> None:
    url = f"{postgres_server.url}&schema=s"
    with CaseStore.create(url) as store:
        for number in range(50):
            store.append(f"case:{number}", stories.opened())
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE desk LOGIN CONNECTION LIMIT 2")
        admin.execute("GRANT ALL ON DATABASE postgres TO desk")
        admin.execute("GRANT ALL ON SCHEMA s TO desk")
        admin.execute("GRANT ALL ON ALL TABLES IN SCHEMA s TO desk")
    ran = Casestore(url.replace("postgres@", "desk@")).spawn(
        "projections", "rebuild", "--processes", "3"
    )
    assert ran.code == 3
    assert ran.err.count("\n") == 1, ran.err
    assert "Traceback" not in ran.err
