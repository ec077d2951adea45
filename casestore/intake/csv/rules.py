"""The rules of a mapping, compiled: whether a row is one's, and which fields it gives."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from datetime import datetime
from typing import Any, NamedTuple

from casestore.events import EVENTS, CaseOpened
from casestore.intake.csv.cells import Times, Unfit
from casestore.intake.csv.compiling import Change, Compiler, Seen
from casestore.intake.csv.document import Condition, Constant, Mapping, Rule
from casestore.intake.csv.fields import required

_OF_A_CASE = frozenset(EVENTS["case"])
_ALL = "*"


class Changes(NamedTuple):
    """What changed in a row, by the names of columns or of a history's fields."""

    all: dict[str, Change]
    known_before: dict[str, Change]
    """Those of which a case was not opened with the new value."""


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
        mapped = {name for name, v in rule.fields if not isinstance(v, Constant)}
        # A case was opened, however little is known of it.
        self.mapped = frozenset() if rule.event is CaseOpened else mapped
        who = mapping.actor if rule.actor is None else rule.actor
        self.actor = compiler.who(who, mapping.actor_missing)
        self._at = None if rule.at is None else compiler.text(rule.at, every=True)
        self._times = times
        self.own_time = rule.at is not None
        self._when = [_condition(each, places) for each in rule.when]
        self._unless = [_condition(each, places) for each in rule.unless]
        everything = rule.change == (_ALL,)
        self._watched = None if everything else rule.change
        self._apart = rule.apart | _named(mapping) if everything else frozenset()
        bounds = (rule.values_from, rule.values_to, rule.not_from or None, rule.not_to or None)
        self._any_value = all(each is None for each in bounds)

    def changes(self, changes: Changes) -> tuple[Change, ...] | None:
        """The changes of a row that the rule is about; None if it is about none of them."""
        if not self.rule.change:
            return ()
        given = changes.all if self.rule.first else changes.known_before
        if not given:
            return None
        if self._watched is None:
            about = [each for name, each in given.items() if name not in self._apart]
        else:
            about = [given[name] for name in self._watched if name in given]
        if not self._any_value:
            about = [each for each in about if self._is_between(each)]
        return tuple(about) or None

    def _is_between(self, change: Change) -> bool:
        rule, (_, before, after) = self.rule, change
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
        templates = [mapping.id, mapping.at, mapping.actor.id, *mapping.customer, mapping.row_id]
        templates += [mapping.actor.role, mapping.actor.team]
        watched.update(name for each in templates if each is not None for name in each.columns)
        if mapping.file.order is not None:
            watched.add(mapping.file.order)
    return frozenset(watched)


def _has(wanted: frozenset[str], value: str) -> bool:
    return value in wanted or (_ALL in wanted and value != "")


def _condition(condition: Condition, places: Map[str, int]) -> Callable[[tuple[str, ...]], bool]:
    place, wanted = places[condition.column], condition.values
    others = [places[name] for name in condition.others]
    if others or _ALL in wanted:
        return lambda cells: (
            _has(wanted, cells[place]) or any(cells[place] == cells[other] for other in others)
        )
    return lambda cells: cells[place] in wanted
