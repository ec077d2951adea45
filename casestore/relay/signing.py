"""Signatures of webhooks, and the secrets they are made with.

Source: Standard Webhooks, https://github.com/standard-webhooks/standard-webhooks, "Signature
scheme": the signature is v1, and the base64 of HMAC-SHA256 over `<id>.<timestamp>.<body>`. While a
secret is changed there are two of them, and a signature for each.
"""

from __future__ import annotations

import base64
import hmac
import os
import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

SECRET = "CASESTORE_RELAY_SECRET"  # noqa: S105  (the name of a variable)
_PREFIX = "whsec_"
_LEAST, _MOST = 24, 64
"""Bytes of a secret, as Standard Webhooks has them."""


def signed_headers(
    secrets: Sequence[bytes], message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """The headers that sign a message sent at a time."""
    timestamp = int(at.timestamp())
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    digests = (hmac.digest(secret, content, "sha256") for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in digests),
    }


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """One secret, or the new and the old one with white space between. Raises ValueError."""
    found = text.split()
    if not 1 <= len(found) <= 2:
        raise ValueError("give one secret, or two while you change it, each on a line")
    return tuple(map(_parse, found))


def _parse(text: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        secret = b""
    if not text.startswith(_PREFIX) or not _LEAST <= len(secret) <= _MOST:
        raise ValueError(
            f"a secret is {_PREFIX} and then the base64 of {_LEAST} to {_MOST} random bytes, like "
            f"{_PREFIX}$(openssl rand -base64 32)"
        )
    return secret


def find_secrets(file: Path | None = None) -> tuple[bytes, ...]:
    """The secrets in a file, or else in CASESTORE_RELAY_SECRET.

    Raises ValueError where there is none, or others could read the file; and OSError.
    """
    if file is None:
        if text := os.environ.get(SECRET):
            return parse_secrets(text)
        raise ValueError(f"webhooks are signed: give --secret-file FILE, or set {SECRET}")
    with file.open("rb") as opened:
        mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
        if os.name == "posix" and mode & 0o077:
            raise ValueError(f"{file} can be read by others (mode {mode:04o}): chmod 600 it")
        text = opened.read(1 << 16).decode("ascii", "replace")
    try:
        return parse_secrets(text)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
