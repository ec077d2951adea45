"""The doctor tells what a PostgreSQL server is set to, and warns where a crash can lose events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from casestore import CaseStore
from casestore.doctor.examine import DoctorFinding, examine
from tests.support import stories
from tests.support.command_line import Casestore
from tests.support.postgres_server import Server, standby_of
from tests.support.processes import wait_until


@pytest.fixture
def store(
    postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CaseStore]:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    with CaseStore.create(f"{postgres_server.url}&schema=s") as store:
        store.append("case:1", stories.opened())
        yield store


def told(store: CaseStore) -> DoctorFinding:
    (finding,) = [finding for finding in examine(store) if finding.check == "database"]
    return finding


def set_to(server: Server, *settings: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as admin:
        for setting in settings:
            admin.execute(f"ALTER SYSTEM SET {setting}")
        admin.execute("SELECT pg_reload_conf()")


def test_a_server_as_it_is_made(store: CaseStore) -> None:
    finding = told(store)
    assert (finding.level, finding.do) == ("ok", "")
    assert finding.where.startswith("PostgreSQL ")
    assert finding.what == "fsync on, full_page_writes on, synchronous_commit on; no standby"
    ran = Casestore(store.url)("doctor")
    assert "full_page_writes on" in " ".join(ran.out.split())


def test_settings_by_which_a_crash_loses_events(store: CaseStore, postgres_server: Server) -> None:
    set_to(postgres_server, "full_page_writes = off", "synchronous_commit = off")
    wait_until(lambda: told(store).level == "warning")
    assert told(store).do == "switch full_page_writes on: without it a crash can damage the store"
    assert told(store).what == (
        "fsync on, full_page_writes off, synchronous_commit on (our connections set it, elsewhere "
        "it is off); no standby"
    )


def test_a_standby_that_nobody_waits_for(
    store: CaseStore, postgres_server: Server, tmp_path: Path
) -> None:
    with standby_of(postgres_server) as standby:
        assert told(store).what.endswith(
            "; 1 standby, for none of which commits wait: if one takes over, it may lack the last "
            "events"
        )
        with CaseStore.open(f"{standby.url}&schema=s") as copy:
            assert told(copy).what.endswith("; a hot standby itself, for reading only")
        command = Casestore(f"{standby.url}&schema=s", CASESTORE_KEY_FILE=str(tmp_path / "key"))
        assert command("doctor").code == 0


def test_a_standby_for_which_commits_wait(store: CaseStore, postgres_server: Server) -> None:
    set_to(postgres_server, "wal_sender_timeout = '1s'")
    with standby_of(postgres_server):
        set_to(postgres_server, "synchronous_standby_names = '*'")
        wait_until(lambda: told(store).what.endswith("; 1 standby, for 1 of which commits wait"))
    wait_until(lambda: told(store).level == "warning")
    assert told(store).what.endswith("; no standby")
    assert "every append waits" in told(store).do
    set_to(postgres_server, "synchronous_standby_names = ''")


def test_who_may_not_look_at_standbys(store: CaseStore, postgres_server: Server) -> None:
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE desk LOGIN")
        admin.execute("GRANT USAGE ON SCHEMA s TO desk")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA s TO desk")
    url = f"{postgres_server.url}&schema=s".replace("postgres@", "desk@")
    with standby_of(postgres_server), CaseStore.open(url) as reading:
        assert told(reading).what.endswith(
            "; 1 standby (a role with pg_read_all_stats sees whether commits wait for it)"
        )
