"""The checkpoints that a store is verified against: its own seals, and those that others hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from casestore.audit.folder import Folder, Seal
from casestore.audit.held import HeldCheckpoint
from casestore.errors import BadSignature, CannotTell, InvalidNote, NotSigned, SealRefused
from casestore.tlog.note import Verifier, open_checkpoint

Level = Literal["ok", "warning", "cannot tell", "tampered"]


class AuditFinding(NamedTuple):
    """What verifying found."""

    level: Level
    where: str
    what: str
    do: str = ""


class Target(NamedTuple):
    """A checkpoint whose signature is good."""

    label: str
    size: int
    root: bytes


OWN = "the store's own seal"
EVIDENCE = "keep the store and its audit folder as they are, for the inquiry"
_NO_FOLDER = Folder(Path(os.devnull), Path(os.devnull))


class Checkpoints:
    """What there is to compare a store with, and what is wrong with that by itself.

    Args:
        url: the store's.
        origin: of its log; checkpoints of others say nothing about it.
        keys: whose signatures count; those that the audit folder knows if empty.
        held: checkpoints that somebody kept.
    """

    def __init__(
        self, url: str, origin: str, keys: Sequence[Verifier], held: Sequence[HeldCheckpoint]
    ) -> None:
        self.origin = origin
        self.keys = list(keys)
        self.findings: list[AuditFinding] = []
        self.folder = _NO_FOLDER
        self.seals: dict[int, Seal] = {}
        """The store's own, by size."""
        try:
            self.folder = Folder.of(url)
            self.keys = self.keys or self.folder.verifiers()
        except CannotTell:
            pass
        except InvalidNote as error:
            self.find("tampered", "the list of verifier keys", str(error), EVIDENCE)
        self.targets = self.own_seals() + self.held(held)
        self.forks()
        if not self.targets:
            self.find(
                "cannot tell",
                "the store",
                "there is no checkpoint to compare it with",
                "seal it with `casestore audit seal`, or give one with --held and --key",
            )

    def find(self, level: Level, where: str, what: str, do: str = "") -> None:
        """Note a finding."""
        self.findings.append(AuditFinding(level, where, what, do))

    def own_seals(self) -> list[Target]:
        """The store's own seals that are as they were signed."""
        found = []
        for file in self.folder.seal_files():
            try:
                seal, checkpoint = self.folder.open_seal(file, self.origin, self.keys)
            except (NotSigned, SealRefused) as error:
                self.find("cannot tell", f"the seal {file}", str(error))
            except (InvalidNote, BadSignature) as error:
                self.find("tampered", f"the seal {file}", f"was altered: {error}", EVIDENCE)
            else:
                self.seals[checkpoint.size] = seal
                found.append(Target(OWN, checkpoint.size, checkpoint.root))
        return found

    def held(self, held: Sequence[HeldCheckpoint]) -> list[Target]:
        """The checkpoints held by others that count."""
        found = []
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
                self.find("cannot tell", where, f"is none: {error}")
            else:
                if checkpoint.origin == self.origin:
                    found.append(Target(where, checkpoint.size, checkpoint.root))
                else:
                    what = f"is of another log, {checkpoint.origin}, and not of {self.origin}"
                    self.find("cannot tell", where, what)
        return found

    def forks(self) -> None:
        """One size, two roots: the key signed two histories."""
        seen: dict[int, Target] = {}
        for target in self.targets:
            first = seen.setdefault(target.size, target)
            if first.root != target.root:
                what = f"signs other events than {first.label} of the same size, {target.size}: "
                what += "two histories were signed"
                self.find("tampered", target.label, what, EVIDENCE)
