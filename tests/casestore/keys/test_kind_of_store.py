"""A store is sealed or not for good: nobody turns one into the other behind its back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from casestore import CaseStore, SealRefused, StoreDamaged
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.audit.verifying import verify
from casestore.doctor.examine import examine
from tests.support import stories
from tests.support.alter import alter, execute
from tests.support.command_line import Casestore

WORDS = '{"subject":"Ach"}'


def make(url: str, *, sealed: bool = True) -> None:
    with CaseStore.create(url, sealed=sealed) as store:
        store.append("case:c1", stories.opened(subject="Ach"))


def turn(url: str) -> None:
    """Take out of the database by which key its words are sealed."""
    with CaseStore.open(url) as store:
        execute(store, f"DELETE FROM {store._recorder.meta_table} WHERE name = 'kek_id'")


def test_a_store_that_says_no_more_that_it_is_sealed_is_not_opened(store_url: str) -> None:
    make(store_url)
    turn(store_url)
    with pytest.raises(
        StoreDamaged, match=r"key file .* says so: its table casestore_meta was alt"
    ):
        CaseStore.open(store_url)
    for asked in (["doctor"], ["case", "show", "c1"]):
        key_file = os.environ["CASESTORE_KEY_FILE"]
        ran = Casestore(store_url, CASESTORE_KEY_FILE=key_file)(*asked)
        assert ran.code == 1
        assert "casestore_meta was altered" in ran.err


def test_a_running_service_writes_no_words_in_the_clear(store_url: str) -> None:
    make(store_url)
    with CaseStore.open(store_url) as store:
        turn(store_url)
        store.append("case:c2", stories.opened(customer_id="k2", subject="Oh"))
        with pytest.raises(StoreDamaged, match="but it was when it was opened"):
            store._was_rotated()
        parts = store._recorder.fetch(f"SELECT personal FROM {store._recorder.table}")
    assert {bytes(part)[:1] for (part,) in parts if part is not None} == {b"\x03"}


def test_without_a_key_file_the_seals_tell(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(tmp_path / "audit"))
    make(store_url)
    with CaseStore.open(store_url) as store:
        Folder.of(store.url).make_key(origin(store))
        seal(store)
        assert verify(store).verdict == "fine"
    turn(store_url)
    with CaseStore.open(store_url, key_file=tmp_path / "none") as store:
        result = verify(store)
        assert result.verdict == "tampered"
        assert "does not keep personal text any more as it did" in result.findings[0].what
        store.append("case:c1", stories.issue("i1", summary=None))
        with pytest.raises(SealRefused, match="casestore_meta was altered; nothing was signed"):
            seal(store)


def test_plain_words_in_a_sealed_store_are_not_shown(store_url: str) -> None:
    make(store_url)
    part = (
        f"X'00{WORDS.encode().hex()}'"
        if "sqlite" in store_url
        else f"'\\x00{WORDS.encode().hex()}'"
    )
    with CaseStore.open(store_url) as store:
        alter(store, f"UPDATE {{t}} SET personal = {part} WHERE originator_id = 'case:c1'")
        assert [each.privacy for each in store.history("case:c1")] == ["withheld"]
        with pytest.raises(StoreDamaged, match="case:c1 version 1 is plain text, and this store s"):
            store.history("case:c1", reveal=True)
        told = [each for each in examine(store) if each.check == "personal parts"]
        assert [each.level for each in told] == ["error"]
        assert "is plain, and this store seals all" in told[0].what


def test_an_unsealed_store_beside_a_key_file_of_others_opens(
    store_url: str, tmp_path: Path
) -> None:
    make(f"sqlite:///{tmp_path}/another.db")  # with the same key file
    make(store_url, sealed=False)
    with CaseStore.open(store_url) as store:
        (event,) = store.history("case:c1", reveal=True)
        assert event.privacy == "revealed"


def test_plain_words_that_are_no_utf_8_are_damage(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/plain.db"
    make(url, sealed=False)
    part = (b'\x00{"subject":"' + b"\xff" + b'"}').hex()
    with CaseStore.open(url) as store:
        alter(store, f"UPDATE {{t}} SET personal = X'{part}' WHERE originator_id = 'case:c1'")
        with pytest.raises(StoreDamaged, match="case:c1 version 1"):
            store.history("case:c1", reveal=True)
