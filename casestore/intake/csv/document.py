"""A mapping, as it was read and checked: which rows become which events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass
from typing import Literal, NamedTuple

from casestore.events import Event

Rows = Literal["states", "changes", "events", "cases"]
"""What a row is: the state after a change; a change, with field, old and new value; a fact; or a
whole case."""
SPECIAL = ("column", "before", "after")
"""What a template can name besides columns, in a rule about changes."""
ORDINAL = "n"
"""In a template: the row's own id, or its number within its case."""
_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")


class Template(NamedTuple):
    """A text with places for columns, like "{number}-{sys_id}". "{{" stands for a brace."""

    texts: tuple[str, ...]
    """The texts before, between and after the places: one more than names."""
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Template:
        """The template that a text writes."""
        texts, names, begin, written = [], [], 0, ""
        for found in _PLACE.finditer(text):
            written += text[begin : found.start()]
            begin = found.end()
            if found[1] is None:
                written += found[0][0]
            else:
                texts.append(written)
                names.append(found[1])
                written = ""
        return cls((*texts, written + text[begin:]), tuple(names))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, if it stands in no rule about changes."""
        return tuple(name for name in self.names if name != ORDINAL)


@dataclass(frozen=True)
class Kind:
    """What type a field's values have."""

    name: Literal["id", "text", "choice", "flag", "whole", "time", "number"]
    choices: tuple[str, ...] = ()


class Values(NamedTuple):
    """A table of [values]: what its values become."""

    name: str
    line: int | None
    becomes: Map[str, str | bool | int]

    @property
    def rest(self) -> str | bool | int | None:
        """What others become: None if the table does not say."""
        return self.becomes.get("*")


@dataclass(frozen=True)
class Constant:
    """The same value in every event."""

    value: object


@dataclass(frozen=True)
class Written:
    """A value that a template makes of a row."""

    template: Template
    kind: Kind
    where: str
    line: int | None
    values: Values | None = None
    missing: str | None = None
    """What it is where the columns are missing."""


@dataclass(frozen=True)
class Amount:
    """Money."""

    template: Template
    currency: Template
    decimal: str


@dataclass(frozen=True)
class Parts:
    """A value with fields of its own, like an Ask."""

    fields: tuple[tuple[str, Value], ...]
    required: frozenset[str]


@dataclass(frozen=True)
class Many:
    """A list."""

    items: tuple[Value, ...]


Value = Constant | Written | Amount | Parts | Many


class Who(NamedTuple):
    """An actor."""

    kind: str
    id: Template
    role: Template | None = None
    team: Template | None = None


Condition = tuple[str, frozenset[str]]
"""A column, and the values of which it must have one: "*" is any that is not missing."""


@dataclass(frozen=True)
class Rule:
    """[open], or an [[on]]: which event is made of a row, and when."""

    event: type[Event]
    label: str
    """Its name in keys."""
    fields: tuple[tuple[str, Value], ...]
    change: tuple[str, ...] = ()
    """The columns, or fields of a history, that it is about; ("*",): all that no other rule is."""
    apart: frozenset[str] = frozenset()
    """The columns that "*" leaves out."""
    values_from: frozenset[str] | None = None
    values_to: frozenset[str] | None = None
    not_from: frozenset[str] = frozenset()
    not_to: frozenset[str] = frozenset()
    when: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    case: Literal["open", "closed"] | None = None
    """Whether the case must be open, or closed."""
    once: bool = False
    """Whether it makes one event of a case at most."""
    first: bool = True
    """Whether what a case was opened with is a change."""
    at: Template | None = None
    """When it happened, if not at the time of the row."""
    actor: Who | None = None


@dataclass(frozen=True)
class File:
    """[file]: how the tables are written."""

    encoding: str = "utf-8"
    delimiter: str = ","
    missing: frozenset[str] = frozenset({""})
    timezone: str | None = None
    time_formats: tuple[str, ...] = ("iso",)
    order: str | None = None
    """The column that rows are ordered by; None: as they stand."""
    optional: frozenset[str] = frozenset()
    """Columns that a file need not have."""


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """A mapping. It is made by `casestore.intake.csv.read_mapping` alone."""

    name: str
    about: str
    """What it reads, in a line."""
    system: str
    """Whose cases it tells of: one opening for each case of a system, whichever mapping made it."""
    file: File
    rows: Rows
    id: Template
    customer: Template | None
    customer_missing: Template | None
    at: Template
    actor: Who
    actor_missing: Who
    row_id: Template | None
    field: Template | None
    old: Template | None
    new: Template | None
    fields: tuple[str, ...]
    """Fields of a history that can be named as if they were columns."""
    opening: Rule | None
    rules: tuple[Rule, ...]
    columns: Map[str, tuple[int | None, str]]
    """The columns that it names, each with the line and the setting where it first does."""

    @property
    def every_column(self) -> bool:
        """Whether it reads columns that it does not name."""
        return self.rows == "states" and any("*" in rule.change for rule in self.rules)

    @property
    def all_rules(self) -> Iterator[Rule]:
        """The opening, if there is one, and the others."""
        if self.opening is not None:
            yield self.opening
        yield from self.rules
