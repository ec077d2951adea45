"""A store of an earlier version works as it is, and is brought up to what this version makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from casestore import CaseStore, StoreUnavailable
from casestore.backup.upgrade import upgrade
from casestore.doctor.examine import examine
from casestore.journal import postgres, sqlite
from casestore.journal.recorder import SCHEMA_VERSION
from projections import Runner
from tests.support import stories
from tests.support.alter import execute
from tests.support.backups import other
from tests.support.command_line import Casestore
from tests.support.first_store import FirstStore, put
from tests.support.golden import check_golden

SAME = {
    "goodwill": "goodwill spend --by kind --as-of 2026-10-20",
    "timeline": "case timeline twin-a --as-of 2026-10-20 --reveal",
    "customer": "case timeline customer:T-4 --as-of 2026-10-20 --reveal",
}
"""Commands that say what the code of then said, by the file where that is kept."""
OF_FAMILIES = {
    "first-store-cases.txt": "cases --as-of 2026-10-20",
    "first-store-promises.txt": "promises --as-of 2026-10-20",
    "first-store-lapses.txt": "lapses --as-of 2026-10-20",
    "first-store-show.txt": "case show roadshow --as-of 2026-10-20",
}
"""Commands that say more since then, by golden file: reports read cases that are merged as one
history, and `case show` tells of each issue and reply how it stands."""
pytestmark = pytest.mark.usefixtures("programs")
INDEX = "index stored_events_case_merges"


@pytest.fixture
def first(store_url: str, tmp_path: Path) -> FirstStore:
    return put(store_url, tmp_path)


def lacks(url: str) -> list[str]:
    with CaseStore.open(url) as store:
        return store._recorder.lacks()


def bytes_of_events(url: str) -> Sequence[object]:
    with CaseStore.open(url) as store:
        return store._recorder.rows(0, 1000)


def reads_as_it_did(first: FirstStore) -> None:
    for name, command in SAME.items():
        answer = first.casestore(*command.split()).fine().out
        assert below_headings(answer) == below_headings(first.said(name)), name
    for file, command in OF_FAMILIES.items():
        check_golden(file, first.casestore(*command.split()).fine().out)
    verified = first.casestore("audit", "verify").fine().out
    assert verified.startswith("212 events are what was signed\n")


def below_headings(table: str) -> list[list[str]]:
    """The words of each line of a table, whose headings are the fields' whole names since then."""
    return [line.split() for line in table.splitlines()[1:]]


def test_a_store_of_the_first_version_works_before_and_after_its_upgrade(first: FirstStore) -> None:
    reads_as_it_did(first)
    events = bytes_of_events(first.url)
    done = first.casestore("upgrade", "--backup", str(first.folder / "before")).fine().out
    assert done.startswith(f"wrote the backup {first.folder / 'before'}\nmade: {INDEX}\n")
    assert lacks(first.url) == []
    assert bytes_of_events(first.url) == events
    reads_as_it_did(first)
    first.casestore("record", "case:apart", "NoteAdded", "text=New", "--actor", "agent:a").fine()
    first.casestore("audit", "seal").fine()
    first.casestore("audit", "verify").fine()


def test_without_its_upgrade_it_takes_events_and_is_sealed_and_restored(
    first: FirstStore, tmp_path: Path
) -> None:
    first.casestore("record", "case:apart", "NoteAdded", "text=New", "--actor", "agent:a").fine()
    merge = ("record", "case:apart", "CaseMerged", "into=twin-a", "--actor", "agent:a")
    first.casestore(*merge).fine()
    first.casestore("audit", "seal").fine()
    assert first.casestore("audit", "verify").fine().out.startswith("215 events")
    first.casestore("backup", str(tmp_path / "backup")).fine()
    restored = first.casestore("--db", other(first.url), "restore", str(tmp_path / "backup"))
    assert "215 events" in restored.fine().out
    assert lacks(other(first.url)) == []  # what is made anew is made by this version


def test_a_dry_run_tells_and_changes_nothing(first: FirstStore) -> None:
    told = first.casestore("upgrade", "--dry-run").fine().out
    assert told.startswith(f"would be made: {INDEX}\n")
    assert INDEX in lacks(first.url)
    as_json = first.casestore("--format", "json", "upgrade", "--dry-run").fine().json
    assert as_json == {"lacked": lacks(first.url), "backup": None, "dry_run": True}


def test_a_new_store_has_nothing_to_upgrade(store_url: str, tmp_path: Path) -> None:
    CaseStore.create(store_url, key_file=tmp_path / "key").close()
    first = FirstStore(store_url, Casestore(store_url), tmp_path)
    place = tmp_path / "before"
    told = first.casestore("upgrade", "--backup", str(place)).fine().out
    assert told == "nothing is to be done: the store is as this version makes them\n"
    assert not place.exists()


