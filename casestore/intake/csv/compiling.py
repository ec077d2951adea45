"""Makes functions of a mapping's templates and fields, so that each row costs little.

They take what is seen of a row, and give a value, or None where it is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as Map
from typing import Any

from casestore.errors import InvalidMapping, Mistake
from casestore.intake.csv.cells import Times, Unfit, amount, flag, shape, whole
from casestore.intake.csv.document import (
    ORDINAL,
    SPECIAL,
    Amount,
    Constant,
    Many,
    Parts,
    Template,
    Value,
    Values,
    Who,
    Written,
)
from casestore.intake.ids import is_contact
from casestore.intake.values import plain_id

_CALLED = re.compile(r"@|^\s*[+(]|\d \d")
"""What only addresses and telephone numbers have."""
_MOST_TOLD = 20
"""How many unknown values are named, and how many of those that fell to "*"."""
_MOST_CACHED = 50_000
_NONE = "(none)"
"""What a text says of a value that was missing."""
Change = tuple[str, str, str]
"""A column, or a field of a history, with its value before and after."""


class Seen:
    """A row: its cells in the reader's order ("" is missing), its ordinal, and what changed."""

    __slots__ = ("cells", "changes", "n")

    def __init__(self, cells: tuple[str, ...], n: str, changes: tuple[Change, ...] = ()) -> None:
        self.cells = cells
        self.n = n
        self.changes = changes


Text = Callable[[Seen], str | None]
Make = Callable[[Seen], Any]


