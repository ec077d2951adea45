"""Verifying an archive against checkpoints that were signed, without the store.

The leaf hashes are made of the archived rows, and put into a temporary file by position: 32 bytes
an event. Then the tree over them must have the root that a checkpoint signs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from casestore.archive.leaves import Leaves
from casestore.archive.manifest import EVENTS, Part, bucket_of, run_name, runs_beside
from casestore.archive.reading import RESTORE, Archive, ordinary
from casestore.archive.targets import COPIED, audit_folder, find_targets
from casestore.audit.checkpoints import EVIDENCE, AuditFinding, Level, Target
from casestore.audit.held import HeldCheckpoint
from casestore.audit.leaf import hashes_of
from casestore.audit.rows import event_name
from casestore.audit.verifying import Verified
from casestore.errors import ArchiveDamaged
from casestore.journal.rows import PlainRow
from casestore.streams.wording import counted
from casestore.tlog.merkle import HASH_SIZE, Frontier
from casestore.tlog.note import Verifier
from casestore.tlog.tiles import Hashes

_BLOCK = 4_096
"""Hashes that are compared at a time."""


def verify_archive(
    folder: Path,
    *,
    held: Sequence[HeldCheckpoint] = (),
    keys: Sequence[Verifier] = (),
    url: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Compare an archive with its manifest, and with what was signed.

    Args:
        folder: of the archive.
        held: checkpoints that somebody keeps, besides the copy in the manifest.
        keys: the verifier keys to trust; if left out, those in the store's audit folder.
        url: of the store, which is not opened; CASESTORE_URL's if left out. Where its audit folder
            is at hand, its keys and its hashes help.
        progress: called with the number of events read.

    Raises:
        ImportError: pyarrow is not installed.
        StoreNotFound, ArchiveRefused: there is no archive, or none that this version reads.
        ArchiveDamaged: the manifest is not as casestore writes it.
        OSError: the temporary file cannot be written: it takes 32 bytes an event.
    """
    archive = Archive(folder)
    with Leaves(archive.manifest) as leaves:
        return _Verifying(archive, leaves, progress).run(held, keys, url)


