"""Revealed words are proven, withheld ones cannot be guessed, older events stay as they were."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casestore import CaseStore, StoreDamaged
from casestore.audit.bundle import Bundle, render, signed_text, verify_bundle
from casestore.audit.evidence import write_bundle
from casestore.audit.folder import Folder
from casestore.audit.leaf import leaf_of, read_leaf
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.audit.tlog_export import export_log
from casestore.audit.verifying import verify
from casestore.errors import BundleRefused
from casestore.privacy.erasure import erase
from tests.support import stories
from tests.support.feeds import eur
from tests.support.first_store import put
from tests.support.proofs import Change, bundle_of, proof_of
from tests.support.sealed import alter, audit_folder, key_of, opened, tell

pytestmark = pytest.mark.usefixtures("programs")


def bundled(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "bundle.json").read_text("utf-8"))
    return read


def forge(url: str, out: Path, change: Change) -> None:
    """Change a bundle and its page, and sign it again: as one who has the signing key."""
    bundle = bundled(out)
    change(bundle)
    data = json.dumps(bundle).encode()
    page = (out / "page.html").read_bytes()
    with suppress(BundleRefused):
        page = render(msgspec.json.decode(data, type=Bundle))
    with opened(url) as store:
        note = Folder.of(store.url).signer().sign(signed_text("case:c2", data, page))
    (out / "bundle.json").write_bytes(data)
    (out / "page.html").write_bytes(page)
    (out / "signed").write_text(note)


def other_word(bundle: dict[str, Any]) -> None:
    event = bundle["events"][2]
    event["words"]["text"] = "No."


def other_words_in_the_opening_too(bundle: dict[str, Any]) -> None:
    event = bundle["events"][2]
    salt = base64.b64decode(event["opened"])[:16]
    event["words"] = {"text": "No."}
    event["opened"] = base64.b64encode(salt + b'{"text":"No."}').decode()


def other_salt(bundle: dict[str, Any]) -> None:
    event = bundle["events"][2]
    opening = base64.b64decode(event["opened"])
    event["opened"] = base64.b64encode(bytes(16) + opening[16:]).decode()


def words_of_another_event(bundle: dict[str, Any]) -> None:
    first, _, third = bundle["events"]
    for name in ("words", "opened"):
        third[name] = first[name]


def nothing_opened(bundle: dict[str, Any]) -> None:
    bundle["events"][2]["opened"] = None


def words_of_an_event_without_any(bundle: dict[str, Any]) -> None:
    third, second = bundle["events"][2], bundle["events"][1]
    second |= {name: third[name] for name in ("words", "opened")}


@pytest.mark.parametrize(
    "change",
    [
        other_word,
        other_words_in_the_opening_too,
        other_salt,
        words_of_another_event,
        nothing_opened,
        words_of_an_event_without_any,
    ],
)
def test_whoever_holds_the_signing_key_cannot_change_revealed_words(
    small: str, tmp_path: Path, change: Change
) -> None:
    key = bundle_of(small, tmp_path / "out", reveal=True)
    assert verify_bundle(tmp_path / "out", [key]).proven == 2
    forge(small, tmp_path / "out", change)
    with pytest.raises(BundleRefused, match=r"event [123]: .*words"):
        verify_bundle(tmp_path / "out", [key])


def test_the_page_says_which_words_are_proven(small: str, tmp_path: Path) -> None:
    bundle_of(small, tmp_path / "out", reveal=True)
    page = (tmp_path / "out" / "page.html").read_text("utf-8")
    assert page.count("of the history · words proven<") == 2
    assert "“Words proven” stands at each" in page
    assert "not proven”" not in page
    bundle_of(small, tmp_path / "withheld")
    assert "ords proven" not in (tmp_path / "withheld" / "page.html").read_text("utf-8")


@pytest.mark.parametrize("sealed", [True, False])
def test_an_exported_log_lets_nobody_guess_an_amount_or_words(
    store_url: str, tmp_path: Path, folder: Path, sealed: bool
) -> None:
    """Whoever knows all of an event but one amount, or one word, would try all there are."""
    with CaseStore.create(store_url, sealed=sealed) as store:
        tell(store, "c1", "k1")
        store.append("case:c1", stories.gave("g1", value=eur(15)))
        Folder.of(store.url).make_key(origin(store))
        seal(store)
        export_log(store, tmp_path / "log")
        write_bundle(store, "c1", tmp_path / "out")
        rows = store._recorder.rows(0, 100)
    leaves = b"".join(
        path.read_bytes() for path in (tmp_path / "log" / "tile" / "entries").rglob("*")
        if path.is_file()
    )  # fmt: skip
    withheld = (tmp_path / "out" / "bundle.json").read_bytes()
    said = [json.loads(row[9]) for row in rows]
    unsalted = [
        json.dumps({k: v for k, v in each.items() if k != "salt"}, separators=(",", ":")).encode()
        for each in said
    ]
    words = [b'{"text":"Oh."}', b'{"subject":"Ach"}']
    known = [row[4] for row in rows] + unsalted
    known += [
        before + each for each in words for before in (b"", b"\x00", b"casestore words v1\x00")
    ]
    for each in known:
        assert sha256(each).hexdigest().encode() not in leaves
    for each in known[len(rows) :]:
        assert sha256(each).hexdigest().encode() not in withheld
    assert len({each["salt"] for each in said}) == len(rows)
    assert not [each["salt"] for each in said if each["salt"].encode() in leaves]


def test_an_erasure_takes_the_salt_too_and_leaves_every_proof(url: str, tmp_path: Path) -> None:
    key = bundle_of(url, tmp_path / "before", reveal=True)
    opening = base64.b64decode(bundled(tmp_path / "before")["events"][2]["opened"])
    with opened(url) as store:
        before = proof_of(store, "case:c2@3")
        erase(store, "k1", basis="gdpr-17", actor=stories.ANNA)
        seal(store)
        assert verify(store).verdict == "fine"
        assert json.loads(proof_of(store, "case:c2@3")["leaf"]) == json.loads(before["leaf"])
        stored = repr(store._recorder.rows(0, 100)).encode()
    assert opening[:16] not in stored
    bundle_of(url, tmp_path / "after", reveal=True)
    for name, proven in (("before", 2), ("after", 0)):
        found = verify_bundle(tmp_path / name, [key])
        assert (found.proven, found.unproven) == (proven, 0)
    assert 'opened": null' in (tmp_path / "after" / "bundle.json").read_text("utf-8")


def test_an_append_that_is_sent_again_is_the_same_append(store_url: str) -> None:
    with CaseStore.create(store_url) as store:
        for _ in range(2):
            store.append("case:c1", stories.opened(subject="Ach"), key="k")
        assert len(store.history("case:c1")) == 1


def test_what_was_sealed_before_stays_as_it_is_and_new_events_are_proven(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put(store_url, tmp_path)
    audit_folder(tmp_path, monkeypatch)
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(first.folder / "store.key"))
    with opened(store_url) as store:
        old = [leaf_of(store.meta["store_id"], row) for row in store._recorder.rows(0, 1000)]
        assert {read_leaf(leaf).leaf for leaf in old} == {msgspec.UNSET}
        assert verify(store).verdict == "fine"
        store.append("case:twin-a", stories.noted("+230d", text="Ach."))
        seal(store)
        assert verify(store).verdict == "fine"
        assert json.loads(proof_of(store, "case:twin-a@1")["leaf"]).keys().isdisjoint({"leaf"})
        write_bundle(store, "twin-a", tmp_path / "out", reveal=True)
        key = key_of(store)
    found = verify_bundle(tmp_path / "out", [key])
    assert found.proven == 1
    assert found.unproven > 1
    page = (tmp_path / "out" / "page.html").read_text("utf-8")
    assert page.count("· words proven<") == 1
    assert page.count("· words not proven<") == found.unproven
    words = f"<li>1: shown, and proven by .*<li>{found.unproven}: shown, and not proven: "
    assert re.search(words, page)
    assert "sealed, unless they are marked as not proven</li>" in page
    assert "<li>that words marked “not proven” are what was recorded</li>" in page
    ran = first.casestore("audit", "verify-bundle", str(tmp_path / "out")).fine().out
    assert "1 event: the words that it reveals are proven" in ran
    assert f"{found.unproven} events: words were deciphered by the store" in ran


AS_BEFORE = (
    "UPDATE {t} SET metadata = CAST('{' || ltrim(substr(metadata, 35), ',') AS BLOB)",
    "UPDATE {t} SET personal = CAST(x'00' || substr(personal, 18) AS BLOB)"
    " WHERE personal IS NOT NULL",
)
"""Makes what an earlier version wrote, in an unsealed store on SQLite."""


def test_plain_words_from_before_are_proven_by_their_part(tmp_path: Path, folder: Path) -> None:
    url = f"sqlite:///{tmp_path}/plain.db"
    with CaseStore.create(url, sealed=False) as store:
        tell(store, "c2", "k1")
        alter(store, *AS_BEFORE)
        rows = store._recorder.rows(0, 100)
        assert rows[-1][5] == b'\x00{"text":"Oh."}'
        assert rows[-1][9] == b'{"personal":["text"]}'
        assert store.history("case:c2", reveal=True).effective[-1].words == {"text": "Oh."}
        Folder.of(store.url).make_key(origin(store))
        seal(store)
    key = bundle_of(url, tmp_path / "out", reveal=True)
    found = verify_bundle(tmp_path / "out", [key])
    assert (found.proven, found.unproven) == (2, 0)
    assert bundled(tmp_path / "out")["events"][2]["opened"] is None
    forge(url, tmp_path / "out", other_word)
    with pytest.raises(BundleRefused, match="event 3: its words are not what was signed"):
        verify_bundle(tmp_path / "out", [key])
    opening = base64.b64encode(bytes(16) + b'{"text":"Oh."}').decode()
    forge(
        url,
        tmp_path / "out",
        lambda b: b["events"][2].update(words={"text": "Oh."}, opened=opening),
    )
    with pytest.raises(BundleRefused, match=r"event 3: .* sealed without a commitment to any"):
        verify_bundle(tmp_path / "out", [key])


LEAF = (st.text(max_size=20), st.integers(1, 2**62), st.binary(), st.none() | st.text(max_size=9))
SALT = "AbCdEfGhIjKlMnOpQrStUv-_"
PARTS = {
    None: None,
    b"\x02" + bytes(16) + b"{}": sha256(b"casestore words v1\x00" + bytes(16) + b"{}").hexdigest(),
    b"\x03" + bytes(32) + b"\xab" * 32 + b"rest": "ab" * 32,
    b"\x01" + bytes(90): None,
    b"\x03short": None,
    b"": None,
}


@given(st.tuples(*LEAF), st.sampled_from(list(PARTS)), st.sampled_from(["", ',"key":"k"']))
def test_a_leaf_of_version_2_is_canonical_json(
    given_: tuple[str, int, bytes, str | None], personal: bytes | None, more: str
) -> None:
    stream, number, state, customer = given_
    metadata = f'{{"salt":"{SALT}"{more}}}'.encode()
    row = (number, stream, 3, "T", state, personal, customer, "an-id", number, metadata)
    leaf = {
        "leaf": 2,
        "log_id": "log",
        "position": number,
        "stream": stream,
        "version": 3,
        "topic": "T",
        "event_id": "an-id",
        "customer_id": customer,
        "recorded_at": number,
        "state_sha256": sha256(SALT.encode() + state).hexdigest(),
        "metadata_sha256": sha256(metadata).hexdigest(),
        "personal_sha256": None if personal is None else sha256(personal).hexdigest(),
        "words_sha256": PARTS[personal],
    }
    canonical = json.dumps(leaf, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert leaf_of("log", row) == canonical.encode()
    assert read_leaf(canonical.encode()).leaf == 2


def halves() -> Iterator[bytes]:
    """Leaves that are of no version, and such as no casestore writes."""
    row = (1, "case:1", 1, "T", b"{}", None, None, "id", 1, f'{{"salt":"{SALT}"}}'.encode())
    whole = json.loads(leaf_of("log", row))
    for changes in ({"leaf": 3}, {"leaf": 1}, {"leaf": None}, {"leaf": "2"}, {"words_sha256": 1}):
        yield json.dumps(whole | changes, sort_keys=True, separators=(",", ":")).encode()
    for name in ("leaf", "words_sha256"):
        less = {key: value for key, value in whole.items() if key != name}
        yield json.dumps(less, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("text", list(halves()))
def test_a_leaf_of_no_version_is_refused(text: bytes) -> None:
    with pytest.raises(StoreDamaged, match="a leaf is not what casestore writes"):
        read_leaf(text)


@pytest.mark.parametrize(
    "metadata",
    [
        b"{}",
        b'{"key":"k"}',
        b'{"salt":"short"}',
        b'{"key":"k","salt":"AbCdEfGhIjKlMnOpQrStUv-_"}',
        b'{"salt":"AbCdEfGhIjKlMnOpQrStUv-_x"}',
        b"no JSON",
    ],
)
def test_only_metadata_that_begin_with_a_salt_make_a_leaf_of_version_2(metadata: bytes) -> None:
    leaf = read_leaf(leaf_of("log", (1, "s", 1, "T", b"{}", None, None, "id", 1, metadata)))
    assert leaf.leaf is msgspec.UNSET
    assert leaf.state_sha256 == sha256(b"{}").hexdigest()
