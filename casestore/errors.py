"""Everything that casestore raises on purpose.

    CaseStoreError
    ├── StoreNotFound            nothing was ever created at that place
    ├── StoreExists              there is a store already
    ├── StoreUnavailable         the database cannot be reached, or stayed busy too long
    │   └── CannotTell           no seal or no key is there to answer with (casestore.seals)
    ├── StoreDamaged             what is stored cannot be read as it was written
    ├── InvalidPolicy            a policy file cannot be read (casestore.policy.toml)
    ├── InvalidEvent             not an event of the vocabulary, or a field does not fit
    ├── InvalidStream            not case:<id>, customer:<id> or policy
    ├── StreamNotFound           no such case or customer
    ├── EventRefused             the structure of the history does not allow it
    ├── ConcurrencyConflict      the stream is not at the version that was expected
    ├── IdempotencyConflict      the key was used before, for something else
    ├── KeyFileError             the key file is missing, unreadable or another store's
    ├── SealRefused              to seal would contradict an earlier seal (casestore.seals)
    ├── InvalidNote, NotSigned, BadSignature       a checkpoint says nothing (casestore.tlog.note)
    ├── ProofRefused, BundleRefused                they prove nothing (casestore.proofs, .bundle)
    └── CustomerErased           the customer's words were erased and cannot be sealed anew

Each message names the stream and the event that it is about, and what to do next. Personal text
never stands in one.
"""

from __future__ import annotations


class CaseStoreError(Exception):
    """The base of the tree."""


class StoreNotFound(CaseStoreError):  # noqa: N818  (the public names are part of the contract)
    """Nothing was ever created at that place."""


class StoreExists(CaseStoreError):  # noqa: N818
    """There is a store at that place already."""


class StoreUnavailable(CaseStoreError):  # noqa: N818
    """The database cannot be reached, or stayed busy for longer than the retry policy allows."""


class StoreDamaged(CaseStoreError):  # noqa: N818
    """What is stored cannot be read as it was written."""


class InvalidEvent(CaseStoreError):  # noqa: N818
    """Not an event of the vocabulary, or a field of it does not fit."""


class InvalidStream(CaseStoreError):  # noqa: N818
    """A stream is named case:<id>, customer:<id> or policy."""


class StreamNotFound(CaseStoreError):  # noqa: N818
    """No such case or customer."""


class EventRefused(CaseStoreError):  # noqa: N818
    """The structure of the history does not allow the event."""


class ConcurrencyConflict(CaseStoreError):  # noqa: N818
    """The stream is not at the version that was expected: reload, decide again, append again."""


class IdempotencyConflict(CaseStoreError):  # noqa: N818
    """The key was used before, for other events."""


class KeyFileError(CaseStoreError):
    """The key file is missing, unreadable, or belongs to another store."""


class CustomerErased(CaseStoreError):  # noqa: N818
    """The customer's words were erased; register the customer again to keep new ones."""
