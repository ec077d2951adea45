"""How lists stand otherwise than at an earlier moment: which rows came, went and changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec.structs import asdict

from projections.pages.links import Rows, options
from projections.pages.list_kinds import LISTS, Column, columns, every_column
from projections.pages.lists import every
from projections.query.asking import Ask
from projections.query.row_changes import PASSING, changed_fields, identity, row_changes

MOST = 1_000
"""So many rows are shown of each: those that came, went and changed."""
_PASSING = (*PASSING, "last_event_at", "events")
"""What came on record is told as such."""


class Difference(NamedTuple):
    """A field that is not what it was."""

    column: Column
    before: Any
    after: Any


class Differing(NamedTuple):
    """A row that stands otherwise."""

    row: Any
    """As it is now."""
    differences: Sequence[Difference]


_OTHERWISE = ("came", "went", "changed")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What has become of a list's rows. Of each kind of change the first are given, and counted."""

    title: str
    columns: Sequence[Column]
    named_by: Sequence[Column]
    """What tells one row from another."""
    came: Sequence[Any]
    went: Sequence[Any]
    changed: Sequence[Differing]
    counts: Mapping[str, int]
    """How many came, went, changed, and stand as they stood."""

    @property
    def differs(self) -> bool:
        """Whether anything is otherwise."""
        return any(self.counts[name] for name in _OTHERWISE)

    @property
    def cut(self) -> bool:
        """Whether there are more of a kind than are given."""
        return any(self.counts[name] > MOST for name in _OTHERWISE)


def compared_list(before: Ask, now: Ask, asked: Rows) -> Compared:
    """A list between two moments. Raises CannotAsk for options that its report does not take."""
    return _compared(before, now, asked)


_OF_ONE = ("cases", "promises", "goodwill", "undelivered", "conflicts", "lapses")


def compared_lists(before: Ask, now: Ask, about: Mapping[str, Any]) -> Iterator[Compared]:
    """How the lists of one case or customer stand otherwise; those that do not are left out.

    Args:
        before: asks about the earlier moment.
        now: asks about the later one.
        about: what the reports are asked about.
    """
    for name in _OF_ONE:
        found = _compared(before, now, Rows(name, options=options(about)))
        if found.differs:
            yield found


def _compared(before: Ask, now: Ask, asked: Rows) -> Compared:
    name = asked.report
    fields = every_column(name)
    named_by = identity(tuple(fields))
    earlier, later = every(before, asked), every(now, asked)
    total = len(later)
    then, rows = ([(asdict(row), row) for row in some] for some in _apart(earlier, later, named_by))
    of = {id(fields): row for fields, row in (*then, *rows)}
    found: dict[str, list[Any]] = {"new": [], "gone": [], "changed": []}
    changes = row_changes([each for each, _ in then], [each for each, _ in rows], _PASSING)
    for change in changes:
        row = of[id(change.row)]
        if change.before is not None:
            names = changed_fields(change.before, change.row, _PASSING)
            told = [Difference(fields[n], change.before[n], change.row[n]) for n in names]
            row = Differing(row, told)
        found[change.kind].append(row)
    came, went, changed = found["new"], found["gone"], found["changed"]
    same = total - len(came) - len(changed)
    return Compared(
        title=LISTS[name].title,
        columns=columns(name),
        named_by=[fields[each] for each in named_by],
        came=came[:MOST],
        went=went[:MOST],
        changed=changed[:MOST],
        counts={"came": len(came), "went": len(went), "changed": len(changed), "same": same},
    )


def _apart(
    earlier: Sequence[Any], later: Sequence[Any], named_by: Sequence[str]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """The rows of both that are not quite alike: there may be many, and most are."""
    key = attrgetter(*named_by)
    known = {key(row): row for row in earlier}
    alike: set[Any] = set()
    left = []
    for row in later:
        which = key(row)
        if which not in alike and known.get(which) == row:
            alike.add(which)
        else:
            left.append(row)
    return [row for row in earlier if known[key(row)] is not row or key(row) not in alike], left
