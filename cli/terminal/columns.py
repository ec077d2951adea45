"""The columns of rows: what each is called, who sees it, and which were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cli.terminal.options import Usage

Cells = Mapping[str, Any]
"""A row: plain values by the names of their columns."""


class Column(NamedTuple):
    """A column of a table, and a key for programs."""

    name: str
    heading: str | None = None
    """For people, where the name does not serve."""
    right: bool = False
    """Whether a table aligns it to the right, as is usual for numbers."""
    people: bool = True
    """Whether tables have it, where nobody asks for others."""
    programs: bool = True
    """Whether JSON, NDJSON and CSV have it."""
    wraps: bool | None = None
    """Whether its text may go over several lines, between words. If left out, a table's last
    column may."""
    money: bool = False
    """Whether it is money, which takes two columns of a CSV: the amount, and NAME_currency."""
    holds: Any = None
    """The type of its values, like `datetime | None`, for files that keep types. None: nobody
    declares it, and such files have it as text."""
    goes: int = 0
    """Where not all columns fit, those with the highest number go first; among equal ones the one
    most to the right. The first column stays."""

    @property
    def title(self) -> str:
        """The heading for people: the name by which a table is sorted, too."""
        return self.name if self.heading is None else self.heading


def chosen(
    columns: Sequence[Column], names: Sequence[str] | None, *, everything: bool, people: bool
) -> list[Column]:
    """The columns to show.

    Args:
        columns: all that there are.
        names: those that were asked for, in order, by name or heading; None: nobody asked.
        everything: whether people are to see also what only programs get.
        people: whether it is people who see them.

    Raises Usage for a name that there is not.
    """
    if names is None:
        if people and not everything:
            return [column for column in columns if column.people]
        # What is made for people alone (a sentence, say) stays out where all is shown.
        return [column for column in columns if column.programs]
    known = {column.title: column for column in columns} | {c.name: c for c in columns}
    for name in names:
        if name not in known:
            raise Usage(_no_such(name, [column.name for column in columns]))
    return [known[name] for name in dict.fromkeys(names)]


def _no_such(name: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  (only when something went wrong)

    near = get_close_matches(name, names, n=3, cutoff=0.6)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return f"there is no column {name!r}; {meant}There are {', '.join(names)}"
