"""The rules of a mapping, compiled: whether a row is one's, and which fields it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from datetime import datetime
from typing import Any

from casestore.events import EVENTS
from casestore.intake.csv.cells import Times, Unfit
from casestore.intake.csv.compiling import Change, Compiler, Seen
from casestore.intake.csv.document import Condition, Constant, Mapping, Rule
from casestore.intake.csv.fields import required

_OF_A_CASE = frozenset(EVENTS["case"])
_ALL = "*"


class Compiled:
    """A rule as functions.

    Args:
        rule: the rule.
        mapping: the mapping that it is of.
        compiler: compiles its templates.
        places: where each column is in a row's cells.
        times: reads the times of events that have one of their own.
    """

    def __init__(
        self,
        rule: Rule,
        mapping: Mapping,
        compiler: Compiler,
        places: Map[str, int],
        times: Times,
    ) -> None:
        change = bool(rule.change)
        self.rule = rule
        self.type = rule.event.__name__
        self.of_customer = rule.event not in _OF_A_CASE
        self.needed = required(rule.event) - {"customer_id"}
        self.fields = [(name, compiler.value(v, change=change)) for name, v in rule.fields]
        self.mapped = {name for name, v in rule.fields if not isinstance(v, Constant)}
        who = mapping.actor if rule.actor is None else rule.actor
        self.actor = compiler.who(who, mapping.actor_missing)
        self._at = None if rule.at is None else compiler.text(rule.at, every=True)
        self._times = times
        self.own_time = rule.at is not None
        self._when = [_condition(each, places) for each in rule.when]
        self._unless = [_condition(each, places) for each in rule.unless]
        if rule.change == (_ALL,):
            self._watched = None
            self._apart = rule.apart | _named(mapping)
        else:
            self._watched = frozenset(rule.change)
            self._apart = frozenset()

    def changes(self, changes: Sequence[Change], first: bool) -> tuple[Change, ...] | None:
        """The changes of a row that the rule is about; None if it is about none of them."""
        rule = self.rule
        if not rule.change:
            return ()
        if first and not rule.first:
            return None
        return tuple(each for each in changes if self._is_about(each)) or None

    def _is_about(self, change: Change) -> bool:
        rule, (name, before, after) = self.rule, change
        if name in self._apart if self._watched is None else name not in self._watched:
            return False
        return (
            (rule.values_from is None or _has(rule.values_from, before))
            and (rule.values_to is None or _has(rule.values_to, after))
            and before not in rule.not_from
            and after not in rule.not_to
        )

    def applies(self, cells: tuple[str, ...]) -> bool:
        """Whether a row meets the rule's conditions."""
        return all(each(cells) for each in self._when) and not any(
            each(cells) for each in self._unless
        )

    def time(self, seen: Seen, at: datetime) -> datetime | None:
        """When the event happened; None where the rule's own time is missing. Raises Unfit."""
        if self._at is None:
            return at
        return None if (text := self._at(seen)) is None else self._times.read(text)

    def made(self, seen: Seen) -> dict[str, Any] | None:
        """The event's fields; None if all that come from the row are missing. Raises Unfit."""
        found = {name: v for name, make in self.fields if (v := make(seen)) is not None}
        if self.mapped and self.mapped.isdisjoint(found):
            return None
        if not self.needed <= found.keys():
            lacks = ", ".join(sorted(self.needed - found.keys()))
            raise Unfit("a field that the event needs is missing", f"{self.type}.{lacks}")
        return found


def _named(mapping: Mapping) -> frozenset[str]:
    """The columns or fields that "*" does not stand for.

    Those that other rules watch, and in a table of states those that tell of the row itself.
    """
    watched = {name for rule in mapping.rules for name in rule.change}
    if mapping.rows == "states":
        templates = [mapping.id, mapping.at, mapping.actor.id, mapping.customer, mapping.row_id]
        templates += [mapping.actor.role, mapping.actor.team]
        watched.update(name for each in templates if each is not None for name in each.columns)
        if mapping.file.order is not None:
            watched.add(mapping.file.order)
    return frozenset(watched)


def _has(wanted: frozenset[str], value: str) -> bool:
    return value in wanted or (_ALL in wanted and value != "")


def _condition(condition: Condition, places: Map[str, int]) -> Callable[[tuple[str, ...]], bool]:
    name, wanted = condition
    place = places[name]
    if _ALL in wanted:
        return lambda cells: _has(wanted, cells[place])
    return lambda cells: cells[place] in wanted
