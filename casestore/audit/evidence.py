"""Writing a case's evidence bundle from a store. `casestore.audit.bundle` says what is in it."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from casestore.audit.bundle import CODEC, Bundle, BundledEvent, render, signed_text
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
from casestore.journal.rows import Row
from casestore.store import CaseStore
from casestore.streams.history import Recorded
from casestore.system.files import part_name, write_new
from casestore.tlog.note import Verifier, open_checkpoint


def write_bundle(
    store: CaseStore,
    case_id: str,
    out: Path,
    *,
    reveal: bool = False,
    held: Sequence[HeldCheckpoint] = (),
) -> Bundle:
    """Write a case's bundle into a new folder, completely or not at all.

    Args:
        store: the store.
        case_id: of the case.
        out: the folder, which must not exist.
        reveal: include personal text. It needs the key file.
        held: older checkpoints: the bundle will prove that the history begins with their events.

    Raises:
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
    revealed: Sequence[Recorded | None] = [None] * len(rows)
    if reveal:
        revealed = store.history(stream, at_version=rows[-1].version, reveal=True).originals
    signer = Folder.of(store.url).signer()
    with prover(store, held) as proving:
        if signer.verifier not in proving.verifiers:
            raise SealRefused("the signing key is none that the audit folder knows")
        proofs = [proving.prove(row) for row in rows]
        verifier = _signed_by(proving.note, proving.verifiers)
    parts = zip(rows, proofs, revealed, strict=True)
    events = tuple(_bundled(row, proof, recorded) for row, proof, recorded in parts)
    made_by = version("casestore")
    bundle = Bundle(
        stream, made_by, str(verifier), proving.note, events, proving.older, str(signer.verifier)
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


def _bundled(row: Row, proof: Proof, revealed: Recorded | None) -> BundledEvent:
    """The event of a row; `revealed` is None where personal text is left out."""
    try:
        state, metadata = row.state.decode(), row.metadata.decode()
    except UnicodeDecodeError:
        raise StoreDamaged(f"{row.stream} version {row.version} is not written in UTF-8") from None
    event = BundledEvent(proof.leaf, proof.index, proof.path, state, metadata)
    if revealed is None or row.personal is None:
        return event
    words = CODEC.personal(revealed.event) if revealed.privacy == "revealed" else None
    part = base64.b64encode(row.personal).decode()
    erased = revealed.privacy == "erased"
    return msgspec.structs.replace(event, personal=part, words=words, erased=erased)