class Compiler:
    """Compiles the parts of a mapping.

    Args:
        places: where each column is in a row's cells.
        times: reads times.
        pseudonym: makes an id of an address or a telephone number.
    """

    def __init__(
        self, places: Map[str, int], times: Times, pseudonym: Callable[[str], str]
    ) -> None:
        self._places = places
        self._times = times
        self._pseudonym = pseudonym
        self._unknown: dict[tuple[int | None, str], tuple[str, dict[str, None]]] = {}
        self._fell: dict[str, set[str]] = {}
        self.remarks: list[str] = []
        """What is to be told of the values that were made since it was last emptied."""

    # --- templates ----------------------------------------------------------------------------

    def text(self, template: Template, *, every: bool, change: bool = False) -> Text:
        """The text that a template writes.

        Args:
            template: the template.
            every: whether every column that it names must be there; otherwise one is enough.
            change: whether it stands in a rule about changes.
        """
        texts, names = template
        if change and any(name in SPECIAL for name in names):
            return self._of_changes(template)
        if not names:
            return lambda _: texts[0] or None
        if len(names) == 1 and names[0] != ORDINAL:
            begin, end = texts
            place = self._places[names[0]]
            if not begin and not end:
                return lambda seen: seen.cells[place] or None
            return lambda seen: f"{begin}{c}{end}" if (c := seen.cells[place]) else None
        parts = [self._part(name) for name in names]
        enough = all if every else any

        def write(seen: Seen) -> str | None:
            values = [part(seen) for part in parts]
            return _joined(texts, values) if enough(values) else None

        return write

    def _part(self, name: str) -> Callable[[Seen], str]:
        if name == ORDINAL:
            return lambda seen: seen.n
        place = self._places[name]
        return lambda seen: seen.cells[place]

    def _of_changes(self, template: Template) -> Text:
        """A text that is written for each change, with "; " between."""
        texts, names = template
        alone = not any(texts) and len(names) == 1
        parts = [(name, None if name in SPECIAL else self._part(name)) for name in names]

        def write(seen: Seen) -> str | None:
            written = []
            for change in seen.changes:
                of = dict(zip(SPECIAL, (change[0], change[1], change[2]), strict=True))
                values = [of[name] if part is None else part(seen) for name, part in parts]
                if any(values):
                    shown = values if alone else [value or _NONE for value in values]
                    written.append(_joined(texts, shown))
            return "; ".join(written) or None

        return write

    # --- ids ----------------------------------------------------------------------------------

    def id(self, template: Template, *, person: bool = False, change: bool = False) -> Text:
        """An id. An address in it is made pseudonymous, and a telephone number.

        Of an id that one column gives, the column alone is made pseudonymous, so that it is the
        same whatever stands before it.
        """
        begin, end = "", ""
        if len(template.names) == 1 and not (change and template.names[0] in SPECIAL):
            begin, end = template.texts
            template = Template(("", ""), template.names)
        write = self.text(template, every=True, change=change)
        known: dict[str, str | None] = {}

        def make(seen: Seen) -> str | None:
            if (text := write(seen)) is None:
                return None
            if text not in known:
                if len(known) >= _MOST_CACHED:
                    known.clear()
                bare = self._id(text, person)
                known[text] = None if bare is None else plain_id(f"{begin}{bare}{end}") or None
            return known[text]

        return make

    def _id(self, text: str, person: bool) -> str | None:
        # The number of a case may be 00001026 or 2026/000123, which is no telephone number.
        if (person or _CALLED.search(text)) and is_contact(text):
            return self._pseudonym(text)
        return plain_id(text) or None

    def who(self, who: Who, otherwise: Who | None = None) -> Callable[[Seen], dict[str, str]]:
        """An actor; another one where it has no id."""
        write = self.id(who.id, person=who.kind == "customer")
        role, team = (None if each is None else self.id(each) for each in (who.role, who.team))
        instead = None if otherwise is None else self.who(otherwise)

        def make(seen: Seen) -> dict[str, str]:
            if (each := write(seen)) is None:
                if instead is None:
                    raise Unfit("an actor without an id, and actor_missing has none either", "")
                return instead(seen)
            made = {"kind": who.kind, "id": each}
            if role is not None and (its_role := role(seen)) is not None:
                made["role"] = its_role
            if team is not None and (its_team := team(seen)) is not None:
                made["team"] = its_team
            return made

        return make

    # --- fields -------------------------------------------------------------------------------

    def value(self, value: Value, *, change: bool = False) -> Make:
        """A field's value, as JSON has it or as a datetime. It may raise Unfit."""
        match value:
            case Constant():
                constant = value.value
                return lambda _: constant
            case Amount():
                return self._amount(value)
            case Many():
                items = [self.value(each, change=change) for each in value.items]
                return lambda seen: [v for item in items if (v := item(seen)) is not None] or None
            case Parts():
                return self._parts(value, change)
            case Written():
                return self._written(value, change)

    def _amount(self, value: Amount) -> Make:
        write = self.text(value.template, every=True)
        currency = self.text(value.currency, every=True)
        decimal = value.decimal

        def make(seen: Seen) -> dict[str, str] | None:
            if (text := write(seen)) is None:
                return None
            if (code := currency(seen)) is None:
                raise Unfit("an amount without a currency", shape(text))
            return {"amount": amount(text, decimal), "currency": code.strip().upper()}

        return make

    def _parts(self, value: Parts, change: bool) -> Make:
        makers = [(name, self.value(each, change=change)) for name, each in value.fields]
        constant = {name for name, each in value.fields if isinstance(each, Constant)}
        needed = value.required

        def make(seen: Seen) -> dict[str, Any] | None:
            made = {name: v for name, maker in makers if (v := maker(seen)) is not None}
            if not needed <= made.keys() or (
                len(constant) < len(makers) and made.keys() <= constant
            ):
                return None
            return made

        return make

    def _written(self, value: Written, change: bool) -> Make:
        kind = value.kind
        if kind.name == "id" and value.values is None and value.missing is None:
            return self.id(value.template, change=change)
        write = self.text(value.template, every=kind.name != "text", change=change)
        translate = None if value.values is None else self._translate(value.values)
        convert = self._convert(value)
        missing = value.missing

        def make(seen: Seen) -> Any:
            if (text := write(seen)) is None:
                return None if missing is None else convert(missing)
            if translate is not None:
                found = translate(text)
                if not isinstance(found, str):
                    return found
                if not found:
                    return None if missing is None else convert(missing)
                text = found
            return convert(text)

        return make

    def _translate(self, values: Values) -> Callable[[str], str | bool | int]:
        becomes, rest, name = values.becomes, values.rest, values.name
        hint = 'has no entry for it; add one each, or "*" for all others'

        def translate(text: str) -> str | bool | int:
            if (found := becomes.get(text)) is not None:
                return found
            if rest is None:
                raise self._not_known((values.line, f"values.{name}"), hint, text)
            self._tell_fallen(name, text)
            return rest

        return translate

    def _convert(self, value: Written) -> Callable[[str], Any]:
        kind = value.kind
        match kind.name:
            case "text":
                return lambda text: text
            case "id":
                return lambda text: self._id(text, person=False)
            case "flag":
                return flag
            case "whole":
                return whole
            case "time":
                return self._times.read
            case "number":
                return lambda text: amount(text, ".")
            case "choice":
                choices = frozenset(kind.choices)
                hint = (
                    f"can be {', '.join(kind.choices)} only; write a list of [values] that says "
                    "which of them each is"
                )

                def choose(text: str) -> str:
                    if text not in choices:
                        raise self._not_known((value.line, value.where), hint, text)
                    return text

                return choose

    # --- what is told of values ---------------------------------------------------------------

    def _not_known(self, place: tuple[int | None, str], hint: str, text: str) -> Unfit:
        _, found = self._unknown.setdefault(place, (hint, {}))
        if len(found) <= _MOST_TOLD:
            found[_told(text)] = None
        return Unfit("a value that the mapping does not know", text)

    def _tell_fallen(self, name: str, text: str) -> None:
        known = self._fell.setdefault(name, set())
        if text in known or len(known) < _MOST_TOLD:
            known.add(text)
            self.remarks.append(f'values.{name}: {_told(text)!r} fell to "*"')
        else:
            self.remarks.append(f'values.{name}: other values fell to "*"')

    def check_unknown(self) -> None:
        """Raise InvalidMapping if there were values that the mapping does not know."""
        mistakes = []
        for (line, where), (hint, found) in self._unknown.items():
            shown = ", ".join(map(repr, list(found)[:_MOST_TOLD]))
            more = " and others" if len(found) > _MOST_TOLD else ""
            mistakes.append(Mistake(line, where, f"the file has {shown}{more}, and it {hint}"))
        if mistakes:
            raise InvalidMapping(sorted(mistakes, key=lambda each: (each.line or 0, each.where)))


def _told(text: str) -> str:
    """A value that somebody puts into a list; of an address no more than what it looks like."""
    return shape(text) if is_contact(text) else text[:100]


def _joined(texts: tuple[str, ...], values: list[str]) -> str:
    written = texts[0]
    for value, text in zip(values, texts[1:], strict=True):
        written += value + text
    return written
