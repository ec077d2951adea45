"""Another place on the same database."""

from __future__ import annotations


def other(url: str, name: str = "other") -> str:
    """Another place on the same database, which goes with the test."""
    return url.replace("/store.db", f"/{name}.db") if "sqlite" in url else f"{url}_{name}"
