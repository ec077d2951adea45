"""Everything that casestore raises on purpose.

    CaseStoreError
    ├── StoreNotFound         there is no store at that place
    ├── StoreExists           there is something at that place already
    ├── StoreUnavailable      the database cannot be reached, or stayed busy too long
    │   └── CannotTell        a seal, key or folder that the answer needs is missing
    ├── StoreDamaged          what is stored is not as casestore wrote it
    ├── HistoryChanged        the store was deleted, replaced or restored under its reader
    ├── InvalidPolicy         a policy file cannot be read
    ├── InvalidMapping        a mapping of a table to events has mistakes
    ├── UnreadableInput       a file of another system is not what a reader of it reads
    ├── InvalidEvent          not an event of the vocabulary, or a field has a wrong value
    ├── InvalidStream         not case:<id>, customer:<id> or policy
    ├── StreamNotFound        there is no such case, customer or event
    ├── EventRefused          the event does not fit the history of its stream
    ├── ConcurrencyConflict   the stream is not at the version that was expected
    ├── IdempotencyConflict   the idempotency key was used before, for other events
    ├── CustomerErased        the customer was erased, so no personal text can be added
    ├── KeyFileError          the key file is missing, unreadable or another store's
    ├── NotRelayed            a relay does not go on: nobody takes what it sends
    ├── SealRefused           the history contradicts an earlier seal
    ├── InvalidNote           not a note, checkpoint or key in C2SP's format
    ├── NotSigned             a checkpoint is signed by none of the keys asked for
    ├── BadSignature          a checkpoint was changed after it was signed
    ├── ProofRefused          a proof does not prove what it should
    ├── BundleRefused         an evidence bundle was changed, or is incomplete
    ├── ArchiveRefused        a folder is no archive, or another one than was asked for
    ├── ArchiveDamaged        a file of an archive is missing, or not as casestore wrote it
    └── FoldRefused           a fold is not whole, was changed, or is of another store or version

A message names the stream and the event that it is about, and says what to do next. It never holds
personal text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


def quoted(given: object, most: int = 200) -> str:
    """What was given, as a message may show it: in quotes, escaped and cut.

    Args:
        given: anything but personal text.
        most: characters to show.
    """
    if isinstance(given, str):
        return repr(given) if len(given) <= most else f"{given[:most]!r}…"
    if isinstance(given, int) and not -_MANY < given < _MANY:
        return "a number of more than 30 digits"
    shown = repr(given) if isinstance(given, int | float | None) else type(given).__name__
    return shown[:most]


_MANY = 10**30


class CaseStoreError(Exception):
    """The base class of all errors that casestore raises on purpose."""


class StoreNotFound(CaseStoreError):
    """There is no store at that place."""


class StoreExists(CaseStoreError):
    """There is a store, or something else, at that place already."""


class StoreUnavailable(CaseStoreError):
    """The database cannot be reached, or stayed busy for longer than the retry policy allows."""


class StoreDamaged(CaseStoreError):
    """What is stored is not as casestore wrote it, or is not what was sealed."""


class HistoryChanged(CaseStoreError):
    """The store does not hold what was read before: it was deleted, replaced or restored."""


class UnreadableInput(CaseStoreError):
    """A file of another system is not what the reader reads; the text says why, and names no file.

    An import leaves the file out, and tells why.
    """


class InvalidEvent(CaseStoreError):
    """It is not an event of the vocabulary, or one of its fields has a wrong value."""


class InvalidStream(CaseStoreError):
    """The name of a stream must be case:<id>, customer:<id> or policy."""


class StreamNotFound(CaseStoreError):
    """There is no such case, customer or event in the store."""

    stream: str | None = None
    """The stream that is not there; None where an event was looked for."""


class EventRefused(CaseStoreError):
    """The event does not fit the history of its stream: an unknown id, a case that is closed ..."""


class ConcurrencyConflict(CaseStoreError):
    """The stream is not at the version that was expected: reload, decide again, append again."""


class IdempotencyConflict(CaseStoreError):
    """The idempotency key was used before, for other events."""


class KeyFileError(CaseStoreError):
    """The key file is missing, unreadable, or belongs to another store."""


class CustomerErased(CaseStoreError):
    """The customer was erased: register the customer again before you add personal text."""


class NotRelayed(CaseStoreError):
    """A relay does not go on: its receiver does not take an event, or another has its name."""


class SealRefused(CaseStoreError):
    """The history contradicts what was sealed before, so it is not signed or proven."""


class CannotTell(StoreUnavailable):
    """No answer is possible: a seal, a checkpoint, a key or the audit folder is missing."""


class InvalidNote(CaseStoreError):
    """It is not a note, a checkpoint or a key in the format of C2SP."""


class NotSigned(CaseStoreError):
    """None of its signatures is by a key that was asked for, so it cannot be trusted."""


class BadSignature(CaseStoreError):
    """A signature names the key, but does not fit the text: somebody changed one of them."""


class ProofRefused(CaseStoreError):
    """It proves nothing: it is malformed, or its path does not lead to the signed root."""


class BundleRefused(CaseStoreError):
    """The evidence bundle was changed after it was made, or is incomplete."""


class ArchiveRefused(CaseStoreError):
    """A folder is no archive, or is one of another store or with other buckets."""


class ArchiveDamaged(CaseStoreError):
    """A file of an archive is missing, or is not as casestore wrote it."""


class FoldRefused(CaseStoreError):
    """The folder of a fold is not whole, was changed, or is of another store or version."""


class Mistake(NamedTuple):
    """One mistake in a policy file or a mapping."""

    line: int | None
    """From 1; None where it is not known."""
    where: str
    """The dotted name of the setting; empty where the mistake is in no setting."""
    what: str
    """What is wrong, in words."""
    meant: str | None = None
    """The name that was probably meant."""

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        where = f"{_cut(self.where)}: " if self.where else ""
        meant = f"; did you mean {self.meant!r}?" if self.meant else ""
        return f"{place}{where}{self.what}{meant}"


def _cut(where: str) -> str:
    return where if len(where) <= 200 and where.isprintable() else quoted(where)


class InvalidPolicy(CaseStoreError):
    """A policy file cannot be read; `mistakes` lists all that is wrong with it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(map(str, mistakes)))


class InvalidMapping(CaseStoreError):
    """A mapping of a table to events cannot be used; `mistakes` lists all that is wrong with it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(map(str, mistakes)))
