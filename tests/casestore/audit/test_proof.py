"""Proofs and evidence: what holds without the store, and everything that was spoilt in it."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from casestore import CaseStore, InvalidStream, StoreDamaged, StreamNotFound
from casestore.audit.bundle import Bundle, render, verify_bundle
from casestore.audit.evidence import write_bundle
from casestore.audit.folder import Folder
from casestore.audit.proof import LARGEST, verify_proof
from casestore.audit.proving import find_row, prover
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.audit.verifying import verify
from casestore.errors import (
    BadSignature,
    BundleRefused,
    CannotTell,
    CaseStoreError,
    InvalidNote,
    NotSigned,
    ProofRefused,
)
from casestore.privacy.erasure import erase
from casestore.tlog.merkle import leaf_hash
from casestore.tlog.note import Signer, Verifier
from tests.support import stories
from tests.support.sealed import alter, audit_folder, key_of, make_store, opened, tell

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return audit_folder(tmp_path, monkeypatch)


@pytest.fixture
def url(store_url: str, folder: Path) -> str:
    make_store(store_url)
    return store_url


@pytest.fixture
def small(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store on SQLite alone, where the database makes no difference."""
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    url = f"sqlite:///{tmp_path}/store.db"
    make_store(url)
    return url


def proof_of(store: CaseStore, event: str) -> dict[str, Any]:
    with prover(store) as proving:
        found: dict[str, Any] = json.loads(
            msgspec.json.encode(proving.prove(find_row(store, event)))
        )
    return found


def verified(proof: dict[str, Any], *keys: Verifier) -> tuple[Any, Any]:
    return verify_proof(json.dumps(proof).encode(), keys)


def test_every_event_can_be_proven(url: str) -> None:
    with opened(url) as store:
        rows = store.recorder.rows(0, 100)
        for index, row in enumerate(rows):
            proof = proof_of(store, row[7])
            assert proof == proof_of(store, f"{row[1]}@{row[2]}")
            leaf, checkpoint = verified(proof, key_of(store))
            assert (leaf.event_id, leaf.position) == (row[7], row[0])
            assert leaf.state_sha256 == sha256(row[4]).hexdigest()
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


