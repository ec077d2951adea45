"""Keeping: a backup is one moment, a restored store is the same store, and nothing is half-kept."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.synchronize import Event as Signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from casestore import CaseStore, StoreDamaged, StoreExists, StoreNotFound, StoreUnavailable
from casestore.audit.folder import Folder
from casestore.audit.held import HeldCheckpoint
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.backup.backup import StoreCopy, backup, copy, restore
from casestore.backup.snapshot import Snapshot, reading
from casestore.doctor.examine import examine
from casestore.errors import CannotTell
from casestore.journal.recorder import RESTORED
from casestore.journal.url import parse_url
from tests.support.backups import other
from tests.support.command_line import ROOT
from tests.support.notes import note
from tests.support.notes import opened as opening
from tests.support.sealed import (
    alter,
    audit_folder,
    execute,
    key_of,
    make_store,
    opened,
    sealed,
    tell,
    verified,
)

SPAWN = get_context("spawn")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "monday.backup"


@pytest.fixture
def url(
    store_url: str, programs: None, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Give the URL of a store with 11 events, sealed after 7 and after 11."""
    file.parent.mkdir()
    audit_folder(tmp_path, monkeypatch)
    make_store(store_url)
    if "postgres" in store_url:
        try:
            backup(store_url, file)
        except StoreUnavailable as error:
            pytest.skip(f"no backup of this PostgreSQL: {error}")
        file.unlink()
    return store_url


def everything(url: str) -> tuple[dict[str, str], list[Any], list[Any]]:
    with reading(parse_url(url)) as place:
        meta, keys, rows = place.contents()
        meta.pop(RESTORED, None)  # of what was restored or copied alone
        return meta, list(map(tuple, keys)), list(map(tuple, rows))


def back(file: Path, url: str, **asked: Any) -> StoreCopy:
    return restore(file, other(url), **asked)


def nothing_at(url: str) -> None:
    """Neither a store, nor half of one."""
    where = parse_url(url)
    if "sqlite" in url:
        assert not [each for each in Path(url[10:]).parent.iterdir() if Path(url).name in each.name]
        return
    with psycopg.connect(where.conninfo) as connection:  # type: ignore[union-attr]
        found = connection.execute("SELECT to_regnamespace(%s)", [where.schema]).fetchone()  # type: ignore[union-attr]
    assert found == (None,)


def goes_on(url: str) -> None:
    """It can be appended to at the next position, read, and revealed."""
    case = f"case:{uuid4()}"
    with opened(url) as store:
        last = store._recorder.max_notification_id() or 0
        store.append(case, opening("k1", subject="More"), note("words"))
        positions = [each.position for each in store.read(after=last)]
        assert positions == list(range(last + 1, last + 1 + len(positions)))
        words = [each.words for each in store.history(case, reveal=True)]
        assert [str(word) for each in words for word in each.values()] == ["More", "words"]


def test_a_restored_store_is_the_same_byte_for_byte_and_works(url: str, file: Path) -> None:
    before = everything(url)
    kept = backup(url, file)
    assert (kept.events, kept.position) == (11, 11)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    restored = back(file, url)
    assert (restored.events, restored.position) == (11, 11)
    assert restored.root == sealed(url).checkpoint.root
    assert restored.proven is not None
    assert (restored.proven.size, restored.newer) == (11, None)
    assert everything(other(url)) == before
    assert verified(other(url)).verdict == "fine"
    with opened(other(url)) as store:
        assert [each for each in examine(store) if each.level == "error"] == []
        words = [r.words for r in store.history("case:c1", reveal=True) if r.privacy == "revealed"]
        assert {str(each) for word in words for each in word.values()} == {"Ach", "Oh."}
    goes_on(other(url))


def test_the_key_file_is_in_no_backup(url: str, file: Path) -> None:
    backup(url, file)
    key = Path(os.environ["CASESTORE_KEY_FILE"]).read_text("ascii").splitlines()[-1].split()[-1]
    assert key.encode() not in file.read_bytes()


