"""Events as Parquet, read back by pyarrow, DuckDB and pandas."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from casestore import CaseMerged, CaseStore, CaseUnmerged, HoldReleased, StoreDamaged
from casestore.events import VOCABULARY
from casestore.events.base import Actor, Known, New, Personal, Ref
from casestore.events.markers import amounts, fields_of, marker, parts
from casestore.privacy.erasure import erase, holds
from casestore.streams import kinds
from casestore.transfer import parquet
from casestore.transfer.ndjson import export_lines, import_lines
from casestore.transfer.parquet import COLUMNS, FIELDS, write_parquet
from tests import generate
from tests.support.alter import rewrite
from tests.support.canaries import CANARY, plant
from tests.support.command_line import ROOT
from tests.support.golden import check_golden
from tests.support.notes import ANNA, T, note, opened


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    """A store with events of all types."""
    with CaseStore.create(store_url) as made:
        plant(made)
        yield made


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def about(path: Path) -> dict[str, str]:
    """What the file's metadata say."""
    said = pq.read_metadata(path).metadata
    return {
        name.decode().removeprefix("casestore."): value.decode()
        for name, value in said.items()
        if name.startswith(b"casestore.")
    }


def test_the_columns_are_those_that_were_agreed_on(store: CaseStore, tmp_path: Path) -> None:
    """A column may be added at the end; none is renamed, moved, or given another type."""
    write_parquet(store, tmp_path / "all")
    schema = pq.read_schema(tmp_path / "all")
    check_golden("parquet.txt", "".join(f"{each.name}: {each.type}\n" for each in schema))


def test_each_event_is_a_row_with_the_same_data_as_its_line(
    store: CaseStore, tmp_path: Path
) -> None:
    for reveal in (False, True):
        count = write_parquet(store, tmp_path / "all", reveal=reveal)
        read, lines = rows(tmp_path / "all"), list(export_lines(store, reveal=reveal))
        assert len(read) == len(lines) == count
        for row, line in zip(read, lines, strict=True):
            told = json.loads(line)
            assert f'"data":{row["data"]}' in line.decode()
            assert (row["stream"], row["type"]) == (told["stream"], told["type"])
            for name in ("event_id", "key", "source", "correlation_id", "causation_id"):
                assert row[name] == told.get(name)
            assert row["recorded_at"] == datetime.fromisoformat(told["recorded_at"])


def test_columns_say_what_the_events_do(store: CaseStore, tmp_path: Path) -> None:
    import_lines(store, (ROOT / "cli" / "stories.ndjson").read_bytes().splitlines())
    store.append("case:2", opened())
    said: Any = {"source": "crm", "correlation_id": "r-1", "causation_id": "r-0"}
    store.append("case:2", CaseMerged(occurred_at=T, actor=ANNA, into="1"), **said)
    store.append("case:2", CaseUnmerged(occurred_at=T, actor=ANNA, out_of="1"))
    write_parquet(store, tmp_path / "all")
    filled = set()
    for row, recorded in zip(rows(tmp_path / "all"), store.read(), strict=True):
        event = recorded.event
        fields = {n for n, hint in fields_of(type(event)).items() if not marker(hint, Personal)}
        for name in FIELDS:
            value = getattr(event, name) if name in fields else None
            assert row[name] == (list(value) if isinstance(value, tuple) else value)
        one = [] if row["type"] == "OptionsOffered" else [money for _, money in amounts(event)]
        assert [(money.amount, money.currency) for money in one] == (
            [] if row["amount"] is None else [(row["amount"], row["currency"])]
        )
        assert row["position"] == recorded.position
        assert row["version"] == recorded.version
        assert row["occurred_at"] == recorded.occurred_at
        assert row["customer_id"] == recorded.customer_id
        assert row["privacy"] == recorded.privacy
        assert (row["stream_kind"], row["stream_id"] or "") == kinds.parse(recorded.stream)
        actor = {name: row[f"actor_{name}"] for name in ("kind", "id", "role", "team")}
        assert Actor(**actor) == event.actor
        filled |= {name for name, value in row.items() if value is not None}
    assert set(COLUMNS) - filled == set()


