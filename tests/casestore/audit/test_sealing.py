"""Sealing and verifying: what was signed is what is there, or it is said what is not.

The attacks are done behind the library's back, with raw SQL and its triggers gone. Each gives the
finding that names it, or the honest "cannot tell".
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casestore import CaseStore, KeyFileError, StoreDamaged
from casestore.audit.evidence import write_bundle
from casestore.audit.folder import Folder
from casestore.audit.held import HeldCheckpoint
from casestore.audit.leaf import hashes_of, leaf_of
from casestore.audit.rows import origin
from casestore.audit.sealing import Sealed, seal
from casestore.audit.tlog_export import export_log
from casestore.audit.verifying import verify
from casestore.errors import CannotTell, SealRefused
from casestore.tlog.merkle import Frontier, leaf_hash
from casestore.tlog.note import Checkpoint, Signer
from casestore.tlog.tiles import Hashes, tile_path, tiles
from tests.support import stories
from tests.support.alter import hide
from tests.support.sealed import (
    alter,
    alter_positions,
    execute,
    is_sqlite,
    key_of,
    make_store,
    opened,
    put_back,
    sealed,
    tampered,
    tell,
    verified,
)

ROOT = Path(__file__).parents[3]


# --- a store as it should be


def test_a_sealed_store_is_what_was_signed(url: str) -> None:
    found = verified(url)
    assert (found.verdict, found.findings) == ("fine", ())
    assert (found.events, found.covered, found.uncovered, found.checkpoints) == (11, 11, 0, 2)


def test_the_uncovered_tail_is_counted(url: str) -> None:
    with opened(url) as store:
        tell(store, "c4", "k2")
        found = verify(store)
    assert (found.verdict, found.events, found.covered, found.uncovered) == ("fine", 14, 11, 3)
    assert sealed(url).new == 3
    assert verified(url).uncovered == 0


def test_the_root_is_that_of_the_rows_leaves(url: str) -> None:
    with opened(url) as store:
        rows = store._recorder.rows(0, 100)
        leaves = [leaf_of(store.meta["store_id"], row) for row in rows]
        checkpoint = seal(store).checkpoint
    grown = Frontier()
    for leaf in leaves:
        grown.append(leaf_hash(leaf))
    assert (checkpoint.size, checkpoint.root) == (11, grown.root())


TEXT = st.text(max_size=20)


LEAF = (TEXT, st.integers(1, 2**62), TEXT, st.binary(), st.none() | st.binary(), st.none() | TEXT)


@given(st.tuples(*LEAF))
def test_a_leaf_is_canonical_json(
    given_: tuple[str, int, str, bytes, bytes | None, str | None],
) -> None:
    stream, number, topic, state, personal, customer = given_
    row = (number, stream, 3, topic, state, personal, customer, "an-id", number, b"{}")
    leaf = {
        "log_id": "log",
        "position": number,
        "stream": stream,
        "version": 3,
        "topic": topic,
        "event_id": "an-id",
        "customer_id": customer,
        "recorded_at": number,
        "state_sha256": sha256(state).hexdigest(),
        "metadata_sha256": sha256(b"{}").hexdigest(),
        "personal_sha256": None if personal is None else sha256(personal).hexdigest(),
    }
    canonical = json.dumps(leaf, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert leaf_of("log", row) == canonical.encode()


def test_a_leaf_holds_no_words(url: str) -> None:
    with opened(url) as store:
        for row in store._recorder.rows(0, 100):
            assert "Ach" not in leaf_of("log", row).decode()


def test_sealing_again_signs_nothing_new(url: str, folder: Path) -> None:
    before = sorted(path.name for path in folder.rglob("*"))
    first, second = sealed(url), sealed(url)
    assert (first.new, first.note) == (second.new, second.note) == (0, first.note)
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_an_empty_store_can_be_sealed(store_url: str, folder: Path) -> None:
    with CaseStore.create(store_url) as store:
        Folder.of(store.url).make_key(origin(store))
        assert seal(store).checkpoint.size == 0
        assert verify(store).verdict == "fine"
        tell(store, "c1", "k1")
        assert seal(store).new == 4
        assert verify(store)[1:5] == (4, 4, 0, 2)
        put_back(store, 2)
        with pytest.raises(SealRefused):
            seal(store)


def test_incremental_trusts_what_was_verified(url: str) -> None:
    assert verified(url, incremental=True).trusted == 0  # never verified before
    with opened(url) as store:
        tell(store, "c4", "k2")
        seal(store)
        assert verify(store, incremental=True)[1:5] == (14, 14, 11, 3)
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 3")
        assert verify(store, incremental=True).verdict == "fine"  # and it says what it trusts
        assert verify(store).verdict == "tampered"


def test_incremental_sees_what_is_new(url: str) -> None:
    verified(url)
    with opened(url) as store:
        tell(store, "c4", "k2")
        seal(store)
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 13")
    assert "case:c4 version 2 (position 13" in tampered(url, incremental=True)


def test_incremental_reads_everything_where_it_cannot_trust(url: str, folder: Path) -> None:
    verified(url)
    with opened(url) as store:
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 11")
    assert "(position 11" in tampered(url, incremental=True)
    shutil.rmtree(folder / "hashes")
    assert "events 8 to 11" in tampered(url, incremental=True)


def test_a_held_checkpoint_older_than_what_is_trusted_is_compared(url: str) -> None:
    with opened(url) as store:
        folder = Folder.of(store.url)
        first, _ = folder.open_seal(folder.seal_files()[0], origin(store), folder.verifiers())
        held = HeldCheckpoint("mine", first.checkpoint.encode())
        assert verify(store, held=[held]).verdict == "fine"
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 3")
        assert verify(store, held=[held], incremental=True).verdict == "tampered"


def test_vacuum_changes_nothing(url: str) -> None:
    with opened(url) as store:
        if is_sqlite(store):
            path = url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("VACUUM")
        else:
            with store._recorder.datastore.get_connection() as connection:  # type: ignore[attr-defined]
                connection.execute(f"VACUUM FULL {store._recorder.table}")
    assert verified(url).verdict == "fine"


# --- the attacks on rows

SIX = "case:c2 version 2 (position 6,"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE {t} SET state = metadata WHERE position = 6", SIX),
        ("UPDATE {t} SET personal = state WHERE position = 6", SIX),
        ("UPDATE {t} SET personal = NULL WHERE position = 7", "case:c2 version 3 (position 7,"),
        ("UPDATE {t} SET metadata = state WHERE position = 6", SIX),
        ("UPDATE {t} SET topic = 'NoteAdded' WHERE position = 6", SIX),
        ("UPDATE {t} SET recorded_at = recorded_at + 1 WHERE position = 6", SIX),
        ("UPDATE {t} SET recorded_at = 5 WHERE position = 6", "before the event before it"),
        ("UPDATE {t} SET customer_id = 'k9' WHERE position = 6", SIX),
        ("UPDATE {t} SET customer_id = NULL WHERE position = 6", SIX),
        ("UPDATE {t} SET originator_version = 9 WHERE position = 6", "case:c2 version 9 (position"),
        ("UPDATE {t} SET originator_version = 9 WHERE position = 6", "with versions from 1 to 9"),
        ("UPDATE {t} SET originator_id = 'case:c9' WHERE position = 6", "case:c9 version 2 ("),
        (
            "UPDATE {t} SET event_id = '00000000-0000-0000-0000-000000000001' WHERE position = 6",
            "00000000-0000-0000-0000-000000000001) is not what was sealed as event 6",
        ),
        ("DELETE FROM {t} WHERE position = 6", "1 event is missing after position 5: event 6"),
        ("DELETE FROM {t} WHERE position = 1", "1 event is missing at the very beginning"),
        ("DELETE FROM {t} WHERE position = 11", "1 event is missing after position 10: the tail"),
        ("DELETE FROM {t} WHERE originator_id = 'case:c2'", "3 events are missing after"),
        ("DELETE FROM {t} WHERE position > 4", "7 events are missing after position 4: the tail"),
        ("DELETE FROM {t}", "11 events are missing at the very beginning: the tail"),
        (  # two swapped
            "UPDATE {t} SET state = (SELECT state FROM {t} AS o WHERE o.position = 9 - {t}.position"
            " + 4) WHERE position IN (6, 7)",
            SIX,
        ),
    ],
)  # fmt: skip
def test_what_was_changed_is_named(url: str, change: str, says: str) -> None:
    with opened(url) as store:
        alter(store, change.replace("{t}.position", f"{store._recorder.table}.position"))
    assert says in tampered(url)


def test_rows_that_an_index_hides_from_readers_are_named(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "store.key"))
    url = f"sqlite:///{tmp_path}/store.db"
    make_store(url)
    hide(tmp_path / "store.db", "position = 7")
    assert tampered(url) == (
        "case:c2: has 3 events, of which readers find 2: an index hides the others"
    )
    with opened(url) as store, pytest.raises(StoreDamaged, match="do not find all events of case"):
        write_bundle(store, "c2", tmp_path / "bundle")


def test_any_bit_that_is_flipped_is_named(url: str) -> None:
    """A bit of each stored part of each event, one after the other, and put right again."""
    random = Random(4711)
    with opened(url) as store:
        mark = "?" if is_sqlite(store) else "%s"
        datastore = store._recorder.datastore  # type: ignore[attr-defined]

        def put(column: str, position: int, value: bytes) -> None:
            with datastore.transaction(commit=True) as cursor:
                sql = f"UPDATE {store._recorder.table} SET {column} = {mark} "
                cursor.execute(f"{sql} WHERE position = {mark}", (value, position))

        if not is_sqlite(store):
            execute(store, "ALTER TABLE {t} DISABLE TRIGGER USER")
        else:
            execute(store, "DROP TRIGGER stored_events_no_update")
        for row in store._recorder.rows(0, 100):
            for column, value in (("state", row[4]), ("personal", row[5]), ("metadata", row[9])):
                if value is None:
                    continue
                at, bit = random.randrange(len(value)), 1 << random.randrange(8)
                put(column, row[0], value[:at] + bytes([value[at] ^ bit]) + value[at + 1 :])
                (finding,) = verify(store).findings
                assert f"(position {row[0]}, event id {row[7]}) is not what was" in finding.what
                put(column, row[0], value)
        assert verify(store).verdict == "fine"


SHIFT = (
    "UPDATE {t} SET position = -position WHERE position > 6",
    "UPDATE {t} SET position = -position {by} WHERE position < 0",
)
COPY = (
    "INSERT INTO {t} (position, originator_id, originator_version, topic, state, personal, "
    "customer_id, event_id, recorded_at, metadata) SELECT {at}, originator_id, 4, topic, state, "
    "personal, customer_id, '00000000-0000-0000-0000-000000000001', recorded_at, metadata "
    "FROM {t} WHERE position = 6"
)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (  # deleted, and the gap closed in every way
            (
                "DELETE FROM {t} WHERE position = 6",
                "UPDATE {t} SET originator_version = 2 WHERE position = 7",
                *(each.replace("{by}", "- 1") for each in SHIFT),
            ),
            "case:c2 version 2 (position 6,",
        ),
        (  # inserted in the past, with room made for it
            (*(each.replace("{by}", "+ 1") for each in SHIFT), COPY.replace("{at}", "7")),
            "case:c2 version 4 (position 7,",
        ),
        (
            (COPY.replace("{at}", "0"),),
            "version 4 (position 0, event id 00000000-0000-0000-0000-000000000001) was added",
        ),
        ((COPY.replace("{at}", "0"),), "position 0: stands before the first that a store gives"),
        ((COPY.replace("{at}", "-9223372036854775808"),), "stands before the first"),
        (  # two in each other's place
            (
                "UPDATE {t} SET position = 99 WHERE position = 6",
                "UPDATE {t} SET position = 6 WHERE position = 7",
                "UPDATE {t} SET position = 7 WHERE position = 99",
            ),
            "case:c2 version 3 (position 6,",
        ),
        (("UPDATE {t} SET position = 0 WHERE position = 1",), "customer:k1 version 1 (position 0,"),
    ],
)  # fmt: skip
def test_what_was_moved_or_slipped_in_is_named(
    url: str, changes: tuple[str, ...], says: str
) -> None:
    with opened(url) as store:
        alter_positions(store, *changes)
    assert says in tampered(url)


@pytest.mark.parametrize("at", [0, -5, 2**62 + 1, 2**63 - 1])
def test_an_event_at_a_position_that_no_store_gives_is_not_signed(
    url: str, folder: Path, at: int
) -> None:
    """After one at the end of the range no append fits, and a reader that saw it sees no other."""
    before = sorted(path.name for path in (folder / "seals").iterdir())
    with opened(url) as store:
        store.append("case:c3", stories.issue("i2"))
        alter_positions(store, f"UPDATE {{t}} SET position = {at} WHERE position = 12")
        with pytest.raises(StoreDamaged, match=rf"position {at} stands .* nothing was signed"):
            seal(store)
    assert sorted(path.name for path in (folder / "seals").iterdir()) == before
    assert f"position {at}: stands" in tampered(url)


def test_an_event_in_a_gap_of_the_past_is_named(url: str) -> None:
    with opened(url) as store:
        alter_positions(store, "UPDATE {t} SET position = position + 10 WHERE position > 8")
        shutil.rmtree(Folder.of(store.url).path)
        Folder.of(store.url).make_key(origin(store))
        seal(store)
        alter_positions(store, COPY.replace("{at}", "12"))
    assert "case:c2 version 4 (position 12" in tampered(url)
    assert "was added: it was not there when event 9 was sealed" in tampered(url)


@pytest.mark.parametrize("value", ["CAST(X'ff' AS TEXT)", "NULL", "7", "CAST(state AS TEXT)"])
@pytest.mark.parametrize("column", ["topic", "state"])
def test_what_is_not_of_its_type_is_named(
    tmp_path: Path, folder: Path, column: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    url = f"sqlite:///{tmp_path}/store.db"
    make_store(url)
    with opened(url) as store:
        if value == "NULL":
            execute(store, "PRAGMA writable_schema = 1", NULLABLE, "PRAGMA writable_schema = 0")
        else:
            alter(store, f"UPDATE {{t}} SET {column} = {value} WHERE position = 6")
    if value == "NULL":
        with opened(url) as store:
            alter(store, f"UPDATE {{t}} SET {column} = NULL WHERE position = 6")
    assert "position 6" in tampered(url)


NULLABLE = (
    "UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'stored_events'"
)


# --- without the kept hashes


def test_without_hashes_the_interval_is_named(url: str, folder: Path) -> None:
    shutil.rmtree(folder / "hashes")
    assert verified(url).verdict == "fine"
    with opened(url) as store:
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 9")
    said = tampered(url)
    assert "among events 8 to 11, up to position 11, at least one was altered" in said
    assert "the first 7 events are what was signed" in said
    with opened(url) as store:
        alter(store, "DELETE FROM {t} WHERE position = 9")
    assert "of 11 there are 10: at least 1 are missing" in tampered(url)


def test_forged_hashes_are_not_believed(url: str, folder: Path) -> None:
    """Somebody alters a row and the kept hash of it, too."""
    with opened(url) as store:
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 9")
        rows = store._recorder.rows(0, 100)
        (folder / "hashes" / "0").write_bytes(b"".join(hashes_of(store.meta["store_id"], rows)))
    assert "among events 8 to 11" in tampered(url)


def test_spoilt_hashes_are_said_to_be_spoilt_and_made_anew(url: str, folder: Path) -> None:
    file = folder / "hashes" / "0"
    before = file.read_bytes()
    file.write_bytes(bytes(32) + before[32:])
    found = verified(url)
    assert found.verdict == "fine"
    assert [finding.level for finding in found.findings] == ["warning"]
    with opened(url) as store:
        tell(store, "c4", "k2")
    assert sealed(url).new == 3
    assert file.read_bytes()[: len(before)] == before
    assert verified(url).findings == ()


@pytest.mark.parametrize("size", [0, 31, 32, 200])
def test_hashes_that_are_cut_are_made_anew(url: str, folder: Path, size: int) -> None:
    os.truncate(folder / "hashes" / "0", size)
    assert verified(url).verdict == "fine"
    with opened(url) as store:
        tell(store, "c4", "k2")
    sealed(url)
    assert verified(url)[1:5] == (14, 14, 0, 3)


def test_without_hashes_nothing_is_sealed_upon_what_was_altered(url: str, folder: Path) -> None:
    shutil.rmtree(folder / "hashes")
    with opened(url) as store:
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 6")
        tell(store, "c4", "k2")
        with pytest.raises(SealRefused, match="the first 11 events are not those"):
            seal(store)
    assert len(list((folder / "seals").iterdir())) == 2


# --- an older database


def test_a_tail_that_was_cut_with_only_an_older_checkpoint_held(url: str, folder: Path) -> None:
    seals = sorted((folder / "seals").iterdir())[1:]
    for path in (*seals, folder / "checkpoint", folder / "hashes" / "0"):
        path.unlink()
    with opened(url) as store:
        alter(store, "DELETE FROM {t} WHERE position > 7")
        found = verify(store)
    assert found.verdict == "cannot tell"
    assert "positions up to 11 were given, and the last event has 7" in found.findings[0].what


def test_an_older_database_is_not_sealed(url: str, folder: Path) -> None:
    with opened(url) as store:
        put_back(store, 9)
        with pytest.raises(SealRefused, match=r"version 3 at position 11.* not in the store"):
            seal(store)
    assert "2 events are missing after position 9: the tail was cut off" in tampered(url)
    assert len(list((folder / "seals").iterdir())) == 2


def test_an_older_database_that_went_on_differently_is_not_sealed(url: str, folder: Path) -> None:
    with opened(url) as store:
        put_back(store, 7)
        tell(store, "c8", "k1")
        tell(store, "c9", "k1")
        with pytest.raises(SealRefused, match="position 11, the last event sealed, is not what"):
            seal(store)
    assert "case:c8 version 1 (position 8," in tampered(url)
    shutil.rmtree(folder / "hashes")
    with opened(url) as store, pytest.raises(SealRefused, match="is not what it was"):
        seal(store)
    assert "among events 8 to 11" in tampered(url)
    assert len(list((folder / "seals").iterdir())) == 2


def test_a_file_that_was_really_restored(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    url = f"sqlite:///{tmp_path}/store.db"
    make_store(url)
    with closing(sqlite3.connect(tmp_path / "store.db")) as now:
        now.execute(f"VACUUM INTO '{tmp_path}/older.db'")
    with opened(url) as store:
        tell(store, "c4", "k2")
        seal(store)
    for path in tmp_path.glob("store.db*"):
        path.unlink()
    shutil.move(tmp_path / "older.db", tmp_path / "store.db")
    assert "3 events are missing after position 11" in tampered(url)
    with opened(url) as store, pytest.raises(SealRefused):
        seal(store)


def test_an_auditor_notices_when_the_seals_were_put_back_too(url: str, folder: Path) -> None:
    with opened(url) as store:
        held = HeldCheckpoint("mine", seal(store).note.encode())
        put_back(store, 7)
    max((folder / "seals").iterdir()).unlink()
    (folder / "checkpoint").unlink()
    assert verified(url).verdict == "fine"  # for all that is left to see
    said = tampered(url, held=[held])
    assert "the checkpoint mine of 11 events: 4 events are missing after position 7" in said


# --- checkpoints that others hold


def signer(url: str) -> Signer:
    with opened(url) as store:
        return Folder.of(store.url).signer()


def held(url: str, size: int, root: bytes, **more: str) -> HeldCheckpoint:
    with opened(url) as store:
        checkpoint = Checkpoint(more.get("origin", origin(store)), size, root)
    return HeldCheckpoint("mine", signer(url).sign(checkpoint.text()).encode())


def newest(url: str) -> Sealed:
    return sealed(url)


def test_two_checkpoints_of_one_size(url: str) -> None:
    said = tampered(url, held=[held(url, 11, bytes(32))])
    assert "the checkpoint mine: signs other events than the store's own seal" in said
    assert "two histories were signed" in said


def test_a_held_checkpoint_is_enough(url: str, folder: Path) -> None:
    note, key = newest(url).note, signer(url).verifier
    shutil.rmtree(folder)
    assert (
        verified(url, held=[HeldCheckpoint("mine", note.encode())]).verdict == "cannot tell"
    )  # no key
    found = verified(url, held=[HeldCheckpoint("mine", note.encode())], keys=[key])
    assert (found.verdict, found.covered, found.checkpoints) == ("fine", 11, 1)
    with opened(url) as store:
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 3")
    said = tampered(url, held=[HeldCheckpoint("mine", note.encode())], keys=[key])
    assert "among events 1 to 11" in said


def test_a_checkpoint_of_more_than_there_is(url: str) -> None:
    said = tampered(url, held=[held(url, 12, bytes(32))])
    assert "of 12 there are 11: at least 1 are missing" in said


@pytest.mark.parametrize(
    ("spoil", "verdict", "says"),
    [
        (lambda n: n.replace(b"\n11\n", b"\n12\n"), "tampered", "it was edited"),
        (lambda n: n.replace(b"\n", b"\r\n"), "cannot tell", "LF alone"),
        (lambda n: n.replace(b"\n11\n", b"\n1\x001\n"), "cannot tell", "no control characters"),
        (lambda n: n.rpartition(b"\n\n")[0] + b"\n", "cannot tell", "text, an empty line"),
        (lambda n: n + n.rpartition(b"\n\n")[2] * 100, "cannot tell", "at most 100 signatures"),
        (lambda n: b"", "cannot tell", "is not a checkpoint"),
    ],
)
def test_a_held_checkpoint_that_was_spoilt(
    url: str, spoil: Callable[[bytes], bytes], verdict: str, says: str
) -> None:
    found = verified(url, held=[HeldCheckpoint("mine", spoil(newest(url).note.encode()))])
    assert found.verdict == verdict
    assert says in found.findings[0].what
    assert "checkpoint mine" in found.findings[0].where
    assert found.covered == 11  # by the store's own seals


@pytest.mark.parametrize("size", ["-1", "011", "9" * 30, "x"])
def test_a_held_checkpoint_of_no_size(url: str, size: str) -> None:
    text = newest(url).note.rpartition("\n\n")[0].replace("\n11\n", f"\n{size}\n") + "\n"
    found = verified(url, held=[HeldCheckpoint("mine", signer(url).sign(text).encode())])
    assert found.verdict == "cannot tell"
    assert "the size of a checkpoint" in found.findings[0].what


def test_a_held_checkpoint_by_another_key_or_of_another_log(url: str) -> None:
    with opened(url) as store:
        other = Signer(origin(store), bytes(32))
        text = newest(url).checkpoint.text()
        found = verify(store, held=[HeldCheckpoint("mine", other.sign(text).encode())])
    assert found.verdict == "cannot tell"
    assert "no key is known that signed it" in found.findings[0].what
    found = verified(url, held=[held(url, 11, bytes(32), origin="casestore/other")])
    assert found.verdict == "cannot tell"
    assert "is of another log, casestore/other" in found.findings[0].what


# --- the audit folder


def test_nothing_sealed_is_nothing_to_tell(store_url: str, folder: Path) -> None:
    with CaseStore.create(store_url) as store:
        tell(store, "c1", "k1")
        assert verify(store).verdict == "cannot tell"
        with pytest.raises(CannotTell, match="begin with `casestore audit key`"):
            seal(store)
        Folder.of(store.url).make_key(origin(store))
        assert verify(store).verdict == "cannot tell"
        assert seal(store).new == 4
        assert verify(store).verdict == "fine"


def test_postgres_needs_a_folder(
    postgres_schema_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("CASESTORE_AUDIT_DIR", raising=False)
    with CaseStore.create(postgres_schema_url) as store:
        assert verify(store).verdict == "cannot tell"
        with pytest.raises(CannotTell, match="CASESTORE_AUDIT_DIR"):
            seal(store)


def test_the_signing_key_is_its_owners_alone(url: str, folder: Path) -> None:
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert signer(url).name.startswith("casestore/")


def test_a_key_without_its_folder_signs_nothing(
    url: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is lost, or hidden, so that the key might sign a second history."""
    monkeypatch.setenv("CASESTORE_AUDIT_KEY", str(tmp_path / "elsewhere"))
    shutil.move(folder / "key", tmp_path / "elsewhere")
    assert sealed(url).new == 0
    shutil.rmtree(folder)
    with opened(url) as store:
        with pytest.raises(CannotTell, match="restore it from its backup"):
            seal(store)
        with pytest.raises(KeyFileError, match="cannot sign a second history"):
            Folder.of(store.url).make_key(origin(store))


