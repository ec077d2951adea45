"""An archive is proven by a checkpoint, or it is said what was altered, or that nobody can tell.

Each attack is done on the files, with a manifest that fits or not.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from casestore import ArchiveDamaged, CaseStore
from casestore.archive import Archive, archived_lines, verify_archive, write_archive
from casestore.archive.columns import WRITING
from casestore.audit.held import HeldCheckpoint
from casestore.audit.sealing import seal
from casestore.audit.verifying import Verified
from tests.support import stories
from tests.support.sealed import key_of


@pytest.fixture
def sealed(store: CaseStore, archive: Path) -> Path:
    """An archive of two writes that is sealed up to the third event from its end."""
    write_archive(store, archive, buckets=2)
    store.append("case:1", stories.noted(text="a"))
    seal(store)
    for stream in ("case:1", "case:Z", "case:z"):
        store.append(stream, stories.noted(text="b"))
    write_archive(store, archive)
    return archive


def without_hashes(tmp_path: Path) -> None:
    """As if the audit folder were elsewhere: only the keys are at hand."""
    shutil.rmtree(tmp_path / "audit" / "hashes")


def parts(archive: Path) -> list[Path]:
    return sorted(archive.glob("events/*/*.parquet"))


def found(verified: Verified) -> str:
    """What it found, as one text."""
    assert verified.verdict == "tampered"
    return "\n".join(f"{each.where} {each.what}" for each in verified.findings)


def forge_manifest(archive: Path) -> None:
    """Make the manifest say of each file what it is now."""
    path = archive / "manifest.json"
    manifest = json.loads(path.read_text())
    for part in manifest["parts"]:
        first, last = part["run"]
        name = "none" if part["bucket"] is None else f"{part['bucket']:03d}"
        file = archive / "events" / f"{first:019d}-{last:019d}" / f"bucket-{name}.parquet"
        data, rows = file.read_bytes(), pq.read_table(file)["position"].to_pylist()
        part.update(bytes=len(data), sha256=sha256(data).hexdigest(), rows=len(rows))
        part.update(first=min(rows), last=max(rows))
    manifest["events"] = sum(part["rows"] for part in manifest["parts"])
    path.write_text(json.dumps(manifest))


def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Write a file anew, with other rows in it."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path, **WRITING)


def test_it_is_proven_without_the_store_and_what_is_newer_is_counted(
    sealed: Path, store: CaseStore, tmp_path: Path
) -> None:
    key = key_of(store)
    events = store._recorder.count_after()
    store.close()
    (tmp_path / "audit").rename(tmp_path / "gone")
    verified = verify_archive(sealed, keys=[key])
    assert (verified.verdict, verified.findings) == ("fine", ())
    assert (verified.events, verified.covered, verified.uncovered) == (events, events - 3, 3)


def test_the_keys_of_the_audit_folder_count_and_those_given_count_alone(
    sealed: Path, store: CaseStore, tmp_path: Path
) -> None:
    assert verify_archive(sealed, url=store.url).verdict == "fine"
    (tmp_path / "audit").rename(tmp_path / "gone")
    unknown = verify_archive(sealed, url=store.url)
    assert unknown.verdict == "cannot tell"
    assert "no key is known" in unknown.findings[0].what


def test_a_store_that_was_never_sealed_proves_nothing(store: CaseStore, archive: Path) -> None:
    write_archive(store, archive)
    verified = verify_archive(archive, url=store.url)
    assert (verified.verdict, verified.covered) == ("cannot tell", 0)
    assert verified.findings[0].what == "has no checkpoint to compare it with"


def test_a_checkpoint_that_somebody_keeps_counts_too(sealed: Path, store: CaseStore) -> None:
    held = HeldCheckpoint("mine", seal(store).note.encode())
    events = store._recorder.count_after()
    verified = verify_archive(sealed, held=[held], keys=[key_of(store)])
    assert (verified.verdict, verified.covered) == ("fine", events)
    store.append("case:1", stories.noted())
    newer = HeldCheckpoint("mine", seal(store).note.encode())
    verified = verify_archive(sealed, held=[newer], keys=[key_of(store)], url=store.url)
    assert (verified.verdict, verified.covered) == ("cannot tell", events)
    assert "the archive has fewer" in verified.findings[-1].what


@pytest.mark.parametrize("where", [0.02, 0.5, 0.99])
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_an_altered_byte_is_found_and_its_part_is_named(
    sealed: Path, store: CaseStore, number: int, where: float
) -> None:
    path = parts(sealed)[number]
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 1
    path.write_bytes(data)
    told = found(verify_archive(sealed, url=store.url))
    assert path.relative_to(sealed).as_posix() in told
    assert "its SHA-256 is not that of the manifest" in told


def test_a_missing_part_and_swapped_parts_are_found(sealed: Path, store: CaseStore) -> None:
    first, second = parts(sealed)[:2]
    moved = first.with_name("other")
    first.rename(moved)
    told = found(verify_archive(sealed, url=store.url))
    assert f"{first.relative_to(sealed).as_posix()} is missing" in told
    second.rename(first)
    moved.rename(second)
    told = found(verify_archive(sealed, url=store.url))
    assert "is of a customer in another bucket" in told
    forge_manifest(sealed)
    told = found(verify_archive(sealed, url=store.url))
    assert "is of a customer in another bucket" in told


def test_an_extra_file_is_no_part_of_it(sealed: Path, store: CaseStore) -> None:
    extra = parts(sealed)[0].with_name("bucket-009.parquet")
    shutil.copy(parts(sealed)[0], extra)
    told = found(verify_archive(sealed, url=store.url))
    assert told == f"{extra.relative_to(sealed).as_posix()} is not in the manifest: it is no " + (
        "part of the archive"
    )


def test_what_a_broken_write_left_is_no_harm(sealed: Path, store: CaseStore) -> None:
    before = (sealed / "manifest.json").read_bytes()
    store.append("case:1", stories.noted())
    write_archive(store, sealed)
    (sealed / "manifest.json").write_bytes(before)
    verified = verify_archive(sealed, url=store.url)
    assert verified.verdict == "fine"
    assert "left by a write that was broken off" in verified.findings[0].what


@pytest.mark.parametrize("hashes", [True, False])
def test_an_altered_row_is_found_also_where_the_manifest_fits(
    sealed: Path, store: CaseStore, tmp_path: Path, hashes: bool
) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[2]["state"] += b" "
        altered.append(rows[2])

    altered: list[dict[str, Any]] = []
    rewrite(parts(sealed)[0], change)
    forge_manifest(sealed)
    if not hashes:
        without_hashes(tmp_path)
    verified = verify_archive(sealed, url=store.url)
    told = found(verified)
    if hashes:
        row = altered[0]
        assert f"{row['stream']} version {row['version']} (position {row['position']}," in told
        assert "is not what was sealed as event" in told
    else:
        assert f"among events 1 to {verified.newest}, up to position" in told


def test_a_row_that_was_taken_away_is_found(sealed: Path, store: CaseStore) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[:] = [row for row in rows if (row["stream"], row["version"]) != ("case:1", 2)]

    for path in parts(sealed):
        rewrite(path, change)
    forge_manifest(sealed)
    told = found(verify_archive(sealed, url=store.url))
    assert "has version 3 where 2 should be: some are missing" in told
    assert "1 event is missing" in told


@pytest.mark.parametrize("position", [1, 2**62, -(2**63)])
def test_a_row_at_a_position_that_is_none_of_the_archive_is_found(
    sealed: Path, store: CaseStore, position: int
) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[-1]["position"] = position

    for path in parts(sealed):  # without the first event, so that 1 is before the archive's first
        rewrite(
            path, lambda rows: rows.__setitem__(slice(None), [r for r in rows if r["position"] > 1])
        )
    forge_manifest(sealed)
    rewrite(parts(sealed)[0], change)
    path = sealed / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["first"] = min(part["first"] for part in manifest["parts"])
    part = next(part for part in manifest["parts"] if part["bucket"] == 0)
    part["bytes"] = parts(sealed)[0].stat().st_size
    path.write_text(json.dumps(manifest))
    told = found(verify_archive(sealed, url=store.url))
    assert "is not of the positions that the manifest says" in told
    with pytest.raises(ArchiveDamaged, match=f"stands at position {position}"):
        list(archived_lines(Archive(sealed)))


def test_an_altered_row_after_the_seal_is_found_by_the_manifest(
    sealed: Path, store: CaseStore
) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[-1]["state"] += b" "

    rewrite(parts(sealed)[-1], change)
    verified = verify_archive(sealed, url=store.url)
    assert "its SHA-256 is not that of the manifest" in found(verified)
    assert verified.covered == verified.newest


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"events": 3}, "its parts have not as many rows as it has events"),
        ({"buckets": 1}, "it has no bucket 1"),
        ({"first": 2}, "its first event is in none of its parts"),
        ({"buckets": 0}, "it has 0 buckets"),
        ({"parts": []}, "its parts have not as many rows"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    sealed: Path, change: dict[str, Any], why: str
) -> None:
    path = sealed / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ArchiveDamaged, match=why):
        verify_archive(sealed)


def test_another_seal_in_the_manifest_is_found(sealed: Path, store: CaseStore) -> None:
    path = sealed / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["seal"]["size"] -= 1
    path.write_text(json.dumps(manifest))
    assert "is not of the size and the root" in found(verify_archive(sealed, url=store.url))
    manifest["seal"]["checkpoint"] = manifest["seal"]["checkpoint"].replace("\n4", "\n5", 1)
    path.write_text(json.dumps(manifest))
    assert "the checkpoint in the manifest" in found(verify_archive(sealed, keys=[key_of(store)]))


def test_links_pipes_and_folders_in_the_place_of_parts_are_found_and_not_followed(
    sealed: Path, store: CaseStore, tmp_path: Path
) -> None:
    path = parts(sealed)[0]
    path.rename(tmp_path / "elsewhere")
    puts: list[Callable[[], object]] = [
        lambda: path.symlink_to(tmp_path / "elsewhere"),
        lambda: os.mkfifo(path),
        path.mkdir,
    ]
    for put in puts:
        put()
        told = found(verify_archive(sealed, url=store.url))
        assert "is no ordinary file, or is in a link" in told
        with pytest.raises(ArchiveDamaged, match="is no ordinary file"):
            list(Archive(sealed).rows(0))
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_a_file_of_another_kind_is_found(sealed: Path, store: CaseStore) -> None:
    path = parts(sealed)[0]
    table = pq.read_table(path).drop_columns(["personal"])
    pq.write_table(table, path)
    told = found(verify_archive(sealed, url=store.url))
    assert "has other columns than an archive" in told
    path.write_bytes(b"not Parquet at all")
    assert "cannot be read" in found(verify_archive(sealed, url=store.url))