def test_a_backup_replaces_an_earlier_one_only_if_told_to(url: str, file: Path) -> None:
    first = backup(url, file)
    with pytest.raises(StoreExists, match="--force"):
        backup(url, file)
    goes_on(url)
    again = backup(url, file, force=True)
    assert (again.events, first.events) == (13, 11)
    letter = file.with_name("letter")
    letter.write_text("Dear")
    with pytest.raises(StoreDamaged, match="is not a backup"):
        backup(url, letter, force=True)
    assert letter.read_text() == "Dear"
    with pytest.raises(StoreNotFound, match="does not exist"):
        backup(url, file / "nowhere" / "x")


def test_a_store_is_never_replaced_by_a_backup(tmp_path: Path) -> None:
    url, db = f"sqlite:///{tmp_path}/store.db", tmp_path / "store.db"
    with CaseStore.create(url) as store:
        store.append("case:1", opening())
        with pytest.raises(StoreExists, match="in use"):
            backup(url, db, force=True)
        CaseStore.create(f"sqlite:///{tmp_path}/b.db").close()
        with pytest.raises(StoreExists, match="in use"):
            backup(f"sqlite:///{tmp_path}/b.db", db, force=True)
    with pytest.raises(StoreExists, match="in use"):
        backup(url, db, force=True)


# --- one moment ------------------------------------------------------------------------------


def write_on(url: str, me: int, stop: Signal) -> None:
    with CaseStore.open(url) as store:
        n = 0
        while not stop.is_set():
            store.append(f"case:w{me}-{n % 5}-{n // 50}", *_three(n))
            n += 1


def _three(n: int) -> Sequence[Any]:
    return [opening("k1"), note("x" * 3000), note()] if n % 50 < 5 else [note(), note(), note()]


def test_a_backup_is_one_moment_while_writers_write(url: str, file: Path) -> None:
    stop = SPAWN.Event()
    writers = [SPAWN.Process(target=write_on, args=(url, me, stop)) for me in range(2)]
    for each in writers:
        each.start()
    try:
        with opened(url) as store:
            while (store._recorder.max_notification_id() or 0) < 60:
                assert all(each.is_alive() for each in writers)
                time.sleep(0.05)
        files = [file.with_name(f"{n}.backup") for n in range(3)]
        sizes = []
        for path in files:
            sizes.append(backup(url, path).events)
            time.sleep(0.2)
        moved = copy(url, other(url, "moved")).events
        assert all(each.is_alive() for each in writers)
    finally:
        stop.set()
        for each in writers:
            each.join(30)
            each.kill()
    assert [each.exitcode for each in writers] == [0, 0]
    now = everything(url)[2]
    for n, size in enumerate([*sizes, moved]):
        place = other(url, f"o{n}" if n < 3 else "moved")
        if n < 3:
            restore(files[n], place)
        rows = everything(place)[2]
        assert rows == now[:size]
        assert (size - 11) % 3 == 0  # each append whole
        versions: Counter[str] = Counter()
        for row in rows:
            versions[row[1]] += 1
            assert row[2] == versions[row[1]]
        goes_on(place)


# --- what there is to compare with -----------------------------------------------------------


def test_an_older_backup_is_said_to_be_older(url: str, file: Path) -> None:
    backup(url, file)
    with opened(url) as store:
        tell(store, "c4", "k1")
    note = sealed(url).note.encode()
    kept = back(file, url)
    assert kept.newer is not None
    assert kept.proven is not None
    assert (kept.proven.size, kept.newer.size, kept.newer.label) == (11, 14, "the store's own seal")
    kept = restore(file, other(url, "again"), held=[HeldCheckpoint("march", note)])
    assert kept.newer is not None
    assert kept.newer.size == 14


def test_an_altered_backup_is_refused(
    url: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = sealed(url).note.encode()
    with opened(url) as store:
        key = key_of(store)
        alter(store, "UPDATE {t} SET recorded_at = recorded_at - 1 WHERE position = 9")
    backup(url, file)
    with pytest.raises(StoreDamaged, match="first 11 events are not those that the store's own"):
        back(file, url)
    nothing_at(other(url))
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(file.with_name("none")))
    with pytest.raises(StoreDamaged, match="first 11 events are not those that the checkpoint m"):
        back(file, url, held=[HeldCheckpoint("march", note)], keys=[key])
    nothing_at(other(url))
    kept = back(file, url)
    assert (kept.proven, kept.newer) == (None, None)