def test_a_lost_key_is_replaced_and_old_seals_still_count(url: str, folder: Path) -> None:
    (folder / "key").unlink()
    with opened(url) as store:
        with pytest.raises(KeyFileError, match="audit key"):
            seal(store)
        _, new = Folder.of(store.url).make_key(origin(store))
        assert new
        tell(store, "c4", "k2")
        seal(store)
        assert verify(store)[1:5] == (14, 14, 0, 3)
        found = verify(store, keys=[key_of(store)])
    assert found.verdict == "fine"  # what the new key signs begins with all that the old one signed
    assert found.covered == 14
    assert {each.level for each in found.findings} == {"warning"}  # and the old seals are told of
    assert "0000000007.json" in found.findings[0].where


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (lambda t: t.replace('\\n11\\n', '\\n10\\n'), "tampered"),
        (lambda t: t[:-5], "tampered"),
        (lambda t: "", "tampered"),
    ],
)  # fmt: skip
def test_a_seal_that_was_edited(
    url: str, folder: Path, spoil: Callable[[str], str], verdict: str
) -> None:
    file = max((folder / "seals").iterdir())
    file.write_text(spoil(file.read_text()))
    found = verified(url)
    assert found.verdict == verdict
    assert str(file) in found.findings[0].where
    with opened(url) as store, pytest.raises(SealRefused, match="cannot be built upon"):
        seal(store)


