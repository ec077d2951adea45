"""Verifying a store's history against the checkpoints that were signed.

All events are read again, in constant memory, and only signatures are trusted. The hashes that
sealing kept are used to name the first event that is not what was sealed, and only after they have
given the signed root.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from eventsourcing.persistence import PersistenceError

from casestore.audit.checkpoints import EVIDENCE, OWN, AuditFinding, Checkpoints, Target
from casestore.audit.held import HeldCheckpoint
from casestore.audit.leaf import hashes_of
from casestore.audit.rows import (
    BEFORE_ALL,
    Progress,
    chunks,
    event_name,
    log_id,
    odd_positions,
    origin,
    rows_after,
)
from casestore.audit.sealing import CHANGED_KIND, still_there, words_of
from casestore.errors import CaseStoreError
from casestore.store import CaseStore
from casestore.streams.wording import counted
from casestore.telemetry.spans import span
from casestore.tlog.merkle import HASH_SIZE, Frontier
from casestore.tlog.note import Verifier

_NEAR = 1000
"""The number of rows to search, after the first difference, for the event that was sealed there."""
_POSITION, _RECORDED = 0, 8


class Verified(NamedTuple):
    """The result of `verify`."""

    findings: tuple[AuditFinding, ...]
    events: int
    """The number of events in the store when it began."""
    covered: int
    """How many events, from the first on, are what a checkpoint signed."""
    trusted: int
    """How many of these were verified earlier, and not read again."""
    checkpoints: int
    """The number of checkpoints with a good signature."""
    newest: int
    """How many events the newest of these checkpoints covers."""

    @property
    def uncovered(self) -> int:
        """The number of events newer than every checkpoint: nothing is proven about them."""
        return max(0, self.events - self.newest)

    @property
    def verdict(self) -> Literal["fine", "tampered", "cannot tell"]:
        """The worst of the findings."""
        levels = {finding.level for finding in self.findings}
        if "tampered" in levels:
            return "tampered"
        return "cannot tell" if "cannot tell" in levels else "fine"


def verify(
    store: CaseStore,
    *,
    held: Sequence[HeldCheckpoint] = (),
    keys: Sequence[Verifier] = (),
    incremental: bool = False,
    progress: Progress | None = None,
) -> Verified:
    """Compare every event with what was signed, in constant memory.

    Args:
        store: the store.
        held: checkpoints that an auditor keeps, besides the seals in the audit folder.
        keys: the verifier keys to trust; if left out, those in the audit folder.
        incremental: trust the events that were verified before, and read only the others.
        progress: called with the number of events read.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    checkpoints = Checkpoints(store.url, origin(store), keys, held)
    with span("verify", store.url) as told:
        verified = _Verifying(store, checkpoints, progress).run(incremental=incremental)
        told.came_to(verified.verdict, failed=verified.verdict == "tampered")
        return verified


