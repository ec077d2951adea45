"""Single values of other systems' records: times, ids, texts, changes; and whole records."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar
from unicodedata import category, normalize

import msgspec

from casestore.intake.ids import is_contact
from casestore.system.decoders import decoder
from casestore.transfer.lines import LeftOut

Native = int | str
"""An id of the source's own."""
T = TypeVar("T")

# Why something is left out, in the words by which it is counted: the same for every reader.
NO_RECORD = "a record of another shape"
NO_ID = "a record whose id is none"
NO_TICKET = "a record whose ticket, which names the customer, was not read; export that too"
NO_EVENT = "a change that has no event"
NOTIFICATION = "a notification, or the like"
NO_WINNER = "merged into a case that is neither among what was read nor in the store"
CIRCLE = "merged in a circle"
TOO_LONG = "its text is longer than an event may be"
AHEAD = "its time is ahead of this computer's clock"
_MOST_ID = 200
_SKEW = timedelta(minutes=4)
"""How far a time may be ahead of this computer's clock; the store takes five minutes."""
_FIRST, _LAST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
_MILLISECONDS = 10**11
"""From here on a number counts milliseconds since 1970: as seconds it would be the year 5138."""
_SECONDS = re.compile(r"\d{9,}(\.\d+)?")
_UTC_NAMED = re.compile(r"\s*(?:UTC|GMT)$")
_SMTP = re.compile(r"\s*[245]\d\d[ -]([245]\.\d{1,3}\.\d{1,3})(?!\S)")
_PLAIN = re.compile("[1-9][0-9]{0,199}|[A-Za-z]{1,200}")
"""What needs no cleaning, and is neither an address nor a telephone number."""
_MARK = re.compile("[\x00\ud800-\udfff]")


def moment(given: object, zone: tzinfo | None = None) -> datetime | None:
    """A time in UTC; None if it cannot be read, or names no zone and none is given.

    Args:
        given: ISO 8601, also with a space for the T and with " UTC" at its end; or a number of
            seconds, or milliseconds, since 1970, also as text.
        zone: the zone of a time that names none.
    """
    if not isinstance(given, str | int | float):
        return None
    return _moment_in_utc(given, zone)


@lru_cache(maxsize=1024, typed=True)  # records near one another tell the same times
def _moment_in_utc(given: str | float, zone: tzinfo | None) -> datetime | None:
    try:
        at = _moment(given)
        if at is not None and at.utcoffset() is None:
            at = None if zone is None else at.replace(tzinfo=zone)
        if at is None:
            return None
        at = at.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at if _FIRST < at < _LAST else None


def _moment(given: str | float) -> datetime | None:
    if isinstance(given, str):
        text = given.strip()
        if text[4:5] == "-" or not _SECONDS.fullmatch(text):
            named = text.endswith(("UTC", "GMT"))
            return datetime.fromisoformat(_UTC_NAMED.sub("+00:00", text) if named else text)
        given = float(text)
    if isinstance(given, bool) or given <= 0:
        return None
    milliseconds = given if given >= _MILLISECONDS else given * 1000
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def version(updated_at: object, zone: tzinfo | None = None) -> str:
    """A record's last change as the scratch compares versions: "" if it has none."""
    at = moment(updated_at, zone)
    return "" if at is None else at.isoformat(timespec="microseconds")


def in_turn(native: Native) -> tuple[int, str]:
    """Where an id stands among others of one moment: by number, where it is one."""
    text = str(native)
    return (int(text), "") if text.isdecimal() and len(text) <= _MOST_ID else (0, text)


def is_ahead(at: datetime) -> bool:
    """Whether a time is later than a store takes it."""
    return at > datetime.now(UTC) + _SKEW


def change(field: str, before: object, after: object) -> str:
    """A note's text about a change, like "priority: normal → high"."""
    return f"{field}: {_shown(before)} → {_shown(after)}"


def _shown(value: object) -> str:
    if value is None or value in ("", []):
        return "none"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def clean_text(text: str) -> str:
    """A text without what no database holds: NUL and lone surrogates become U+FFFD."""
    if text.isascii() and "\x00" not in text:
        return text
    return _MARK.sub("\ufffd", text)


def clean_id(given: Native, pseudonym: Callable[[str], str]) -> str:
    """An id of the source's as the store takes ids: "" if nothing of it is left.

    An address or a telephone number becomes its pseudonym; otherwise it is `plain_id`.
    """
    text = str(given).strip()
    if _PLAIN.fullmatch(text):
        return text
    text = _seen(text)
    return pseudonym(text) if is_contact(text) else plain_id(text)


@lru_cache(maxsize=20_000)
def plain_id(text: str) -> str:
    """A text as an id or a code of the vocabulary; "" if nothing is left of it.

    It is in Unicode's form NFC, without characters that people cannot see; one of more than 200
    characters becomes its SHA-256.
    """
    text = _seen(text)
    return text if len(text) <= _MOST_ID else sha256(text.encode()).hexdigest()


def _seen(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        spaced = (" " if category(c) == "Cc" else c for c in normalize("NFC", text))
        kept = "".join(c for c in spaced if category(c) not in ("Cf", "Cs"))
        text = normalize("NFC", kept)
    return text.strip()


def decode(data: bytes, kind: type[T], where: str) -> T | LeftOut:
    """A record as a msgspec Struct, or that it is left out because it has another shape."""
    try:
        return decoder(kind)(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return LeftOut(NO_RECORD, where, str(error)[:200])


def smtp_code(diagnostic: str | None) -> str | None:
    """The code of RFC 3463 in a mail server's answer, like 5.1.1 in "550 5.1.1 User unknown"."""
    found = _SMTP.match(diagnostic or "")
    return found[1] if found else None
