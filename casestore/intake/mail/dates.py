"""When a mail was sent: never invented, and never later than it was received."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from typing import NamedTuple

_FIRST = datetime(1980, 1, 1, tzinfo=UTC)
_LAST = datetime(2100, 1, 1, tzinfo=UTC)
"""Outside of these a date is that of a clock that was never set, and not believed."""
_SKEW = timedelta(minutes=5)
"""How far two clocks that are right may be apart."""


_LONGEST = 200
"""How many characters of a date are read."""


class Sent(NamedTuple):
    """When a mail was sent."""

    at: datetime
    """In UTC."""
    remark: str = ""
    """What is told where the Date field was not taken."""


def sent(date: str | None, received: Sequence[str], envelope: bytes) -> Sent | None:
    """When a mail was sent; None where nothing that can be believed says it.

    The Date field says it. The topmost Received field, which our own server wrote, counts where
    there is no Date that can be believed, or one that is later than that: the sender's clock was
    wrong. Last comes the line before a mail in an mbox, whose time is UTC (RFC 4155).

    Args:
        date: the Date field.
        received: the Received fields, the topmost first.
        envelope: the line before the mail in an mbox, or nothing.
    """
    own = moment(date) if date is not None else None
    came = next((at for each in received if (at := moment(each.rpartition(";")[2]))), None)
    if own is not None and (came is None or own <= came + _SKEW):
        return Sent(own)
    if came is not None:
        why = "no Date" if date is None else "a Date that cannot be, or cannot be read"
        if own is not None:
            why = "a Date later than it was received"
        return Sent(came, f"it has {why}: when it was received is taken")
    stored = moment(envelope.decode("latin-1").partition(" ")[2].lstrip().partition(" ")[2])
    if stored is None:
        return None
    return Sent(stored, "it has no Date that can be read: the time in its mbox is taken")


def moment(text: str) -> datetime | None:
    """A date as mails have it, in UTC; None where it is none, or cannot be believed.

    A zone that is missing, unknown or -0000 is UTC (RFC 5322, sections 3.3 and 4.3).
    """
    try:
        found = parsedate_tz(text[:_LONGEST])
        if found is None:
            return None
        year, month, day, hour, minute, second = found[:6]
        zone = timezone(timedelta(seconds=found[9] or 0))
        at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if _FIRST <= at < _LAST else None
