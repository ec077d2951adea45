"""Reads who did it."""

from __future__ import annotations

from typing import Any, get_args

from casestore.events.base import Actor
from casestore.events.markers import fields_of
from casestore.intake.csv.checker import Checker, Path
from casestore.intake.csv.document import Who

_KINDS: tuple[str, ...] = get_args(fields_of(Actor)["kind"])


def read_who(checker: Checker, path: Path, given: Any) -> Who | None:
    """An actor: "agent:{column}", or a table of kind, id, role and team."""
    parts = given if isinstance(given, dict) else None
    if parts is None:
        if (text := checker.text(path, given)) is None:
            return None
        kind, colon, each = text.partition(":")
        if not colon or not each:
            checker.wrong(path, 'should be a kind and an id, like "agent:{updated_by}"')
            return None
        parts = {"kind": kind, "id": each}
    checker.known(path, parts, ("kind", "id", "role", "team"), "is no part of an actor")
    kinds = checker.choice(path, parts.get("kind", ""), _KINDS)
    who = checker.template((*path, "id"), parts.get("id"))
    if "id" not in parts:
        checker.wrong((*path, "id"), "is missing")
    role, team = (checker.template((*path, each), parts.get(each)) for each in ("role", "team"))
    return None if kinds is None or who is None else Who(kinds, who, role, team)
