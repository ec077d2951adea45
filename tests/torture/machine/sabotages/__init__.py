"""Sabotages: each breaks one thing after a clean run, and one check must find it.

So a check that finds nothing has been seen to find something.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.torture.machine.checks import check
from tests.torture.machine.evidence import Evidence, Violation
from tests.torture.machine.sabotages import of_logs, of_stores
from tests.torture.machine.sabotages.scene import Scene


class Sabotage(NamedTuple):
    name: str
    check: str
    """The check that must find it."""
    do: Callable[[Scene], None]
    """Its docstring says what is broken."""
    whole: bool
    """Whether the store is altered, and not only the logs."""


SABOTAGES = {
    do.__name__.replace("_", "-"): Sabotage(do.__name__.replace("_", "-"), found_by, do, whole)
    for whole, by_check in ((False, of_logs.BY_CHECK), (True, of_stores.BY_CHECK))
    for found_by, sabotages in by_check.items()
    for do in sabotages
}


def sabotage(each: Sabotage, clean: Evidence) -> list[Violation]:
    """Break one thing in a copy of what a clean run left. Gives what its check finds."""
    scene = Scene(clean, each.name, whole=each.whole)
    try:
        each.do(scene)
        return check(scene.evidence(), [each.check])
    finally:
        scene.store.close()
