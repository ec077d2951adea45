"""Who acts, as --actor or CASESTORE_ACTOR says."""

from __future__ import annotations

import os
from typing import Any

from cli.terminal.options import Usage


def read_actor(given: str | None) -> dict[str, Any]:
    """The actor that --actor, or else CASESTORE_ACTOR, names."""
    given = given or os.environ.get("CASESTORE_ACTOR")
    if not given:
        raise Usage("who did it? Give --actor, like agent:anna, or set CASESTORE_ACTOR")
    parts = given.split(":", 3)
    if len(parts) < 2 or not all(parts):
        raise Usage(f"{given!r} is not an actor; write KIND:ID[:ROLE[:TEAM]]")
    return dict(zip(("kind", "id", "role", "team"), parts, strict=False))
