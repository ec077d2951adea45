"""Time zones by their names in the IANA database."""

from __future__ import annotations

from zoneinfo import ZoneInfo

_OF_THE_MACHINE = ("localtime", "posixrules")
"""Names that stand for another zone on every machine."""
_NONE = "Factory"
"""What a machine has whose zone nobody has set."""
_OTHER_TREES = ("posix/", "right/")
"""Some machines have all zones a second and a third time; those of `right` count leap seconds, so
that their days begin half a minute late."""


def zone(name: str) -> ZoneInfo:
    """The time zone with a name that means the same on every machine. Raises ValueError."""
    if name in _OF_THE_MACHINE:
        raise ValueError(f"{name} is another zone on every machine; name one")
    try:
        if name != _NONE and not name.startswith(_OTHER_TREES):
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; no such path; a folder's name
        pass
    raise ValueError(f"{name!r} is not a time zone; write one like Europe/Berlin")
