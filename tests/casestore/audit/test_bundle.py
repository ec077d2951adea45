"""Evidence bundles: what they prove without the store, and every part that can be spoilt."""

from __future__ import annotations

import base64
import json
import os
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from casestore import CaseStore, StreamNotFound
from casestore.audit.bundle import Bundle, render, signed_text, verify_bundle
from casestore.audit.evidence import write_bundle
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.errors import (
    BundleRefused,
    CannotTell,
    CaseStoreError,
    NotSigned,
)
from casestore.keys.parts import commitment
from casestore.tlog.merkle import leaf_hash
from casestore.tlog.note import Signer, Verifier
from tests.support import stories
from tests.support.proofs import Change, bundle_of, leaf_with
from tests.support.sealed import alter, opened, tell


@pytest.mark.parametrize("reveal", [False, True])
def test_a_case_as_evidence(url: str, tmp_path: Path, reveal: bool) -> None:
    key = bundle_of(url, tmp_path / "out", reveal=reveal)
    proven = verify_bundle(tmp_path / "out", [key])
    assert (proven.stream, proven.events, proven.checkpoint.size) == ("case:c2", 3, 11)
    assert (proven.proven, proven.unproven, proven.page) == (2 if reveal else 0, 0, "ok")
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
        (
            event(3, opened="AAAA"),
            "event 3: it has words without what proves them, or that without",
        ),
        (lambda b: b["events"].append(b["events"][2]), "event 4 is case:c2 version 3"),
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
        # Without its zone a time would be another one on each machine, and so would the page.
        (lambda b: b.update(made_at="2026-03-02T09:00:00"), "bundle.json is not as casestore"),
    ],
)
def test_spoilt_evidence_is_refused(small: str, tmp_path: Path, change: Change, says: str) -> None:
    key = bundle_of(small, tmp_path / "out")
    spoil(tmp_path / "out", change)
    with pytest.raises(CaseStoreError, match=says):
        verify_bundle(tmp_path / "out", [key])


@pytest.mark.parametrize("name", ["page.html", "checkpoint", "verifier", "bundle.json", "signed"])
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

    def sealed_as_words(event: dict[str, Any]) -> None:
        """As whoever has the signing key could seal them."""
        event["words"]["occurred_at"] = "now"
        opening = bytes(16) + msgspec.json.encode(event["words"])
        event["opened"] = base64.b64encode(opening).decode()
        leaf_with(words_sha256=commitment(opening).hex())(event)

    bundle_of(small, tmp_path / "out", reveal=True)
    key = sealed_alone(tmp_path / "out", sealed_as_words)
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

    def change(event: dict[str, Any]) -> None:
        leaf_with(**{column: value})(event)
        if column == "state_sha256":
            event["state"] = "[" * 9999

    bundle_of(small, tmp_path / "out")
    sealed_alone(tmp_path / "out", change)
    with pytest.raises(CaseStoreError):
        verify_bundle(tmp_path / "out")


def sealed_alone(out: Path, change: Change) -> Verifier:
    """Change the first event of a bundle, and seal it as the only one, with a key of one's own."""
    bundle = json.loads((out / "bundle.json").read_text("utf-8"))
    event = bundle["events"][0]
    change(event)
    event |= {"index": 0, "path": []}
    bundle["events"] = [event]
    stranger = Signer(f"casestore/{json.loads(event['leaf'])['log_id']}", bytes(32))
    root = base64.b64encode(leaf_hash(event["leaf"].encode())).decode()
    bundle["checkpoint"] = stranger.sign(f"{stranger.name}\n1\n{root}\n")
    bundle["verifier"] = bundle["signer"] = str(stranger.verifier)
    data = json.dumps(bundle)
    (out / "bundle.json").write_text(data)
    (out / "checkpoint").write_text(bundle["checkpoint"])
    (out / "verifier").write_text(f"{stranger.verifier}\n")
    page = (out / "page.html").read_bytes()
    (out / "signed").write_text(stranger.sign(signed_text("case:c2", data.encode(), page)))
    return stranger.verifier


def sign_again(url: str, out: Path) -> None:
    """As who made the bundle would sign what it is now."""
    with opened(url) as store:
        signer = Folder.of(store.url).signer()
    data, page = (out / "bundle.json").read_bytes(), (out / "page.html").read_bytes()
    (out / "signed").write_text(signer.sign(signed_text("case:c2", data, page)))


