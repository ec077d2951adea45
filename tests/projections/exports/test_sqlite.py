"""All reports as a SQLite file: the same rows, the same bytes, and nothing personal."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from casestore import CaseStore
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.errors import StoreExists, StoreNotFound
from projections.engine.runner import Runner
from projections.exports.sqlite import APPLICATION_ID, INDEXED, KEYS, check_place
from projections.exports.tables import LeftOut, columns, leaves, tables
from tests.generate import fill
from tests.support.canaries import CANARY, plant
from tests.support.command_line import NOW, Casestore, demo_store
from tests.support.exports import as_row, exported, read, reported, rows_of
from tests.support.stories import START, gave, moment, opened, promised

AT = datetime(2023, 6, 20, 9, tzinfo=UTC)
AS_OF = ("--as-of", "2026-09-01T12:00Z")
MANIFEST = {"manifest", "manifest_tables", "manifest_columns", "summaries"}


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    return demo_store(tmp_path)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    folder = tmp_path_factory.mktemp("generated")
    with CaseStore.create(f"sqlite:///{folder}/s.db") as store:
        fill(store, 3_000)
        yield store


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url, clock=lambda: NOW) as store:
        store.append("case:1", opened(), promised("p1", "+3h"), gave("g1", "+1h"))
        store.append("case:2", opened("+1d"))
        yield store


# --- what is in it -------------------------------------------------------------------------


def test_each_table_has_the_rows_that_its_report_has(casestore: Casestore, tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    casestore("report", "export", "sqlite", str(file), *AS_OF).fine()
    filled = 0
    for name, command, number in read(file, 'SELECT name, command, "rows" FROM manifest_tables'):
        rows, wanted = rows_of(file, name), []
        names = [each for (each,) in read(file, f"SELECT name FROM pragma_table_info('{name}')")]
        for told in reported(casestore, command, *AS_OF):
            group = {"grouped_by": told["group"]} if told["group"] else {}
            wanted += [{**as_row(line, names), **group} for line in told["rows"]]
            summary = dict(read(file, "SELECT path, value FROM summaries WHERE report = ?", name))
            for path, value in leaves(told["summary"], told["group"] or ""):
                assert summary[path] == value
        assert rows == wanted, name
        assert number == len(rows)
        filled += bool(rows)
    assert filled >= 16


def test_a_generated_store_has_something_in_every_table(
    generated: CaseStore, tmp_path: Path
) -> None:
    """Its rows are the only ones by their keys, else the export would have failed."""
    file = exported(generated, tmp_path / "x.sqlite", as_of=AT)
    empty = [name for (name,) in read(file, 'SELECT name FROM manifest_tables WHERE "rows" = 0')]
    assert set(empty) <= {"conflicts", "consistency"}
    assert read(file, "PRAGMA integrity_check") == [("ok",)]


def test_every_table_is_described_typed_and_indexed(generated: CaseStore, tmp_path: Path) -> None:
    file = exported(generated, tmp_path / "x.sqlite", as_of=AT)
    schema = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    names = {name for (name,) in read(file, schema)} - MANIFEST
    assert names == {name for (name,) in read(file, "SELECT name FROM manifest_tables")}
    assert set(KEYS) <= names
    for name in names:
        about = read(file, f"SELECT name, type, pk FROM pragma_table_info('{name}')")
        for column, kind, _ in about:
            found = {
                each for (each,) in read(file, f'SELECT DISTINCT typeof("{column}") FROM {name}')
            }
            assert found <= {kind.lower(), "null"}
        described = read(file, "SELECT name FROM manifest_columns WHERE table_name = ?", name)
        assert {each for (each,) in described} == {each for each, _, _ in about}
        first = {
            read(file, f"SELECT name FROM pragma_index_info('{index}')")[0][0]
            for (index,) in read(file, f"SELECT name FROM pragma_index_list('{name}')")
        }
        assert {each for each, _, _ in about if each in INDEXED} <= first
    assert read(file, "SELECT count(*) FROM manifest_columns WHERE meaning = ''") == [(0,)]


def test_what_a_line_always_says_is_never_null(generated: CaseStore, tmp_path: Path) -> None:
    file = exported(generated, tmp_path / "x.sqlite", as_of=AT)
    needed = dict(read(file, "SELECT name, \"notnull\" FROM pragma_table_info('promises')"))
    assert needed["case_id"] == needed["made_at"] == needed["renegotiations"] == 1
    assert needed["kept_at"] == needed["team"] == 0
    forms = dict(
        read(file, "SELECT name, form FROM manifest_columns WHERE table_name = 'goodwill_given'")
    )
    assert forms["value"] == "an exact decimal, in the currency of value_currency"
    assert forms["asked_for"] == "0 or 1"


def test_times_are_ordered_as_their_texts_are(store: CaseStore, tmp_path: Path) -> None:
    store.append("case:3", opened("+1d", occurred_at=START.replace(microsecond=500_000)))
    file = exported(store, tmp_path / "x.sqlite", as_of=NOW)
    told = [at for (at,) in read(file, "SELECT opened_at FROM cases ORDER BY opened_at")]
    assert told[:2] == ["2026-03-02T09:00:00.000000Z", "2026-03-02T09:00:00.500000Z"]
    assert read(file, "SELECT unixepoch(?)", told[0]) == [(int(START.timestamp()),)]


def test_an_empty_store_has_the_same_tables(
    generated: CaseStore, store_url: str, tmp_path: Path
) -> None:
    with CaseStore.create(store_url) as store:
        empty = exported(store, tmp_path / "empty.sqlite", as_of=AT)
    full = exported(generated, tmp_path / "full.sqlite", as_of=AT)
    schema = "SELECT name, sql FROM sqlite_schema ORDER BY name"
    assert read(empty, schema) == read(full, schema)
    assert (
        read(empty, "SELECT sum(\"rows\") FROM manifest_tables WHERE name <> 'ageing'")[0][0] == 0
    )


def test_the_manifest_says_what_the_file_is_of(
    store: CaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(tmp_path / "audit"))
    file = exported(store, tmp_path / "x.sqlite", as_of=NOW, known_at=NOW)
    manifest = dict(read(file, "SELECT name, value FROM manifest"))
    assert manifest["as_of"] == manifest["known_at"] == "2026-09-01T12:00:00.000000Z"
    assert manifest["store_id"] == store.meta["store_id"]
    assert (manifest["position"], manifest["streams_missing"]) == (5, 0)
    assert manifest["seal_root"] is None
    assert {name for name in manifest if name.startswith("left_out: ")} == {
        "left_out: goodwill allowance",
        "left_out: goodwill history",
    }
    Folder.of(store.url).make_key(origin(store))
    seal(store)
    file = exported(store, tmp_path / "x.sqlite", as_of=NOW)
    manifest = dict(read(file, "SELECT name, value FROM manifest"))
    assert (manifest["seal_size"], manifest["seal_position"]) == (5, 5)
    assert len(manifest["seal_root"]) == 44


def test_of_a_part_of_the_store_there_is_what_can_be_asked_about_it(
    store: CaseStore, tmp_path: Path
) -> None:
    file = exported(store, tmp_path / "x.sqlite", as_of=NOW, product="kettle")
    manifest = dict(read(file, "SELECT name, value FROM manifest"))
    assert manifest["left_out: conflicts"] == (
        "the report 'conflicts' cannot be asked for one product"
    )
    assert read(file, "SELECT name FROM sqlite_schema WHERE name = 'conflicts'") == []
    assert read(file, "SELECT count(*) FROM cases") == [(0,)]


def test_every_report_is_a_table_or_is_said_to_be_left_out() -> None:
    found = list(tables())
    assert [each.report for each in found if isinstance(each, LeftOut)] == [
        "goodwill history",
        "goodwill allowance",
    ]
    made = [each for each in found if not isinstance(each, LeftOut)]
    assert len({each.name for each in made}) == len(made) == 21
    assert all(columns(each) for each in made)


def test_nothing_personal_is_in_it(store_url: str, tmp_path: Path) -> None:
    with CaseStore.create(store_url, clock=lambda: moment("+400d")) as store:
        assert plant(store) > 20
        file = exported(store, tmp_path / "x.sqlite")
    assert CANARY.encode() not in file.read_bytes()
    assert read(file, "SELECT count(*) > 0 FROM cases") == [(1,)]


# --- the file ------------------------------------------------------------------------------


def test_the_same_store_gives_the_same_bytes(store: CaseStore, tmp_path: Path) -> None:
    as_of = START.replace(year=2027)
    one = exported(store, tmp_path / "1.sqlite", as_of=as_of).read_bytes()
    with Runner(store) as runner:
        runner.rebuild()
    assert exported(store, tmp_path / "1.sqlite", as_of=as_of).read_bytes() == one
    position = store._recorder.last_position()
    with CaseStore.open(store.url, clock=lambda: as_of.replace(year=2028)) as later:
        later.append("case:9", opened("+1d"))
        known = exported(later, tmp_path / "2.sqlite", as_of=as_of, known_at=as_of)
    assert dict(read(known, "SELECT name, value FROM manifest"))["position"] == position
    assert rows_of(known, "cases") == rows_of(tmp_path / "1.sqlite", "cases")


def test_of_many_rows_too(generated: CaseStore, tmp_path: Path) -> None:
    one = exported(generated, tmp_path / "1.sqlite", as_of=AT)
    with CaseStore.open(generated.url) as again:
        other = exported(again, tmp_path / "2.sqlite", as_of=AT)
    assert one.read_bytes() == other.read_bytes()


def test_only_its_owner_can_read_it_and_its_head_says_what_it_is(
    generated: CaseStore, tmp_path: Path
) -> None:
    file = exported(generated, tmp_path / "x.sqlite", as_of=AT)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read(file, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert read(file, "PRAGMA user_version") == [(1,)]
    assert os.listdir(tmp_path) == ["x.sqlite"]


def test_an_earlier_export_is_replaced_and_nothing_else(
    generated: CaseStore, tmp_path: Path
) -> None:
    file = exported(generated, tmp_path / "x.sqlite", as_of=AT)
    before = file.read_bytes()
    file.write_bytes(before[:5000])
    assert exported(generated, file, as_of=AT).read_bytes() == before
    mine = tmp_path / "mine.db"
    with closing(sqlite3.connect(mine)) as other:
        other.execute("CREATE TABLE t (x)")
    for path in (mine, Path(generated.url.removeprefix("sqlite:///"))):
        held = path.read_bytes()
        with pytest.raises(StoreExists, match="is no export of reports; name another file"):
            exported(generated, path, as_of=AT)
        assert path.read_bytes() == held
    with pytest.raises(StoreNotFound):
        exported(generated, tmp_path / "none" / "x.sqlite", as_of=AT)


def test_one_that_another_program_writes_into_is_left_alone(
    generated: CaseStore, tmp_path: Path
) -> None:
    file = exported(generated, tmp_path / "x.sqlite", as_of=AT)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE mine (x)")
        for _ in range(2):
            with pytest.raises(StoreExists, match=r"x\.sqlite-wal is there"):
                check_place(file)
            file.unlink(missing_ok=True)  # what it wrote may be there still


def test_who_reads_an_export_reads_on_while_it_is_replaced(
    generated: CaseStore, tmp_path: Path
) -> None:
    file = exported(generated, tmp_path / "x.sqlite", as_of=AT)
    with closing(sqlite3.connect(file)) as reader:
        (before,) = reader.execute("SELECT count(*) FROM cases").fetchone()
        exported(generated, file, as_of=AT.replace(year=2022))
        assert reader.execute("SELECT count(*) FROM cases").fetchone() == (before,)
    assert read(file, "SELECT count(*) FROM cases") != [(before,)]


def test_one_that_was_killed_leaves_the_earlier_file_and_is_done_by_the_next(
    generated: CaseStore, tmp_path: Path
) -> None:
    casestore, file, random = Casestore(generated.url), tmp_path / "x.sqlite", Random(1)
    export = ("report", "export", "sqlite", str(file), "--as-of", AT.isoformat())
    started = time.monotonic()
    casestore.spawn(*export).fine()
    lasted, whole = time.monotonic() - started, file.read_bytes()
    for sign in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
        file.unlink(missing_ok=True)
        process = casestore.process(*export)
        time.sleep(lasted * random.uniform(0.6, 1))
        process.send_signal(sign)
        process.communicate(timeout=60)
        assert not file.exists() or file.read_bytes() == whole
    casestore.spawn(*export).fine()
    assert file.read_bytes() == whole


def test_a_full_disk_leaves_the_earlier_file(generated: CaseStore, tmp_path: Path) -> None:
    casestore, file = Casestore(generated.url), tmp_path / "x.sqlite"
    export = ("report", "export", "sqlite", str(file), "--as-of", AT.isoformat())
    casestore.spawn(*export).fine()
    whole = file.read_bytes()
    room = len(whole) // 2
    ran = casestore.spawn(
        *export, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    )
    assert str(file) in ran.failed(3)
    assert os.listdir(tmp_path) == ["x.sqlite"]
    assert file.read_bytes() == whole
