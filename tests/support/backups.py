"""A second place for a store."""

from __future__ import annotations


def other(url: str, name: str = "other") -> str:
    """The URL of another place on the same database, which is removed after the test as well.

    The fixture `store_url` removes the folder of a SQLite file, and every schema whose name begins
    like its own.
    """
    return url.replace("/store.db", f"/{name}.db") if "sqlite" in url else f"{url}_{name}"
