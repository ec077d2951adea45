"""The settings of a policy, each by its dotted name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from casestore.events.policy_document import DAYS


def settings_in(plain: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting of a document by its dotted name, like ("conduct.max_agents", 3).

    An empty object or list is a setting too: it says that there is no limit, or none of something.

    Args:
        plain: the document as `casestore.events.policy_document.plain_document` gives it.
        path: the name of the part that is given; "" for a whole document.
    """
    if plain in ({}, []):
        yield path, "no limit" if ".limits." in path else "none"
    elif not isinstance(plain, dict):
        yield path, plain
    else:
        if path == "calendar.hours":
            plain = {day: plain.get(day) or "free" for day in DAYS}
        for name, inner in plain.items():
            yield from settings_in(inner, f"{path}.{name}" if path else name)
