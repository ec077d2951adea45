"""The actor of an event: who did it, as --actor or CASESTORE_ACTOR says."""

from __future__ import annotations

import os
from typing import Any

from casestore.errors import quoted
from cli.terminal.options import Usage


def read_actor(text: str | None) -> dict[str, Any]:
    """Read the value of --actor, or of CASESTORE_ACTOR if it is None, as an actor's fields.

    Raises Usage where neither names one.
    """
    text = text or os.environ.get("CASESTORE_ACTOR")
    if not text:
        raise Usage("who did it? Give --actor, like agent:anna, or set CASESTORE_ACTOR")
    parts = text.split(":", 3)
    if len(parts) < 2 or not all(parts[:2]):
        raise Usage(f"{quoted(text)} is not an actor; write KIND:ID[:ROLE[:TEAM]]")
    named = zip(("kind", "id", "role", "team"), parts, strict=False)
    return {name: part for name, part in named if part}  # agent:anna::north has no role
