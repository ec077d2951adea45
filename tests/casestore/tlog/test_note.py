"""Signed notes and checkpoints: the examples of the specifications, and everything malformed."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casestore.errors import BadSignature, InvalidNote, NotSigned
from casestore.tlog.note import (
    MAX_NOTE,
    MAX_SIGNATURES,
    Checkpoint,
    Signer,
    Verifier,
    open_checkpoint,
    open_note,
)

# c2sp.org/signed-note, the example of its version 1.0.0.
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONnc"
    "AlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# golang.org/x/mod/sumdb/note, the example of the package's documentation.
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
# c2sp.org/tlog-checkpoint, the example of the page (whose key it does not give).
C2SP_CHECKPOINT = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""

SIGNER = Signer("casestore/1", bytes(range(32)))
KEY = SIGNER.verifier
OTHER = Signer("casestore/1", bytes(32))
ROOT = base64.b64encode(bytes(32)).decode()
TEXT = f"casestore/1\n12\n{ROOT}\n"


def test_the_example_of_signed_note() -> None:
    key = Verifier.parse(C2SP_KEY)
    assert open_note(C2SP_NOTE.encode(), [key]) == "This is an example message.\n"
    assert str(key) == C2SP_KEY
    assert key.hash.hex() == "530d903a"


def test_the_example_of_gos_package() -> None:
    signer = Signer.parse(GO_SIGNER)
    assert str(signer) == GO_SIGNER
    assert str(signer.verifier) == GO_KEY
    note = signer.sign(GO_TEXT)
    assert note == f"{GO_TEXT}\n{GO_LINE}"
    assert open_note(note.encode(), [Verifier.parse(GO_KEY)]) == GO_TEXT


def test_the_example_of_tlog_checkpoint() -> None:
    checkpoint = Checkpoint.parse(C2SP_CHECKPOINT)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text() == C2SP_CHECKPOINT


def test_a_checkpoint_is_signed_and_read_again() -> None:
    checkpoint = Checkpoint("casestore/1", 12, bytes(32))
    assert open_checkpoint(SIGNER.sign(checkpoint.text()).encode(), [KEY]) == checkpoint


def test_a_signing_key_does_not_show_itself() -> None:
    assert "AAEC" not in repr(SIGNER)
    assert repr(bytes(range(32)))[2:10] not in repr(SIGNER)


def test_text_may_have_empty_lines() -> None:
    note = SIGNER.sign("one\n\ntwo\n\n\n")
    assert open_note(note.encode(), [KEY]) == "one\n\ntwo\n\n\n"


# --- signatures of others


def test_signatures_by_unknown_keys_are_ignored() -> None:
    name, _, signature = SIGNER.sign(TEXT).rpartition("\n\n")[2].strip().split(" ")
    cosigned = f"{SIGNER.sign(TEXT)}— witness.example {signature}\n{name} other {signature}\n"
    assert open_note(cosigned.encode(), [KEY]) == TEXT
    with pytest.raises(NotSigned):
        open_note(OTHER.sign(TEXT).encode(), [KEY])
    with pytest.raises(NotSigned):
        open_note(SIGNER.sign(TEXT).encode(), [])
    with pytest.raises(NotSigned):  # the same key under another name is another key
        open_note(SIGNER.sign(TEXT).encode(), [KEY._replace(name="casestore/2")])


def test_what_was_edited_does_not_fit() -> None:
    note = SIGNER.sign(TEXT)
    for edited in (
        note.replace("\n12\n", "\n13\n"),
        note.replace("casestore/1\n", "casestore/2\n", 1),
        note.replace(ROOT, base64.b64encode(b"\x01" * 32).decode()),
    ):
        with pytest.raises(BadSignature):
            open_note(edited.encode(), [KEY])
    # A key with the same four bytes, which are easily found, is still another key.
    forged = TEXT + f"\n— casestore/1 {base64.b64encode(KEY.hash + bytes(64)).decode()}\n"
    with pytest.raises(BadSignature):
        open_note(forged.encode(), [KEY])
    with pytest.raises(BadSignature):  # one that fits does not make up for one that does not
        open_note((note + forged.rpartition("\n\n")[2]).encode(), [KEY])


def test_any_byte_that_is_flipped_is_noticed() -> None:
    note = SIGNER.sign(TEXT).encode()
    for index in range(len(note)):
        for bit in (1, 32, 128):
            flipped = note[:index] + bytes([note[index] ^ bit]) + note[index + 1 :]
            with pytest.raises((InvalidNote, NotSigned, BadSignature)):
                open_note(flipped, [KEY])


# --- what is no note


def many(count: int) -> bytes:
    line = SIGNER.sign(TEXT).rpartition("\n\n")[2]
    return (SIGNER.sign(TEXT) + line * (count - 1)).encode()


def test_as_many_signatures_as_may_be() -> None:
    assert open_note(many(MAX_SIGNATURES), [KEY]) == TEXT
    with pytest.raises(InvalidNote, match="at most 100"):
        open_note(many(MAX_SIGNATURES + 1), [KEY])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda note: note.replace(b"\n", b"\r\n"), "LF alone"),
        (lambda note: note.replace(b"\n", b"\r"), "LF alone"),
        (lambda note: note.replace(b"12", b"1\x002"), "control"),
        (lambda note: note.replace(b"12", b"1\t2"), "control"),
        (lambda note: note + b"\x00", "control"),
        (lambda note: note.replace(b"casestore", b"case\xff"), "UTF-8"),
        (lambda note: note[:-1], "text, an empty line, and signatures"),
        (lambda note: note + b"\n", "text, an empty line, and signatures|not one"),
        (lambda note: note.replace(b"\n\n", b"\n"), "text, an empty line, and signatures"),
        (lambda note: note.replace("—".encode(), b"-"), "not one"),
        (lambda note: note.replace("— ".encode(), "—".encode()), "not one"),
        (lambda note: note.replace("— c".encode(), "— +c".encode()), "not one"),
        (lambda note: note.replace("— c".encode(), "— \u00a0c".encode()), "not one"),
        (lambda note: note.rpartition(b" ")[0] + b" AAAA\n", "too short"),
        (lambda note: note.rpartition(b" ")[0] + b" AAAAAAB=\n", "base64"),
        (lambda note: note.rpartition(b" ")[0] + b" =AAAAAA=\n", "base64"),
        (lambda note: b"", "text, an empty line, and signatures"),
        (lambda note: b"\n\n", "text, an empty line, and signatures"),
        (lambda note: b"x" * (MAX_NOTE + 1), "at most"),
    ],
)
def test_what_is_no_note(spoil: Callable[[bytes], bytes], says: str) -> None:
    with pytest.raises(InvalidNote, match=says):
        open_note(spoil(SIGNER.sign(TEXT).encode()), [KEY])


@pytest.mark.parametrize(
    "size",
    [
        *["", "-1", "+1", "01", "00", "1.0", "1e3", "0x1", "1_000", "٣", "²"],
        " 1",
        "1 ",
        "9" * 19,
        str(1 << 63),
        "9" * 400,
    ],
)
def test_a_size_that_is_none(size: str) -> None:
    note = SIGNER.sign(f"casestore/1\n{size}\n{ROOT}\n").encode()
    with pytest.raises(InvalidNote):
        open_checkpoint(note, [KEY])


def test_the_largest_and_the_smallest_size() -> None:
    for size in (0, (1 << 63) - 1):
        assert Checkpoint.parse(f"casestore/1\n{size}\n{ROOT}\n").size == size


@pytest.mark.parametrize(
    "text",
    [
        "casestore/1\n12\n",
        f"casestore/1\n{ROOT}\n",
        f"\n12\n{ROOT}\n",
        f"casestore/1\n12\n{ROOT[:-4]}\n",
        f"casestore/1\n12\n{ROOT[:-2]}B=\n",
        f"casestore/1\n12\n{ROOT}",
        f"casestore/1\n12\n{ROOT}\n\n",
        f"casestore/1\n12\n{ROOT}\nmore\n\nstill more\n",
        f"casestore/1\n12\n {ROOT}\n",
    ],
)
def test_a_text_that_is_no_checkpoint(text: str) -> None:
    with pytest.raises(InvalidNote):
        Checkpoint.parse(text)


def test_lines_that_others_added_are_left_alone() -> None:
    assert Checkpoint.parse(f"{TEXT}2026-03-02\n") == Checkpoint.parse(TEXT)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "name+530d903a",
        C2SP_KEY.replace("530d903a", "530d903b"),
        C2SP_KEY.replace("530d903a", "530D903A"),
        C2SP_KEY.replace("foo", "bar"),
        C2SP_KEY.replace("example", "exam ple"),
        C2SP_KEY[:-1],
        f"{C2SP_KEY}\n",
        f"+{C2SP_KEY}",
        # of another algorithm, its hash fitting: transparency-dev/formats, note_cosigv1_test.go
        "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    ],
)
def test_a_verifier_key_that_is_none(key: str) -> None:
    with pytest.raises(InvalidNote):
        Verifier.parse(key)


def test_a_verifier_key_with_a_plus_in_its_base64() -> None:
    # transparency-dev/formats, note/note_cosigv1_test.go
    text = "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6"
    assert str(Verifier.parse(text)) == text


@pytest.mark.parametrize(
    "key", ["", GO_KEY, GO_SIGNER[:-1], GO_SIGNER.replace("c74f", "c74e"), "PRIVATE+KEY+a"]
)
def test_a_signing_key_that_is_none(key: str) -> None:
    with pytest.raises(InvalidNote):
        Signer.parse(key)


@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_refused_in_order(junk: bytes) -> None:
    with pytest.raises((InvalidNote, NotSigned)):
        open_checkpoint(junk, [KEY])
