"""A store's file that is deleted, replaced, restored, damaged, or that may only be read."""

from __future__ import annotations

import grp
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from casestore import (
    CaseStore,
    Cursor,
    HistoryChanged,
    StoreDamaged,
    StoreNotFound,
    StoreUnavailable,
)
from casestore.backup.backup import backup, restore
from casestore.journal.url import SQLiteUrl, parse_url
from projections import Runner, reports
from tests.support import stories
from tests.support.command_line import Casestore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{path}") as store:
        store.append("case:1", stories.opened())
        yield store


# --- gone, or another one --------------------------------------------------------------------


def remove(path: Path) -> None:
    for file in path.parent.glob("store.db*"):
        if file.suffix != ".key":
            file.unlink()


def replace(path: Path) -> None:
    """Another store, in the place of this one."""
    key = path.with_name("store.db.key").read_bytes()
    remove(path)
    path.with_name("store.db.key").unlink()
    with CaseStore.create(f"sqlite:///{path}") as other:
        other.append("case:other", stories.opened())
    path.with_name("store.db.key").write_bytes(key)


def put_back(path: Path) -> None:
    """An older copy, written over the file, without what stands beside it."""
    with closing(sqlite3.connect(path)) as present, closing(sqlite3.connect(":memory:")) as copy:
        present.backup(copy)
        older = copy.serialize()
    path.write_bytes(older)
    for suffix in ("-wal", "-shm"):
        path.with_name(f"store.db{suffix}").unlink()


@pytest.mark.parametrize("harm", [remove, replace, put_back])
def test_nothing_is_acknowledged_into_a_file_that_is_gone(
    store: CaseStore, path: Path, harm: object
) -> None:
    following = store.follow()
    next(following)
    assert callable(harm)
    harm(path)
    with pytest.raises(
        HistoryChanged, match=r"store\.db was deleted or replaced while it was open"
    ):
        store.append("case:1", stories.noted())
    with pytest.raises(HistoryChanged):
        store.history("case:1")
    with pytest.raises(HistoryChanged):
        list(following)


def test_so_with_the_tables_of_the_projections(store: CaseStore, path: Path) -> None:
    with Runner(store) as runner:
        runner.catch_up()
        for file in path.parent.glob("store.db.projections*"):
            file.unlink()
        store.append("case:1", stories.noted())
        with pytest.raises(HistoryChanged):
            runner.catch_up()
    with Runner(store) as runner:
        assert runner.catch_up() == runner.head()


# --- the history, and where a reader stands in it --------------------------------------------


def drop(url: str) -> None:
    where = parse_url(url)
    if isinstance(where, SQLiteUrl):
        for file in where.path.parent.glob(f"{where.path.name}*"):
            file.unlink()
        return
    with psycopg.connect(where.conninfo, autocommit=True) as connection:
        connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(where.schema)))


def test_a_store_restored_under_its_readers_tells_them(
    store_url: str, tmp_path: Path, programs: None
) -> None:
    with CaseStore.create(store_url) as store:
        store.append("case:1", stories.opened())
        held = list(store.read())[-1].cursor
        backup(store_url, tmp_path / "kept")
        for number in range(5):
            store.append("case:1", stories.noted(), key=f"k{number}")
        changed, *_, beyond = (recorded.cursor for recorded in store.read(held))
        following = store.follow()
        for _ in range(7):
            next(following)
        with Runner(store) as runner:
            runner.catch_up()
        drop(store_url)
        restore(tmp_path / "kept", store_url)
        with pytest.raises(HistoryChanged):
            next(following)
    with CaseStore.open(store_url) as store:
        # The same key gives the same event id; the time of recording is another one.
        store.append("case:1", stories.noted(), key="k0")
        for gone in (changed, beyond, beyond.position, Cursor.parse(str(beyond)), 2**70):
            with pytest.raises(HistoryChanged, match="begin anew, at 0"):
                next(store.follow(gone))
            with pytest.raises(HistoryChanged):
                next(store.read(gone))
        assert [recorded.version for recorded in store.read(held)] == [2]
        assert next(store.follow(Cursor.parse(str(held)))).version == 2
        assert list(store.read(held, until=held.position)) == []
        with Runner(store) as runner:
            assert runner.catch_up() == runner.head() == 3
        assert reports.cases(store).rows[0].case_id == "1"


@pytest.mark.parametrize("text", ["", "12", "x:y:z", "9" * 20 + ":" + "0" * 8, "1:2:3"])
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="is not a cursor"):
        Cursor.parse(text)


# --- damage has its own words ----------------------------------------------------------------


def truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(5000)


def header_gone(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not a database at all")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")


