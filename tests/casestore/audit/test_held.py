"""What is proven to one who holds an older checkpoint: that the history begins with what it signs.

Without that, whoever has the signing key could prove events of a second history to somebody who
has no database to compare.
"""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from casestore.audit.bundle import verify_bundle
from casestore.audit.evidence import write_bundle
from casestore.audit.folder import Folder
from casestore.audit.held import HeldCheckpoint
from casestore.audit.proof import verify_proof
from casestore.audit.proving import find_row, prover
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.errors import BadSignature, BundleRefused, CannotTell, ProofRefused, SealRefused
from casestore.tlog.note import Signer, Verifier
from tests.support.command_line import Casestore, demo_store
from tests.support.sealed import key_of, opened, put_back, tell

ZERO = base64.b64encode(bytes(32)).decode()


def kept(folder: Path) -> list[HeldCheckpoint]:
    """Every checkpoint signed so far, the oldest first."""
    files = sorted((folder / "seals").iterdir(), key=lambda path: int(path.stem))
    return [
        HeldCheckpoint(f"{int(path.stem)}", json.loads(path.read_bytes())["checkpoint"].encode())
        for path in files
    ]


def proof_of(url: str, event: str, *held: HeldCheckpoint) -> tuple[dict[str, Any], Verifier]:
    with opened(url) as store, prover(store, held) as proving:
        proof = msgspec.json.encode(proving.prove(find_row(store, event)))
        return json.loads(proof), key_of(store)


def check(proof: dict[str, Any], key: Verifier, *held: HeldCheckpoint) -> None:
    verify_proof(json.dumps(proof).encode(), [key], held)


def signed(url: str, size: int, root: bytes) -> HeldCheckpoint:
    """A checkpoint that the log's own key signed, over whatever history."""
    with opened(url) as store:
        signer = Folder.of(store.url).signer()
        note = signer.sign(f"{origin(store)}\n{size}\n{base64.b64encode(root).decode()}\n")
    return HeldCheckpoint("another", note.encode())


def test_however_far_the_history_went_on(url: str, folder: Path) -> None:
    for number in range(4, 10):
        with opened(url) as store:
            tell(store, f"c{number}", "k1")
            seal(store)
    held = kept(folder)
    assert [int(each.label) for each in held] == [7, 11, 14, 17, 20, 23, 26, 29]
    proof, key = proof_of(url, "case:c2@1", *held)
    check(proof, key, *held)
    for each in held:
        assert [older["size"] for older in proof["older"]] == [int(each.label) for each in held]
        check(proof, key, each)


def test_evidence_says_it_too(url: str, folder: Path, tmp_path: Path) -> None:
    held = kept(folder)
    with opened(url) as store:
        key = key_of(store)
        write_bundle(store, "c2", tmp_path / "with", held=held)
        write_bundle(store, "c2", tmp_path / "without")
    assert verify_bundle(tmp_path / "with", [key], held).checkpoint.size == 11
    told = "an older seal of this history, of 7 or 11 events, can give it as"
    assert told in (tmp_path / "with" / "page.html").read_text("utf-8")
    assert "--held" not in (tmp_path / "without" / "page.html").read_text("utf-8")
    with pytest.raises(CannotTell, match="ask for one made with `--held 7`"):
        verify_bundle(tmp_path / "without", [key], held)
    other = signed(url, 7, bytes(32))
    with pytest.raises(BundleRefused, match="does not begin with what another signs"):
        verify_bundle(tmp_path / "with", [key], [other])


def test_a_proof_that_was_not_asked_for_it(url: str, folder: Path) -> None:
    older, newest = kept(folder)
    proof, key = proof_of(url, "case:c2@1")
    check(proof, key, newest)  # it is the one that the proof is under
    with pytest.raises(CannotTell, match="does not say how the history went on from 7"):
        check(proof, key, older)


def test_a_second_history_under_the_same_key(url: str, folder: Path) -> None:
    """Each end finds it: who is asked for the proof, and who is given one."""
    older, newest = kept(folder)
    proof, key = proof_of(url, "case:c2@1", older)
    for size in (7, 11):
        other = signed(url, size, bytes(32))
        with pytest.raises(SealRefused, match="two histories were signed"):
            proof_of(url, "case:c2@1", other)
        with pytest.raises(ProofRefused, match="two histories were signed"):
            check(proof, key, other)
        with pytest.raises(ProofRefused, match="two histories were signed"):
            check(proof, key, older, newest, other)


