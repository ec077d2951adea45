"""Proofs: what holds without the store, and every way in which one can be spoilt."""

from __future__ import annotations

import base64
import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from casestore import CaseStore, InvalidStream, StoreDamaged, StreamNotFound
from casestore.audit.bundle import verify_bundle
from casestore.audit.folder import Folder
from casestore.audit.proof import LARGEST, verify_proof
from casestore.audit.proving import find_row
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.audit.verifying import verify
from casestore.errors import (
    BadSignature,
    CannotTell,
    InvalidNote,
    NotSigned,
    ProofRefused,
)
from casestore.privacy.erasure import erase
from casestore.tlog.merkle import leaf_hash
from casestore.tlog.note import Signer
from tests.support import stories
from tests.support.proofs import Change, bundle_of, leaf_with, proof_of, verified
from tests.support.sealed import alter, key_of, opened, tell

ZERO = base64.b64encode(bytes(32)).decode()


def test_every_event_can_be_proven(url: str) -> None:
    with opened(url) as store:
        rows = store._recorder.rows(0, 100)
        for index, row in enumerate(rows):
            proof = proof_of(store, row[7])
            assert proof == proof_of(store, f"{row[1]}@{row[2]}")
            leaf, checkpoint = verified(proof, key_of(store))
            assert (leaf.event_id, leaf.position) == (row[7], row[0])
            salt = json.loads(row[9])["salt"].encode()
            assert leaf.state_sha256 == sha256(salt + row[4]).hexdigest()
            assert (leaf.leaf, leaf.words_sha256 is None) == (2, row[5] is None)
            assert (proof["index"], proof["size"], checkpoint.size) == (index, 11, 11)


def test_an_event_that_is_not_there(url: str) -> None:
    with opened(url) as store:
        for name in ("case:c1@9", "case:c9@1", "00000000-0000-0000-0000-00000000000a"):
            with pytest.raises(StreamNotFound):
                find_row(store, name)
        for name in ("case:c1", "case:c1@", "@1", "case:c1@-1", "case:c1@²", "x" * 40, ""):
            with pytest.raises(InvalidStream, match="no event"):
                find_row(store, name)


def test_what_is_not_sealed_yet_is_not_proven(store_url: str, folder: Path) -> None:
    with CaseStore.create(store_url) as store:
        tell(store, "c1", "k1")
        Folder.of(store.url).make_key(origin(store))
        with pytest.raises(CannotTell, match="nothing was sealed yet"):
            proof_of(store, "case:c1@1")
        seal(store)
        store.append("case:c1", stories.noted())
        assert proof_of(store, "case:c1@3")
        with pytest.raises(CannotTell, match="newer than the last seal"):
            proof_of(store, "case:c1@4")


def test_a_proof_needs_no_kept_hashes(url: str, folder: Path) -> None:
    with opened(url) as store:
        proof = proof_of(store, "case:c2@2")
        kept = folder / "hashes" / "0"
        kept.write_bytes(kept.read_bytes()[::-1])
        assert proof_of(store, "case:c2@2") == proof
        shutil.rmtree(folder / "hashes")
        assert proof_of(store, "case:c2@2") == proof


def test_what_was_altered_is_not_proven(url: str) -> None:
    with opened(url) as store:
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 6")
        with pytest.raises(StoreDamaged, match="not what was sealed"):
            proof_of(store, "case:c2@2")
        assert proof_of(store, "case:c2@1")  # the others still are, thanks to the kept hashes


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["path"].append(ZERO),
        lambda p: p["path"].pop(),
        lambda p: p["path"].reverse(),
        lambda p: p["path"].insert(0, ZERO),
        lambda p: p["path"].__setitem__(0, ZERO),
        lambda p: p["path"].__setitem__(0, "AAAA"),
        lambda p: p["path"].__setitem__(0, ZERO[:-2] + "B="),
        lambda p: p["path"].__setitem__(0, "?"),
        lambda p: p.update(path=[]),
        lambda p: p.update(path=[ZERO] * 100),
        lambda p: p.update(index=p["index"] + 1),
        lambda p: p.update(index=-1),
        lambda p: p.update(index=1 << 70),
        lambda p: p.update(size=12),
        lambda p: p.update(size=p["index"] + 1),
        lambda p: p.update(leaf=p["leaf"] + " "),
        lambda p: p.update(leaf="{}"),
        lambda p: p.update(leaf=""),
        lambda p: p.update(leaf=5),
        lambda p: p.update(format="casestore-proof-2"),
        lambda p: p.update(more=1),
        lambda p: p.pop("leaf"),
        leaf_with(version=3),
        leaf_with(recorded_at=1),
        leaf_with(log_id="another"),
        leaf_with(state_sha256="0" * 64),
    ],
)
def test_a_spoilt_proof_is_refused(small: str, change: Change) -> None:
    with opened(small) as store:
        proof, key = proof_of(store, "case:c2@2"), key_of(store)
    verified(proof, key)
    change(proof)
    with pytest.raises(ProofRefused):
        verified(proof, key)


def test_a_node_is_not_taken_for_a_leaf(small: str) -> None:
    """The tree's own upper hashes, given as though they were an event's."""
    with opened(small) as store:
        proof, key = proof_of(store, "case:c2@2"), key_of(store)
    sibling, *rest = proof["path"]
    node = leaf_hash(proof["leaf"].encode()) + base64.b64decode(sibling)
    forged = {**proof, "leaf": node.decode("latin-1"), "path": rest, "index": proof["index"] // 2}
    with pytest.raises(ProofRefused):
        verified(forged, key)


@pytest.mark.parametrize(
    "document", [b"", b"{}", b"[]", b"null", b"\xff", b'{"leaf":' * 500, b" " * (LARGEST + 1)]
)
def test_what_is_no_proof(document: bytes) -> None:
    with pytest.raises(ProofRefused):
        verify_proof(document, [])


def test_a_proof_whose_checkpoint_is_another(small: str) -> None:
    with opened(small) as store:
        proof, key, name = proof_of(store, "case:c2@2"), key_of(store), origin(store)
    note = proof["checkpoint"]
    with pytest.raises(BadSignature):
        verified({**proof, "checkpoint": note.replace("\n11\n", "\n12\n")}, key)
    with pytest.raises(NotSigned):
        verified(proof, Signer(name, bytes(32)).verifier)
    with pytest.raises(InvalidNote):
        verified({**proof, "checkpoint": note.replace("\n", "\r\n")}, key)
    text = note.rpartition("\n\n")[0] + "\n"
    other = Signer(name, bytes(32))
    with pytest.raises(ProofRefused, match="different logs"):
        verified({**proof, "checkpoint": other.sign("x" + text)}, other.verifier)


# --- after an erasure


def test_an_erasure_leaves_every_proof_as_it_was(url: str, tmp_path: Path) -> None:
    with opened(url) as store:
        before = proof_of(store, "case:c2@3")
        erase(store, "k1", basis="gdpr-17", actor=stories.ANNA)
        assert verify(store).verdict == "fine"
        seal(store)
        assert verify(store).verdict == "fine"
        after, key = proof_of(store, "case:c2@3"), key_of(store)
        assert verified(before, key)[0] == verified(after, key)[0]
    bundle_of(url, tmp_path / "out", reveal=True)
    proven = verify_bundle(tmp_path / "out", [key])
    assert (proven.events, proven.unproven) == (3, 0)
    assert "[erased]" in (tmp_path / "out" / "page.html").read_text("utf-8")
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert b"Ach" not in written
    assert b"Oh." not in written