def test_a_seal_under_another_name(url: str, folder: Path) -> None:
    first, second = sorted((folder / "seals").iterdir())
    shutil.copy(first, second)
    assert "another size than its name says" in tampered(url)


def test_a_folder_of_another_store(
    url: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(tmp_path / "other"))
    make_store(other)
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(folder))
    assert verified(other).verdict == "cannot tell"
    with opened(other) as store, pytest.raises(SealRefused, match="another log"):
        seal(store)


# --- several processes, and being killed

APPENDS = """
import sys
from casestore import CaseStore
from tests.support import stories
with CaseStore.open(sys.argv[1]) as store:
    store.append(f"case:w{sys.argv[2]}", stories.opened(customer_id=f"w{sys.argv[2]}"))
    for _ in range(25):
        store.append(f"case:w{sys.argv[2]}", stories.noted(text="Hm."))
"""
SEALS = """
import sys
from casestore import CaseStore
from casestore.audit.sealing import seal
with CaseStore.open(sys.argv[1]) as store:
    for _ in range(12):
        seal(store)
"""


def start(script: str, url: str, *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script, url, *args], cwd=ROOT)


def test_two_sealers_while_eight_writers_append(url: str, folder: Path) -> None:
    writers = [start(APPENDS, url, str(number)) for number in range(8)]
    sealers = [start(SEALS, url) for _ in range(2)]
    with opened(url) as store:
        while any(each.poll() is None for each in writers):
            seal(store)
            assert verify(store, incremental=True).verdict == "fine"
        assert [each.wait(60) for each in (*writers, *sealers)] == [0] * 10
        seal(store)
        found = verify(store)
    assert found.verdict == "fine", found
    assert found.events == found.covered == 11 + 8 * 27
    assert found.checkpoints == len(list((folder / "seals").iterdir())) > 3