def test_a_checkpoint_that_says_nothing_refuses(
    url: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(url, file)
    note = sealed(url).note
    with CaseStore.create(other(url, "stranger")) as stranger:
        foreign = HeldCheckpoint("march", note.encode())
        strange = Folder.of(stranger.url)._replace(path=file.with_name("strange"))
        strange = strange._replace(key_file=strange.path / "key")
        key, _ = strange.make_key(origin(stranger))
    with pytest.raises(StoreDamaged, match="checkpoint april"):
        back(file, url, held=[HeldCheckpoint("april", note.replace("\n11\n", "\n12\n").encode())])
    backup(other(url, "stranger"), stranger_file := file.with_name("stranger"))
    with pytest.raises(CannotTell, match="of another log"):
        back(stranger_file, url)
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(file.with_name("none")))
    with pytest.raises(CannotTell, match="no key is known that signed it"):
        back(file, url, held=[foreign], keys=[key])
    nothing_at(other(url))


# --- places that are taken, files that are broken, writes that fail --------------------------


def test_a_place_that_is_taken_is_left_as_it_is(url: str, file: Path) -> None:
    backup(url, file)
    before = everything(url)
    with pytest.raises(StoreExists, match=r"there is a store already|something is there already"):
        restore(file, url)
    with pytest.raises(StoreExists):
        copy(url, url)
    assert everything(url) == before
    if "sqlite" in url:
        wal = file.with_name("other.db-wal")
        wal.write_bytes(b"of an earlier store")
        with pytest.raises(StoreExists, match=r"other\.db-wal, left of an earlier store"):
            restore(file, f"sqlite:///{file.with_name('other.db')}")
        assert wal.exists()
    else:
        with opened(url) as store:
            execute(store, f"CREATE SCHEMA {parse_url(other(url)).schema}")  # type: ignore[union-attr]
        with pytest.raises(StoreExists, match="something else already"):
            back(file, url)


