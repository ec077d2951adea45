"""The checkpoints that an archive is compared with: its own copy, the audit folder's, and others'.

Only the signature on a checkpoint is trusted, and of that only keys that come from elsewhere: those
that are given, or else those in the audit folder. Who can change an archive could sign it anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from casestore.archive.manifest import Manifest
from casestore.audit.checkpoints import EVIDENCE, OWN, AuditFinding, Target
from casestore.audit.folder import Folder, seal_name
from casestore.audit.held import HeldCheckpoint
from casestore.audit.leaf import origin_of
from casestore.errors import BadSignature, CannotTell, CaseStoreError, InvalidNote, StoreNotFound
from casestore.tlog.note import Verifier

COPIED = "the checkpoint in the manifest"


def audit_folder(url: str | None, manifest: Manifest) -> Folder | None:
    """The audit folder of a store's URL, or of CASESTORE_URL's; None where it is another's."""
    try:
        folder = Folder.of(url)
        named = {verifier.name for verifier in folder.verifiers()}
    except (CannotTell, InvalidNote, StoreNotFound):
        return None
    return folder if origin_of(manifest.store_id) in named else None


def find_targets(
    manifest: Manifest,
    held: Sequence[HeldCheckpoint],
    keys: Sequence[Verifier],
    folder: Folder | None,
) -> tuple[list[Target], list[AuditFinding]]:
    """The good checkpoints, and what is to be said of the others.

    Args:
        manifest: of the archive.
        held: checkpoints that somebody keeps away from it.
        keys: the verifier keys to trust; if empty, those in the audit folder.
        folder: the store's audit folder, where it is at hand.
    """
    origin = origin_of(manifest.store_id)
    trusted = list(keys) or (folder.verifiers() if folder else [])
    targets: list[Target] = []
    findings: list[AuditFinding] = []
    offered = list(held)
    if (seal := manifest.seal) is not None:
        offered.insert(0, HeldCheckpoint(COPIED, seal.checkpoint.encode()))
    for each in offered:
        try:
            checkpoint = each.open(origin, trusted)
        except BadSignature as error:
            findings.append(AuditFinding("tampered", each.label, str(error), EVIDENCE))
        except CannotTell as error:
            what = str(error).removeprefix(f"{each.label}: ")
            what = what if trusted else "cannot be checked: no key is known"
            findings.append(AuditFinding("cannot tell", each.label, what, "give it with --key"))
        else:
            targets.append(Target(each.label, checkpoint.size, checkpoint.root))
    targets += _own(manifest, trusted, folder)
    beside = (seal.size, seal.root) if seal else ()
    if any(t.label == COPIED and (t.size, t.root.hex()) != beside for t in targets):
        what = "is not of the size and the root that stand beside it"
        findings.append(AuditFinding("tampered", COPIED, what, EVIDENCE))
    return targets, findings


def _own(manifest: Manifest, keys: Sequence[Verifier], folder: Folder | None) -> list[Target]:
    """The newest seal in the audit folder that covers no more than the archive."""
    files = folder.seal_files() if folder else []
    files = [file for file in files if file.name <= seal_name(manifest.events)]
    if folder is None or not files:
        return []
    try:
        _, checkpoint = folder.open_seal(files[-1], origin_of(manifest.store_id), keys)
    except CaseStoreError:  # `audit verify` tells what is wrong with it
        return []
    return [Target(OWN, checkpoint.size, checkpoint.root)]