DAMAGE = {
    truncated: (StoreDamaged, "is no SQLite file, or is damaged|malformed"),
    header_gone: (StoreDamaged, "no SQLite file"),
    emptied: (StoreDamaged, "is empty"),
    a_folder: (StoreNotFound, "is a folder"),
    foreign: (StoreNotFound, "is a SQLite file, but no store"),
}


@pytest.mark.parametrize("harm", DAMAGE, ids=lambda harm: harm.__name__)
def test_what_is_damaged_is_not_called_absent(path: Path, harm: Any) -> None:
    with CaseStore.create(f"sqlite:///{path}") as store:
        store.append("case:1", stories.opened())
    harm(path)
    error, words = DAMAGE[harm]
    with pytest.raises(error, match=words):
        list(CaseStore.open(f"sqlite:///{path}").read())
    for command in (["doctor"], ["cases"], ["export"], ["policy", "show"]):
        ran = Casestore(f"sqlite:///{path}")(*command)
        assert ran.code in (1, 2)
        assert re.search(words, ran.err + ran.out)
        for wrong in ("casestore init", "fault in casestore", "does not answer"):
            assert wrong not in ran.err + ran.out


# --- other users -----------------------------------------------------------------------------

AS_USER = """
import encodings.ascii, json, os, sys
from datetime import UTC, datetime
import msgspec
import casestore.doctor.examine, projections.engine.processes
from casestore import *
from projections import Runner, reports

def rows(url):
    with CaseStore.open(url) as store:
        return msgspec.to_builtins(reports.cases(store).rows)

warm, url, uid, groups = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
rows(warm)  # so that everything is imported that the other user may not read
with CaseStore.open(warm) as store:
    note = NoteAdded(occurred_at=datetime.now(UTC), actor=Actor(kind="agent", id="anna"))
    store.append("case:1", note)
os.setgroups(groups)
os.setgid(uid)
os.setuid(uid)
ANNA = Actor(kind="agent", id="anna")
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
"""


