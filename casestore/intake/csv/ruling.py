"""Reads [open] and [[on]]: the rules by which rows become events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping as Map
from typing import Any, Literal, cast

from casestore.events import (
    EVENTS,
    CaseOpened,
    CaseReclassified,
    Event,
    EventCorrected,
    NoteAdded,
)
from casestore.events.base import is_id
from casestore.intake.csv.checker import Checker, Path
from casestore.intake.csv.document import Condition, Rule, Template, Value, Values
from casestore.intake.csv.fields import Fields, fields_to_map, required
from casestore.intake.csv.who import read_who
from casestore.system.toml_lines import closest

_EVENTS: dict[str, type[Event]] = {
    cls.__name__: cls
    for kind in ("case", "customer")
    for cls in EVENTS[kind]
    if cls not in (CaseOpened, EventCorrected)
}
_NO_BEGINNING = (NoteAdded, CaseReclassified)
"""What is no event if a case is opened with it."""
_OF_CHANGE = ("except", "from", "unless_from", "unless_to")
"""What is said of a change, and makes no sense without one."""
_RULE = (
    *("change", "to", *_OF_CHANGE),
    *("event", "when", "unless", "case", "once", "at", "actor", "rule"),
)
_OPEN = ("at", "actor")


class RuleReader:
    """Reads the rules of a mapping.

    Args:
        checker: notes what is wrong.
        values: the lists of values, by their names.
        rows: what a row is.
    """

    def __init__(self, checker: Checker, values: Map[str, Values], rows: str) -> None:
        self._checker = checker
        self._values = values
        self._rows = rows
        self._labels: Counter[str] = Counter()
        self._taken: set[str] = set()

    def opening(self, given: Any) -> Rule:
        """The rule of [open]."""
        checker, path = self._checker, ("open",)
        table = checker.table(path, given)
        return Rule(
            CaseOpened,
            "CaseOpened",
            self._fields(path, table, CaseOpened, _OPEN, change=False),
            once=True,
            at=checker.template((*path, "at"), table.get("at")),
            actor=read_who(checker, (*path, "actor"), table.get("actor")),
        )

    def rules(self, given: Any) -> tuple[Rule, ...]:
        """The rules of [[on]]."""
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            self._checker.wrong(("on",), "should be written [[on]], once for each rule")
            return ()
        found = []
        for number, each in enumerate(given):
            path = ("on", str(number))
            if (event := self._event(path, each.get("event"))) is not None:
                found.append(self._rule(path, each, event))
        return tuple(found)

    def _rule(self, path: Path, given: dict[str, Any], event: type[Event]) -> Rule:
        checker = self._checker
        change = checker.texts((*path, "change"), given.get("change"))
        self._check_change(path, given, change)
        # Without a change, `to` is a field of a reply or an escalation.
        a_field = not change and "to" in fields_to_map(event)
        settings = tuple(name for name in _RULE if name != "to" or not a_field)

        def words(name: str) -> frozenset[str] | None:
            if name not in given:
                return None
            return frozenset(checker.texts((*path, name), given[name]))

        case = checker.choice((*path, "case"), given.get("case"), ("open", "closed"))
        once = self._rows == "cases"
        return Rule(
            event,
            self._label(path, given, event),
            self._fields(path, given, event, settings, change=bool(change)),
            change=change,
            apart=words("except") or frozenset(),
            values_from=words("from"),
            values_to=words("to") if change else None,
            not_from=words("unless_from") or frozenset(),
            not_to=words("unless_to") or frozenset(),
            when=self._conditions((*path, "when"), given.get("when")),
            unless=self._conditions((*path, "unless"), given.get("unless")),
            case=cast(Literal["open", "closed"] | None, case),
            once=checker.yes((*path, "once"), given.get("once"), once),
            first=event not in _NO_BEGINNING,
            at=checker.template((*path, "at"), given.get("at")),
            actor=read_who(checker, (*path, "actor"), given.get("actor")),
        )

    def _event(self, path: Path, given: Any) -> type[Event] | None:
        checker, path = self._checker, (*path, "event")
        name = checker.text(path, given)
        if given is None:
            checker.wrong(path, 'is missing; say what it becomes, like event = "NoteAdded"')
        elif name == "CaseOpened":
            checker.wrong(path, "is written as [open], once for all cases")
        elif name is not None and name not in _EVENTS:
            what = "is no event that a mapping can make; `casestore events` lists them"
            checker.wrong(path, what, closest(name, _EVENTS))
        return None if name is None else _EVENTS.get(name)

    def _check_change(self, path: Path, given: dict[str, Any], change: tuple[str, ...]) -> None:
        checker = self._checker
        if self._rows in ("events", "cases") and "change" in given:
            what = 'is only for rows = "states" or "changes"; here, write when = { column = "…" }'
            checker.wrong((*path, "change"), what)
        elif not change:
            for name in _OF_CHANGE:
                if name in given:
                    checker.wrong((*path, name), "needs a change, of which it is said")
        elif "*" in change and len(change) > 1:
            checker.wrong((*path, "change"), '"*" stands alone')
        elif self._rows == "states" and "*" not in change:
            for name in change:
                checker.column((*path, "change"), name)

    def _label(self, path: Path, given: dict[str, Any], event: type[Event]) -> str:
        label = self._checker.text((*path, "rule"), given.get("rule"))
        if label is None:
            self._labels[event.__name__] += 1
            count = self._labels[event.__name__]
            label = event.__name__ if count == 1 else f"{event.__name__}-{count}"
        if not is_id(label) or label in self._taken:
            self._checker.wrong((*path, "rule"), "should be a short name that no other rule has")
        self._taken.add(label)
        return label

    def _conditions(self, path: Path, given: Any) -> tuple[Condition, ...]:
        checker, found = self._checker, []
        for column, each in checker.table(path, given).items():
            place = (*path, column)
            checker.column(place, column)
            values, others = set(), []
            for text in checker.texts(place, each):
                template = Template.of(text)
                if template.texts == ("", ""):
                    checker.column(place, template.names[0])
                    others.append(template.names[0])
                else:
                    values.add(text)
            found.append(Condition(column, frozenset(values), tuple(others)))
        return tuple(found)

    def _fields(
        self,
        path: Path,
        given: dict[str, Any],
        event: type[Event],
        settings: tuple[str, ...],
        *,
        change: bool,
    ) -> tuple[tuple[str, Value], ...]:
        checker = self._checker
        known = fields_to_map(event)
        known.pop("customer_id", None)  # [case] says who it is
        reader = Fields(checker, self._values, change)
        written = {name: each for name, each in given.items() if name not in settings}
        found: dict[str, Value] = {}
        for name, each in written.items():
            place = (*path, name)
            if name not in known:
                what = f"is no field of {event.__name__}"
                checker.wrong(place, what, closest(name, (*known, *settings)))
            elif (value := reader.value(place, known[name], each)) is not None:
                found[name] = value
        for name in sorted(required(event) - {"customer_id"} - written.keys()):
            checker.wrong((*path, name), f"is missing; {event.__name__} needs it")
        return tuple(found.items())
