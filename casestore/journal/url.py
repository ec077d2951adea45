"""Where a store is: `sqlite:///path/to/file.db` or `postgresql://user@host/db?schema=name`.

Three slashes and a relative path, or four and an absolute one, as SQLAlchemy writes it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from casestore.errors import StoreNotFound

DEFAULT_URL = "sqlite:///casestore.db"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class SQLiteUrl(NamedTuple):
    """A SQLite file."""

    path: Path

    @property
    def url(self) -> str:
        """The URL that names it from anywhere."""
        return f"sqlite:///{quote(str(self.path))}"


class PostgresUrl(NamedTuple):
    """A schema of a PostgreSQL database: one tenant, one store."""

    conninfo: str
    """The URL without our own `schema`, as libpq reads it."""
    schema: str

    @property
    def url(self) -> str:
        """The URL that names it from anywhere."""
        return f"{self.conninfo}{'&' if '?' in self.conninfo else '?'}schema={self.schema}"


def parse_url(url: str | None) -> SQLiteUrl | PostgresUrl:
    """Read a store's URL; None means CASESTORE_URL, else the default. Raises StoreNotFound."""
    url = url or os.environ.get("CASESTORE_URL") or DEFAULT_URL
    if url.startswith("sqlite:///"):
        path = unquote(url.removeprefix("sqlite:///"))
        if path and ":memory:" not in path and "?" not in path:
            return SQLiteUrl(Path(path).absolute())
    elif url.startswith(("postgresql://", "postgres://")):
        return _parse_postgres(url)
    raise StoreNotFound(
        f"{without_password(url)!r} is not a store's URL; write sqlite:///file.db for a file, or "
        "postgresql://user@host/database?schema=name"
    )


def _parse_postgres(url: str) -> PostgresUrl:
    # Taken apart by hand: urllib would write a space as + and lose the slashes of an empty host,
    # and libpq understands neither.
    base, _, query = url.partition("?")
    options = [each.partition("=") for each in query.split("&") if each]
    schema = next((unquote(value) for name, _, value in options if name == "schema"), "casestore")
    if not _SCHEMA.fullmatch(schema):
        raise StoreNotFound(
            f"the schema {schema!r} must be of small letters, digits and _, at most 63"
        )
    rest = "&".join("".join(each) for each in options if each[0] != "schema")
    return PostgresUrl(f"{base}?{rest}" if rest else base, schema)


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)
