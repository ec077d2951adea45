"""Personal text: sealed from the first day, withheld unless asked for, and nowhere else."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from casestore import (
    CaseStore,
    CaseStoreError,
    CustomerErased,
    CustomerRegistered,
    KeyFileError,
    PersonalDataErased,
    StoreDamaged,
)
from casestore.journal.rows import KeyRow
from casestore.keys.vault import Vault, create_key_file, drawn_salts, kek_id, load_key_file
from casestore.transfer.ndjson import export_lines
from tests.support.canaries import CANARY, plant
from tests.support.notes import ANNA, T, note, opened


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        yield made


def everything_stored(store: CaseStore, store_url: str) -> bytes:
    """All bytes that the database holds: its files, or every row of every table."""
    if store_url.startswith("sqlite"):
        path = Path(store_url.removeprefix("sqlite:///"))
        return b"".join(each.read_bytes() for each in path.parent.glob(path.name + "*"))
    tables = (store._recorder.table, store._recorder.keys_table)
    rows = [row for table in tables for row in store._recorder.fetch(f"SELECT * FROM {table}")]
    return repr(rows).encode()


def test_every_personal_field_is_sealed(store: CaseStore, store_url: str) -> None:
    fields = plant(store)
    assert CANARY.encode() not in everything_stored(store, store_url)
    assert CANARY.encode() not in b"".join(export_lines(store))
    for recorded in store.read():
        assert CANARY not in repr(recorded)
    assert CANARY not in repr(store.case("1"))
    revealed = b"".join(export_lines(store, reveal=True))
    assert revealed.count(CANARY.encode()) == fields


def test_presence_can_be_seen_without_reading(store: CaseStore) -> None:
    store.append("case:1", opened(subject=None), note("words"), note(None))
    seen = [(r.personal, r.privacy) for r in store.history("case:1")]
    assert seen == [((), None), (("text",), "withheld"), ((), None)]
    shown = [(r.personal, r.privacy) for r in store.history("case:1", reveal=True)]
    assert shown == [((), None), (("text",), "revealed"), ((), None)]


def test_the_same_words_never_have_the_same_bytes(store: CaseStore) -> None:
    store.append("case:1", opened(), *[note("same") for _ in range(300)])
    parts = {r.sealed for r in store.read() if r.sealed is not None}
    assert len(parts) == 301
    assert {part[0] for part in parts} == {3}
    assert len({part[1:33] for part in parts}) == 1  # one key: one customer
    assert len({part[33:45] for part in parts}) == 301  # no nonce twice
    assert len({part[45:65] for part in parts}) == 301  # nor the rest of a commitment


def test_a_part_moved_elsewhere_does_not_open(store: CaseStore) -> None:
    store.append("case:1", opened(), note("one"))
    store.append("case:2", opened(customer="c2"), note("two"))
    rows = store._recorder.stream_rows("case:1")
    (key,) = store._recorder.keys_of(["c1"]).values()
    part: bytes = rows[1][5] or b""
    vault = store._vault
    assert vault.reveal(part, key, "case:1", 2, "NoteAdded") == {"text": "one"}
    for stream, version, topic in [
        ("case:2", 2, "NoteAdded"),
        ("case:1", 1, "NoteAdded"),
        ("case:1", 2, "CaseReopened"),
    ]:
        with pytest.raises(StoreDamaged, match=f"{stream} version {version}"):
            vault.reveal(part, key, stream, version, topic)
    elsewhere = Vault("another-store", vault.current_kek, vault.key_file)
    with pytest.raises(StoreDamaged):
        elsewhere.reveal(part, key, "case:1", 2, "NoteAdded")
    assert (
        vault.reveal(part, store._recorder.keys_of(["c2"])["c2"], "case:1", 2, "NoteAdded")
        == "erased"
    )
    for n in range(len(part)):
        flipped = part[:n] + bytes([part[n] ^ 1]) + part[n + 1 :]
        try:
            assert vault.reveal(flipped, key, "case:1", 2, "NoteAdded") == "erased"  # another key
            assert 1 <= n <= 32
        except StoreDamaged:
            assert not 1 <= n <= 32
    for cut in range(len(part)):
        with pytest.raises(StoreDamaged):
            vault.reveal(part[:cut], key, "case:1", 2, "NoteAdded")


def test_a_part_does_not_open_in_another_form(store: CaseStore) -> None:
    """Old forms are read for ever, and no new part can be taken for one of them."""
    vault = store._vault
    key = vault.new_key("c1")
    place = ("case:1", 1, "NoteAdded")
    part = vault.seal({"text": "x"}, key, *place, salt=bytes(16))
    key_id, commitment, ciphertext = part[1:33], part[33:65], part[65:]
    for other in (
        b"\x01" + part[1:],
        b"\x01" + key_id + commitment[:12] + ciphertext,
        b"\x04" + part[1:],
        b"\x02" + part[1:],
        b"\x00" + part[1:],
        part[:80],
        b"\x03" + key_id + commitment,
    ):
        with pytest.raises(StoreDamaged):
            vault.reveal(other, key, *place)
    plain = Vault("a-store", None, None)
    assert plain.reveal(b'\x00{"text":"x"}', None, *place) == {"text": "x"}
    assert plain.reveal(plain.seal({"text": "x"}, None, *place, salt=bytes(16)), None, *place) == {
        "text": "x"
    }


def test_a_wrapped_key_that_was_swapped_does_not_open(store: CaseStore) -> None:
    vault = store._vault
    one, two = vault.new_key("c1"), vault.new_key("c2")
    part = vault.seal({"text": "x"}, one, "case:1", 1, "NoteAdded", salt=bytes(16))
    fresh = Vault(vault.store_id, vault.current_kek, vault.key_file)
    swapped = KeyRow("c1", one.key_id, two.wrapped)
    with pytest.raises(StoreDamaged, match="key table was altered"):
        fresh.reveal(part, swapped, "case:1", 1, "NoteAdded")


def test_everything_but_the_text_works_without_the_key_file(
    store: CaseStore, store_url: str, tmp_path: Path
) -> None:
    store.append("case:1", opened(), note("words"))
    key_file = Path(os.environ["CASESTORE_KEY_FILE"])
    key_file.rename(tmp_path / "elsewhere")
    with CaseStore.open(store_url) as blind:
        assert [r.privacy for r in blind.history("case:1")] == ["withheld", "withheld"]
        assert blind.case("1").status == "open"
        blind.append("case:1", note(None))
        assert len(list(export_lines(blind))) == 4
        needs_key: list[Callable[[], object]] = [
            lambda: blind.append("case:1", note("more")),
            lambda: list(blind.read(reveal=True)),
            lambda: blind.history("case:1", reveal=True),
        ]
        for need in needs_key:
            with pytest.raises(KeyFileError, match="is missing; restore it") as caught:
                need()
            assert "more" not in str(caught.value)
        assert len(blind.history("case:1")) == 3
    with CaseStore.open(store_url, key_file=tmp_path / "elsewhere") as seeing:
        assert seeing.history("case:1", reveal=True).effective[1].event == note("words")


def test_a_key_file_of_another_store_is_named(
    store: CaseStore, store_url: str, tmp_path: Path
) -> None:
    store.append("case:1", opened())
    create_key_file(tmp_path / "other.key")
    with CaseStore.open(store_url, key_file=tmp_path / "other.key") as wrong:
        with pytest.raises(KeyFileError, match="belongs to another store"):
            list(wrong.read(reveal=True))
        with pytest.raises(KeyFileError, match="belongs to another store"):
            wrong.append("case:1", note("words"))
    (tmp_path / "junk.key").write_bytes(b"\xff\xfejunk")
    (tmp_path / "empty.key").write_text("")
    (tmp_path / "short.key").write_text("casestore-key-1 AAAA\n")
    for name in ("junk", "empty", "short"):
        (tmp_path / f"{name}.key").chmod(0o600)
    for name, why in [("junk", "cannot be used"), ("empty", "no key"), ("short", "damaged")]:
        with pytest.raises(KeyFileError, match=why):
            load_key_file(tmp_path / f"{name}.key")


def test_the_key_file_is_for_its_owner_alone_and_never_in_the_store(
    store: CaseStore, store_url: str
) -> None:
    store.append("case:1", opened())
    path = Path(os.environ["CASESTORE_KEY_FILE"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (key,) = load_key_file(path)
    assert key not in everything_stored(store, store_url).replace(path.read_bytes(), b"")
    assert store.meta["kek_id"] == kek_id(key).hex()
    assert load_key_file(path) == [create_key_file(path)]


def test_beside_a_sqlite_file_is_where_the_key_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CASESTORE_KEY_FILE", raising=False)
    CaseStore.create(f"sqlite:///{tmp_path}/a.db").close()
    assert (tmp_path / "a.db.key").is_file()


def test_postgres_needs_a_place_for_the_key_file(
    postgres_schema_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CASESTORE_KEY_FILE", raising=False)
    with pytest.raises(KeyFileError, match="CASESTORE_KEY_FILE, or make the store with --unsealed"):
        CaseStore.create(postgres_schema_url)
    with CaseStore.create(postgres_schema_url, sealed=False) as store:
        assert not store._vault.is_sealed


def test_an_unsealed_store_is_for_those_who_insist(store_url: str) -> None:
    with CaseStore.create(store_url, sealed=False) as store:
        store.append("case:1", opened(), note("plain words"), key="k")
        assert store.append("case:1", opened(), note("plain words"), key="k").versions == (1, 2)
        parts = [recorded.sealed for recorded in store.read() if recorded.sealed is not None]
        assert parts[1][:1] + parts[1][17:] == b'\x02{"text":"plain words"}'
        assert store.history("case:1").effective[1].event == note(None)
        assert store.history("case:1", reveal=True).effective[1].event == note("plain words")


def test_what_is_erased_reads_as_erased_and_never_as_nothing(store: CaseStore) -> None:
    """However the key went, this is what reading then gives."""
    store.append("case:1", opened(), note("words"), key="k")
    store.append("customer:c1", PersonalDataErased(occurred_at=T, actor=ANNA, basis="request"))
    with store._recorder.writing() as writing:
        writing.delete_key("c1")
        writing.commit([])
    history = store.history("case:1", reveal=True)
    assert [(r.privacy, r.personal) for r in history] == [
        ("erased", ("subject",)),
        ("erased", ("text",)),
    ]
    assert len(list(export_lines(store, reveal=True))) == 4
    store.append("case:1", opened(), note("words cannot be compared any more"), key="k")
    with pytest.raises(CustomerErased, match="register the customer again"):
        store.append("case:1", note("new words", minutes=3))
    store.append("case:1", note(None))
    store.append("customer:c1", CustomerRegistered(occurred_at=T, actor=ANNA, name="back"))
    store.append("case:1", note("new words", minutes=3))
    shown = [r.privacy for r in store.history("case:1", reveal=True)]
    assert shown == ["erased", "erased", None, "revealed"]


def test_errors_never_hold_personal_text(store: CaseStore) -> None:
    store.append("case:1", opened(subject=CANARY), key="k")
    attempts: list[Callable[[], object]] = [
        lambda: store.append("case:1", opened(subject=CANARY + "x"), key="k"),
        lambda: store.append("case:1", opened(subject=CANARY)),
        lambda: store.append("case:2", note(CANARY)),
        lambda: store.append("case:1", note(CANARY), expected_version=7),
        lambda: opened(subject=[CANARY]),  # type: ignore[arg-type]
    ]
    for attempt in attempts:
        with pytest.raises((CaseStoreError, ValueError)) as caught:
            attempt()
        assert CANARY not in str(caught.value)


def test_salts_are_drawn_in_blocks_and_never_repeat() -> None:
    salts = drawn_salts(7)
    seen = [next(salts) for _ in range(1000)]
    assert [len(set(each)) for each in zip(*seen, strict=True)] == [1000, 1000]
    assert {(len(words), len(own), own.isascii()) for words, own in seen} == {(16, 24, True)}
