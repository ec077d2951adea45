"""The checkpoints that a store is compared with: its own seals, and those that others keep."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from casestore.audit.folder import Folder, Seal, seal_name
from casestore.audit.held import HeldCheckpoint
from casestore.errors import BadSignature, CannotTell, InvalidNote, NotSigned, SealRefused
from casestore.tlog.note import Verifier, open_checkpoint

Level = Literal["ok", "warning", "cannot tell", "tampered"]


class AuditFinding(NamedTuple):
    """One finding of a verification."""

    level: Level
    where: str
    """The part of the store or the folder that it is about."""
    what: str
    """What was found there. `where` and `what` read as one sentence."""
    do: str = ""
    """What to do about it; empty where there is nothing to do."""


class Target(NamedTuple):
    """A checkpoint with a good signature, which the store is compared with."""

    label: str
    """Where it comes from, as messages name it."""
    size: int
    """The number of events that it covers."""
    root: bytes
    """The root of the tree over them, 32 bytes."""


OWN = "the store's own seal"
EVIDENCE = "keep the store and its audit folder as they are, for the inquiry"
"""What to do where tampering was found."""
_NO_FOLDER = Folder(Path(os.devnull), Path(os.devnull))


class Checkpoints:
    """The checkpoints to compare a store with.

    `targets` are the good ones; if there are none, the last of the `findings` says so. The other
    findings say what is wrong with the checkpoints that are not good.

    Args:
        url: of the store.
        origin: the name of its log; the checkpoints of other logs say nothing about it.
        keys: the verifier keys to trust; if empty, those in the audit folder.
        held: checkpoints that somebody keeps away from the store.
    """

    def __init__(
        self, url: str, origin: str, keys: Sequence[Verifier], held: Sequence[HeldCheckpoint]
    ) -> None:
        self.origin = origin
        self.keys = list(keys)
        self.findings: list[AuditFinding] = []
        self.folder = _NO_FOLDER
        self.seals: dict[int, Seal] = {}
        """The store's own seals that are good, by size."""
        try:
            self.folder = Folder.of(url)
            self.keys = self.keys or self.folder.verifiers()
        except CannotTell:
            pass
        except InvalidNote as error:
            self.find("tampered", "the list of verifier keys", str(error), EVIDENCE)
        own = self.own_seals()
        self.targets = own + self.handed_out(own) + self.held(held)
        self.forks()
        if not self.targets:
            self.find(
                "cannot tell",
                "the store",
                "there is no checkpoint to compare it with",
                "seal it with `casestore audit seal`, or give one with --held and --key",
            )

    def find(self, level: Level, where: str, what: str, do: str = "") -> None:
        """Add a finding."""
        self.findings.append(AuditFinding(level, where, what, do))

    def own_seals(self) -> list[Target]:
        """The store's own seals that are good; a finding for each of the others."""
        targets: list[Target] = []
        unknown: list[tuple[Path, str]] = []
        for file in self.folder.seal_files():
            try:
                seal, checkpoint = self.folder.open_seal(file, self.origin, self.keys)
            except NotSigned as error:
                unknown.append((file, str(error)))
            except SealRefused as error:
                self.find("cannot tell", f"the seal {file}", str(error))
            except (InvalidNote, BadSignature) as error:
                self.find("tampered", f"the seal {file}", f"was altered: {error}", EVIDENCE)
            else:
                self.seals[checkpoint.size] = seal
                targets.append(Target(OWN, checkpoint.size, checkpoint.root))
        for file, why in unknown:
            # What a newer seal covers needs no older one: its key was replaced, and is not named.
            covered = targets and file.name < seal_name(targets[-1].size)
            self.find("warning" if covered else "cannot tell", f"the seal {file}", why)
        return targets

    def handed_out(self, own: Sequence[Target]) -> list[Target]:
        """The copy of the newest checkpoint, where it is of none of the store's `own` seals."""
        where = f"the copy {self.folder.path / 'checkpoint'}"
        try:
            if (note := self.folder.handed_out()) is None:
                return []
            checkpoint = open_checkpoint(note, self.keys)
        except NotSigned:
            return []  # by a key that is not named; so is its seal, which is told of
        except (InvalidNote, BadSignature) as error:
            self.find("tampered", where, f"was altered: {error}", EVIDENCE)
            return []
        copy = Target(where, checkpoint.size, checkpoint.root)
        if checkpoint.origin != self.origin or any(seal[1:] == copy[1:] for seal in own):
            return []
        if all(seal.size < copy.size for seal in own):
            what = f"signs {copy.size} events, and no seal as many: a seal was taken away"
            self.find("tampered", where, what, EVIDENCE)
        return [copy]

    def held(self, held: Sequence[HeldCheckpoint]) -> list[Target]:
        """The checkpoints kept by others that are good; a finding for each of the others."""
        targets = []
        for label, note in held:
            where = f"the checkpoint {label}"
            try:
                checkpoint = open_checkpoint(note, self.keys)
            except BadSignature as error:
                self.find("tampered", where, str(error), "ask whoever gave it to you")
            except NotSigned:
                what = "no key is known that signed it" if self.keys else "no key is known"
                self.find("cannot tell", where, what, "name the verifier key with --key")
            except InvalidNote as error:
                self.find("cannot tell", where, f"is not a checkpoint: {error}")
            else:
                if checkpoint.origin == self.origin:
                    targets.append(Target(where, checkpoint.size, checkpoint.root))
                else:
                    what = f"is of another log, {checkpoint.origin}, and not of {self.origin}"
                    self.find("cannot tell", where, what)
        return targets

    def forks(self) -> None:
        """Find checkpoints of the same size with different roots: the key signed two histories."""
        by_size: dict[int, Target] = {}
        for target in self.targets:
            first = by_size.setdefault(target.size, target)
            if first.root != target.root:
                what = f"signs other events than {first.label} of the same size, {target.size}: "
                what += "two histories were signed"
                self.find("tampered", target.label, what, EVIDENCE)
