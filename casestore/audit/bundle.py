"""An evidence bundle: one case's events with their proofs, for people who do not have the store.

It is a folder with five files:

    bundle.json   the events and proofs: what is checked
    page.html     the same for a reader; made from bundle.json alone, so a check can make it again
    checkpoint    the signed note, for public tools
    verifier      the verifier key; compare it with the key that you were given by another way
    signed        a signed note of the SHA-256 of bundle.json and page.html, by whoever made them

The checkpoint and the proofs show what was recorded, the revealed words included. The last note is
for what they do not cover: which events the bundle has, which words it leaves out, who was erased,
who made it, and words whose leaf is of version 1.

This module checks a bundle without a store: it imports neither the store nor its journal.
`casestore.audit.evidence` writes one.
"""

from __future__ import annotations

import base64
import errno
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET

from casestore.audit.held import HeldCheckpoint
from casestore.audit.leaf import Leaf, read_leaf, salt_of, state_hash
from casestore.audit.page import Made, Sealed, page
from casestore.audit.proof import Older, Proof, check, check_older
from casestore.audit.summary import Shown
from casestore.errors import BadSignature, BundleRefused, NotSigned, ProofRefused
from casestore.events.markers import personal_fields
from casestore.keys.parts import SALT, commitment, is_plain
from casestore.streams.codec import Codec
from casestore.streams.history import Privacy, Recorded
from casestore.system.decoders import decoder
from casestore.system.files import read_file
from casestore.tlog.note import Checkpoint, Verifier, open_checkpoint, open_note

FORMAT = "casestore-case-2"
_LARGEST = 1 << 28
"""Bytes. A larger file is refused."""
CODEC = Codec()


class BundledEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event, its proof, and the contents whose hashes are in its leaf."""

    leaf: str
    """As in Proof, like `index` and `path`."""
    index: int
    path: tuple[str, ...]
    state: str
    """JSON, exactly as stored."""
    metadata: str
    """JSON, exactly as stored."""
    personal: str | None = None
    """The personal part as stored (sealed), in base64; only with `reveal`."""
    words: dict[str, str] | None = None
    """The Personal fields by name, as the store revealed them; only with `reveal`."""
    opened: str | None = None
    """What shows that these are the words that the leaf commits to: salt and JSON, as they were
    sealed (the opening of casestore.keys.parts), in base64. None where the leaf is of version 1."""
    erased: bool = False
    """Whether the personal part was unreadable because the customer was erased."""


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of bundle.json."""

    stream: str
    made_by: str
    """The version of casestore. Another version may make another page of the same bundle."""
    verifier: str
    """The verifier key, as text."""
    checkpoint: str
    """The signed note."""
    events: tuple[BundledEvent, ...]
    """All events of the case up to some version, in order."""
    older: tuple[Older, ...] = ()
    """One for each older checkpoint that the bundle was made with."""
    signer: str = ""
    """The verifier key of who signed the bundle, as text: `verifier`, unless the key was replaced
    since the checkpoint was signed."""
    made_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """By the clock of who made it; None in a bundle from before this was kept."""
    maker: str = ""
    """Who made it, as they say; empty where it was not said. So is `firm`."""
    firm: str = ""
    format: Literal["casestore-case-2"] = "casestore-case-2"


class Evidence(NamedTuple):
    """What a bundle proves."""

    stream: str
    events: int
    """The number of events."""
    checkpoint: Checkpoint
    verifier: Verifier
    """The key that the bundle names."""
    proven: int
    """Events with personal text that is proven to be what was recorded."""
    unproven: int
    """Events with personal text that cannot be checked: their leaf is of version 1, and has only
    the hash of the sealed text, so only the store says that it was this text."""
    page: Literal["ok", "of another version"]
    """"of another version": another version of casestore made it, so it could not be compared."""


