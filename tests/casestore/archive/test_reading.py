"""An archive gives back what the store holds, to the byte."""

from __future__ import annotations

import pickle
from pathlib import Path
from zlib import crc32

import duckdb
import pytest

from casestore import ArchiveDamaged, ArchiveRefused, CaseStore, StoreNotFound, StreamNotFound
from casestore.archive import Archive, archived_lines, write_archive
from casestore.archive.lines import _RANGE
from casestore.archive.parts import MOST_BYTES, MOST_ROWS
from casestore.journal.rows import PlainRow
from casestore.transfer.ndjson import export_lines, import_lines
from tests import generate
from tests.support import stories


def all_rows(store: CaseStore) -> list[PlainRow]:
    """The rows of a store, in the order of positions."""
    rows: list[PlainRow] = []
    while more := store._recorder.rows(rows[-1][0] if rows else 0, 1_000):
        rows += more
    return rows


def archived(archive: Archive, *, words: bool = True) -> list[PlainRow]:
    """The rows of an archive, in the order of positions."""
    buckets = (*archive.buckets, None)
    return sorted(row for bucket in buckets for row in archive.rows(bucket, words=words))


@pytest.mark.parametrize("buckets", [1, 2, 64])
def test_every_row_is_there_as_it_is_stored_in_its_customers_bucket(
    store: CaseStore, archive: Path, buckets: int
) -> None:
    write_archive(store, archive, buckets=buckets)
    read = Archive(archive)
    assert archived(read) == all_rows(store)
    assert [row[5] for row in archived(read, words=False) if row[5] is not None] == []
    for bucket in read.buckets:
        rows = list(read.rows(bucket))
        assert rows == sorted(rows, key=lambda row: (row[1].encode(), row[2]))
        assert {crc32((row[6] or "").encode()) % buckets for row in rows} == {bucket}
    assert {row[1] for row in read.rows_without_customer()} == {"policy"}


def test_rows_are_read_in_order_over_all_writes_and_up_to_a_position(
    store: CaseStore, archive: Path
) -> None:
    write_archive(store, archive, buckets=2)
    for number in range(3):
        for stream in ("case:1", "case:Z", "case:z"):
            store.append(stream, stories.noted(text=f"{number}"))
        store.append(f"case:new{number}", stories.opened(customer_id="é"))
        store.append("policy", stories.adopted(f"p{number}", effective=f"+{number + 9001}d"))
        write_archive(store, archive)
    read = Archive(archive)
    assert archived(read) == all_rows(store)
    last = read.manifest.last
    for until in (0, 1, 7, last - 6, last):
        buckets = (*read.buckets, None)
        rows = [list(read.rows(bucket, until)) for bucket in buckets]
        for each in rows:
            assert each == sorted(each, key=lambda row: (row[1].encode(), row[2]))
        positions = sorted(row[0] for each in rows for row in each)
        assert positions == [row[0] for row in all_rows(store) if row[0] <= until]


def test_streams_between_two_names_are_read_alone(store: CaseStore, archive: Path) -> None:
    write_archive(store, archive, buckets=1)
    customers = list(Archive(archive).rows(0, between=("customer:", "customer;")))
    assert {row[1] for row in customers} == {
        f"customer:{customer_id}" for customer_id in ("c1", "c2", "c3", "é")
    }


def test_merges_are_found_over_all_buckets(store: CaseStore, archive: Path) -> None:
    write_archive(store, archive)
    recorder = store._recorder
    merges = sorted(recorder.merges("CaseMerged") + recorder.merges("CustomerMerged"))
    found = Archive(archive).merges()
    assert [row[:5] for row in found] == [row[:5] for row in merges]
    assert len({row[1].partition(":")[0] for row in found}) == 2
    assert Archive(archive).merges(until=merges[0][0]) == found[:1]


def test_lines_are_those_of_an_export_and_make_the_same_store(
    store: CaseStore, archive: Path, tmp_path: Path
) -> None:
    write_archive(store, archive, buckets=3)
    lines = list(archived_lines(Archive(archive)))
    assert lines == list(export_lines(store))
    for stream in ("case:1", "case:ä", "customer:c1", "policy"):
        one = list(archived_lines(Archive(archive), stream=stream))
        assert one == list(export_lines(store, stream=stream))
    with CaseStore.create(f"sqlite:///{tmp_path}/again.db", key_file=tmp_path / "k") as again:
        assert not import_lines(again, lines, trust_recorded_at=True).refused
        without_words = [line.replace(b',"personal":"withheld"', b"") for line in lines]
        assert list(export_lines(again)) == without_words
    with pytest.raises(StreamNotFound, match="no case nobody in this archive"):
        list(archived_lines(Archive(archive), stream="case:nobody"))


def test_many_events_are_many_groups_of_rows_and_several_temporary_files(
    tmp_path: Path, archive: Path
) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db", key_file=tmp_path / "k") as store:
        generate.fill(store, _RANGE + 500)
        write_archive(store, archive, buckets=2)
        read = Archive(archive)
        assert max(part.rows for part in read.manifest.parts) > MOST_ROWS
        assert archived(read) == all_rows(store)
        assert list(archived_lines(read)) == list(export_lines(store))
        assert len(read.merges()) > 10


def test_large_events_are_written_and_read_too(store: CaseStore, archive: Path) -> None:
    for number in range(12):
        store.append("case:1", stories.noted(text=f"{number}" * MOST_BYTES))
    write_archive(store, archive, buckets=1)
    assert archived(Archive(archive)) == all_rows(store)


def test_an_archive_can_be_given_to_another_process(store: CaseStore, archive: Path) -> None:
    write_archive(store, archive)
    read = Archive(archive)
    again = pickle.loads(pickle.dumps(read))
    assert archived(again) == archived(read)


def test_other_programs_read_it_as_one_table(store: CaseStore, archive: Path) -> None:
    write_archive(store, archive)
    sql = f"SELECT count(*), max(position) FROM '{archive}/events/*/*.parquet'"
    rows = all_rows(store)
    assert duckdb.execute(sql).fetchall() == [(len(rows), rows[-1][0])]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound, match="it has no manifest"):
        Archive(tmp_path)
    for text, why in (
        ("{}", "is not the manifest of an archive"),
        ("nonsense", "is not the manifest of an archive"),
        ('{"format":"casestore archive","version":2}', "by a later casestore, in version 2"),
    ):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ArchiveRefused, match=why):
            Archive(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format":"casestore archive","version":1}')
    with pytest.raises(ArchiveDamaged, match="was altered"):
        Archive(tmp_path)
