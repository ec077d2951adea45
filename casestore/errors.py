"""Everything that casestore raises on purpose.

    CaseStoreError
    ├── StoreNotFound         nothing was ever created at that place
    ├── StoreExists           there is a store already
    ├── StoreUnavailable      the database cannot be reached, or stayed busy too long
    │   └── CannotTell        no seal or no key is there to answer with
    ├── StoreDamaged          what is stored cannot be read as it was written
    ├── InvalidPolicy         a policy file cannot be read
    ├── InvalidEvent          not an event of the vocabulary, or a field does not fit
    ├── InvalidStream         not case:<id>, customer:<id> or policy
    ├── StreamNotFound        no such case or customer
    ├── EventRefused          the structure of the history does not allow it
    ├── ConcurrencyConflict   the stream is not at the version that was expected
    ├── IdempotencyConflict   the key was used before, for something else
    ├── CustomerErased        the customer's words were erased and cannot be sealed anew
    ├── KeyFileError          the key file is missing, unreadable or another store's
    ├── SealRefused           to seal would contradict an earlier seal
    ├── InvalidNote           not a checkpoint or a key as it should be written
    ├── NotSigned             a checkpoint is signed by none of the keys asked for
    ├── BadSignature          a checkpoint is not what its key signed
    ├── ProofRefused          a proof proves nothing
    └── BundleRefused         evidence is not what it says it is

Each message names the stream and the event that it is about, and what to do next. Personal text
never stands in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class CaseStoreError(Exception):
    """The base of the tree."""


class StoreNotFound(CaseStoreError):
    """Nothing was ever created at that place."""


class StoreExists(CaseStoreError):
    """There is a store at that place already."""


class StoreUnavailable(CaseStoreError):
    """The database cannot be reached, or stayed busy for longer than the retry policy allows."""


class StoreDamaged(CaseStoreError):
    """What is stored cannot be read as it was written."""


class InvalidEvent(CaseStoreError):
    """Not an event of the vocabulary, or a field of it does not fit."""


class InvalidStream(CaseStoreError):
    """A stream is named case:<id>, customer:<id> or policy."""


class StreamNotFound(CaseStoreError):
    """No such case or customer."""


class EventRefused(CaseStoreError):
    """The structure of the history does not allow the event."""


class ConcurrencyConflict(CaseStoreError):
    """The stream is not at the version that was expected: reload, decide again, append again."""


class IdempotencyConflict(CaseStoreError):
    """The key was used before, for other events."""


class KeyFileError(CaseStoreError):
    """The key file is missing, unreadable, or belongs to another store."""


class CustomerErased(CaseStoreError):
    """The customer's words were erased; register the customer again to keep new ones."""


class SealRefused(CaseStoreError):
    """To seal would sign a history that contradicts an earlier seal, or hide damage."""


class CannotTell(StoreUnavailable):
    """What is asked cannot be answered with what is at hand: no seal, no key, no folder."""


class InvalidNote(CaseStoreError):
    """Not a note, a checkpoint or a key as it should be written."""


class NotSigned(CaseStoreError):
    """No signature on it is by a key that was asked for: it says nothing."""


class BadSignature(CaseStoreError):
    """It names the key, but is not what the key signed: somebody edited it."""


class ProofRefused(CaseStoreError):
    """It proves nothing: it is malformed, or does not lead to the root that was signed."""


class BundleRefused(CaseStoreError):
    """It is not the evidence that it says it is."""


class Mistake(NamedTuple):
    """Something wrong with a policy file."""

    line: int | None
    where: str
    """The dotted name of the setting."""
    what: str
    meant: str | None = None
    """What was probably meant."""

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        where = f"{self.where}: " if self.where else ""
        meant = f"; did you mean {self.meant!r}?" if self.meant else ""
        return f"{place}{where}{self.what}{meant}"


class InvalidPolicy(CaseStoreError):
    """A policy file cannot be read; `mistakes` tells all that is wrong with it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(map(str, mistakes)))