def test_the_backup_is_there_before_anything_is_changed(first: FirstStore) -> None:
    (first.folder / "before").write_text("there is something already")
    refused = first.casestore("upgrade", "--backup", str(first.folder / "before")).failed(1)
    assert "it is there already" in refused
    assert INDEX in lacks(first.url)


def test_on_postgresql_its_place_must_be_named(first: FirstStore) -> None:
    ran = first.casestore("upgrade")
    if "sqlite" in first.url:
        assert ran.fine().out.startswith(f"wrote the backup {first.folder}/store.db.before-upgrade")
    else:
        assert "--backup FILE" in ran.failed(2)


def test_whoever_has_the_store_open_goes_on(first: FirstStore) -> None:
    with CaseStore.open(first.url) as store, Runner(store) as runner:
        before = runner.catch_up()
        following = store.follow(before - 1)
        next(following)
        first.casestore("upgrade", "--backup", str(first.folder / "before")).fine()
        first.casestore(
            "record", "case:apart", "NoteAdded", "text=New", "--actor", "agent:a"
        ).fine()
        assert next(following).stream == "case:apart"
        assert runner.catch_up() == before + 1
        assert store.append("case:apart", stories.noted()).positions == (before + 2,)


def test_an_upgrade_that_fails_half_way_changes_nothing(
    first: FirstStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, lacked = bytes_of_events(first.url), lacks(first.url)
    broken = "CREATE INDEX none"
    made = [*sqlite._made(), ("index", "none", broken)]
    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "_made", lambda: made)
        patched.setattr(postgres, "_TABLES", f"{postgres._TABLES}{broken};")
        with pytest.raises(StoreUnavailable, match=r"syntax error|incomplete input"):
            upgrade(first.url, first.folder / "before")
    assert (bytes_of_events(first.url), lacks(first.url)) == (events, lacked)
    first.casestore("upgrade", "--backup", str(first.folder / "again")).fine()
    assert lacks(first.url) == []


def test_modes_stay_as_they_are(tmp_path: Path) -> None:
    first = put(f"sqlite:///{tmp_path}/store.db", tmp_path)
    (tmp_path / "store.db").chmod(0o640)
    first.casestore("upgrade").fine()
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o640


def test_the_doctor_says_that_there_is_an_upgrade(first: FirstStore) -> None:
    with CaseStore.open(first.url) as store:
        (finding,) = (each for each in examine(store) if each.check == "upgrade")
    assert finding.level == "warning"
    assert INDEX in finding.what
    assert "casestore upgrade" in finding.do


def test_tables_of_an_earlier_version_are_refused_until_they_are_upgraded(
    store_url: str, tmp_path: Path
) -> None:
    with CaseStore.create(store_url, key_file=tmp_path / "key") as store:
        table = store._recorder.table.replace("stored_events", "casestore_meta")
        earlier = f"value = '{SCHEMA_VERSION - 1}'"
        execute(store, f"UPDATE {table} SET {earlier} WHERE name = 'schema_version'")
    with pytest.raises(StoreUnavailable, match="run `casestore upgrade`"):
        CaseStore.open(store_url)


def test_on_postgresql_a_store_without_the_newer_procedure_takes_appends(
    postgres_schema_url: str, tmp_path: Path
) -> None:
    """Its commits are flushed under the lock, until it is upgraded and opened anew."""
    first = put(postgres_schema_url, tmp_path)
    procedure = "procedure casestore_append_then_flush"
    assert procedure in lacks(first.url)
    with CaseStore.open(first.url) as store:
        last = store._recorder.last_position()
        for n in range(1, 8):  # psycopg prepares what is run more than five times
            assert store.append("case:apart", stories.noted()).position == last + n
    first.casestore("upgrade", "--backup", str(first.folder / "before")).fine()
    assert procedure not in lacks(first.url)
    with CaseStore.open(first.url) as store:
        assert store.append("case:apart", stories.noted()).position == last + 8


def test_on_postgresql_who_runs_the_earlier_version_goes_on_after_an_upgrade(
    postgres_schema_url: str, tmp_path: Path
) -> None:
    """It calls the function that it knows, which commits as it did."""
    first = put(postgres_schema_url, tmp_path)
    first.casestore("upgrade", "--backup", str(first.folder / "before")).fine()
    with CaseStore.open(first.url) as store:
        store._recorder.datastore.has_procedure = False  # type: ignore[attr-defined]
        last = store._recorder.last_position()
        assert store.append("case:apart", stories.noted()).position == last + 1
