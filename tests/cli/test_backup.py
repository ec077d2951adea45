"""`casestore backup`, `restore` and `copy`, at the command line's end of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from tests.support.backups import other
from tests.support.command_line import Casestore, demo_store

WORDS = ("case", "timeline", "roadshow", "--reveal", "--format", "json")


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    return demo_store(tmp_path)


def at(casestore: Casestore, url: str) -> Casestore:
    """The same, with the same key file, on another store."""
    return Casestore(url, **{**casestore.env, "CASESTORE_URL": url})


def test_what_a_backup_says(casestore: Casestore, tmp_path: Path) -> None:
    file = tmp_path / "monday.backup"
    said = casestore("backup", str(file)).fine().out.splitlines()
    assert said[0] == f"wrote {file}: 182 events, up to position 182"
    assert said[1].startswith("sha256 ")
    assert said[2:] == [
        "not in it, to be kept apart from it:",
        f"  the key file {tmp_path}/demo.db.key",
    ]
    assert "--force" in casestore("backup", str(file)).failed(1)
    again = casestore("backup", str(file), "--force", "--format", "json").fine().json
    assert (again["events"], again["position"]) == (182, 182)
    assert casestore("backup", str(file), "--force", "--quiet").fine().out == ""
    nowhere = Casestore(f"sqlite:///{tmp_path}/none.db")
    assert "casestore init" in nowhere("backup", str(tmp_path / "x")).failed(2)


def test_the_steps_after_a_disaster(casestore: Casestore, tmp_path: Path) -> None:
    db, file, key = tmp_path / "demo.db", tmp_path / "monday.backup", tmp_path / "demo.db.key"
    casestore("audit", "key")
    casestore("audit", "seal").fine()
    casestore("backup", str(file)).fine()
    customer = casestore("case", "show", "roadshow", "--format", "json").fine().json["customer_id"]
    casestore(
        "privacy", "erase", customer, "--basis", "gdpr-17", "--yes", "--actor", "agent:anna"
    ).fine()
    casestore("audit", "seal").fine()
    casestore("cases").fine()
    assert "already" in casestore("restore", str(file)).failed(1)
    for each in (db, tmp_path / "demo.db-wal", tmp_path / "demo.db-shm"):
        each.unlink(missing_ok=True)
    projections = tmp_path / "demo.db.projections"
    assert projections.exists()

    assert casestore("restore", str(file)).fine().out.splitlines() == [
        f"restored {file} to sqlite:///{db}: 182 events, up to position 182",
        "the first 182 events are what the store's own seal signed",
        "the store's own seal is of 183 events: 1 of them, or more, are newer than this "
        "backup, and missing",
        f"erased again: {customer}",
    ]
    assert not projections.exists()
    assert "Salina" not in casestore(*WORDS).fine().out
    assert casestore("cases", "--quiet").fine()
    assert "older copy" in casestore("audit", "seal").failed(1)

    (tmp_path / "demo.db.audit").rename(tmp_path / "kept-for-the-inquiry")
    casestore("audit", "key")
    casestore("audit", "seal").fine()
    casestore("audit", "verify").fine()
    assert casestore("doctor").code == 0
    assert key.exists()


def test_erasures_can_be_left(casestore: Casestore, tmp_path: Path) -> None:
    file = tmp_path / "monday.backup"
    casestore("backup", str(file)).fine()
    before = casestore(*WORDS).fine().json
    customer = casestore("case", "show", "roadshow", "--format", "json").fine().json["customer_id"]
    casestore(
        "privacy", "erase", customer, "--basis", "gdpr-17", "--yes", "--actor", "agent:anna"
    ).fine()
    there = at(casestore, f"sqlite:///{tmp_path}/there.db")
    shutil.copy(tmp_path / "demo.db.key", tmp_path / "there.db.key")
    shutil.copy(tmp_path / "demo.db.key.erased", tmp_path / "there.db.key.erased")
    told = there("restore", str(file), "--no-reapply").fine().out
    assert "erasures since the backup are not applied" in told
    assert there(*WORDS).fine().json == before
    assert there("doctor").code == 1
    there("privacy", "reapply", "--actor", "agent:anna").fine()
    assert there("doctor").code == 0


def test_a_list_that_lost_its_lines_is_told_of_where_erasures_were_sealed(
    casestore: Casestore, tmp_path: Path
) -> None:
    db, file = tmp_path / "demo.db", tmp_path / "monday.backup"
    casestore("audit", "key")
    casestore("backup", str(file)).fine()
    customer = casestore("case", "show", "roadshow", "--format", "json").fine().json["customer_id"]
    casestore(
        "privacy", "erase", customer, "--basis", "gdpr-17", "--yes", "--actor", "agent:anna"
    ).fine()
    casestore("audit", "seal").fine()
    for each in tmp_path.glob("demo.db*"):
        if each.is_file() and each.suffix != ".key":
            each.unlink()
    (tmp_path / "demo.db.key.erased").write_bytes(b"")
    told = casestore("restore", str(file)).fine().out
    assert "1 sealed erasure or more: neither this backup nor the list" in told
    assert db.exists()
    found = casestore("doctor")
    assert found.code == 1
    assert "lacks 1 erasure that was sealed" in " ".join(found.out.split())


def test_held_checkpoints_and_keys(casestore: Casestore, tmp_path: Path) -> None:
    file, held = tmp_path / "monday.backup", tmp_path / "march"
    verifier = casestore("audit", "key").out.strip()
    casestore("audit", "seal").fine()
    shutil.copy(tmp_path / "demo.db.audit" / "checkpoint", held)
    casestore("backup", str(file)).fine()
    there = at(casestore, f"sqlite:///{tmp_path}/there.db")
    assert "--key" in there("restore", str(file), "--held", str(held)).failed(3)
    assert not (tmp_path / "there.db").exists()
    told = there("restore", str(file), "--held", str(held), "--key", verifier, "--format", "json")
    assert told.fine().json["proven"] == {"checkpoint": f"the checkpoint {held}", "size": 182}
    assert any("there.db.key is missing" in each for each in told.json["remarks"])


def test_copying_to_the_other_database_and_back(
    casestore: Casestore, programs: None, postgres_schema_url: str, tmp_path: Path
) -> None:
    key = str(tmp_path / "demo.db.key")
    there = Casestore(postgres_schema_url, CASESTORE_KEY_FILE=key)
    said = casestore("copy", postgres_schema_url).fine().out.splitlines()
    assert said[0].endswith(": 182 events, up to position 182")
    assert said[2:] == [f"  the key file {key}"]
    assert "already" in casestore("copy", postgres_schema_url).failed(1)
    assert there(*WORDS).fine().json == casestore(*WORDS).fine().json
    asked = ("cases", "--as-of", "2026-09-01", "--format", "csv")
    cases = there(*asked).fine().out
    assert cases == casestore(*asked).fine().out

    file = str(tmp_path / "dump")
    assert there("backup", file).fine().out.startswith(f"wrote {file}: 182 events")
    elsewhere = Casestore(other(postgres_schema_url), CASESTORE_KEY_FILE=key)
    elsewhere("restore", file).fine()
    assert elsewhere(*asked).fine().out == cases
    back = Casestore(f"sqlite:///{tmp_path}/back.db", CASESTORE_KEY_FILE=key)
    back("restore", file).fine()
    assert back("export", "--reveal").fine().out == casestore("export", "--reveal").fine().out


def test_stale_projections_are_dropped_on_postgresql(
    casestore: Casestore, programs: None, postgres_schema_url: str, tmp_path: Path
) -> None:
    env = {"CASESTORE_KEY_FILE": str(tmp_path / "demo.db.key")}
    there = Casestore(postgres_schema_url, **env)
    casestore("copy", postgres_schema_url).fine()
    there("cases").fine()
    there("backup", str(tmp_path / "dump")).fine()
    base, _, schema = postgres_schema_url.rpartition("&schema=")
    with psycopg.connect(base) as connection:
        connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
    there("restore", str(tmp_path / "dump")).fine()
    with psycopg.connect(base) as connection:
        sql = f'SELECT count(*) FROM "{schema}_projections".tracking'
        assert connection.execute(sql).fetchone() == (0,)
    assert "cases 6" in there("cases").fine().out


def test_without_pg_dump_it_says_what_to_do(
    casestore: Casestore, postgres_schema_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    casestore("copy", postgres_schema_url).fine()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    there = Casestore(postgres_schema_url, CASESTORE_KEY_FILE=str(tmp_path / "demo.db.key"))
    refused = there("backup", str(tmp_path / "dump")).failed(3)
    assert refused.startswith("PostgreSQL's pg_dump is not here: install")
    assert "`casestore copy`" in refused
    assert not (tmp_path / "dump").exists()
