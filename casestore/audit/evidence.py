"""Writing a case's evidence bundle from a store. `casestore.audit.bundle` says what is in it."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from casestore.append.form import check_plain, checked_text
from casestore.audit.bundle import Bundle, BundledEvent, render, signed_text
from casestore.audit.folder import Folder
from casestore.audit.held import HeldCheckpoint
from casestore.audit.proof import Proof
from casestore.audit.proving import prover
from casestore.errors import (
    BundleRefused,
    CaseStoreError,
    SealRefused,
    StoreDamaged,
)
from casestore.journal.rows import KeyRow, Row
from casestore.keys.parts import committed
from casestore.keys.vault import Vault
from casestore.store import CaseStore
from casestore.system.files import part_name, write_new
from casestore.tlog.note import Verifier, open_checkpoint


def write_bundle(
    store: CaseStore,
    case_id: str,
    out: Path,
    *,
    reveal: bool = False,
    held: Sequence[HeldCheckpoint] = (),
    maker: str = "",
    firm: str = "",
) -> Bundle:
    """Write a case's bundle into a new folder, completely or not at all.

    Args:
        store: the store.
        case_id: of the case.
        out: the folder, which must not exist.
        reveal: include personal text. It needs the key file.
        held: older checkpoints: the bundle will prove that the history begins with their events.
        maker: who makes it, in words for the page.
        firm: for which firm.

    Raises:
        EventRefused: `maker` or `firm` is no text to show.
        StreamNotFound: there is no such case.
        CannotTell: some events of the case are not sealed yet, or a checkpoint in `held` is no
            older one of this log.
        StoreDamaged: the store is not what was sealed, or hides events of the case from readers.
        SealRefused: a checkpoint in `held` signed another history.
        BadSignature: a checkpoint in `held` was changed.
        BundleRefused: there is something at that place already.
        KeyFileError: the signing key is missing; or with `reveal`, the key file is missing, or has
            not the right key.
        OSError: the folder cannot be written.
    """
    for name, said in (("maker", maker), ("firm", firm)):
        if said:
            check_plain(name, checked_text(name, said))
    if out.exists():
        raise BundleRefused(f"there is something at {out} already; name another folder")
    stream = f"case:{case_id}"
    rows = [Row._make(row) for row in store._recorder.all_rows_of(stream)]
    if not rows:
        store.history(stream, at_version=1)  # raises StreamNotFound
    if rows != [Row._make(row) for row in store._recorder.stream_rows(stream)]:
        raise StoreDamaged(
            f"readers do not find all events of {stream}; `casestore audit verify` says more"
        )
    signer = Folder.of(store.url).signer()
    with prover(store, held) as proving:
        if signer.verifier not in proving.verifiers:
            raise SealRefused("the signing key is none that the audit folder knows")
        proofs = [proving.prove(row) for row in rows]
        verifier = _signed_by(proving.note, proving.verifiers)
    events = [_bundled(row, proof) for row, proof in zip(rows, proofs, strict=True)]
    if reveal:
        keys = store._keys_for(rows)
        each = zip(events, rows, strict=True)
        events = [_with_words(event, store._vault, row, keys) for event, row in each]
    made_by = version("casestore")
    bundle = Bundle(
        stream,
        made_by,
        str(verifier),
        proving.note,
        tuple(events),
        proving.older,
        str(signer.verifier),
        store.now(),
        maker,
        firm,
    )
    data = msgspec.json.format(msgspec.json.encode(bundle), indent=1)
    shown = render(bundle)
    part = part_name(out)
    part.mkdir(mode=0o700, parents=True)
    try:
        write_new(part / "bundle.json", data, 0o600)
        write_new(part / "page.html", shown, 0o600)
        note = signer.sign(signed_text(stream, data, shown))
        write_new(part / "signed", note.encode(), 0o600)
        write_new(part / "checkpoint", bundle.checkpoint.encode(), 0o600)
        write_new(part / "verifier", f"{verifier}\n".encode(), 0o600)
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return bundle


def _signed_by(note: str, keys: Sequence[Verifier]) -> Verifier:
    """The key that signed a note. Raises SealRefused."""
    for key in keys:
        try:
            open_checkpoint(note.encode(), [key])
        except CaseStoreError:
            continue
        return key
    raise SealRefused("the newest seal is signed by no key that the audit folder knows")


def _bundled(row: Row, proof: Proof) -> BundledEvent:
    """The event of a row, without personal text."""
    try:
        state, metadata = row.state.decode(), row.metadata.decode()
    except UnicodeDecodeError:
        raise StoreDamaged(f"{row.stream} version {row.version} is not written in UTF-8") from None
    return BundledEvent(proof.leaf, proof.index, proof.path, state, metadata)


def _with_words(
    event: BundledEvent, vault: Vault, row: Row, keys: Mapping[str, KeyRow]
) -> BundledEvent:
    """An event with its personal text and what proves it. Raises KeyFileError, StoreDamaged."""
    if row.personal is None:
        return event
    event = msgspec.structs.replace(event, personal=base64.b64encode(row.personal).decode())
    place = row.stream, row.version, row.topic
    key = keys.get(row.customer_id or "")
    opening = vault.open(row.personal, key, *place)
    words = vault.reveal(row.personal, key, *place)
    if opening == "erased" or words == "erased":
        return msgspec.structs.replace(event, erased=True)
    proves = committed(row.personal) is not None
    opened = base64.b64encode(opening).decode() if proves else None
    return msgspec.structs.replace(event, words=words, opened=opened)
