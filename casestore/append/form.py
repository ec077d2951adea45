"""The form of what a caller gives to an append, checked before anything is tried.

Whatever passes can be stored, read and exported for ever. What a stream's history allows is asked
later, in `casestore.append.decision`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any
from unicodedata import category, is_normalized

from casestore.errors import EventRefused, InvalidEvent, quoted
from casestore.events import Event, EventCorrected
from casestore.events.markers import links, per_class, personal_fields
from casestore.journal.rows import Row
from casestore.streams import kinds

Batches = list[tuple[str, tuple[Event, ...]]]

LARGEST_EVENT = 4 * 1024 * 1024
"""Bytes of an event as it is stored, personal text included."""
LARGEST_APPEND = 16 * 1024 * 1024
"""Bytes of all events of an append."""

_LARGEST = 2**63 - 1
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RELATED = frozenset({"customer_id", "into", "out_of"})
"""Fields that name another stream, which is checked where it begins."""


def checked_batches(given: Any) -> Batches:
    """Streams and their events. Raises InvalidEvent, InvalidStream, EventRefused."""
    try:
        batches = [
            (_plain(stream) if isinstance(stream, str) else stream, tuple(events))
            for stream, events in given
        ]
    except (TypeError, ValueError):
        raise InvalidEvent("the batches must be a list of (stream, list of events)") from None
    there = False
    for stream, events in batches:
        kinds.parse(stream)
        for event in events:
            there = True
            if not isinstance(event, Event):
                raise InvalidEvent(
                    f"{stream[:200]!a}: {type(event).__name__} is not an event; append events of "
                    "the vocabulary, which `casestore events` lists"
                )
    if not there:
        raise EventRefused("there is no event to append; give at least one")
    return batches


def checked_text(what: str, given: Any) -> str:
    """A key, or another text about an append. Raises EventRefused."""
    if not isinstance(given, str) or not _TEXT.fullmatch(given):
        raise EventRefused(
            f"{what} must be text of 1 to 200 characters without control characters or lone "
            f"surrogates, not {quoted(given, 60)}"
        )
    return _plain(given)


def _plain(given: str) -> str:
    """A text as nothing but a text: it may be of an enumeration, or of numpy."""
    return given if type(given) is str else str.__str__(given)


def check_number(what: str, given: Any, least: int = 0) -> None:
    """Check a whole number that a database can hold. Raises EventRefused."""
    if not (type(given) is int and least <= given <= _LARGEST):
        raise EventRefused(f"{what} must be a whole number from {least} on, not {quoted(given)}")


def check_event_ids(given: Any, events: int) -> None:
    """Check the ids that were given for events. Raises EventRefused."""
    if not isinstance(given, list | tuple) or len(given) != events:
        raise EventRefused(f"event_ids must be a list of {events} ids, one for each event")
    for each in given:
        if not isinstance(each, str) or not _UUID.fullmatch(each):
            raise EventRefused(f"{quoted(each)} is not an event id; give a UUID in small letters")


def check_ids(stream: str, version: int, event: Event) -> None:
    """Refuse new ids that people cannot tell apart or computers cannot write. Raises EventRefused.

    What names something that is on record may have any id: stores from before this rule go on.

    Args:
        stream: to which the event is to be added.
        version: at which the stream is.
        event: the event.
    """
    new = [("its id", stream)] if version == 0 else []
    new += [(f"{type(event).__name__}.{name}", text) for name, text in _new_texts(event)]
    for where, text in new:
        if not is_plain(text):
            raise EventRefused(
                f"{stream[:200]!a}: {where} has characters that people cannot see or tell apart: "
                f"{ascii(text)[:200]}; leave out zero-width, bidi and tag characters, and write "
                "it in the normal form NFC"
            )


def is_plain(text: str) -> bool:
    """Whether a text has no surrogates, no format characters (zero-width, bidi, tags), and is in
    Unicode's normal form NFC."""
    if text.isascii():
        return True
    return is_normalized("NFC", text) and not any(category(c) in ("Cf", "Cs") for c in text)


def _new_texts(event: Event) -> Iterator[tuple[str, str]]:
    """The ids and codes of an event, by field, but those of what must be on record already."""
    if isinstance(event, EventCorrected):
        for name, change in (event.changes or {}).items():
            yield from ((f"changes.{name}", text) for text in _texts(change.get("to")))
    for name in _id_fields(type(event)):
        yield from ((name, text) for text in _texts(getattr(event, name)))


@per_class
def _id_fields(cls: type[Event]) -> tuple[str, ...]:
    known = {link.field for link in links(cls) if not link.new}
    without = known | _RELATED | {"changes", "policy", *personal_fields(cls)}
    return tuple(field.name for field in fields(cls) if field.name not in without)


def _texts(held: Any) -> Iterator[str]:
    if isinstance(held, str):
        yield held
    elif isinstance(held, list | tuple):
        for each in held:
            yield from _texts(each)
    elif isinstance(held, dict):
        for each in held.values():
            yield from _texts(each)
    elif is_dataclass(held):
        for field in fields(held):
            yield from _texts(getattr(held, field.name))


def check_sizes(rows: Iterable[Row]) -> None:
    """Refuse an append of too many bytes. Raises EventRefused.

    Args:
        rows: of the append.
    """
    total = 0
    for row in rows:
        size = len(row.state) + len(row.personal or b"")
        if size > LARGEST_EVENT:
            raise EventRefused(
                f"{row.stream}: {row.topic} is refused: it has {size:,} bytes, and an event may "
                f"have {LARGEST_EVENT:,} (4 MiB), its text included; keep what is large elsewhere, "
                "and say where"
            )
        total += size
    if total > LARGEST_APPEND:
        raise EventRefused(
            f"the append has {total:,} bytes, and one may have {LARGEST_APPEND:,} (16 MiB); "
            "append its events in several"
        )
