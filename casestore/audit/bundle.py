"""One case as evidence: its events, their proofs, and a page to read, for those without the store.

bundle.json   everything, as it is checked
page.html     the same for a reader; made from bundle.json alone, so that it can be made again
checkpoint    the signed note, for public tools
verifier      the verifier key, to be compared with one that came by another way

It is checked without a store: this module needs neither the store nor its journal.
`casestore.audit.evidence` writes it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from casestore.audit.held import HeldCheckpoint
from casestore.audit.leaf import Leaf, read_leaf
from casestore.audit.page import page
from casestore.audit.proof import Older, Proof, check, check_older
from casestore.errors import BundleRefused, ProofRefused
from casestore.events.markers import personal_fields
from casestore.streams.codec import Codec
from casestore.streams.history import Privacy, Recorded
from casestore.tlog.note import Checkpoint, Verifier, open_checkpoint

_LARGEST = 1 << 28
"""Bytes of the largest file that is read."""
CODEC = Codec()


class BundledEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event with all that its leaf is made of, and its proof."""

    leaf: str
    index: int
    path: tuple[str, ...]
    state: str
    """Exactly as stored."""
    metadata: str
    personal: str | None = None
    """The personal part as stored, sealed, in base64; only with `reveal`."""
    words: dict[str, str] | None = None
    """The personal fields as the store read them; only with `reveal`."""
    erased: bool = False


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One case as evidence."""

    stream: str
    made_by: str
    """The version of casestore: another one may make another page."""
    verifier: str
    checkpoint: str
    events: tuple[BundledEvent, ...]
    older: tuple[Older, ...] = ()
    """For each older checkpoint that was asked for."""
    format: Literal["casestore-case-1"] = "casestore-case-1"


class Evidence(NamedTuple):
    """What a bundle proves."""

    stream: str
    events: int
    checkpoint: Checkpoint
    verifier: Verifier
    unproven: int
    """Events whose words were revealed, and are sealed in the history: the store's word alone."""
    page: Literal["ok", "of another version"]


def verify_bundle(
    folder: Path, keys: Sequence[Verifier] = (), held: Sequence[HeldCheckpoint] = ()
) -> Evidence:
    """What a bundle proves, made out from its files alone.

    Args:
        folder: as `write_bundle` made it.
        keys: whose signature counts; the one that the bundle names if left out, which proves
            nothing to somebody who has not compared it.
        held: older checkpoints, with whose events the history must begin.

    Raises:
        CannotTell: it says nothing about a checkpoint that is held.
        BundleRefused: something in it is not as it was made; the message names it.
        InvalidNote, BadSignature, NotSigned: see casestore.tlog.note.
    """
    bundle = _read(folder)
    verifier = Verifier.parse(bundle.verifier)
    _same(folder / "checkpoint", bundle.checkpoint)
    _same(folder / "verifier", f"{bundle.verifier}\n")
    if not bundle.events:
        raise BundleRefused("it has no events")
    checkpoint = open_checkpoint(bundle.checkpoint.encode(), keys or [verifier])
    try:
        check_older(bundle.older, checkpoint, held, keys or [verifier])
    except ProofRefused as error:
        raise BundleRefused(str(error)) from None
    before = None
    for number, event in enumerate(bundle.events, 1):
        try:
            proof = Proof(event.leaf, event.index, checkpoint.size, event.path, bundle.checkpoint)
            leaf, _ = check(proof, keys or [verifier])
            _contents(event, leaf)
        except ProofRefused as error:
            raise BundleRefused(f"event {number}: {error}") from None
        if leaf.stream != bundle.stream or leaf.version != number:
            raise BundleRefused(
                f"event {number} is {leaf.stream} version {leaf.version}: events are missing, or "
                "of another case"
            )
        if before is not None and event.index <= before:
            raise BundleRefused(f"event {number} stands before the event before it")
        before = event.index
    sealed = [e for e in bundle.events if e.words and not _plain(e)]
    same = _read_bytes(folder / "page.html") == render(bundle)
    if not same and bundle.made_by == version("casestore"):
        raise BundleRefused("page.html is not what bundle.json says: it was edited")
    page_is: Literal["ok", "of another version"] = "ok" if same else "of another version"
    return Evidence(bundle.stream, len(bundle.events), checkpoint, verifier, len(sealed), page_is)