def test_a_correction_names_what_it_corrects(store: CaseStore, tmp_path: Path) -> None:
    write_parquet(store, tmp_path / "all")
    by_id = {row["event_id"]: row for row in rows(tmp_path / "all")}
    corrections = [row for row in by_id.values() if row["type"] == "EventCorrected"]
    assert corrections
    for row in corrections:
        assert row["corrects"] == json.loads(row["data"])["event_id"]
        assert by_id[row["corrects"]]["stream"] == row["stream"]


def test_a_column_means_the_same_in_all_events() -> None:
    """A field of one name that is sometimes text and sometimes money has no column."""
    types: dict[str, set[str]] = {}
    for cls in VOCABULARY:
        for name, hint in fields_of(cls).items():
            if name in FIELDS:
                assert not marker(hint, Personal), f"{cls.__name__}.{name}"
                held = {each for each in parts(hint) if each in (str, datetime, bool, int)}
                kind = {"str": "text", "datetime": "time", "bool": "flag", "int": "integer"}
                one = kind[(held or {str}).pop().__name__]  # what is left are codes
                types.setdefault(name, set()).add("texts" if "tuple" in str(hint) else one)
    assert types == {name: {kind} for name, kind in FIELDS.items()}


def test_every_id_by_which_events_name_one_another_has_a_column() -> None:
    for cls in VOCABULARY:
        for name, hint in fields_of(cls).items():
            named = marker(hint, New) or marker(hint, Known)
            if named and name.endswith(("_id", "_ids")) and Ref not in parts(hint):
                assert name in FIELDS or name == "alternative_offer_id", f"{cls.__name__}.{name}"


def test_personal_text_stands_in_data_and_only_where_it_was_asked_for(
    store: CaseStore, tmp_path: Path
) -> None:
    write_parquet(store, tmp_path / "withheld")
    assert CANARY not in str(rows(tmp_path / "withheld"))
    assert about(tmp_path / "withheld")["personal"] == "withheld"
    write_parquet(store, tmp_path / "revealed", reveal=True)
    for row in rows(tmp_path / "revealed"):
        assert CANARY not in str(row | {"data": None})
        assert (CANARY in row["data"]) == (row["privacy"] == "revealed")
    assert about(tmp_path / "revealed")["personal"] == "revealed"
    assert pq.read_schema(tmp_path / "revealed").equals(pq.read_schema(tmp_path / "withheld"))


def test_what_was_erased_is_gone_from_the_next_file(store: CaseStore, tmp_path: Path) -> None:
    for hold_id in holds(store, "c1")["c1"]:
        free = HoldReleased(occurred_at=T, actor=ANNA, hold_id=hold_id, reason="settled")
        store.append("customer:c1", free)
    erase(store, "c1", basis="gdpr-17", actor=ANNA)
    write_parquet(store, tmp_path / "all", reveal=True)
    read = rows(tmp_path / "all")
    assert "erased" in {row["privacy"] for row in read}
    assert all(CANARY not in str(row) for row in read if row["customer_id"] == "c1")


def test_the_metadata_say_whose_events_these_are(store: CaseStore, tmp_path: Path) -> None:
    count = write_parquet(store, tmp_path / "all")
    last = store._recorder.last_position()
    assert about(tmp_path / "all") == {
        "version": about(tmp_path / "all")["version"],
        "store_id": store.meta["store_id"],
        "events": str(count),
        "first_position": "1",
        "last_position": str(last),
        "personal": "withheld",
    }
    count = write_parquet(store, tmp_path / "one", stream="case:1")
    assert about(tmp_path / "one")["stream"] == "case:1"
    assert {row["stream"] for row in rows(tmp_path / "one")} == {"case:1"}
    assert count == len(store.history("case:1").originals)


