"""Finding the place that a URL names, and what to say where it does not answer."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from casestore.errors import KeyFileError, StoreExists, StoreNotFound, StoreUnavailable
from casestore.journal.recorder import SCHEMA_VERSION
from casestore.journal.url import PostgresUrl, SQLiteUrl, without_password


def known_meta(meta: dict[str, str] | None, shown: str) -> dict[str, str]:
    """What a store says of itself, if this version of casestore can work with it."""
    if meta is None:
        raise not_found(shown)
    if int(meta["schema_version"]) > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"{shown} was made by a later version of casestore; upgrade to open it"
        )
    return meta


def backend(where: SQLiteUrl | PostgresUrl) -> Any:
    """The module of the database that a URL names; psycopg is needed only for its own."""
    if isinstance(where, SQLiteUrl):
        return import_module("casestore.journal.sqlite")
    try:
        return import_module("casestore.journal.postgres")
    except ModuleNotFoundError as error:
        raise StoreUnavailable(
            f"PostgreSQL needs {error.name}, which is not here: pip install 'casestore[postgres]'"
        ) from None


def shown_as(url: str | None, where: SQLiteUrl | PostgresUrl) -> str:
    """The place as it may be named in a message."""
    if isinstance(where, SQLiteUrl):
        return f"sqlite:///{where.path}"
    return without_password(url or where.conninfo)


def not_found(shown: str) -> StoreNotFound:
    """There is none at that place."""
    return StoreNotFound(f"there is no store at {shown}; make one with `casestore init`")


def store_exists(shown: str) -> StoreExists:
    """There is one at that place."""
    return StoreExists(f"there is a store at {shown} already; use another place")


def no_key_file() -> KeyFileError:
    """A sealed store has nowhere to keep its key."""
    return KeyFileError(
        "a sealed store on PostgreSQL needs a key file: name a place for it in "
        "CASESTORE_KEY_FILE, or make the store with --unsealed"
    )