def _read_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        found = file.read(_LARGEST + 1)
    if len(found) > _LARGEST:
        raise BundleRefused(f"{path.name} is larger than any that casestore writes")
    return found


def _read(folder: Path) -> Bundle:
    try:
        return msgspec.json.decode(_read_bytes(folder / "bundle.json"), type=Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BundleRefused("bundle.json is not as casestore writes it") from None


def _same(path: Path, text: str) -> None:
    if _read_bytes(path) != text.encode():
        raise BundleRefused(f"{path.name} is not the one in bundle.json")


def _contents(event: BundledEvent, leaf: Leaf) -> None:
    """The contents are those whose hashes the leaf holds."""
    part = None if event.personal is None else _part(event.personal)
    for what, data, hashed in (
        ("state", event.state.encode(), leaf.state_sha256),
        ("metadata", event.metadata.encode(), leaf.metadata_sha256),
        *([("personal part", part, leaf.personal_sha256)] if part is not None else []),
    ):
        if sha256(data).hexdigest() != hashed:
            raise ProofRefused(f"its {what} is not what was signed: it was altered")
    if event.words is not None and part is None:
        raise ProofRefused("it has words without the part that they were read from")
    if _plain(event) and part is not None and event.words != _words(part):
        raise ProofRefused("its words are not what was signed: they were altered")


def _part(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ProofRefused("its personal part is not base64") from None


def _plain(event: BundledEvent) -> bool:
    """Whether its words stand in the clear in what was signed: a store made with --unsealed."""
    return event.personal is not None and _part(event.personal)[:1] == b"\x00"


def _words(part: bytes) -> Any:
    try:
        return msgspec.json.decode(part[1:], type=dict[str, str])
    except msgspec.DecodeError:
        return None


# --- the page ------------------------------------------------------------------------------


def render(bundle: Bundle) -> bytes:
    """The page of a bundle. Raises BundleRefused, StoreDamaged."""
    events = []
    try:
        for event in bundle.events:
            leaf = read_leaf(event.leaf.encode())
            events.append((_recorded(event, leaf), leaf, event.index))
        checkpoint = Checkpoint.parse(bundle.checkpoint.rpartition("\n\n")[0] + "\n")
        seal = checkpoint, bundle.verifier, bundle.checkpoint
        made = page(bundle.stream, events, *seal, older=[each.size for each in bundle.older])
    except (ValueError, OverflowError, RecursionError) as error:  # in what a stranger signed
        raise BundleRefused(f"its events cannot be read: {type(error).__name__}") from None
    return made.encode()


def _recorded(event: BundledEvent, leaf: Leaf) -> Recorded:
    row = (leaf.position, leaf.stream, leaf.version, leaf.topic, event.state.encode(), None)
    more = (leaf.customer_id, leaf.event_id, leaf.recorded_at, event.metadata.encode())
    (recorded,) = CODEC.recorded([(*row, *more)])
    privacy: Privacy | None = None if leaf.personal_sha256 is None else "withheld"
    if event.erased:
        privacy = "erased"
    if event.words is not None:
        privacy = "revealed"
        if not event.words.keys() <= set(personal_fields(type(recorded.event))):
            raise BundleRefused(f"event {leaf.version} has words that are not its own")
        revealed = CODEC.reveal(leaf.topic, event.state.encode(), event.words)
        recorded = msgspec.structs.replace(recorded, event=revealed)
    return msgspec.structs.replace(recorded, privacy=privacy)
