"""Sabotages: each breaks one thing after a clean run, and one check must find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.torture.machine.options import Options
from tests.torture.machine.place import Place


class Sabotage(NamedTuple):
    name: str
    check: str
    what: str
    do: Callable[[Place], None]


SABOTAGES: dict[str, Sabotage] = {}


def sabotage(each: Sabotage, place: Place, options: Options) -> bool:
    return True