def leaf_with(**changes: object) -> Change:
    def change(proof: dict[str, Any]) -> None:
        leaf = json.loads(proof["leaf"]) | changes
        proof["leaf"] = json.dumps(leaf, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    return change


ZERO = base64.b64encode(bytes(32)).decode()


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


# --- one case as evidence


def bundle_of(url: str, out: Path, *, reveal: bool = False) -> Verifier:
    with opened(url) as store:
        write_bundle(store, "c2", out, reveal=reveal)
        return key_of(store)


@pytest.mark.parametrize("reveal", [False, True])
def test_a_case_as_evidence(url: str, tmp_path: Path, reveal: bool) -> None:
    key = bundle_of(url, tmp_path / "out", reveal=reveal)
    proven = verify_bundle(tmp_path / "out", [key])
    assert (proven.stream, proven.events, proven.checkpoint.size) == ("case:c2", 3, 11)
    assert (proven.unproven, proven.page) == (2 if reveal else 0, "ok")
    assert verify_bundle(tmp_path / "out").verifier == key
    written = "".join(path.read_text("utf-8") for path in (tmp_path / "out").iterdir())
    assert ("“Oh.”" in written) == ("Ach" in written) == reveal
    for path in (tmp_path / "out", *(tmp_path / "out").iterdir()):
        assert path.stat().st_mode & 0o077 == 0


def test_evidence_needs_no_store(small: str, tmp_path: Path, folder: Path) -> None:
    key = bundle_of(small, tmp_path / "out")
    for path in [*tmp_path.glob("store.db*"), tmp_path / "key"]:
        path.unlink()
    shutil.rmtree(folder)
    assert verify_bundle(tmp_path / "out", [key]).events == 3


def test_evidence_of_words_that_stand_in_the_clear_is_proven(tmp_path: Path, folder: Path) -> None:
    url = f"sqlite:///{tmp_path}/plain.db"
    with CaseStore.create(url, sealed=False) as store:
        tell(store, "c2", "k1")
        Folder.of(store.url).make_key(origin(store))
        seal(store)
    bundle_of(url, tmp_path / "out", reveal=True)
    assert verify_bundle(tmp_path / "out").unproven == 0
    spoil(tmp_path / "out", lambda b: b["events"][2]["words"].update(text="Never."))
    with pytest.raises(BundleRefused, match="words are not what was signed"):
        verify_bundle(tmp_path / "out")


def test_evidence_is_refused_before_it_is_written(small: str, tmp_path: Path) -> None:
    with opened(small) as store:
        with pytest.raises(StreamNotFound):
            write_bundle(store, "nobody", tmp_path / "out")
        store.append("case:c2", stories.noted())
        with pytest.raises(CannotTell, match="newer than the last seal"):
            write_bundle(store, "c2", tmp_path / "out")
        seal(store)
        alter(store, "UPDATE {t} SET state = metadata WHERE position = 6")
        with pytest.raises(CaseStoreError):
            write_bundle(store, "c2", tmp_path / "out")
        write_bundle(store, "c1", tmp_path / "out")
        with pytest.raises(BundleRefused, match="already"):
            write_bundle(store, "c1", tmp_path / "out")
    assert not list(tmp_path.glob("out.part*"))


def spoil(out: Path, change: Change, *, page: bool = True) -> None:
    """Change bundle.json, and make the page fit it, as a forger would."""
    bundle = json.loads((out / "bundle.json").read_text("utf-8"))
    change(bundle)
    text = json.dumps(bundle).encode()
    (out / "bundle.json").write_bytes(text)
    if page:
        try:
            made = render(msgspec.json.decode(text, type=Bundle))
        except (CaseStoreError, msgspec.DecodeError, IndexError):
            return
        (out / "page.html").write_bytes(made)


def event(number: int, **changes: object) -> Change:
    return lambda bundle: bundle["events"][number - 1].update(changes)


def edited_state(bundle: dict[str, Any]) -> None:
    second = bundle["events"][1]
    second["state"] = second["state"].replace("2026", "2025")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (edited_state, "event 2: its state is not what was signed"),
        (event(2, metadata='{"key":"k"}'), "event 2: its metadata is not what was signed"),
        (event(3, personal="AAAA"), "event 3: its personal part is not what was signed"),
        (event(3, words={"text": "No."}), "event 3: it has words without the part"),
        (event(2, index=6), "event 2: .* does not lead to the signed root"),
        (lambda b: b["events"].pop(1), "event 2 is case:c2 version 3: events are missing"),
        (lambda b: b["events"].pop(0), "event 1 is case:c2 version 2: events are missing"),
        (lambda b: b["events"].clear(), "no events"),
        (lambda b: b["events"].reverse(), "event 1 is case:c2 version 3"),
        (lambda b: b.update(stream="case:c9"), "event 1 is case:c2 version 1"),
        (lambda b: b.update(checkpoint="x"), "checkpoint is not the one in bundle.json"),
        (lambda b: b.update(verifier=b["verifier"][:-4] + "AAA="), "not|hash does not fit"),
        (lambda b: b.update(format="2"), "bundle.json is not as casestore writes it"),
        (lambda b: b.update(more="2"), "bundle.json is not as casestore writes it"),
    ],
)
def test_spoilt_evidence_is_refused(small: str, tmp_path: Path, change: Change, says: str) -> None:
    key = bundle_of(small, tmp_path / "out")
    spoil(tmp_path / "out", change)
    with pytest.raises(CaseStoreError, match=says):
        verify_bundle(tmp_path / "out", [key])


@pytest.mark.parametrize("name", ["page.html", "checkpoint", "verifier", "bundle.json"])
def test_a_file_of_the_evidence_that_was_edited(small: str, tmp_path: Path, name: str) -> None:
    key = bundle_of(small, tmp_path / "out")
    path = tmp_path / "out" / name
    path.write_text(path.read_text("utf-8").replace("c", "d", 1), "utf-8")
    with pytest.raises(CaseStoreError):
        verify_bundle(tmp_path / "out", [key])
    path.unlink()
    with pytest.raises(FileNotFoundError):
        verify_bundle(tmp_path / "out", [key])


