"""The certificate of an erasure: checked without the store, and every way to spoil one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore import (
    BadSignature,
    CannotTell,
    CaseStore,
    CustomerRegistered,
    EventRefused,
    NotSigned,
    ProofRefused,
    StreamNotFound,
)
from casestore.audit.certificate import FORMAT, verify_certificate
from casestore.audit.folder import Folder
from casestore.audit.held import HeldCheckpoint
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.keys.key_file import kek_id
from casestore.privacy.certificate import certificate
from casestore.privacy.erasure import erase
from casestore.tlog.note import Signer
from tests.support.notes import ANNA, T, note, opened
from tests.support.sealed import audit_folder, key_of


@pytest.fixture
def store(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CaseStore]:
    """A case of c1, who is erased; sealed before and after."""
    audit_folder(tmp_path, monkeypatch)
    with CaseStore.create(store_url) as made:
        Folder.of(made.url).make_key(origin(made))
        made.append("case:1", opened(subject="one"), note("two"))
        seal(made)
        yield made


def erased(store: CaseStore) -> tuple[Any, bytes]:
    erase(store, "c1", basis="gdpr-17", actor=ANNA)
    seal(store)
    made, text = certificate(store, "c1")
    return made, text.encode()


def test_it_is_checked_without_the_store(store: CaseStore) -> None:
    key = store._recorder.keys_of(["c1"])["c1"].key_id.hex()
    made, text = erased(store)
    proven, checkpoint = verify_certificate(text, [key_of(store)])
    assert proven == made
    assert (proven.customer_id, proven.basis) == ("c1", "gdpr-17")
    assert proven.store_id == store.meta["store_id"]
    assert proven.destroyed_keys == (key,)
    (event,) = (each for each in store.read() if each.type == "PersonalDataErased")
    assert (proven.event_id, proven.erased_at) == (event.uid, event.occurred_at)
    assert proven.recorded_at == event.recorded_at
    assert checkpoint.size == 4
    assert kek_id(b"x" * 32).hex() not in text.decode()


def test_there_is_none_before_the_erasure_is_sealed(store: CaseStore) -> None:
    with pytest.raises(EventRefused, match="never erased"):
        certificate(store, "c1")
    with pytest.raises(StreamNotFound):
        certificate(store, "nobody")
    erase(store, "c1", basis="gdpr-17", actor=ANNA)
    with pytest.raises(CannotTell, match="audit seal"):
        certificate(store, "c1")


def test_it_stays_true_when_the_customer_comes_back(store: CaseStore) -> None:
    made, _ = erased(store)
    store.append("customer:c1", CustomerRegistered(occurred_at=T, actor=ANNA))
    store.append("case:1", note("three"))
    again, _ = certificate(store, "c1")
    assert again.destroyed_keys == made.destroyed_keys


def test_it_begins_with_what_an_older_checkpoint_signs(store: CaseStore) -> None:
    old = HeldCheckpoint("old", (Folder.of(store.url).path / "checkpoint").read_bytes())
    _, without = erased(store)
    with pytest.raises(CannotTell, match="--held old"):
        verify_certificate(without, [key_of(store)], [old])
    _, text = certificate(store, "c1", held=(old,))
    verify_certificate(text.encode(), [key_of(store)], [old])


def test_what_was_edited_is_refused(store: CaseStore) -> None:
    _, text = erased(store)
    key = key_of(store)
    with pytest.raises(BadSignature):
        verify_certificate(text.replace(b"gdpr-17", b"gdpr-18"), [key])
    with pytest.raises(NotSigned):
        verify_certificate(text, [Signer("another", bytes(32)).verifier])


def test_what_the_signer_says_has_to_agree_with_the_proof(store: CaseStore) -> None:
    """Whoever has the signing key can say anything; the proof is of what was sealed then."""
    _, text = erased(store)
    signer = Folder.of(store.url).signer()
    data = json.loads(text.decode().partition("\n")[2].rpartition("\n\n")[0])

    def refused(format_: str = FORMAT, **changes: Any) -> str:
        body = json.dumps({**data, **changes})
        with pytest.raises(ProofRefused) as error:
            verify_certificate(signer.sign(f"{format_}\n{body}\n").encode(), [key_of(store)])
        return str(error.value)

    for name, value in (
        ("store_id", "another"),
        ("customer_id", "c2"),
        ("event_id", "x"),
        ("erased_at", "2020-01-01T00:00:00Z"),
        ("recorded_at", "2020-01-01T00:00:00Z"),
        ("basis", "other"),
    ):
        assert (
            refused(**{name: value}) == f"its {name} is not that of the event that its proof is of"
        )
    assert "not the one that its proof is of" in refused(state="{}")
    assert "not a certificate" in refused(more=1)
    assert "no certificate" in refused("casestore-erasure-9")
    assert "path" in refused(proof={**data["proof"], "index": 0})
