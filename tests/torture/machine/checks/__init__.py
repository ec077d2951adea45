"""The checks, by name. Each is a function from the evidence to what is wrong; its docstring is the
rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.torture.machine.checks import appends, reading, store
from tests.torture.machine.evidence import Evidence, Violation

Check = Callable[[Evidence], Iterable[Violation]]
CHECKS: dict[str, Check] = {
    each.__name__: each
    for each in (
        *(appends.work, appends.answers, appends.hangs, appends.acknowledged, appends.unknown),
        *(appends.refused, appends.repeats, appends.expected, appends.order, appends.limits),
        *(appends.claims, reading.versions, reading.readers, reading.follow, reading.fresh),
        *(store.doctor, store.seals, store.projections, store.conflicts, store.backups),
        store.erased,
    )
}
SHOWN = 10
"""The most violations that are told of one check."""


def check(found: Evidence, names: Iterable[str] = CHECKS) -> list[Violation]:
    """Make some checks. One that fails itself is a violation too."""
    wrong: list[Violation] = []
    for name in names:
        told: list[Violation] = []
        try:
            told += CHECKS[name](found)
        except Exception as error:
            told.append(Violation(name, f"the check raised {type(error).__name__}: {error}"))
        wrong += told[:SHOWN]
        if len(told) > SHOWN:
            wrong.append(Violation(name, f"and {len(told) - SHOWN} more of this kind"))
    return wrong