def verify_bundle(
    folder: Path, keys: Sequence[Verifier] = (), held: Sequence[HeldCheckpoint] = ()
) -> Evidence:
    """Check a bundle from its files alone, and give what it proves.

    Args:
        folder: the bundle.
        keys: the verifier keys to trust. If left out, the key that the bundle names is used: then
            you must compare that key yourself with one that you got by another way.
        held: older checkpoints: the sealed history must begin with the events that they signed.

    Raises:
        BundleRefused: a part was changed, or is missing; the message names it.
        CannotTell: the bundle says nothing about one of the checkpoints in `held`.
        InvalidNote, BadSignature, NotSigned: see casestore.tlog.note.
        StoreDamaged: an event cannot be read.
        OSError: a file cannot be read.
    """
    data = _read_bytes(folder / "bundle.json")
    bundle = _read(data)
    verifier = Verifier.parse(bundle.verifier)
    _same(folder / "checkpoint", bundle.checkpoint)
    _same(folder / "verifier", f"{bundle.verifier}\n")
    if not bundle.events:
        raise BundleRefused("it has no events")
    checkpoint = open_checkpoint(bundle.checkpoint.encode(), keys or [verifier])
    _signed_by(verifier, bundle.checkpoint, keys)
    try:
        check_older(bundle.older, checkpoint, held, keys or [verifier])
    except ProofRefused as error:
        raise BundleRefused(str(error)) from None
    index_before = None
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
        if index_before is not None and event.index <= index_before:
            raise BundleRefused(f"event {number} stands before the event before it")
        index_before = event.index
    revealed = [event for event in bundle.events if event.words]
    proven = sum(map(_words_are_proven, revealed))
    page_shown = _read_bytes(folder / "page.html")
    _as_it_was_made(folder, bundle, data, page_shown, keys)
    same = page_shown == render(bundle)
    if not same and bundle.made_by == version("casestore") and bundle.made_at is not None:
        raise BundleRefused("page.html is not what bundle.json says: it was edited")
    page_is: Literal["ok", "of another version"] = "ok" if same else "of another version"
    words = proven, len(revealed) - proven
    return Evidence(bundle.stream, len(bundle.events), checkpoint, verifier, *words, page_is)


def _read_bytes(path: Path) -> bytes:
    try:
        return read_file(path, _LARGEST)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise
        raise BundleRefused(f"{path.name} cannot be read: {error.strerror}") from None


def signed_text(stream: str, data: bytes, page_shown: bytes) -> str:
    """The text of the file `signed`: what is signed of a bundle's bundle.json and page.html."""
    hashes = (sha256(each).hexdigest() for each in (data, page_shown))
    return "".join(f"{line}\n" for line in (FORMAT, stream, *hashes))


def _as_it_was_made(
    folder: Path, bundle: Bundle, data: bytes, page_shown: bytes, keys: Sequence[Verifier]
) -> None:
    """Check the signature of who made the bundle. Raises BundleRefused, InvalidNote."""
    named = [Verifier.parse(bundle.verifier), Verifier.parse(bundle.signer)]
    try:
        text = open_note(_read_bytes(folder / "signed"), keys or named)
    except (NotSigned, BadSignature) as error:
        raise BundleRefused(f"the file signed: {error}") from None
    for name, was, line in zip(
        ("bundle.json", "page.html"),
        text.splitlines()[2:],
        signed_text(bundle.stream, data, page_shown).splitlines()[2:],
        strict=False,
    ):
        if was != line:
            raise BundleRefused(f"{name} is not what was signed when the bundle was made")
    if text != signed_text(bundle.stream, data, page_shown):
        raise BundleRefused("the file signed is of another bundle")


