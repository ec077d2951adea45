"""The form of what is stored, put together by hand from its description: it is read for ever."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from casestore import InvalidEvent, KeyFileError, StoreDamaged
from casestore.journal.rows import OF_IMPORTS, KeyRow
from casestore.keys import parts
from casestore.keys.key_file import load_key_file, replace_key_file
from casestore.keys.vault import Vault, create_key_file, kek_id

PLACE = ("case:1", 2, "NoteAdded")
DATA_KEY, NONCE, SALT = bytes(range(32)), bytes(range(12)), bytes(range(16))
KEY_ID = sha256(b"casestore data key id v1\x00" + DATA_KEY).digest()
WORDS = b'{"text":"words"}'


def bound(*fields: object) -> bytes:
    return msgspec.json.encode(fields)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    key = create_key_file(tmp_path / "key")
    return Vault("a-store", kek_id(key).hex(), tmp_path / "key")


@pytest.fixture
def row(vault: Vault, tmp_path: Path) -> KeyRow:
    """The data key, wrapped by hand."""
    kek = create_key_file(tmp_path / "key")
    binding = bound("wrap", "a-store", "c1", KEY_ID.hex())
    wrapped = AESGCM(kek).encrypt(NONCE, DATA_KEY, binding)
    return KeyRow("c1", KEY_ID, kek_id(kek) + NONCE + wrapped)


def test_a_part_put_together_by_hand_is_what_is_sealed_and_opens(vault: Vault, row: KeyRow) -> None:
    commitment = sha256(b"casestore words v1\x00" + SALT + WORDS).digest()
    binding = bound("words", "a-store", "c1", *PLACE)
    ciphertext = AESGCM(DATA_KEY).encrypt(commitment[:12], SALT + WORDS, binding)
    part = b"\x03" + KEY_ID + commitment + ciphertext
    assert vault.seal({"text": "words"}, row, *PLACE, salt=SALT) == part
    assert vault.open(part, row, *PLACE) == SALT + WORDS
    assert vault.reveal(part, row, *PLACE) == {"text": "words"}
    assert parts.committed(part) == commitment
    assert parts.pieces(part) == (KEY_ID, commitment, ciphertext)


def test_an_older_part_put_together_by_hand_opens(vault: Vault, row: KeyRow) -> None:
    ciphertext = AESGCM(DATA_KEY).encrypt(NONCE, WORDS, bound("part", "a-store", "c1", *PLACE))
    part = b"\x01" + KEY_ID + NONCE + ciphertext
    assert vault.reveal(part, row, *PLACE) == {"text": "words"}
    assert parts.committed(part) is None
    assert parts.pieces(part) == (KEY_ID, None, NONCE + ciphertext)


def test_plain_parts_have_a_form_too() -> None:
    unsealed = Vault("a-store", None, None)
    part = b"\x02" + SALT + WORDS
    assert unsealed.seal({"text": "words"}, None, *PLACE, salt=SALT) == part
    assert unsealed.open(part, None, *PLACE) == SALT + WORDS
    assert parts.committed(part) == sha256(b"casestore words v1\x00" + SALT + WORDS).digest()
    assert unsealed.open(b"\x00" + WORDS, None, *PLACE) == WORDS


def test_a_part_is_at_least_so_long() -> None:
    """Nothing is cut out of bytes that are too few."""
    new, old = b"\x03" + bytes(32 + 32 + 16), b"\x01" + bytes(32 + 12 + 16)
    for whole in (new, old):
        assert parts.pieces(whole) is not None
        assert parts.pieces(whole[:-1]) is None
    assert parts.committed(b"\x03" + bytes(64)) == bytes(32)
    assert parts.committed(b"\x03" + bytes(63)) is None
    assert len(new) - len(old) + 16 == parts.ADDED


def test_errors_of_the_vault_name_the_event_and_say_what_to_do(vault: Vault, row: KeyRow) -> None:
    with pytest.raises(InvalidEvent) as surrogate:
        vault.seal({"text": "\ud800"}, row, *PLACE, salt=SALT)
    assert str(surrogate.value) == (
        "case:1: the text of NoteAdded has a lone surrogate, which UTF-8 cannot hold"
    )
    with pytest.raises(StoreDamaged) as damaged:
        vault.open(b"\x07", row, *PLACE)
    assert str(damaged.value) == (
        "the personal part of case:1 version 2 does not open: it was altered, or moved here "
        "from elsewhere"
    )
    text: Any = "words"  # in a column for bytes, SQLite keeps a text as well
    with pytest.raises(StoreDamaged) as no_bytes:
        vault.open(text, row, *PLACE)
    assert str(no_bytes.value) == str(damaged.value)
    with pytest.raises(StoreDamaged) as planted:
        vault.open(b"\x02" + SALT + WORDS, row, *PLACE)
    assert str(planted.value) == (
        "the personal part of case:1 version 2 is plain text, and this store seals all of them: "
        "it was put there by somebody else"
    )
    swapped = KeyRow("c2", row.key_id, row.wrapped)
    with pytest.raises(StoreDamaged) as altered:
        vault.unwrap(swapped)
    assert str(altered.value) == (
        "the data key of customer 'c2' does not open; the key table was altered: restore it "
        "from a backup"
    )
    with pytest.raises(StoreDamaged) as altered:
        vault.unwrap(KeyRow(OF_IMPORTS, row.key_id, row.wrapped))
    assert str(altered.value) == (
        "the import secret does not open; the key table was altered: restore it from a backup"
    )


def test_without_the_right_key_file_the_error_names_what_to_set(
    vault: Vault, row: KeyRow, tmp_path: Path
) -> None:
    with pytest.raises(KeyFileError) as unnamed:
        Vault("a-store", vault.current_kek, None).unwrap(row)
    assert str(unnamed.value) == (
        "no key file is named for this store; set CASESTORE_KEY_FILE (everything but personal "
        "text works without it)"
    )
    create_key_file(tmp_path / "other")
    with pytest.raises(KeyFileError) as other:
        Vault("a-store", vault.current_kek, tmp_path / "other").unwrap(row)
    assert str(other.value) == (
        f"the key file {tmp_path / 'other'} belongs to another store, or to another time of this "
        "one (before or after a rotation); name the right one in CASESTORE_KEY_FILE"
    )


def test_a_data_key_wrapped_anew_is_the_same_key(vault: Vault, row: KeyRow) -> None:
    anew = vault.rewrap(row)
    assert (anew.customer_id, anew.key_id) == ("c1", KEY_ID)
    assert anew.wrapped != row.wrapped
    assert vault.unwrap(anew) == DATA_KEY


def test_a_vault_that_is_turned_to_another_key_wraps_by_that_and_opens_what_the_older_one_wrapped(
    vault: Vault, row: KeyRow, tmp_path: Path
) -> None:
    assert vault.unwrap(row) == DATA_KEY
    (older,) = load_key_file(tmp_path / "key")
    newer = bytes(range(32, 64))
    replace_key_file(tmp_path / "key", [older, newer], set())
    vault.turn_to(kek_id(newer).hex())
    anew = vault.rewrap(row)
    assert anew.wrapped.startswith(kek_id(newer))
    assert vault.unwrap(anew) == vault.unwrap(row) == DATA_KEY


def test_where_no_key_file_is_known_none_says_that_the_store_is_sealed(tmp_path: Path) -> None:
    for none in (None, tmp_path / "none"):
        Vault("a-store", None, none).check_kind()


def test_an_older_part_that_holds_no_fields_is_told_with_its_place() -> None:
    with pytest.raises(StoreDamaged, match="case:1 version 2 does not open"):
        Vault("a-store", None, None).reveal(b"\x00[1]", None, *PLACE)
