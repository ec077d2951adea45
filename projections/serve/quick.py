"""Which pages of a large store are made while a request waits."""

from __future__ import annotations

from projections.serve.asked import Address


def is_quick(address: Address) -> bool:
    """Whether a page about the whole store is made at once from its tables."""
    return False