def test_evidence_of_another_version_has_another_page(small: str, tmp_path: Path) -> None:
    key = bundle_of(small, tmp_path / "out")
    spoil(tmp_path / "out", lambda b: b.update(made_by="0.0.1"))
    (tmp_path / "out" / "page.html").write_text("another page")
    with pytest.raises(BundleRefused, match=r"bundle.json is not what was signed when the bundle"):
        verify_bundle(tmp_path / "out", [key])
    sign_again(small, tmp_path / "out")
    assert verify_bundle(tmp_path / "out", [key]).page == "of another version"


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b.update(made_by="another firm"),
        event(3, words=None, opened=None),
        event(3, words=None, opened=None, personal=None),
        event(3, words=None, opened=None, erased=True),
        lambda b: b["events"].pop(),
        lambda b: b.update(made_at="2020-01-01T00:00:00Z"),
        lambda b: b.update(maker="somebody", firm="else"),
        lambda b: b.update(older=[{"size": 7, "path": []}]),
    ],
)
def test_what_no_proof_covers_is_signed_too(small: str, tmp_path: Path, change: Change) -> None:
    """The maker, what is withheld or erased, the last events: with a page that fits."""
    key = bundle_of(small, tmp_path / "out", reveal=True)
    spoil(tmp_path / "out", change)
    with pytest.raises(BundleRefused, match="is not what was signed when the bundle was made"):
        verify_bundle(tmp_path / "out", [key])


def test_a_name_that_stands_twice_in_the_json_is_seen(small: str, tmp_path: Path) -> None:
    key = bundle_of(small, tmp_path / "out")
    path = tmp_path / "out" / "bundle.json"
    path.write_text(path.read_text("utf-8").replace("{", '{"stream": "case:c9",', 1), "utf-8")
    with pytest.raises(BundleRefused, match=r"bundle\.json is not what was signed"):
        verify_bundle(tmp_path / "out", [key])


@pytest.mark.skipif(os.name != "posix", reason="links and pipes are of POSIX")
@pytest.mark.parametrize("name", ["bundle.json", "page.html", "checkpoint", "verifier", "signed"])
@pytest.mark.parametrize("what", ["a link", "a pipe", "3 GB"])
def test_what_is_no_ordinary_file_of_evidence_is_not_read(
    small: str, tmp_path: Path, name: str, what: str
) -> None:
    key, path = bundle_of(small, tmp_path / "out"), tmp_path / "out" / name
    if what == "3 GB":
        with path.open("r+b") as file:
            file.truncate(3 << 30)  # it takes no room on the disk
    else:
        path.rename(tmp_path / "elsewhere")
        if what == "a link":
            path.symlink_to(tmp_path / "elsewhere")
        else:
            os.mkfifo(path)
    with pytest.raises(BundleRefused, match=rf"{name} cannot be read: "):
        verify_bundle(tmp_path / "out", [key])


def test_a_signature_of_another_bundle_does_not_fit(small: str, tmp_path: Path) -> None:
    key = bundle_of(small, tmp_path / "out")
    with opened(small) as store:
        write_bundle(store, "c1", tmp_path / "other")
    shutil.copy(tmp_path / "other" / "signed", tmp_path / "out" / "signed")
    with pytest.raises(BundleRefused, match="is not what was signed"):
        verify_bundle(tmp_path / "out", [key])
    (tmp_path / "out" / "signed").unlink()
    with pytest.raises(FileNotFoundError):
        verify_bundle(tmp_path / "out", [key])


def test_evidence_made_with_a_key_that_replaced_the_one_of_the_seal(
    small: str, tmp_path: Path, folder: Path
) -> None:
    with opened(small) as store:
        old = Folder.of(store.url).signer().verifier
    (folder / "key").unlink()
    with opened(small) as store:
        new, _ = Folder.of(store.url).make_key(origin(store))
    bundle_of(small, tmp_path / "out")
    assert verify_bundle(tmp_path / "out").verifier == old
    assert verify_bundle(tmp_path / "out", [old, new]).events == 3
    with pytest.raises(BundleRefused, match="the file signed: it is not signed by the key"):
        verify_bundle(tmp_path / "out", [old])


def test_evidence_signed_by_another_key(small: str, tmp_path: Path) -> None:
    bundle_of(small, tmp_path / "out")
    with opened(small) as store, pytest.raises(NotSigned):
        verify_bundle(tmp_path / "out", [Signer(origin(store), bytes(32)).verifier])


@pytest.mark.parametrize("signs", [False, True])
def test_the_key_that_evidence_names_is_the_one_that_is_trusted(
    small: str, tmp_path: Path, signs: bool
) -> None:
    """The page tells its readers to compare that key: a stranger's must not stand there."""
    key = bundle_of(small, tmp_path / "out")
    stranger = Signer(key.name, bytes(32))

    def name_the_stranger(bundle: dict[str, Any]) -> None:
        bundle["verifier"] = str(stranger.verifier)
        if signs:  # a note may have several signatures
            text, _, signature = bundle["checkpoint"].partition("\n\n")
            added = stranger.sign(f"{text}\n").partition("\n\n")[2]
            bundle["checkpoint"] = f"{text}\n\n{signature}{added}"

    spoil(tmp_path / "out", name_the_stranger)
    bundle = json.loads((tmp_path / "out" / "bundle.json").read_text("utf-8"))
    (tmp_path / "out" / "verifier").write_text(f"{stranger.verifier}\n")
    (tmp_path / "out" / "checkpoint").write_text(bundle["checkpoint"])
    with pytest.raises(BundleRefused, match="the key that it names"):
        verify_bundle(tmp_path / "out", [key])