def test_a_broken_file_leaves_nothing(url: str, file: Path) -> None:
    backup(url, file)
    whole = file.read_bytes()
    for length in (0, 5, 20, 1000, len(whole) // 2, len(whole) - 20):
        file.write_bytes(whole[:length])
        with pytest.raises(StoreDamaged) as refused:
            back(file, url)
        assert "\n" not in str(refused.value)
        nothing_at(other(url))
    with pytest.raises(StoreDamaged, match="is not a backup"):
        back(Path(__file__), url)
    with closing(sqlite3.connect(file.with_name("x.db"))) as db:
        db.execute("CREATE TABLE anything (x)")
    with pytest.raises(StoreDamaged, match="but no store"):
        back(file.with_name("x.db"), url)
    nothing_at(other(url))


def test_a_write_that_fails_leaves_nothing(
    url: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(url, file)
    insert = Snapshot.insert

    def full(place: Snapshot, table: str, columns: str, rows: Any) -> None:
        insert(place, table, columns, rows)
        if table == "stored_events":
            raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(Snapshot, "insert", full)
    with pytest.raises(StoreUnavailable):
        back(file, url)
    nothing_at(other(url))
    with pytest.raises(StoreUnavailable):
        copy(url, other(url))
    nothing_at(other(url))


def killed_halfway(file: Path, url: str) -> None:
    insert = Snapshot.insert

    def then_die(place: Snapshot, table: str, columns: str, rows: Any) -> None:
        insert(place, table, columns, rows)
        if table == "stored_events":
            os.kill(os.getpid(), signal.SIGKILL)

    Snapshot.insert = then_die  # type: ignore[method-assign, assignment]
    restore(file, url)


def test_a_restore_that_is_killed_can_be_done_again(url: str, file: Path) -> None:
    backup(url, file)
    process = SPAWN.Process(target=killed_halfway, args=(file, other(url)))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    with pytest.raises(StoreNotFound):
        CaseStore.open(other(url))
    assert back(file, url).events == 11
    goes_on(other(url))


def test_a_full_disk_leaves_no_backup(url: str, file: Path) -> None:
    with opened(url) as store:
        store.append("case:long", opening("k1"), *[note(os.urandom(9000).hex()) for _ in range(20)])
    ran = subprocess.run(
        [sys.executable, "-m", "casestore", "--db", url, "backup", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert ran.returncode == 3, ran
    assert ran.stderr.count("\n") == 1
    assert list(file.parent.iterdir()) == []


# --- from one database to the other ----------------------------------------------------------


@pytest.fixture
def far(url: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a place on the other database."""
    if "sqlite" in url:
        return str(request.getfixturevalue("postgres_schema_url"))
    return f"sqlite:///{tmp_path}/far.db"


def test_there_and_back_again(url: str, far: str, file: Path) -> None:
    with opened(url) as store:  # as in the middle of a rotation: wrapped by another key
        execute(store, f"UPDATE {store._recorder.keys_table} SET wrapped = key_id")
        if "sqlite" in url:  # and positions that were given and never committed
            execute(store, "UPDATE sqlite_sequence SET seq = 40")
        else:
            sequence = f"pg_get_serial_sequence('{store._recorder.table}', 'position')"
            execute(store, f"SELECT setval({sequence}, 40)")
        store.append("case:gap", opening("k1", subject=None))
    before = everything(url)
    there = copy(url, far)
    again = copy(far, other(url))
    assert there == again
    assert everything(far) == everything(other(url)) == before
    backup(far, file)
    assert restore_unproven(file, other(url, "crossed")) == there
    assert everything(other(url, "crossed")) == before


def restore_unproven(file: Path, url: str) -> StoreCopy:
    return restore(file, url)._replace(proven=None)


def test_a_moved_store_goes_on_and_is_what_was_sealed(url: str, far: str) -> None:
    root = sealed(url).checkpoint.root
    assert copy(url, far).root == root
    assert verified(far).verdict == "fine"
    goes_on(far)
    with opened(far) as store:
        assert seal(store).new == 2


@pytest.mark.parametrize("seal_it", [True, False])
def test_empty_and_unsealed_stores(
    store_url: str, programs: None, tmp_path: Path, seal_it: bool
) -> None:
    CaseStore.create(store_url, sealed=seal_it).close()
    kept = copy(store_url, other(store_url))
    assert (kept.events, kept.position) == (0, 0)
    goes_on(other(store_url))
    backup(other(store_url), tmp_path / "b")
    again = restore(tmp_path / "b", other(store_url, "again"))
    assert (again.events, again.proven, again.newer) == (3, None, None)
    assert everything(other(store_url, "again")) == everything(other(store_url))
    goes_on(other(store_url, "again"))


def test_a_dump_is_read_however_bytes_are_written_in_it(
    postgres_schema_url: str, programs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    with CaseStore.create(postgres_schema_url) as store:
        store.append("case:1", opening("back\\slash", subject="Ärger \\ \n"), note("\x01\\x"))
    url = f"{postgres_schema_url}&options=-cbytea_output%3Descape"
    backup(url, tmp_path / "b")
    restore(tmp_path / "b", f"sqlite:///{tmp_path}/b.db")
    assert everything(f"sqlite:///{tmp_path}/b.db") == everything(postgres_schema_url)


def test_a_password_is_on_no_command_line(
    postgres_schema_url: str, programs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    CaseStore.create(postgres_schema_url).close()
    lines = []
    run = subprocess.run

    def noted(command: list[Any], **options: Any) -> Any:
        lines.append(" ".join(map(str, command)))
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    backup(f"{postgres_schema_url}&password=opensesame", tmp_path / "b")
    assert any("--snapshot" in line for line in lines)
    assert not any("opensesame" in line for line in lines)


def test_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError

    url = f"sqlite:///{tmp_path}/store.db"
    CaseStore.create(url).close()
    monkeypatch.setattr(os, "link", link)
    backup(url, tmp_path / "b")
    assert restore(tmp_path / "b", other(url)).events == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "b",
        "other.db",
        "store.db",
        "store.db.key",
    ]
