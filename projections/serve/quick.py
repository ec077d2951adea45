"""Which pages about the whole of a large store are made while a request waits."""

from __future__ import annotations

from projections.pages.first_rows import FINDS
from projections.serve.asked import Address

_SHORT = ("causes", "conflicts")
"""Lists that are short, or whose report reads little."""


def is_quick(address: Address) -> bool:
    """Whether a page about the whole store is made at once from its tables."""
    rows = address.rows
    return rows is not None and (rows.report in FINDS or rows.report in _SHORT)
