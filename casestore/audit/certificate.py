"""The certificate of an erasure: a signed note, for people who do not have the store.

Its text is the line `casestore-erasure-1`, and a Certificate as JSON. The proof in it shows that
the event of the erasure is in the sealed history, with its time and its basis. That the keys are
gone is what the signer says: nobody can prove that there is no copy of a key.

This module checks certificates without a store: it imports neither the store nor its journal.
`casestore.privacy.certificate` writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import msgspec

from casestore.audit.held import HeldCheckpoint
from casestore.audit.leaf import Leaf, salt_of, state_hash
from casestore.audit.proof import Proof, check, check_older
from casestore.errors import ProofRefused, StoreDamaged
from casestore.events import PersonalDataErased
from casestore.streams.codec import Codec
from casestore.streams.history import from_microseconds
from casestore.system.decoders import decoder
from casestore.tlog.note import Checkpoint, Verifier, open_note

FORMAT = "casestore-erasure-1"
_CODEC = Codec()


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """That the words of a customer were made unreadable: when, why, and by which event."""

    store_id: str
    customer_id: str
    event_id: str
    """Of the PersonalDataErased."""
    erased_at: datetime
    recorded_at: datetime
    basis: str
    """The legal reason, as a code."""
    destroyed_keys: tuple[str, ...]
    """The ids, in hex, of all keys that had sealed words of the customer by then. The store has
    none of them any more. Empty where there were no words."""
    state: str
    """The event without words, as JSON, exactly as stored."""
    metadata: str
    """The event's metadata, as JSON, exactly as stored: they have the salt of its state."""
    proof: Proof
    """That the event is in the sealed history."""
    made_at: datetime
    made_by: str
    """The version of casestore."""


def certificate_text(certificate: Certificate) -> str:
    """The text of the note, to be signed."""
    data = msgspec.json.format(msgspec.json.encode(certificate), indent=1).decode()
    return f"{FORMAT}\n{data}\n"


def verify_certificate(
    note: bytes, keys: Sequence[Verifier], held: Sequence[HeldCheckpoint] = ()
) -> tuple[Certificate, Checkpoint]:
    """Check a certificate, and give it with the checkpoint that covers its event.

    Args:
        note: the file.
        keys: the verifier keys to trust. The certificate and the checkpoint in it must be signed by
            one of them each.
        held: older checkpoints: the history must begin with the events that they signed.

    Raises:
        ProofRefused: it proves nothing; the message says why.
        CannotTell: it says nothing about one of the checkpoints in `held`.
        InvalidNote, BadSignature, NotSigned: see casestore.tlog.note.
    """
    first, _, data = open_note(note, keys).partition("\n")
    if first != FORMAT:
        raise ProofRefused("it is signed, but is no certificate of an erasure")
    try:
        certificate = decoder(Certificate)(data)
    except msgspec.DecodeError:
        raise ProofRefused("it is not a certificate as casestore writes them") from None
    leaf, checkpoint = check(certificate.proof, keys)
    check_older(certificate.proof.older, checkpoint, held, keys)
    _check_event(certificate, leaf)
    return certificate, checkpoint


def _check_event(certificate: Certificate, leaf: Leaf) -> None:
    """Check that the event that is proven is the erasure that the certificate names."""
    metadata = certificate.metadata.encode()
    told = sha256(metadata).hexdigest(), state_hash(certificate.state.encode(), salt_of(metadata))
    if told != (leaf.metadata_sha256, leaf.state_sha256):
        raise ProofRefused("the event in it is not the one that its proof is of")
    try:
        event = _CODEC.decode(leaf.topic, certificate.state.encode())
    except StoreDamaged as error:
        raise ProofRefused(str(error)) from None
    if not isinstance(event, PersonalDataErased):
        raise ProofRefused(f"its proof is of a {leaf.topic}, and not of an erasure")
    proven = {
        "store_id": leaf.log_id,
        "customer_id": leaf.stream.removeprefix("customer:"),
        "event_id": leaf.event_id,
        "erased_at": event.occurred_at,
        "recorded_at": from_microseconds(leaf.recorded_at),
        "basis": event.basis,
    }
    for name, value in proven.items():
        if getattr(certificate, name) != value:
            raise ProofRefused(f"its {name} is not that of the event that its proof is of")