def as_user(path: Path, story: str, *, uid: int, groups: Sequence[int] = ()) -> Any:
    """Run a story as another user; what it prints, as JSON."""
    warm = path.parent.parent / "warm.db"
    if not warm.exists():
        with CaseStore.create(f"sqlite:///{warm}") as store:
            store.append("case:1", stories.opened())
    arguments = [f"sqlite:///{warm}", f"sqlite:///{path}", str(uid), json.dumps(list(groups))]
    result = subprocess.run(
        [sys.executable, "-c", AS_USER + story, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout or "null")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A store's file in a folder that other users can reach.

    Not in one of pytest's: whenever another run of it begins, it closes them to others.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root, to become other users")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "shared"
        folder.mkdir()
        for parent in (folder, *folder.parents):
            if parent.owner() == "root" and parent.stat().st_mode & 0o005 != 0o005:
                parent.chmod(parent.stat().st_mode | 0o005)
        yield folder / "store.db"
        folder.chmod(0o755)


REPORT = "print(json.dumps(rows(url), default=str))"


@pytest.mark.parametrize("left", ["nothing", "an open wal"])
def test_who_may_only_read_gets_the_same_report(shared: Path, left: str) -> None:
    with CaseStore.create(f"sqlite:///{shared}") as store:
        store.append("case:1", stories.opened())
        expected = json.dumps(msgspec.to_builtins(reports.cases(store).rows), default=str)
        for file in [shared, *shared.parent.glob("store.db-*")]:
            file.chmod(0o444)
        if left == "an open wal":
            shared.parent.chmod(0o555)
            assert as_user(shared, REPORT, uid=1234) == json.loads(expected)
    shared.parent.chmod(0o555)
    assert as_user(shared, REPORT, uid=1234) == json.loads(expected)
    place = shared.parent.parent / "mine"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    named = f"os.environ['CASESTORE_PROJECTIONS'] = {str(place / 'tables')!r}\n"
    assert as_user(shared, named + REPORT, uid=1234) == json.loads(expected)
    assert (place / "tables").exists()


def test_who_may_only_read_a_backup_gets_the_same_report(shared: Path) -> None:
    """A backup is not in WAL mode until somebody writes to it."""
    with CaseStore.create(f"sqlite:///{shared}") as store:
        store.append("case:1", stories.opened())
        expected = json.dumps(msgspec.to_builtins(reports.cases(store).rows), default=str)
    kept = shared.with_name("kept.db")
    backup(f"sqlite:///{shared}", kept)
    told = """
refused = ""
with CaseStore.open(url) as store:
    try:
        store.append("case:1", CaseReclassified(occurred_at=AT, actor=ANNA, category="x"))
    except StoreUnavailable as error:
        refused = str(error)
    level = {f.check: f.level for f in casestore.doctor.examine.examine(store)}
print(json.dumps([rows(url), refused, level["database"]], default=str))
"""
    for mode, folder_mode in ((0o444, 0o555), (0o644, 0o755)):
        kept.chmod(mode)
        shared.parent.chmod(folder_mode)
        read, refused, level = as_user(kept, told, uid=1234)
        assert read == json.loads(expected)
        assert "can only be read" in refused
        assert level == "ok"


def test_who_may_not_read_a_store_is_told_so(shared: Path) -> None:
    with CaseStore.create(f"sqlite:///{shared}") as store:
        store.append("case:1", stories.opened())
    assert shared.stat().st_mode & 0o777 == 0o600
    refused = """
try:
    rows(url)
except CaseStoreError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
    kind, words = as_user(shared, refused, uid=1234)
    assert kind == "StoreUnavailable"
    assert "permission denied" in words
    shared.chmod(0o644)  # but not into the folder
    kind, words = as_user(shared, refused, uid=1234)
    assert kind == "StoreUnavailable"
    assert "init --group" in words


def test_who_may_not_read_the_key_file_is_told_so(shared: Path) -> None:
    """To the doctor that is no damage: a key file is its owner's alone."""
    group = grp.getgrall()[-1]
    shared.parent.chmod(0o777)
    with CaseStore.create(f"sqlite:///{shared}", group=group.gr_name) as store:
        store.append("case:1", stories.opened(subject="Oh."))
    story = """
with CaseStore.open(url) as store:
    try:
        store.append("case:1", NoteAdded(occurred_at=AT, actor=ANNA, text="Ah."))
    except KeyFileError as error:
        refused = str(error)
    found = [f for f in casestore.doctor.examine.examine(store) if f.level != "ok"]
print(json.dumps([refused, [[f.level, f.check, f.what] for f in found]]))
"""
    refused, found = as_user(shared, story, uid=1234, groups=[group.gr_gid])
    what = f"the key file {shared}.key cannot be read: permission denied"
    assert refused == (
        f"{what}; it is its owner's alone: name a copy of your own in CASESTORE_KEY_FILE"
    )
    assert found == [["warning", "key file", what]]


def test_an_erasure_by_who_does_not_own_the_key_file(shared: Path) -> None:
    """The list of erasures is then theirs, and not the owner's, who restores backups."""
    group = grp.getgrall()[-1]
    shared.parent.chmod(0o777)
    with CaseStore.create(f"sqlite:///{shared}", group=group.gr_name) as store:
        store.append("case:1", stories.opened(subject="Oh."))
    os.chown(f"{shared}.key", 1235, group.gr_gid)
    erase = """
from casestore.privacy.erasure import erase
with CaseStore.open(url) as store:
    print(json.dumps(erase(store, "k1", basis="gdpr-17", actor=ANNA).left))
"""
    (left,) = as_user(shared, erase, uid=1234, groups=[group.gr_gid])
    assert left.startswith(f"the list of erasures {shared}.key.erased is not readable")
    assert "chown" in left
    look = """
with CaseStore.open(url) as store:
    found = [f for f in casestore.doctor.examine.examine(store) if f.level != "ok"]
print(json.dumps([[f.level, f.check, f.do] for f in found]))
"""
    found = as_user(shared, look, uid=1235, groups=[group.gr_gid])
    assert found == [["warning", "erasures", "give it to the owner of the key file (chown)"]]


def test_the_users_of_a_group_share_a_store(shared: Path) -> None:
    """Whoever is first makes the files beside it, and whoever is next can use them."""
    group = grp.getgrall()[-1]
    shared.parent.chmod(0o777)
    with CaseStore.create(f"sqlite:///{shared}", group=group.gr_name) as store:
        store.append("case:1", stories.opened())
    assert (shared.stat().st_mode & 0o777, shared.stat().st_gid) == (0o660, group.gr_gid)
    assert shared.with_name("store.db.key").stat().st_mode & 0o777 == 0o600
    append = """
with CaseStore.open(url) as store:
    store.append("case:1", CaseReclassified(occurred_at=AT, actor=ANNA, category=str(os.getuid())))
    print(json.dumps([len(rows(url)), len(store.history("case:1"))]))
    sys.stdout.flush()
    os._exit(0)  # and leaves the files of the WAL behind
"""
    assert as_user(shared, append, uid=1234, groups=[group.gr_gid]) == [1, 2]
    assert as_user(shared, append, uid=1235, groups=[group.gr_gid]) == [1, 3]
    with CaseStore.open(f"sqlite:///{shared}") as store:
        assert len(store.history("case:1")) == 3
        assert reports.cases(store).total == 1
    beside = [file for file in shared.parent.iterdir() if file.suffix != ".key"]
    assert {file.stat().st_gid for file in beside} == {group.gr_gid}


def test_a_group_that_is_not_there(path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="there is no group 'nobodies'"):
        CaseStore.create(f"sqlite:///{path}", group="nobodies")
    assert not path.exists()