def test_the_same_store_gives_the_same_bytes(store: CaseStore, tmp_path: Path) -> None:
    for name in ("once", "again"):
        write_parquet(store, tmp_path / name, reveal=True)
    assert (tmp_path / "once").read_bytes() == (tmp_path / "again").read_bytes()


def test_a_store_without_events_gives_a_table_without_rows(store_url: str, tmp_path: Path) -> None:
    with CaseStore.create(store_url) as store:
        assert write_parquet(store, tmp_path / "all") == 0
    assert pq.read_table(tmp_path / "all").num_rows == 0
    assert pq.read_schema(tmp_path / "all").names == list(COLUMNS)


def test_many_events_come_in_groups(
    store: CaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parquet(store, tmp_path / "one")
    monkeypatch.setattr(parquet, "_ROWS", 3)
    monkeypatch.setattr(parquet, "MOST_ROWS", 9)
    count = write_parquet(store, tmp_path / "many")
    assert pq.read_metadata(tmp_path / "many").num_row_groups == -(-count // 9)
    assert rows(tmp_path / "many") == rows(tmp_path / "one")


def test_text_is_kept_as_it_is(store: CaseStore, tmp_path: Path) -> None:
    nasty = "a\x00b\x1b[2J\u202e\r\n=1+1 🎈"
    store.append("case:1", note(nasty))
    write_parquet(store, tmp_path / "all", reveal=True)
    assert json.loads(rows(tmp_path / "all")[-1]["data"])["text"] == nasty
    text = f"SELECT data->>'$.text' FROM read_parquet('{tmp_path}/all') ORDER BY position"
    assert duckdb.execute(text).fetchall()[-1] == (nasty,)


def test_an_amount_that_no_event_may_have_is_damage(store: CaseStore, tmp_path: Path) -> None:
    digits = "3." + "1" * 30
    rewrite(store, "case:1", '"amount":"25.00"', f'"amount":"{digits}"')
    with pytest.raises(StoreDamaged, match="for amount; an export as ndjson") as raised:
        write_parquet(store, tmp_path / "all")
    bad = [r.position for r in store.read() for _, m in amounts(r.event) if str(m.amount) == digits]
    assert f"the event at position {bad[0]} was altered" in str(raised.value)
    assert digits not in str(raised.value)


def test_without_the_library_it_says_how_to_get_it(
    store: CaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'casestore\[parquet\]'"):
        write_parquet(store, tmp_path / "all")


@pytest.fixture(scope="module")
def two_stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The files of two stores, and how many events of each type the stores have."""
    folder = tmp_path_factory.mktemp("two")
    counts: Counter[str] = Counter()
    for seed in (1, 2):
        with CaseStore.create(f"sqlite:///{folder}/{seed}.db") as store:
            generate.fill(store, 3_000, seed=seed)
            write_parquet(store, folder / f"{seed}.parquet")
            counts.update(recorded.type for recorded in store.read())
    return folder, counts


def test_duckdb_reads_the_files_of_two_stores_as_one_table(
    two_stores: tuple[Path, dict[str, int]],
) -> None:
    folder, counts = two_stores
    files = f"'{folder}/*.parquet'"
    found = duckdb.execute(f"SELECT type, count(*) FROM {files} GROUP BY type").fetchall()
    assert dict(found) == counts
    stores = duckdb.execute(
        f"SELECT DISTINCT decode(value) FROM parquet_kv_metadata({files}) "
        "WHERE decode(key) = 'casestore.store_id'"
    ).fetchall()
    assert len(stores) == 2


def test_pandas_reads_them_too(two_stores: tuple[Path, dict[str, int]]) -> None:
    folder, counts = two_stores
    table = pd.concat(pd.read_parquet(file) for file in sorted(folder.glob("*.parquet")))
    assert table["type"].value_counts().to_dict() == counts
    assert str(table["occurred_at"].dtype) == "datetime64[us, UTC]"
