"""Writing the certificate of an erasure. `casestore.audit.certificate` says what is in it."""

from __future__ import annotations

from importlib.metadata import version
from typing import cast

from casestore.audit.certificate import Certificate, certificate_text
from casestore.audit.folder import Folder
from casestore.audit.held import HeldCheckpoint
from casestore.audit.proving import prover
from casestore.errors import EventRefused, SealRefused, StoreDamaged
from casestore.events import PersonalDataErased
from casestore.journal.rows import Row
from casestore.store import CaseStore
from casestore.streams.history import from_microseconds


def certificate(
    store: CaseStore, customer_id: str, *, held: tuple[HeldCheckpoint, ...] = ()
) -> tuple[Certificate, str]:
    """The certificate of a customer's last erasure, and the note that is signed of it.

    Args:
        store: the store, with its audit folder and signing key.
        customer_id: of the customer.
        held: older checkpoints: it will prove that the history begins with their events.

    Raises:
        StreamNotFound: there is no such customer.
        EventRefused: the customer was never erased, or a key of theirs outlived the erasure.
        CannotTell: the erasure is not sealed yet, or a checkpoint in `held` is no older one of this
            log.
        StoreDamaged: the store is not what was sealed.
        SealRefused: a checkpoint in `held` signed another history.
        KeyFileError: the signing key is missing.
    """
    stream = f"customer:{customer_id}"
    store.history(stream, at_version=1)  # raises StreamNotFound
    rows = [
        row
        for row in map(Row._make, store._recorder.stream_rows(stream))
        if row.topic.partition("@")[0] == PersonalDataErased.__name__
    ]
    if not rows:
        raise EventRefused(f"{stream}: was never erased, so there is nothing to certify")
    row = rows[-1]
    try:
        state, metadata = row.state.decode(), row.metadata.decode()
    except UnicodeDecodeError:
        raise StoreDamaged(f"{stream} version {row.version} is not written in UTF-8") from None
    event = cast(PersonalDataErased, store._codec.decode(row.topic, row.state))
    signer = Folder.of(store.url).signer()
    with prover(store, held) as proving:
        if signer.verifier not in proving.verifiers:
            raise SealRefused("the signing key is none that the audit folder knows")
        proof = proving.prove(row)
    # After the proof: keys are destroyed in the commit of the event, and none comes back by itself.
    keys = store._recorder.keys_of_words(customer_id, row.position)
    present = store._recorder.keys_of([customer_id]).get(customer_id)
    if present is not None and present.key_id in keys:
        raise EventRefused(
            f"{stream}: was erased, but a key from before is there: `casestore doctor --fix` "
            "destroys it"
        )
    made = Certificate(
        store_id=store.meta["store_id"],
        customer_id=customer_id,
        event_id=row.event_id,
        erased_at=event.occurred_at,
        recorded_at=from_microseconds(row.recorded_us),
        basis=event.basis,
        destroyed_keys=tuple(key.hex() for key in keys),
        state=state,
        metadata=metadata,
        proof=proof,
        made_at=store.now(),
        made_by=version("casestore"),
    )
    return made, signer.sign(certificate_text(made))
