"""The findings of the doctor."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "warning", "error"]
RESTORE = "restore the store from a backup, and keep this one for the inquiry"
"""What to do where a store is damaged."""
SHOWN = 20
"""The most findings that one check gives. Further ones are only counted."""


class DoctorFinding(NamedTuple):
    """One finding of one check."""

    level: Level
    """"ok": the check found nothing amiss, and only tells what there is, if anything."""
    check: str
    """The name of the check."""
    where: str = ""
    """The part of the store that it is about; empty where it counts further findings."""
    what: str = ""
    """What was found there. `where` and `what` read as one sentence."""
    do: str = ""
    """What to do about it."""
