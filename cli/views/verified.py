"""The result of a verification, as people and programs read it."""

from __future__ import annotations

from collections.abc import Iterator

from casestore.audit.verifying import Verified
from casestore.streams.wording import counted
from cli.terminal.options import CANNOT_TELL, REFUSED, settings
from cli.terminal.output import Column, for_people, print_lines, print_object, table

_FINDINGS = (Column("level"), Column("where"), Column("what"), Column("do"))


def print_verified(verified: Verified) -> int:
    """Print it, and give the exit code for it: 0, 1 for tampered with, 3 for cannot tell."""
    findings = [finding._asdict() for finding in verified.findings]
    if not for_people():
        names = ("verdict", "events", "covered", "uncovered", "trusted", "checkpoints")
        values = {name: getattr(verified, name) for name in names}
        print_object({**values, "findings": findings})
    else:
        if findings:
            print_lines([*table(_FINDINGS, findings), ""])
        if not settings().quiet:
            print_lines(_in_words(verified))
    return {"fine": 0, "tampered": REFUSED, "cannot tell": CANNOT_TELL}[verified.verdict]


def _in_words(verified: Verified) -> Iterator[str]:
    covered, uncovered = verified.covered, verified.uncovered
    if verified.verdict == "tampered":
        yield f"tampered with, after event {covered:,} of {verified.newest:,} that were signed"
        return
    if covered:
        yield f"{_are(covered)} what was signed"
    if verified.trusted:
        yield f"(the first {verified.trusted:,} were verified before, and not read again)"
    if uncovered:
        yield (
            f"{_are(uncovered)} newer than every checkpoint: nothing is proven about that, "
            "nor whether there was more"
        )
    if verified.verdict == "cannot tell":
        yield "whether all is as it should be cannot be told"


def _are(events: int) -> str:
    return f"{counted(events, 'event')} {'is' if events == 1 else 'are'}"
