"""Which database a store's URL names, and the errors where no store can be opened or made there.

`shown` is always the place as a message may name it: see `shown_as`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from casestore.errors import (
    KeyFileError,
    StoreDamaged,
    StoreExists,
    StoreNotFound,
    StoreUnavailable,
)
from casestore.journal.recorder import SCHEMA_VERSION
from casestore.journal.url import PostgresUrl, SQLiteUrl, without_password


def known_meta(meta: dict[str, str] | None, shown: str) -> dict[str, str]:
    """A store's metadata, if this version of casestore can work with it.

    Args:
        meta: the rows of casestore_meta (schema_version, store_id ...); None where there are none.
        shown: the place.

    Raises:
        StoreNotFound: there is no store.
        StoreUnavailable: a later version of casestore made it.
        StoreDamaged: its metadata does not say which version made it.
    """
    if meta is None:
        raise not_found(shown)
    made_by = meta.get("schema_version", "")
    if not made_by.isdecimal():
        raise StoreDamaged(
            f"{shown} does not say which version of casestore made it: its table casestore_meta "
            "was altered; restore it from a backup"
        )
    if int(made_by) > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"{shown} was made by a later version of casestore; upgrade to open it"
        )
    return meta


def backend(where: SQLiteUrl | PostgresUrl) -> Any:
    """The module for the database that a URL names: casestore.journal.sqlite or .postgres.

    It is imported here, so that psycopg need not be installed where only SQLite is used. Raises
    StoreUnavailable where it is needed and missing.
    """
    if isinstance(where, SQLiteUrl):
        return import_module("casestore.journal.sqlite")
    try:
        return import_module("casestore.journal.postgres")
    except ModuleNotFoundError as error:
        raise StoreUnavailable(
            f"PostgreSQL needs {error.name}, which is not here: pip install 'casestore[postgres]'"
        ) from None


def shown_as(url: str | None, where: SQLiteUrl | PostgresUrl) -> str:
    """The place as a message may name it: as the URL was given, without its password."""
    if isinstance(where, SQLiteUrl):
        return f"sqlite:///{where.path}"
    return without_password(url or where.conninfo)


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