class _Verifying:
    def __init__(
        self, store: CaseStore, checkpoints: Checkpoints, progress: Progress | None
    ) -> None:
        self.store = store
        self.log_id = log_id(store)
        self.progress = progress or (lambda _: None)
        self.checkpoints = checkpoints
        self.find = checkpoints.find
        self.hashes = checkpoints.folder.hashes
        self.frontier = Frontier()
        self.after = BEFORE_ALL
        self.differs: tuple[int, int] | None = None
        """The index of the first event that differs from its kept hash, and the position before."""
        self.recorded = 0
        """When the last event so far was recorded, in microseconds since 1970."""
        self.went_back = 0
        """The last position where a clock went back, as the store noted it when that happened."""

    def run(self, *, incremental: bool) -> Verified:
        """Run all checks, and name what is wrong."""
        targets, seals = self.checkpoints.targets, self.checkpoints.seals
        trusted = self.begin() if incremental else 0
        last_given = self.store._recorder.last_given_position()
        until = self.store._recorder.last_position()
        self.went_back = (self.store._recorder.went_back() or (0, 0))[0]
        self.check_positions()
        broken = self.walk([t for t in targets if t.size > trusted], until)
        covered = max((t.size for t in targets if t.size <= self.frontier.size), default=0)
        if broken:
            covered = max((t.size for t in targets if t.size < broken[-1].size), default=0)
            self.explain(broken, covered, until)
        self.check_versions()
        self.check_readers()
        self.check_kind()
        events = self.frontier.size
        if broken:
            events = self.store._recorder.count_after()
        elif targets:
            self.check_kept_hashes(covered)
            self.check_tail(last_given)
        findings = tuple(self.checkpoints.findings)
        newest = max((t.size for t in targets), default=0)
        verified = Verified(findings, events, covered, trusted, len(targets), newest)
        if verified.verdict == "fine" and covered in seals:
            with suppress(OSError):  # an auditor may have no right to write there
                self.checkpoints.folder.remember_verified(covered)
        return verified

    # --- reading the store

    def begin(self) -> int:
        """Begin after the events that were verified before, and give their number.

        It is 0, and everything is read, where the kept hashes or the last of these events are not
        what was sealed.
        """
        targets = self.checkpoints.targets
        size = self.checkpoints.folder.verified()
        root = next((t.root for t in targets if t.size == size and t.label == OWN), b"")
        if not size or not self.hashes.give(size, root):
            return 0
        if any(t.size < size and t.label != OWN for t in targets):
            return 0  # the store must be compared with every checkpoint that others keep
        try:
            self.after = still_there(self.store, self.checkpoints.seals[size].last)
        except CaseStoreError:
            return 0  # reading everything tells what is wrong
        self.frontier = self.hashes.frontier(size)
        return size

    def check_positions(self) -> None:
        """Find rows at positions that no store gives: before 1, or near the end of the range."""
        for position, what in odd_positions(self.store):
            self.find("tampered", f"position {position}", what, EVIDENCE)

    def walk(self, targets: list[Target], until: int) -> list[Target]:
        """Read the rows up to a position, and give the checkpoints that they do not fit.

        That is the smallest checkpoint with another root than the tree of the rows, alone; or if
        there is none, all checkpoints that cover more events than there are, the largest first.
        """
        ahead = sorted(targets, key=lambda t: t.size, reverse=True)
        while ahead and ahead[-1].size == self.frontier.size:  # a checkpoint of an empty store
            if ahead[-1].root != self.frontier.root():
                return ahead[-1:]
            ahead.pop()
        for rows in chunks(self.store, self.after, until):
            leaves = hashes_of(self.log_id, rows)
            self.compare_with_kept(rows, leaves)
            self.check_times(rows)
            for leaf in leaves:
                self.frontier.append(leaf)
                while ahead and ahead[-1].size == self.frontier.size:
                    if ahead[-1].root != self.frontier.root():
                        return ahead[-1:]
                    ahead.pop()
            self.after = rows[-1][_POSITION]
            self.progress(self.frontier.size)
        return ahead

    def compare_with_kept(self, rows: list[Any], leaves: list[bytes]) -> None:
        """Remember the first event that differs from its kept hash."""
        index = self.frontier.size
        kept_hashes = self.hashes.read(0, index, index + len(leaves))
        if self.differs is not None or b"".join(leaves).startswith(kept_hashes):
            return
        first = next(
            n for n in range(len(leaves)) if kept_hashes[HASH_SIZE * n :][:HASH_SIZE] != leaves[n]
        )
        self.differs = (index + first, rows[first - 1][_POSITION] if first else self.after)

    def check_times(self, rows: list[Any]) -> None:
        """Find the first event that was recorded before the event before it.

        Up to where a clock went back, as the store noted it, that is a clock that was wrong, and
        the doctor tells of it.
        """
        for row in rows:
            at, noted = row[_RECORDED], row[_POSITION] <= self.went_back
            if not isinstance(at, int) or (at < self.recorded and not noted):
                if not any(
                    finding.where == "times of recording" for finding in self.checkpoints.findings
                ):
                    what = f"{event_name(row)} was recorded before the event before it"
                    self.find("tampered", "times of recording", what, EVIDENCE)
            else:
                self.recorded = at

    # --- what is wrong

    def explain(self, candidates: list[Target], good: int, until: int) -> None:
        """Name the first event that is not what was signed, or the interval that it is in.

        Args:
            candidates: the checkpoints that the rows do not fit.
            good: how many events, from the first on, are what a checkpoint signed.
            until: the last position.
        """
        proven = (t for t in candidates if self.hashes.leaves_give(t.size, t.root))
        broken = next(proven, None)
        if broken is None:
            what = self.interval(candidates[0], good)
        else:
            index, after = self.differs or (self.frontier.size, self.after)
            what = self.first_difference(broken, index, after, until)
        broken = broken or candidates[0]
        self.find("tampered", f"{broken.label} of {broken.size} events", what, EVIDENCE)

    def interval(self, broken: Target, good: int) -> str:
        """Between which events the difference is, where no kept hashes can tell."""
        what = f"the first {good} events are what was signed; " if good else ""
        if self.frontier.size < broken.size:
            lacking = broken.size - self.frontier.size
            what += f"of {broken.size} there are {self.frontier.size}: at least {lacking} are "
            return what + "missing; the tail was cut off, or an older copy was restored"
        what += (
            f"among events {good + 1} to {broken.size}, up to position {self.position(broken)}, "
        )
        return what + "at least one was altered, removed or added (no hashes are kept to say which)"

    def position(self, broken: Target) -> int:
        """The position of the last event that a checkpoint covers."""
        return self.store._recorder.position_of_rank(broken.size - 1)

    def first_difference(self, broken: Target, index: int, after: int, until: int) -> str:
        """What became of the event at an index: it was altered or removed, or another was added.

        Args:
            broken: a checkpoint whose root the kept hashes give.
            index: of the first event that differs from its kept hash.
            after: the position before it.
            until: the last position.
        """
        rows = rows_after(self.store, after, until, _NEAR)
        before = "at the very beginning" if after == BEFORE_ALL else f"after position {after}"
        if not rows:
            gone = _counted(broken.size - index)
            return f"{gone} missing {before}: the tail was cut off, or an older copy was restored"
        leaves = hashes_of(self.log_id, rows)
        later = self.hashes.find(leaves[0], index + 1)
        if later is not None:
            gone = _counted(later - index)
            return f"{gone} missing {before}: event {index + 1} is now {event_name(rows[0])}"
        wanted = self.hashes.read(0, index, index + 1)
        if wanted in leaves:
            return (
                f"{event_name(rows[0])} was added: it was not there when event {index + 1} was "
                "sealed"
            )
        return (
            f"{event_name(rows[0])} is not what was sealed as event {index + 1}: it was altered, "
            "or put in another's place"
        )

    def check_versions(self) -> None:
        """Find streams whose versions are not 1..n."""
        for stream, count, first, last in self.store._recorder.gaps(limit=3):
            what = f"has {count} events with versions from {first} to {last}: some are missing"
            self.find("tampered", f"{stream}", what, EVIDENCE)

    def check_readers(self) -> None:
        """Find streams and customers of which readers do not get all rows that were read here."""
        for column, kind in (("originator_id", ""), ("customer_id", "customer ")):
            for name, there, found in self.store._recorder.hidden(column, 3):
                what = f"has {counted(there, 'event')}, of which readers find {found}: an index "
                self.find("tampered", f"{kind}{name}", f"{what}hides the others", EVIDENCE)

    def check_kind(self) -> None:
        """Find a database that does not say any more how it keeps words, as it did when sealed."""
        kinds = {seal.words for seal in self.checkpoints.seals.values()} - {None}
        if kinds - {words_of(self.store)}:
            self.find("tampered", "the store", CHANGED_KIND, EVIDENCE)

    def check_kept_hashes(self, covered: int) -> None:
        """Find kept hashes that are wrong: the rows are what was signed, but differ from them."""
        if self.differs is not None and self.differs[0] < covered:
            what = "are not those of the events, which are what was signed; they are of no use"
            do = f"remove {self.hashes.folder}: the next seal makes them anew"
            self.find("warning", "the kept hashes", what, do)

    def check_tail(self, last_given: int) -> None:
        """Find positions after the last event that were given to events before we began.

        An append that failed leaves such a position too, so this is no proof. Positions that were
        given before the last seal are left out.
        """
        sealed = max((seal.given for seal in self.checkpoints.seals.values()), default=0)
        if last_given <= max(self.store._recorder.last_position(), sealed):
            return
        # With the lock we know that every append that had a position by then has ended.
        with suppress(PersistenceError), self.store._recorder.writing():
            pass
        last = self.store._recorder.last_position()
        if last_given > last:
            what = (
                f"positions up to {last_given} were given, and the last event has {last}: appends "
            )
            what += "failed, or events newer than every checkpoint at hand were cut off"
            do = "compare with a newer checkpoint, or with whoever recorded events last"
            self.find("cannot tell", "the tail", what, do)


def _counted(events: int) -> str:
    """A number of events with its verb: "1 event is", "2 events are"."""
    return f"{counted(events, 'event')} {'is' if events == 1 else 'are'}"
