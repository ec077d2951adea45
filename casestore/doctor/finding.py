"""What a check of the doctor found."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "warning", "error"]
RESTORE = "restore the store from a backup, and keep this one for the inquiry"


class DoctorFinding(NamedTuple):
    """What a check found."""

    level: Level
    check: str
    where: str = ""
    what: str = ""
    do: str = ""
