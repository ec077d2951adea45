"""Where a store is: `sqlite:///path/to/file.db` or `postgresql://user@host/db?schema=name`.

As in SQLAlchemy, three slashes begin a relative path, and four an absolute one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from casestore.errors import StoreNotFound

DEFAULT_URL = "sqlite:///casestore.db"
_SECRET = {"password", "sslpassword", "oauth_client_secret"}
"""Parameters of libpq that are secret. Source: PostgreSQL 18, 32.1.2, Parameter Key Words."""
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class SQLiteUrl(NamedTuple):
    """A SQLite file."""

    path: Path

    @property
    def url(self) -> str:
        """The URL that names the file from any working directory."""
        return f"sqlite:///{quote(str(self.path))}"


class PostgresUrl(NamedTuple):
    """A schema of a PostgreSQL database: one tenant, one store."""

    conninfo: str
    """The URL as libpq reads it, without our own parameter `schema`."""
    schema: str

    @property
    def url(self) -> str:
        """The URL that names the schema, with its password if there is one."""
        return f"{self.conninfo}{'&' if '?' in self.conninfo else '?'}schema={self.schema}"


def parse_url(url: str | None) -> SQLiteUrl | PostgresUrl:
    """Read a store's URL.

    Without one, CASESTORE_URL is read, and without that, DEFAULT_URL. Raises StoreNotFound.
    """
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
    # Split by hand, because urllib would write a space as + and drop the slashes before an empty
    # host. libpq understands neither.
    base, _, query = url.partition("?")
    options = [option.partition("=") for option in query.split("&") if option]
    schema = next((unquote(value) for name, _, value in options if name == "schema"), "casestore")
    if not _SCHEMA.fullmatch(schema):
        raise StoreNotFound(
            f"the schema {schema!r} must be of small letters, digits and _, at most 63"
        )
    rest = "&".join("".join(option) for option in options if option[0] != "schema")
    return PostgresUrl(f"{base}?{rest}" if rest else base, schema)


def without_password(url: str) -> str:
    """The URL as a message may show it: with *** for each password, wherever libpq takes one."""
    base, mark, query = url.partition("?")
    base = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", base)
    options = [option.partition("=") for option in query.split("&")]
    shown = ("***" if unquote(name) in _SECRET else value for name, _, value in options)
    parts = (name + sign + value for (name, sign, _), value in zip(options, shown, strict=True))
    return base + mark + "&".join(parts)
