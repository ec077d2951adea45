"""Which database a store's URL names, and how a message names that place."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from casestore.errors import StoreUnavailable
from casestore.journal.url import PostgresUrl, SQLiteUrl, without_password


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