def _read(data: bytes) -> Bundle:
    try:
        return decoder(Bundle)(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BundleRefused("bundle.json is not as casestore writes it") from None


def _same(path: Path, text: str) -> None:
    if _read_bytes(path) != text.encode():
        raise BundleRefused(f"{path.name} is not the one in bundle.json")


def _signed_by(verifier: Verifier, note: str, keys: Sequence[Verifier]) -> None:
    """Check that the key that a bundle names, and its page shows, is one that is trusted.

    A note may have signatures of several keys, so one by a trusted key is not enough. Raises
    BundleRefused.
    """
    try:
        open_checkpoint(note.encode(), [verifier])
    except NotSigned:
        raise BundleRefused("the key that it names did not sign its checkpoint") from None
    if keys and verifier not in keys:
        raise BundleRefused("the key that it names is none that you trust")


def _contents(event: BundledEvent, leaf: Leaf) -> None:
    """Check that the contents have the hashes that are in the leaf. Raises ProofRefused."""
    metadata, part = event.metadata.encode(), None
    salt = salt_of(metadata)
    checks = [
        ("metadata", sha256(metadata).hexdigest(), leaf.metadata_sha256),
        ("state", state_hash(event.state.encode(), salt), leaf.state_sha256),
    ]
    if event.personal is not None:
        part = _part(event.personal)
        checks.append(("personal part", sha256(part).hexdigest(), leaf.personal_sha256 or ""))
    for name, hashed, signed in checks:
        if hashed != signed:
            raise ProofRefused(f"its {name} is not what was signed: it was altered")
    if (salt is None) != (leaf.leaf is UNSET):
        raise ProofRefused("its metadata is of another version than its leaf")
    if event.words is not None and part is None:
        raise ProofRefused("it has words without the part that they were read from")
    _check_words(event, leaf, part)


def _check_words(event: BundledEvent, leaf: Leaf, part: bytes | None) -> None:
    """Check words against what the leaf commits to. Raises ProofRefused.

    A leaf of version 1 commits to words only where the part is plain.
    """
    if leaf.leaf is not UNSET:
        if (event.words is None) != (event.opened is None):
            raise ProofRefused("it has words without what proves them, or that without the words")
        if event.opened is None:
            return
        opening = _part(event.opened)
        fits = commitment(opening).hex() == leaf.words_sha256
        if not fits or event.words != _words(opening[SALT:]):
            raise ProofRefused("its words are not what was signed: they were altered")
    elif event.opened is not None:
        raise ProofRefused("it has what proves words, and was sealed without a commitment to any")
    elif part is not None and is_plain(part) and event.words != _words(part[1:]):
        raise ProofRefused("its words are not what was signed: they were altered")


def _part(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ProofRefused("its personal part is not base64") from None


def _words_are_proven(event: BundledEvent) -> bool:
    """Whether the words of an event that was checked are those that were signed."""
    if event.words is None:
        return False
    return event.opened is not None or is_plain(_part(event.personal or ""))


def _words(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


# --- the page ------------------------------------------------------------------------------


def render(bundle: Bundle) -> bytes:
    """The page of a bundle, as HTML in UTF-8. Raises BundleRefused, StoreDamaged."""
    events = []
    try:
        for event in bundle.events:
            leaf = read_leaf(event.leaf.encode())
            proven = _words_are_proven(event)
            events.append(Shown(_recorded(event, leaf), leaf, event.index, words_are_proven=proven))
        checkpoint = Checkpoint.parse(bundle.checkpoint.rpartition("\n\n")[0] + "\n")
        verifier = Verifier.parse(bundle.verifier)
        older = [older.size for older in bundle.older]
        sealed = Sealed(checkpoint, verifier, bundle.checkpoint, older)
        html = page(bundle.stream, events, sealed, _made(bundle))
    except (ValueError, OverflowError, RecursionError) as error:
        # A signature proves only who signed: the signer may have signed what is no event.
        raise BundleRefused(f"its events cannot be read: {type(error).__name__}") from None
    return html.encode()


def _made(bundle: Bundle) -> Made:
    other = bundle.signer not in ("", bundle.verifier)
    signer = Verifier.parse(bundle.signer) if other else None
    return Made(bundle.made_at, bundle.maker, bundle.firm, bundle.made_by, signer)


def _recorded(event: BundledEvent, leaf: Leaf) -> Recorded:
    start = (leaf.position, leaf.stream, leaf.version, leaf.topic, event.state.encode(), None)
    end = (leaf.customer_id, leaf.event_id, leaf.recorded_at, event.metadata.encode())
    (recorded,) = CODEC.recorded([(*start, *end)])
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