KILLED = """
import os, sys
from casestore import CaseStore
from casestore.audit import sealing as audit
from casestore.audit import folder as seals
from casestore.tlog import tiles
where = sys.argv[2]
def die(*_, **__):
    os._exit(9)
def then_die(function):
    def called(*args, **kwargs):
        function(*args, **kwargs)
        os._exit(9)
    return called
if where == "before reading":
    audit.grow = die
elif where == "after one tile":
    tiles._perfect = die
elif where == "hashes written, not synced":
    tiles.os.fsync = die
elif where == "hashes synced":
    audit.Checkpoint = die
elif where == "signed":
    seals.Folder.keep = die
elif where == "seal written, not in place":
    seals.os.link = die
elif where == "seal in place":
    seals.os.link = then_die(os.link)
elif where == "seal kept":
    seals.Folder.hand_out = die
with CaseStore.open(sys.argv[1]) as store:
    audit.seal(store)
"""


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("before reading", 2),
        ("after one tile", 2),
        ("hashes written, not synced", 2),
        ("hashes synced", 2),
        ("signed", 2),
        ("seal written, not in place", 2),
        ("seal in place", 3),
        ("seal kept", 3),
    ],
)
def test_a_sealer_that_was_killed(url: str, folder: Path, where: str, kept: int) -> None:
    with opened(url) as store:
        notes = [stories.noted() for _ in range(300)]
        store.append("case:c1", *notes)
    assert start(KILLED, url, where).wait(60) == 9
    assert len(list((folder / "seals").iterdir())) == kept
    assert verified(url).verdict == "fine"
    with opened(url) as store:
        tell(store, "c4", "k2")
        made_now = seal(store)
    assert made_now.new == 3 + 300 * (kept == 2)
    assert verified(url)[1:5] == (314, 314, 0, kept + 1)
    assert (folder / "checkpoint").read_text() == made_now.note