def test_a_history_that_was_put_back_and_went_on_differently(url: str, folder: Path) -> None:
    """With the audit folder put back as well nothing here knows; who holds a checkpoint does."""
    held = kept(folder)[-1]
    with opened(url) as store:
        put_back(store, 7)
        (folder / "seals" / "11").unlink(missing_ok=True)
        for path in folder.iterdir():
            if path.name not in ("key", "verifiers", "seals"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in (folder / "seals").iterdir():
            if int(path.stem) > 7:
                path.unlink()
        for number in (5, 6):
            tell(store, f"c{number}", "k2")
        seal(store)
    with pytest.raises(SealRefused, match="two histories were signed"):
        proof_of(url, "case:c2@1", held)
    proof, key = proof_of(url, "case:c2@1")
    with pytest.raises(CannotTell):
        check(proof, key, held)


def test_a_checkpoint_newer_than_the_last_seal(url: str, folder: Path) -> None:
    newer = signed(url, 12, bytes(32))
    with pytest.raises(CannotTell, match="another signs 12 events and the newest seal here 11"):
        proof_of(url, "case:c2@1", newer)
    proof, key = proof_of(url, "case:c2@1")
    with pytest.raises(CannotTell, match="does not say"):
        check(proof, key, newer)


def test_what_is_no_checkpoint_of_this_log(url: str, folder: Path) -> None:
    proof, key = proof_of(url, "case:c2@1")
    with opened(url) as store:
        signer, stranger = Folder.of(store.url).signer(), Signer(origin(store), bytes(32))
    text = f"7\n{ZERO}\n"
    elsewhere = HeldCheckpoint("elsewhere", signer.sign(f"casestore/elsewhere\n{text}").encode())
    strange = HeldCheckpoint("strange", stranger.sign(f"{stranger.name}\n{text}").encode())
    edited = HeldCheckpoint("edited", kept(folder)[0].note.replace(b"\n7\n", b"\n8\n"))
    for held, refusal in (
        (elsewhere, CannotTell),
        (strange, CannotTell),
        (HeldCheckpoint("junk", b"junk\n"), CannotTell),
        (edited, BadSignature),
    ):
        with pytest.raises(refusal, match=held.label):
            proof_of(url, "case:c2@1", held)
        with pytest.raises(refusal, match=held.label):
            check(proof, key, held)


def test_it_needs_no_kept_hashes(url: str, folder: Path) -> None:
    older, _ = kept(folder)
    proof, _ = proof_of(url, "case:c2@1", older)
    hashes = folder / "hashes" / "0"
    hashes.write_bytes(hashes.read_bytes()[::-1])
    assert proof_of(url, "case:c2@1", older)[0] == proof
    shutil.rmtree(folder / "hashes")
    assert proof_of(url, "case:c2@1", older)[0] == proof


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.pop(),
        lambda path: path.append(ZERO),
        lambda path: path.reverse(),
        lambda path: path.__setitem__(0, ZERO),
        lambda path: path.__setitem__(0, "AAAA"),
        lambda path: path.clear(),
    ],
)
def test_a_path_that_was_spoilt(url: str, folder: Path, spoil: Any) -> None:
    older, _ = kept(folder)
    proof, key = proof_of(url, "case:c2@1", older)
    spoil(proof["older"][0]["path"])
    with pytest.raises(ProofRefused):
        check(proof, key, older)


def test_as_it_is_typed(tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    casestore.env |= {"CASESTORE_AUDIT_DIR": None, "CASESTORE_AUDIT_KEY": None}
    key = casestore("audit", "key").out.strip()
    casestore("audit", "seal").fine()
    march = tmp_path / "march"
    shutil.copy(tmp_path / "demo.db.audit" / "checkpoint", march)
    note = ("occurred_at=2026-07-01T09:00:00Z", "--actor", "agent:anna", "--json", "{}")
    casestore("record", "case:roadshow", "NoteAdded", *note).fine()
    casestore("audit", "seal").fine()
    held = ("--held", str(march))

    elsewhere = Casestore()  # no store, anywhere
    proof = casestore("audit", "prove", "case:roadshow@2", *held).fine().out
    checking = ("audit", "verify-proof", "-", "--key", key)
    said = elsewhere(*checking, *held, stdin=proof).fine().out
    assert said.endswith(f"signed\nthat history begins with what {march} signs\n")
    told = elsewhere(*checking, *held, "--format", "json", stdin=proof).fine().json
    assert told["begins_with"] == [str(march)]
    plain = casestore("audit", "prove", "case:roadshow@2").fine().out
    assert "ask for one made with" in elsewhere(*checking, *held, stdin=plain).failed(3)

    out = str(tmp_path / "out")
    casestore("audit", "case", "roadshow", out, *held).fine()
    said = elsewhere("audit", "verify-bundle", out, "--key", key, *held).fine().out
    assert said.endswith(f"signed\nthat history begins with what {march} signs\n")
