"""Checks what a mapping writes for a field of an event, by the field's type in the vocabulary."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as Map
from datetime import datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from casestore.events import Event, Money
from casestore.events.base import Personal
from casestore.events.currencies import CURRENCIES
from casestore.events.markers import fields_of, marker
from casestore.intake.csv.cells import Unfit, flag, whole
from casestore.intake.csv.checker import Checker, Path
from casestore.intake.csv.document import (
    Amount,
    Constant,
    Kind,
    Many,
    Parts,
    Template,
    Value,
    Values,
    Written,
)
from casestore.intake.values import plain_id
from casestore.system.toml_lines import closest

_BASE = ("occurred_at", "actor")
_FORM = ("column", "values", "missing")
_MONEY = ("column", "currency", "decimal")
_TYPES: dict[Any, Kind] = {
    str: Kind("id"),
    bool: Kind("flag"),
    int: Kind("whole"),
    datetime: Kind("time"),
    Decimal: Kind("number"),
}
_SHOULD_BE = {
    "flag": "true or false",
    "whole": "a whole number",
    "time": "a time with its zone",
}


def fields_to_map(event: type[Event]) -> dict[str, Any]:
    """The fields of an event that a mapping may write, with their types."""
    return {name: hint for name, hint in fields_of(event).items() if name not in _BASE}


def required(cls: type[Any]) -> frozenset[str]:
    """The fields that a class needs, its time and actor aside."""
    return frozenset(
        each.name
        for each in dataclasses.fields(cls)
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        if each.name not in _BASE
    )


class Fields:
    """Checks the fields of a rule."""

    def __init__(self, checker: Checker, tables: Map[str, Values], change: bool) -> None:
        self._checker = checker
        self._tables = tables
        self._change = change
        """Whether the rule is about changes."""

    def value(self, path: Path, hint: Any, given: Any) -> Value | None:
        """What is written for a field of a type; None if it is wrong, which is noted."""
        bare, personal = _bare(hint)
        if get_origin(bare) is tuple:
            return self._list(path, get_args(bare)[0], given)
        if bare is Money:
            return self._money(path, given)
        if isinstance(bare, type) and dataclasses.is_dataclass(bare):
            return self._parts(path, bare, given)
        if get_origin(bare) is Literal:
            kind = Kind("choice", get_args(bare))
        elif bare in _TYPES:
            kind = Kind("text") if personal else _TYPES[bare]
        else:
            self._checker.wrong(path, "cannot be written by a mapping")
            return None
        return self._single(path, kind, given)

    def _list(self, path: Path, hint: Any, given: Any) -> Value | None:
        items = given if isinstance(given, list) else [given]
        values = [self.value(path, hint, each) for each in items]
        return Many(tuple(each for each in values if each is not None))

    def _parts(self, path: Path, cls: type[Any], given: Any) -> Value | None:
        known = fields_of(cls)
        if not isinstance(given, dict):
            self._checker.wrong(path, f"should be a table with {', '.join(known)}")
            return None
        self._checker.known(path, given, known, f"is no field of {cls.__name__}")
        for name in sorted(required(cls) - given.keys()):
            self._checker.wrong((*path, name), f"is missing; {cls.__name__} needs it")
        fields = [
            (name, value)
            for name, each in given.items()
            if name in known
            if (value := self.value((*path, name), known[name], each)) is not None
        ]
        return Parts(tuple(fields), required(cls))

    def _money(self, path: Path, given: Any) -> Value | None:
        checker = self._checker
        if not isinstance(given, dict):
            what = 'should be a table, like { column = "Amount", currency = "EUR", decimal = "," }'
            checker.wrong(path, what)
            return None
        checker.known(path, given, _MONEY, "is no setting of an amount")
        template = self._column(path, given)
        currency = checker.template((*path, "currency"), given.get("currency"))
        if currency is None:
            checker.wrong((*path, "currency"), 'is missing; write it like currency = "EUR"')
        elif not currency.names and (code := currency.texts[0]) not in CURRENCIES:
            meant = code.upper() if code.upper() in CURRENCIES else None
            what = 'is no currency of ISO 4217; write its code, like "EUR", or a "{column}"'
            checker.wrong((*path, "currency"), what, meant)
        decimal = checker.choice((*path, "decimal"), given.get("decimal", "."), (".", ","))
        if template is None or currency is None or decimal is None:
            return None
        return Amount(template, currency, decimal)

    def _column(self, path: Path, given: dict[str, Any]) -> Template | None:
        checker = self._checker
        if "column" not in given:
            checker.wrong((*path, "column"), "is missing; name the column that has it")
        if (name := checker.text((*path, "column"), given.get("column"))) is None:
            return None
        checker.column((*path, "column"), name)
        return Template(("", ""), (name,))

    def _single(self, path: Path, kind: Kind, given: Any) -> Value | None:
        checker = self._checker
        if isinstance(given, dict):
            return self._table(path, kind, given)
        if isinstance(given, str):
            template = checker.template(path, given, change=self._change)
            if template is not None and (template.names or kind.name == "time"):
                return Written(template, kind, ".".join(path), checker.lines.of(*path))
            given = Template.of(given).texts[0]
        constant = self._constant(path, kind, given)
        return None if constant is None else Constant(constant)

    def _table(self, path: Path, kind: Kind, given: dict[str, Any]) -> Value | None:
        checker = self._checker
        checker.known(path, given, _FORM, "is no setting of a field")
        values = self._values(path, kind, given.get("values"))
        missing = given.get("missing")
        if missing is not None and self._constant((*path, "missing"), kind, missing) is None:
            missing = None
        if (template := self._column(path, given)) is None:
            return None
        place = checker.lines.of(*path)
        return Written(template, kind, ".".join(path), place, values, missing)

    def _values(self, path: Path, kind: Kind, given: Any) -> Values | None:
        checker = self._checker
        if (name := checker.text((*path, "values"), given)) is None:
            return None
        if (table := self._tables.get(name)) is None:
            what = f"there is no list [values.{name}]"
            checker.wrong((*path, "values"), what, closest(name, self._tables))
            return None
        for key, becomes in table.becomes.items():
            if becomes != "":
                self._constant(("values", name, key), kind, becomes)
        return table

    def _constant(self, path: Path, kind: Kind, given: Any) -> object | None:
        """A value as a field of a kind takes it; None if it does not, which is noted."""
        wrong = self._checker.wrong
        match kind.name, given:
            case "flag", bool(flagged):
                return flagged
            case "whole", int(number) if not isinstance(number, bool):
                return number
            case "choice", str():
                return self._checker.choice(path, given, kind.choices)
            case "time", datetime() as time if time.utcoffset() is not None:
                return time.isoformat()
            case (("text" | "time" | "number"), str(text)):
                return text
            case (("flag" | "whole"), str()):
                try:
                    return flag(given) if kind.name == "flag" else whole(given)
                except Unfit as unfit:
                    wrong(path, f"is {unfit.reason}")
                    return None
            case "id", str() if (plain := plain_id(given)) != "":
                return plain
        wrong(path, f"should be {_SHOULD_BE.get(kind.name, 'text')}")
        return None


def _bare(hint: Any) -> tuple[Any, bool]:
    """A type without its markers and None; and whether it holds personal words."""
    personal = marker(hint, Personal) is not None
    while True:
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif get_origin(hint) in (Union, UnionType):
            (hint,) = (each for each in get_args(hint) if each is not NoneType)
        else:
            return hint, personal