def test_the_same_after_a_killed_sealer_that_nothing_followed(url: str, folder: Path) -> None:
    with opened(url) as store:
        tell(store, "c4", "k2")
    assert start(KILLED, url, "seal kept").wait(60) == 9
    assert "\n11\n" in (folder / "checkpoint").read_text()
    assert sealed(url).new == 0
    assert "\n14\n" in (folder / "checkpoint").read_text()


def test_ids_that_were_rolled_back(postgres_schema_url: str, tmp_path: Path, folder: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    url = postgres_schema_url
    make_store(url)
    with opened(url) as store:
        sequence = f"pg_get_serial_sequence('{store._recorder.table}', 'position')"
        execute(store, f"SELECT nextval({sequence})")
        found = verify(store)
        assert found.verdict == "cannot tell"  # an append that failed, or a tail that was cut
        seal(store)  # nothing new: the older seal stands, and with it what it knew
        tell(store, "c4", "k2")
        assert verify(store).verdict == "fine"
        execute(store, f"SELECT nextval({sequence})")
        tell(store, "c5", "k2")
        assert seal(store).new == 6
        found = verify(store)
    assert (found.verdict, found.covered) == ("fine", 17)


# --- exporting


def read_log(folder: Path) -> tuple[Checkpoint, list[bytes]]:
    """A tlog-tiles log as a stranger reads it: the entries, and every tile against them."""
    text = (folder / "checkpoint").read_text().rpartition("\n\n")[0] + "\n"
    checkpoint = Checkpoint.parse(text)
    entries: list[bytes] = []
    while len(entries) < checkpoint.size:
        width = min(256, checkpoint.size - len(entries))
        bundle = (folder / tile_path("entries", len(entries) // 256, width)).read_bytes()
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            entries.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
    level = [leaf_hash(entry) for entry in entries]
    number = 0
    while level:
        for index in range(0, len(level), 256):
            row = level[index : index + 256]
            path = folder / tile_path(number, index // 256, len(row))
            assert path.read_bytes() == b"".join(row)
        whole = [level[n : n + 256] for n in range(0, len(level) // 256 * 256, 256)]
        level = [root_of(row) for row in whole]
        number += 1
    assert root_of([leaf_hash(entry) for entry in entries]) == checkpoint.root
    return checkpoint, entries


def root_of(hashes: list[bytes]) -> bytes:
    grown = Frontier()
    for each in hashes:
        grown.append(each)
    return grown.root()


def test_an_export_is_a_log_of_tiles(url: str, tmp_path: Path) -> None:
    with opened(url) as store:
        export_log(store, tmp_path / "log")
        assert read_log(tmp_path / "log")[0].size == 11
        store.append("case:c1", *(stories.noted() for _ in range(600)))
        seal(store)
        export_log(store, tmp_path / "log")
    checkpoint, entries = read_log(tmp_path / "log")
    assert checkpoint.size == 611
    assert json.loads(entries[610])["version"] == 603
    found = {str(path.relative_to(tmp_path / "log")) for path in (tmp_path / "log").rglob("*")}
    assert {"tile/0/001", "tile/0/002.p/99", "tile/1/000.p/2", "tile/entries/001"} <= found
    assert not [name for name in found if "part" in name or name.endswith("000.p/11")]


def test_what_is_not_what_was_sealed_is_not_exported(url: str, tmp_path: Path) -> None:
    with opened(url) as store:
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 6")
        with pytest.raises(Exception, match="not what was sealed"):
            export_log(store, tmp_path / "log")
    assert not (tmp_path / "log" / "checkpoint").exists()


@pytest.mark.parametrize("after", range(4))
def test_a_disk_that_is_full_leaves_no_checkpoint(
    url: str, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = iter(range(100))
    sync = os.fsync

    def full(descriptor: int) -> None:
        if next(written) == after:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with opened(url) as store:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            export_log(store, tmp_path / "log")
        assert not (tmp_path / "log" / "checkpoint").exists()
        assert not list((tmp_path / "log").rglob("*part*"))
        export_log(store, tmp_path / "log")
    read_log(tmp_path / "log")


def test_a_disk_that_is_full_while_sealing_signs_nothing(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with opened(url) as store:
        tell(store, "c4", "k2")
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                seal(store)
        assert len(list((folder / "seals").iterdir())) == 2
        assert seal(store).new == 3
        assert verify(store).verdict == "fine"


# --- the tiles themselves


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 3000])
def test_kept_hashes_give_the_roots_of_every_range_that_is_asked_for(
    tmp_path: Path, size: int
) -> None:
    leaves = [leaf_hash(str(n).encode()) for n in range(size + 300)]
    kept = Hashes(tmp_path / "hashes")
    with kept.extending(0) as extend:
        for start_at in range(0, size, 100):
            extend(leaves[start_at : min(start_at + 100, size)])
    assert kept.size == size
    assert kept.give(size, root_of(leaves[:size]))
    assert kept.leaves_give(size, root_of(leaves[:size]))
    assert kept.frontier(size).root() == root_of(leaves[:size])
    for width in (1, 2, 4, 64, 256, 512, 1024):
        for begin in range(0, size - width + 1, width * max(1, size // width // 5)):
            assert kept.subtree(begin, begin + width) == root_of(leaves[begin : begin + width])
    with kept.extending(size // 2) as extend:  # as after a sealer that was killed
        extend(leaves[size // 2 : size + 300])
    assert kept.give(size + 300, root_of(leaves))
    assert kept.find(leaves[size]) == size
    assert kept.find(leaves[size], size + 1) is None
    assert kept.find(b"x" * 32) is None


def test_the_names_of_tiles() -> None:
    # c2sp.org/tlog-tiles: index 1234067, and the tiles of a tree of 70,000 and of 256
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path("entries", 0, 12) == "tile/entries/000.p/12"
    of_70000 = list(tiles(70_000))
    assert [sum(level == n for level, _, _ in of_70000) for n in range(4)] == [274, 2, 1, 0]
    assert {width for _, _, width in of_70000} == {256, 112, 17, 1}
    assert list(tiles(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles(0)) == []


def test_appends_pay_nothing(url: str) -> None:
    """Sealing has no table, no trigger and no column: an append cannot know of it."""
    with opened(url) as store:
        if is_sqlite(store):
            named = {name for (name,) in store._recorder.fetch("SELECT name FROM sqlite_master")}
            assert not [name for name in named if "audit" in name or "seal" in name]