class _Verifying:
    def __init__(
        self, archive: Archive, leaves: Leaves, progress: Callable[[int], None] | None
    ) -> None:
        self.archive = archive
        self.manifest = archive.manifest
        self.leaves = leaves
        self.progress = progress or (lambda _: None)
        self.findings: list[AuditFinding] = []
        self.done = 0
        self.last_id = ""
        """The id of the event at the position that the manifest says is the last."""

    def find(self, level: Level, where: str, what: str, do: str = "") -> None:
        self.findings.append(AuditFinding(level, where, what, do))

    def run(
        self, held: Sequence[HeldCheckpoint], keys: Sequence[Verifier], url: str | None
    ) -> Verified:
        self.audit = audit_folder(url, self.manifest)
        targets, said = find_targets(self.manifest, held, keys, self.audit)
        self.check_extra_files()
        for part in self.manifest.parts:
            self.check_part(part)
        if not self.findings:
            self.check_versions()
        usable = [target for target in targets if target.size <= self.manifest.events]
        covered = self.check_roots(usable)
        newest = max((target.size for target in usable), default=0)
        sealed = self.manifest.seal.size if self.manifest.seal else 0
        self.findings += _not_needed(said, sealed, newest)
        for target in targets:
            if target.size > self.manifest.events:
                what = f"covers {target.size:,} events, and the archive has fewer"
                do = "go on with it by `casestore archive write`, or give an older checkpoint"
                self.find("cannot tell", target.label, what, do)
        if not targets and not said:
            do = "seal the store with `casestore audit seal` and write again, or give one with "
            do += "--held and --key"
            what = "has no checkpoint to compare it with"
            self.find("cannot tell", "the archive", what, do)
        findings = tuple(self.findings)
        return Verified(findings, self.manifest.events, covered, 0, len(usable), newest)

    # --- files

    def check_extra_files(self) -> None:
        """Find what stands among the events and is not in the manifest."""
        events = self.archive.folder / EVENTS
        named = {self.archive.folder / part.name for part in self.manifest.parts}
        left = set(runs_beside(self.archive.folder, self.manifest))
        runs = {path.parent for path in named}
        for path in sorted(events.iterdir()) if events.is_dir() else ():
            if path in left and path.name.startswith(run_name(self.manifest.last + 1, 0)[:20]):
                do = "the next `casestore archive write` removes it"
                self.find("warning", _short(path), "was left by a write that was broken off", do)
                continue
            for inside in sorted(path.iterdir()) if path in runs and path.is_dir() else [path]:
                if inside not in named and inside not in runs:
                    what = "is not in the manifest: it is no part of the archive"
                    self.find("tampered", _short(inside), what, "remove it")

    def check_part(self, part: Part) -> None:
        """Compare a file with the manifest, and keep the hashes of its rows."""
        path = self.archive.folder / part.name
        try:
            size = ordinary(path)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            self.find("tampered", part.name, "is missing", RESTORE)
            return
        except (ArchiveDamaged, OSError) as error:
            self.find("tampered", part.name, _said(error, path), RESTORE)
            return
        whole = (size, digest) == (part.bytes, part.sha256)
        what = "" if whole else "was altered: its SHA-256 is not that of the manifest"
        try:
            odd = self.read_part(part)
        except ArchiveDamaged as error:
            odd = _said(error, path)
        if what or odd:
            self.find("tampered", part.name, "; ".join(filter(None, (what, odd))), RESTORE)

    def read_part(self, part: Part) -> str:
        """Keep the leaf hashes of a part, and say what of its first odd row is wrong."""
        odd = ""
        before = ("", 0)
        for rows in self.archive.groups(part, words=True, as_it_is=True):
            for row in rows:
                odd = odd or self.oddity(part, before, row)
                before = (row[1], row[2])
                if row[0] == self.manifest.last:
                    self.last_id = row[7]
            for row, leaf in zip(rows, hashes_of(self.manifest.store_id, rows), strict=True):
                if part.run[0] <= row[0] <= part.run[1] and row[0] >= (self.manifest.first or 1):
                    self.leaves.put(row[0], leaf)
            self.done += len(rows)
            self.progress(self.done)
        return odd

    def oddity(self, part: Part, before: tuple[str, int], row: PlainRow) -> str:
        """What is wrong with a row beside the others of its part; empty where nothing is."""
        if not part.first <= row[0] <= part.last:
            return f"{event_name(row)} is not of the positions that the manifest says"
        if bucket_of(row[6], self.manifest.buckets) != part.bucket:
            return f"{event_name(row)} is of a customer in another bucket"
        if (row[1], row[2]) <= before:
            return f"{event_name(row)} stands after {before[0]} version {before[1]}"
        return ""

    def check_versions(self) -> None:
        """Find streams whose versions are not 1..n, in all parts of a bucket together."""
        for bucket in (*self.archive.buckets, None):
            stream, version = "", 0
            for name, number in self.archive.versions(bucket):
                version = version + 1 if name == stream else 1
                stream = name
                if number != version:
                    what = f"has version {number} where {version} should be: some are missing"
                    self.find("tampered", stream, what, EVIDENCE)
                    break

    # --- the tree

    def check_roots(self, targets: Sequence[Target]) -> int:
        """Compare the tree of the rows with checkpoints, and give how many events are proven."""
        ahead = sorted(targets, key=lambda target: target.size)
        frontier = Frontier()
        proven = 0
        position, leaf = 0, b""
        for position, leaf in chain([(0, b"")], self.leaves.in_order()):
            if leaf:
                frontier.append(leaf)
            while ahead and ahead[0].size == frontier.size:
                if frontier.root() != ahead[0].root:
                    self.differs(ahead[0], proven, position)
                    return proven
                proven = ahead.pop(0).size
        if ahead:  # where parts are missing
            self.differs(ahead[0], proven, position)
        elif not self.findings:
            self.check_end(frontier.size, position, leaf)
        return proven

    def check_end(self, events: int, position: int, leaf: bytes) -> None:
        """Compare the rows with what the manifest says of all of them."""
        if events != self.manifest.events:
            what = f"are {self.manifest.events - events:,} too many for their positions"
            self.find("tampered", "the events", what, EVIDENCE)
        end = self.manifest.end
        told = end and (end.position, end.event_id, end.leaf_hash)
        if end and told != (position, self.last_id, leaf.hex()):
            what = "does not say what the last event is"
            self.find("tampered", "the manifest", what, EVIDENCE)

    def differs(self, target: Target, proven: int, position: int) -> None:
        """Say which event is not what a checkpoint signs, or among which ones it is."""
        hashes = self.audit.hashes if self.audit else None
        if hashes and hashes.leaves_give(target.size, target.root):
            what = self.first_difference(hashes, target)
        elif any(finding.level == "tampered" for finding in self.findings):
            return  # the part is named
        else:
            what = f"the first {proven:,} events are what was signed; " if proven else ""
            what += f"among events {proven + 1:,} to {target.size:,}, up to position {position:,}, "
            what += "at least one was altered, removed or added"
        self.find("tampered", f"{target.label} of {target.size:,} events", what, EVIDENCE)

    def first_difference(self, hashes: Hashes, target: Target) -> str:
        """Name the first event that differs from its hash, which the audit folder keeps."""
        index = 0
        in_order = self.leaves.in_order()
        while some := list(islice(in_order, _BLOCK)):
            kept = hashes.read(0, index, index + len(some))
            for n, (position, leaf) in enumerate(some):
                if kept[n * HASH_SIZE :][:HASH_SIZE] != leaf:
                    return self.difference(hashes, index + n, position, leaf)
            index += len(some)
        return f"of {target.size:,} events the last {target.size - index:,} are missing"

    def difference(self, hashes: Hashes, index: int, position: int, leaf: bytes) -> str:
        """What became of the event that was sealed with an index, where there is another now."""
        name = self.name_of(position)
        later = hashes.find(leaf, index + 1)
        if later is None:
            return f"{name} is not what was sealed as event {index + 1:,}"
        gone = later - index
        return f"before {name} {counted(gone, 'event')} {'is' if gone == 1 else 'are'} missing"

    def name_of(self, position: int) -> str:
        """The event at a position, as a message names it."""
        for part in self.manifest.parts:
            if part.run[0] <= position <= part.run[1]:
                with suppress(ArchiveDamaged):
                    for rows in self.archive.groups(part, as_it_is=True):
                        for row in rows:
                            if row[0] == position:
                                return event_name(row)
        return f"the event at position {position:,}"


def _said(error: ArchiveDamaged | OSError, path: Path) -> str:
    """What an error says of a file, without its name and what to do."""
    text = str(error) if isinstance(error, ArchiveDamaged) else f"cannot be read: {error.strerror}"
    return text.removeprefix(f"{path} ").removesuffix(f"; {RESTORE}")


def _short(path: Path) -> str:
    """The end of a path among the events, as messages name it."""
    return "/".join(path.parts[path.parts.index(EVENTS) :]) if EVENTS in path.parts else str(path)


def _not_needed(said: Sequence[AuditFinding], sealed: int, newest: int) -> Iterator[AuditFinding]:
    """Findings on checkpoints; what cannot be told of the copy is no matter beside a newer one."""
    for finding in said:
        if finding.where == COPIED and finding.level == "cannot tell" and sealed <= newest:
            yield finding._replace(level="warning")
        else:
            yield finding
