"""Collects the mistakes of a mapping, and the columns that it names."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Map
from typing import Any

from casestore.errors import Mistake
from casestore.intake.csv.document import ORDINAL, SPECIAL, Template
from casestore.system.toml_lines import Lines, closest

Path = tuple[str, ...]


class Checker:
    """Reads settings. What is wrong is noted, and None given instead."""

    def __init__(self, text: str) -> None:
        self.lines = Lines(text)
        self.mistakes: list[Mistake] = []
        self.columns: dict[str, tuple[int | None, str]] = {}
        self.derived: frozenset[str] = frozenset()
        """Names that stand for fields of a history, and are no columns."""

    def wrong(self, path: Path, what: str, meant: str | None = None) -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(self.lines.of(*path), shown(path), what, meant))

    def known(self, path: Path, given: Map[str, Any], known: Iterable[str], what: str) -> None:
        """Note the settings of a table that are none."""
        for name in given:
            if name not in known:
                self.wrong((*path, name), what, closest(name, known))

    def table(self, path: Path, given: Any) -> dict[str, Any]:
        """A table; an empty one if it is none."""
        if isinstance(given, dict):
            return given
        if given is not None:
            self.wrong(path, "should be a table")
        return {}

    def text(self, path: Path, given: Any) -> str | None:
        """A text, or None if there is none."""
        if given is None or isinstance(given, str):
            return given
        self.wrong(path, 'should be text, in "quotes"')
        return None

    def texts(self, path: Path, given: Any) -> tuple[str, ...]:
        """A text, or a list of texts."""
        if isinstance(given, str):
            return (given,)
        if given is None:
            return ()
        if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
            self.wrong(path, "should be text, or a list of texts, in [brackets]")
            return ()
        return tuple(given)

    def choice(self, path: Path, given: Any, choices: tuple[str, ...]) -> str | None:
        """One of some words."""
        text = self.text(path, given)
        if text is None or text in choices:
            return text
        self.wrong(path, f"is not one of {', '.join(choices)}", closest(text, choices))
        return None

    def yes(self, path: Path, given: Any, default: bool) -> bool:
        """A setting that is true or false."""
        if given is None or isinstance(given, bool):
            return default if given is None else given
        self.wrong(path, "should be true or false")
        return default

    def template(self, path: Path, given: Any, *, change: bool = False) -> Template | None:
        """A text with places for columns; `change`: in a rule about changes."""
        if (text := self.text(path, given)) is None:
            return None
        template = Template.of(text)
        for name in template.names:
            if name != ORDINAL and not (change and name in SPECIAL):
                self.column(path, name)
        return template

    def column_template(self, path: Path, given: Any) -> Template | None:
        """The name of a column, with braces or without, as a template."""
        text = self.text(path, given)
        if text is not None and not Template.of(text).names:
            text = f"{{{text}}}"
        return self.template(path, text)

    def column(self, path: Path, name: str) -> None:
        """Note that a column is named."""
        if name not in self.derived:
            self.columns.setdefault(name, (self.lines.of(*path), shown(path)))


def shown(path: Path) -> str:
    """A setting as a person names it: the third [[on]] is "on 3"."""
    if len(path) > 1 and path[0] == "on":
        path = (f"on {int(path[1]) + 1}", *path[2:])
    return ".".join(path)
