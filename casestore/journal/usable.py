"""Whether a place has a store that this version can use, and the errors where none can be made.

`shown` is always the place as a message may name it: see `place.shown_as`.
"""

from __future__ import annotations

import re

from casestore.errors import (
    KeyFileError,
    StoreDamaged,
    StoreExists,
    StoreNotFound,
    StoreUnavailable,
)
from casestore.journal.recorder import SCHEMA_VERSION

_NUMBER = re.compile(r"[0-9]{1,9}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY_ID = re.compile(r"[0-9a-f]{64}")


def known_meta(
    meta: dict[str, str] | None, shown: str, *, to_upgrade: bool = False
) -> dict[str, str]:
    """A store's metadata, if this version of casestore can work with it.

    Args:
        meta: the rows of casestore_meta (schema_version, store_id ...); None where there are none.
        shown: the place.
        to_upgrade: whether it is opened to be upgraded.

    Raises:
        StoreNotFound: there is no store.
        StoreUnavailable: a later version of casestore made it; or an earlier one, and it must be
            upgraded first.
        StoreDamaged: its metadata does not say which version made it, or has no id or key id as
            it should be.
    """
    if meta is None:
        raise not_found(shown)
    made_by = meta.get("schema_version", "")
    if not _NUMBER.fullmatch(str(made_by)):
        raise _altered(shown, "which version of casestore made it")
    if not _UUID.fullmatch(str(meta.get("store_id"))):
        raise _altered(shown, "which store it is")
    if not _KEY_ID.fullmatch(str(meta.get("kek_id", "0" * 64))):
        raise _altered(shown, "which key it was sealed with")
    if int(made_by) > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"{shown} was made by a later version of casestore; upgrade to open it"
        )
    if int(made_by) < SCHEMA_VERSION and not to_upgrade:
        raise StoreUnavailable(
            f"{shown} was made by an earlier version of casestore, and its tables are not those "
            "that this one works with; run `casestore upgrade`"
        )
    return meta


def _altered(shown: str, what: str) -> StoreDamaged:
    return StoreDamaged(
        f"{shown} does not say {what}: its table casestore_meta was altered; restore it from a "
        "backup"
    )


def not_found(shown: str) -> StoreNotFound:
    """The error for a place where no store is."""
    return StoreNotFound(f"there is no store at {shown}; make one with `casestore init`")


def store_exists(shown: str) -> StoreExists:
    """The error for a place where a store is already."""
    return StoreExists(f"there is a store at {shown} already; use another place")


def no_key_file() -> KeyFileError:
    """The error for a new sealed store whose URL tells no place for its key file."""
    return KeyFileError(
        "a sealed store on PostgreSQL needs a key file: name a place for it in "
        "CASESTORE_KEY_FILE, or make the store with --unsealed"
    )
