"""The checks of an append's arguments, before anything is tried: types, texts, ids, sizes.

An append that passes can be stored, read and exported for ever. Whether the stream's history allows
it is checked later, in `casestore.append.decision`.
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
from casestore.keys.parts import ADDED
from casestore.streams import kinds

Batches = list[tuple[str, tuple[Event, ...]]]

LARGEST_EVENT = 4 * 1024 * 1024
"""The most bytes of a stored event, with its personal text: 4 MiB."""
LARGEST_APPEND = 16 * 1024 * 1024
"""The most bytes of all events of an append: 16 MiB."""

_LARGEST = 2**63 - 1
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOT_PLAIN = (
    "characters that people cannot see or tell apart: {}; leave out zero-width, bidi and tag "
    "characters, and write it in the normal form NFC"
)
_RELATED = frozenset({"customer_id", "into", "out_of"})
"""Fields that hold the id of another stream. An id is checked when its stream begins."""


def checked_batches(given: Any) -> Batches:
    """The given streams and events, if they have the right form.

    Raises InvalidEvent, InvalidStream, EventRefused.
    """
    try:
        batches = [
            (stream if type(stream) is str else _as_str(stream), tuple(events))
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
    """A given key or another text about an append, if it is valid. Raises EventRefused."""
    if type(given) is str and 0 < len(given) <= 200 and given.isprintable():
        return given  # the usual, without the pattern
    if not isinstance(given, str) or not _TEXT.fullmatch(given):
        raise EventRefused(
            f"{what} must be text of 1 to 200 characters without control characters or lone "
            f"surrogates, not {quoted(given, 60)}"
        )
    return given if type(given) is str else _as_str(given)


def check_plain(what: str, text: str) -> None:
    """Refuse a text about an append that people cannot tell from others. Raises EventRefused."""
    if not is_plain(text):
        raise EventRefused(f"{what} has {_NOT_PLAIN.format(ascii(text)[:200])}")


def _as_str(given: Any) -> Any:
    """A text of a subclass of str, like a member of StrEnum or a numpy.str_, as a plain str."""
    return str.__str__(given) if isinstance(given, str) else given


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
    """Refuse new ids and codes that are not plain: see `is_plain`. Raises EventRefused.

    A reference to an id on record is not checked, so that stores with older ids can be used.

    Args:
        stream: the stream to which the event is to be added.
        version: the stream's version before it.
        event: the event.
    """
    new = [("its id", stream)] if version == 0 else []
    new += [(f"{type(event).__name__}.{name}", text) for name, text in _new_texts(event)]
    for where, text in new:
        if not is_plain(text):
            found = _NOT_PLAIN.format(ascii(text)[:200])
            raise EventRefused(f"{stream[:200]!a}: {where} has {found}")


def is_plain(text: str) -> bool:
    """Whether people can tell a text from others that look like it.

    It must be in Unicode's normal form NFC, without surrogates (category Cs) and without format
    characters (category Cf: zero-width, bidi, tags).
    """
    if text.isascii():
        return True
    return is_normalized("NFC", text) and not any(category(c) in ("Cf", "Cs") for c in text)


def _new_texts(event: Event) -> Iterator[tuple[str, str]]:
    """The texts of an event that are new, with their fields: ids and codes, but no references."""
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
        rows: the rows of the append.
    """
    total = 0
    for row in rows:
        size = len(row.state)
        if row.personal is not None:
            size += len(row.personal) - ADDED
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
