"""Where a store is: `sqlite:///path/to/file.db` or `postgresql://user@host/db?schema=name`.

As in SQLAlchemy, three slashes begin a relative path, and four an absolute one. A plain path, like
path/to/file.db, names a file too.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from casestore.errors import StoreNotFound, quoted

DEFAULT_URL = "sqlite:///casestore.db"
_SECRET = {"password", "sslpassword", "oauth_client_secret"}
"""Parameters of libpq that are secret. Source: PostgreSQL 18, 32.1.2, Parameter Key Words."""
_OURS = {"schema", "prepare_threshold", "listen_url"}
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:|:memory:")  # a letter and a colon are a drive
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
    """The URL as libpq reads it, without our own parameters."""
    schema: str
    pooled: bool = False
    """Whether there is a transaction pooler between us and the server (prepare_threshold=none):
    each transaction may then be in another session, so nothing of a session can be used."""
    listen_url: str | None = None
    """The URL, as libpq reads it, of the server itself, where a session is needed all the same."""

    @property
    def direct(self) -> str:
        """The URL of the server itself as libpq reads it, as far as it is known."""
        return self.listen_url or self.conninfo

    @property
    def url(self) -> str:
        """The URL that names the schema, with its password if there is one."""
        options = [f"schema={self.schema}"]
        options += ["prepare_threshold=none"] if self.pooled else []
        options += [f"listen_url={quote(self.listen_url, safe='')}"] if self.listen_url else []
        return f"{self.conninfo}{'&' if '?' in self.conninfo else '?'}{'&'.join(options)}"


def parse_url(url: str | None) -> SQLiteUrl | PostgresUrl:
    """Read a store's URL.

    Without one, CASESTORE_URL is read, and without that, DEFAULT_URL. Raises StoreNotFound.
    """
    if url is None:
        url = os.environ.get("CASESTORE_URL") or DEFAULT_URL
    if not isinstance(url, str):
        raise StoreNotFound(f"a store's URL is text, not {type(url).__name__}")
    if not _is_utf8(url):
        raise StoreNotFound(f"a store's URL must be UTF-8, and {ascii(url)[:200]} is not")
    if url.startswith("sqlite:///"):
        path = unquote(url.removeprefix("sqlite:///"))
        if path and ":memory:" not in path and "?" not in path and "\0" not in path:
            return SQLiteUrl(Path(path).absolute())
    elif url.startswith(("postgresql://", "postgres://")):
        return _parse_postgres(url)
    elif url and _SCHEME.match(url) is None and "\0" not in url:
        return SQLiteUrl(Path(url).absolute())
    raise StoreNotFound(
        f"{quoted(without_password(url))} is not a store's URL; write file.db or "
        "sqlite:///file.db for a file, or postgresql://user@host/database?schema=name"
    )


def _is_utf8(url: str) -> bool:
    """Whether it has no lone surrogate, as Python has in the place of bytes that are no UTF-8."""
    try:
        url.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse_postgres(url: str) -> PostgresUrl:
    # Split by hand, because urllib would write a space as + and drop the slashes before an empty
    # host. libpq understands neither.
    base, _, query = url.partition("?")
    options = [option.partition("=") for option in query.split("&") if option]
    ours = {name: unquote(value) for name, _, value in options if name in _OURS}
    schema = ours.get("schema", "casestore")
    if not _SCHEMA.fullmatch(schema):
        raise StoreNotFound(
            f"the schema {quoted(schema)} must be of small letters, digits and _, at most 63"
        )
    if (prepare := ours.get("prepare_threshold", "none")) != "none":
        raise StoreNotFound(
            f"prepare_threshold={prepare[:200]} cannot be set; write prepare_threshold=none "
            "where there is a transaction pooler in between, and leave it out elsewhere"
        )
    rest = "&".join("".join(option) for option in options if option[0] not in _OURS)
    conninfo = f"{base}?{rest}" if rest else base
    return PostgresUrl(conninfo, schema, "prepare_threshold" in ours, ours.get("listen_url"))


def without_password(url: str) -> str:
    """The URL as a message may show it: with *** for each password, wherever libpq takes one."""
    base, mark, query = url.partition("?")
    base = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", base)
    options = [option.partition("=") for option in query.split("&")]
    shown = (_shown_value(unquote(name), value) for name, _, value in options)
    parts = (name + sign + value for (name, sign, _), value in zip(options, shown, strict=True))
    return base + mark + "&".join(parts)


def _shown_value(name: str, value: str) -> str:
    if name == "listen_url":
        return quote(without_password(unquote(value)), safe="*")
    return "***" if name in _SECRET else value