def test_words_can_only_be_the_events_own(small: str, tmp_path: Path) -> None:
    """What a bundle calls an event's words must not become anything else of it."""
    key = bundle_of(small, tmp_path / "out", reveal=True)
    spoil(tmp_path / "out", lambda b: b["events"][2]["words"].update(occurred_at="now"))
    with pytest.raises(BundleRefused, match="words that are not its own"):
        verify_bundle(tmp_path / "out", [key])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("recorded_at", 1 << 62),
        ("topic", "Nothing"),
        ("state_sha256", sha256(b"[" * 9999).hexdigest()),
    ],
)
def test_evidence_that_a_stranger_signed_is_refused_in_order(
    small: str, tmp_path: Path, column: str, value: object
) -> None:
    """Whoever makes up a whole bundle, key and all, shall not make the verifier stumble."""
    bundle_of(small, tmp_path / "out")
    bundle = json.loads((tmp_path / "out" / "bundle.json").read_text("utf-8"))
    event = bundle["events"][0]
    leaf_with(**{column: value})(event)
    if column == "state_sha256":
        event["state"] = "[" * 9999
    event |= {"index": 0, "path": []}
    bundle["events"] = [event]
    stranger = Signer(f"casestore/{json.loads(event['leaf'])['log_id']}", bytes(32))
    root = base64.b64encode(leaf_hash(event["leaf"].encode())).decode()
    bundle["checkpoint"] = stranger.sign(f"{stranger.name}\n1\n{root}\n")
    bundle["verifier"] = str(stranger.verifier)
    (tmp_path / "out" / "bundle.json").write_text(json.dumps(bundle))
    (tmp_path / "out" / "checkpoint").write_text(bundle["checkpoint"])
    (tmp_path / "out" / "verifier").write_text(f"{stranger.verifier}\n")
    with pytest.raises(CaseStoreError):
        verify_bundle(tmp_path / "out")


def test_evidence_of_another_version_has_another_page(small: str, tmp_path: Path) -> None:
    key = bundle_of(small, tmp_path / "out")
    spoil(tmp_path / "out", lambda b: b.update(made_by="0.0.1"))
    (tmp_path / "out" / "page.html").write_text("another page")
    assert verify_bundle(tmp_path / "out", [key]).page == "of another version"


def test_evidence_signed_by_another_key(small: str, tmp_path: Path) -> None:
    bundle_of(small, tmp_path / "out")
    with opened(small) as store, pytest.raises(NotSigned):
        verify_bundle(tmp_path / "out", [Signer(origin(store), bytes(32)).verifier])


# --- the page


class Page(HTMLParser):
    """What stands in a page, and whether its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


NASTY = "<script>alert(1)</script> & \u202egnorw \x1b[2J “é漢😀”"


def test_the_page_is_for_reading_alone(tmp_path: Path, folder: Path) -> None:
    url = f"sqlite:///{tmp_path}/plain.db"
    with CaseStore.create(url, sealed=False) as store:
        store.append("case:<b>", stories.opened(customer_id='k"<i>', subject=NASTY))
        Folder.of(store.url).make_key(origin(store))
        seal(store)
        write_bundle(store, "<b>", tmp_path / "out", reveal=True)
    written = (tmp_path / "out" / "page.html").read_text("utf-8")
    page = Page(written)
    assert not set(page.tags) & {"script", "link", "img", "iframe", "a", "form", "object", "b", "i"}
    assert page.links == []
    assert not re.search(r"https?://|@import|url\(", written)
    assert "<U+202E>gnorw <U+001B>[2J" in page.text
    assert "<script>alert(1)</script> & " in page.text
    assert "Case <b>" in page.text


def test_the_page_tells_corrections(tmp_path: Path, small: str) -> None:
    with opened(small) as store:
        _, second, third = store.history("case:c2").originals
        voided, amended = stories.voided(3), stories.amended(2, category=(None, "kettle"))
        store.append("case:c2", replace(voided, event_id=third.event_id))
        store.append("case:c2", replace(amended, event_id=second.event_id))
        seal(store)
        write_bundle(store, "c2", tmp_path / "out")
    text = Page((tmp_path / "out" / "page.html").read_text("utf-8")).text
    assert "[taken back by no. 4]" in text
    assert "[corrected by no. 5]" in text
    assert "no. 3" in text
    assert "[withheld]" in text


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
