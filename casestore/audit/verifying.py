"""Verifying a store's history against the checkpoints that were signed of it.

Everything is read again, in flat memory, and only signatures are trusted. The hashes kept from
sealing serve to name the event that is not what was sealed: after they have given the signed root.
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
    log_id,
    named,
    origin,
    rows_after,
)
from casestore.audit.sealing import still_there
from casestore.errors import CaseStoreError
from casestore.store import CaseStore
from casestore.streams.wording import counted
from casestore.tlog.merkle import HASH_SIZE, Frontier
from casestore.tlog.note import Verifier

_NEAR = 1000
"""Events to look through for the one that was sealed at some place."""
_POSITION, _RECORDED = 0, 8


class Verified(NamedTuple):
    """What verifying a store came to."""

    findings: tuple[AuditFinding, ...]
    events: int
    """In the store when it began."""
    covered: int
    """The first so many are what a checkpoint signed."""
    trusted: int
    """Of these, the first so many were verified before, and not read again."""
    checkpoints: int
    """Whose signature is good."""
    newest: int
    """How many events the newest of them covers."""

    @property
    def uncovered(self) -> int:
        """Events that are newer than every checkpoint: nothing is proven about them."""
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
    """Compare every event with what was signed. Memory is flat, whatever the size of the store.

    Args:
        store: an open one.
        held: checkpoints that an auditor kept.
        keys: whose signatures count; those that the audit folder knows if left out.
        incremental: begin where the last one ended, and trust what is before.
        progress: told the number of events looked at.
    """
    checkpoints = Checkpoints(store.url, origin(store), keys, held)
    return _Verifying(store, checkpoints, progress).run(incremental=incremental)


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
        """The index of the first event whose hash is not as it was kept, the position before."""
        self.recorded = 0

    def run(self, *, incremental: bool) -> Verified:
        """Verify."""
        targets, seals = self.checkpoints.targets, self.checkpoints.seals
        trusted = self.begin() if incremental else 0
        given = self.store.recorder.last_given_position()
        until = self.store.recorder.last_position()
        self.ordinary_positions()
        broken = self.walk([t for t in targets if t.size > trusted], until)
        covered = max((t.size for t in targets if t.size <= self.frontier.size), default=0)
        if broken:
            covered = max((t.size for t in targets if t.size < broken[-1].size), default=0)
            self.explain(broken, covered, until)
        self.dense()
        events = self.frontier.size
        if broken:
            events = self.store.recorder.count_after()
        elif targets:
            self.kept(covered)
            self.cut_off(given)
        found = tuple(self.checkpoints.findings)
        newest = max((t.size for t in targets), default=0)
        made = Verified(found, events, covered, trusted, len(targets), newest)
        if made.verdict == "fine" and covered in seals:
            with suppress(OSError):  # an auditor may have no right to write there
                self.checkpoints.folder.remember_verified(covered)
        return made

    # --- reading the store

    def begin(self) -> int:
        """Begin behind what was verified before, if its hashes are kept; how many events."""
        targets = self.checkpoints.targets
        size = self.checkpoints.folder.verified()
        root = next((t.root for t in targets if t.size == size and t.label == OWN), b"")
        if not size or not self.hashes.give(size, root):
            return 0
        if any(t.size < size and t.label != OWN for t in targets):
            return 0  # a checkpoint that somebody holds is always compared
        try:
            self.after = still_there(self.store, self.checkpoints.seals[size].last)
        except CaseStoreError:
            return 0  # reading everything says more
        self.frontier = self.hashes.frontier(size)
        return size

    def ordinary_positions(self) -> None:
        """The store gives positions from 1 on; a reader never looks before."""
        first = self.store.recorder.first_position()
        if first is not None and first < 1:
            what = f"stands before the first that a store gives: it was added by hand ({first})"
            self.find("tampered", f"position {first}", what, EVIDENCE)

    def walk(self, targets: list[Target], until: int) -> list[Target]:
        """Read all rows; the first checkpoint whose root they do not give, if there is one.

        Where they end before they give it, all that cover more than there is, the largest first.
        """
        ahead = sorted(targets, key=lambda t: t.size, reverse=True)
        while ahead and ahead[-1].size == self.frontier.size:  # of an empty store
            if ahead[-1].root != self.frontier.root():
                return ahead[-1:]
            ahead.pop()
        for rows in chunks(self.store, self.after, until):
            leaves = hashes_of(self.log_id, rows)
            self.compare(rows, leaves)
            self.in_time(rows)
            for leaf in leaves:
                self.frontier.append(leaf)
                while ahead and ahead[-1].size == self.frontier.size:
                    if ahead[-1].root != self.frontier.root():
                        return ahead[-1:]
                    ahead.pop()
            self.after = rows[-1][_POSITION]
            self.progress(self.frontier.size)
        return ahead

    def compare(self, rows: list[Any], leaves: list[bytes]) -> None:
        """Note the first event that is not as its hash was kept."""
        index = self.frontier.size
        kept = self.hashes.read(0, index, index + len(leaves))
        if self.differs is not None or b"".join(leaves).startswith(kept):
            return
        at = next(n for n in range(len(leaves)) if kept[HASH_SIZE * n :][:HASH_SIZE] != leaves[n])
        self.differs = (index + at, rows[at - 1][_POSITION] if at else self.after)

    def in_time(self, rows: list[Any]) -> None:
        """Times of recording never decrease."""
        for row in rows:
            at = row[_RECORDED]
            if not isinstance(at, int) or at < self.recorded:
                if not any(
                    each.where == "times of recording" for each in self.checkpoints.findings
                ):
                    what = f"{named(row)} was recorded before the event before it"
                    self.find("tampered", "times of recording", what, EVIDENCE)
            else:
                self.recorded = at

    # --- what is wrong

    def explain(self, candidates: list[Target], good: int, until: int) -> None:
        """Name the first event that is not what was signed, or the interval that it is in."""
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
        """Of the event at the end of a checkpoint; walking ended in that very chunk."""
        return self.store.recorder.position_of_rank(broken.size - 1)

    def first_difference(self, broken: Target, index: int, after: int, until: int) -> str:
        """What happened to the event at an index: altered, missing or added."""
        rows = rows_after(self.store, after, until, _NEAR)
        before = "at the very beginning" if after == BEFORE_ALL else f"after position {after}"
        if not rows:
            gone = _counted(broken.size - index)
            return f"{gone} missing {before}: the tail was cut off, or an older copy was restored"
        leaves = hashes_of(self.log_id, rows)
        later = self.hashes.find(leaves[0], index + 1)
        if later is not None:
            gone = _counted(later - index)
            return f"{gone} missing {before}: event {index + 1} is now {named(rows[0])}"
        wanted = self.hashes.read(0, index, index + 1)
        if wanted in leaves:
            return f"{named(rows[0])} was added: it was not there when event {index + 1} was sealed"
        return (
            f"{named(rows[0])} is not what was sealed as event {index + 1}: it was altered, or put "
            "in another's place"
        )

    def dense(self) -> None:
        """Versions are 1..n in each stream."""
        for stream, count, first, last in self.store.recorder.gaps(limit=3):
            what = f"has {count} events with versions from {first} to {last}: some are missing"
            self.find("tampered", f"{stream}", what, EVIDENCE)

    def kept(self, covered: int) -> None:
        """The rows are what was signed, and the kept hashes are not: these were altered."""
        if self.differs is not None and self.differs[0] < covered:
            what = "are not those of the events, which are what was signed; they are of no use"
            do = f"remove {self.hashes.folder}: the next seal makes them anew"
            self.find("warning", "the kept hashes", what, do)

    def cut_off(self, given: int) -> None:
        """Whether positions were given, by the time we began, after the last event there is."""
        acknowledged = max((seal.given for seal in self.checkpoints.seals.values()), default=0)
        if given <= max(self.store.recorder.last_position(), acknowledged):
            return
        with suppress(PersistenceError), self.store.recorder.writing():
            pass  # whoever was about to commit has done so now
        last = self.store.recorder.last_position()
        if given > last:
            what = f"positions up to {given} were given, and the last event has {last}: appends "
            what += "failed, or events newer than every checkpoint at hand were cut off"
            do = "compare with a newer checkpoint, or with whoever recorded events last"
            self.find("cannot tell", "the tail", what, do)


def _counted(events: int) -> str:
    return f"{counted(events, 'event')} {'is' if events == 1 else 'are'}"
