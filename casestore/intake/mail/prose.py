"""Bounces in prose: flufl.bounce, if it is installed, knows how mail systems write them."""

from __future__ import annotations

import logging
from email import message_from_bytes
from email.message import Message

from casestore.intake.mail.delivery import Fate

MISSING = (
    "flufl.bounce is not installed, so bounces in prose are read only where they have a code; "
    "install casestore[mail]"
)
"""What is told where the package is missing."""
_LONGEST = 256 * 1024
"""The most bytes of a mail that it is asked about: it takes its time, and the mail that came back
follows with all its attachments."""


def failures(message: Message, data: bytes) -> list[Fate] | None:
    """Test 3: the addresses that a bounce in prose names; None where flufl.bounce is missing.

    Args:
        message: the mail.
        data: its bytes.
    """
    try:
        from flufl.bounce import all_failures  # noqa: PLC0415  (of an extra, and takes 0.15 s)
    except ImportError:
        return None
    if len(data) > _LONGEST:
        message = message_from_bytes(data[:_LONGEST])
    log = logging.getLogger("flufl.bounce")
    was_disabled, log.disabled = log.disabled, True  # it logs a traceback before it raises
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # it raises IndexError, AttributeError and more on mails that are not right
        return []
    finally:
        log.disabled = was_disabled
    return [
        Fate(
            "DeliveryFailed",
            "permanent" if address in permanent else "temporary",
            address.decode("ascii", "replace"),
        )
        for address in sorted(temporary | permanent)
        if b"@" in address
    ]
