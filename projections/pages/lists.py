"""Lists: the rows of a report, or those of them that a number counts, the most urgent on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from projections.pages.first_rows import first_rows
from projections.pages.links import Rows
from projections.pages.list_kinds import LISTS, columns
from projections.pages.page import PARTS, Pages
from projections.query.asking import Ask
from projections.query.report import Line, Report
from projections.query.selection import FIELDS, Selection

MOST = 1_000
"""So many rows a list shows; it says how many more there are."""


@dataclass(frozen=True)
class Chosen:
    """The rows of a list."""

    rows: Sequence[Any]
    """The first of them, by urgency."""
    total: int


def chosen(pages: Pages, asked: Rows, most: int = MOST) -> Chosen:
    """The rows that a list shows. Raises CannotAsk for options that its report does not take."""
    ask = pages.ask
    given = _given(ask, asked)
    named = {name: given[name] for name in FIELDS if name in given}
    own = {name: value for name, value in given.items() if name not in FIELDS}
    first = first_rows(ask.view(**named), asked, own, most)
    if first is not None and not most:
        return Chosen([], first.total)
    if first is not None and first.rows is not None:
        rows = _by_urgency(asked, first.rows)
    else:
        rows = every(ask if first is None else ask.of_streams(first.streams), asked)
    return Chosen(rows[:most], len(rows) if first is None else first.total)


def every(ask: Ask, asked: Rows) -> list[Any]:
    """All rows of a list, by urgency. Raises CannotAsk as `chosen` does."""
    return _by_urgency(asked, ask(LISTS[asked.report].report, **_given(ask, asked)).rows)


def _by_urgency(asked: Rows, rows: Sequence[Any]) -> list[Any]:
    return sorted((row for row in rows if _shows(asked, row)), key=LISTS[asked.report].urgency)


def _given(ask: Ask, asked: Rows) -> dict[str, Any]:
    """What the report of a list is asked."""
    kind = LISTS[asked.report]
    not_asked = dict.fromkeys(_cannot(ask.selection, kind.report))
    return {**kind.asked, **not_asked, **dict(asked.options)}


def left_out(pages: Pages, report: Report[Any]) -> list[str]:
    """What the pages are asked about and the report cannot be, like one product."""
    return _cannot(pages.ask.selection, report)


def _cannot(asked: Selection, report: Report[Any]) -> list[str]:
    return [name for name in PARTS if asked.wanted(name) and name not in report.selects]


def _shows(asked: Rows, row: Line) -> bool:
    return all(_text(row, name) in values for name, values in asked.only) and not any(
        _text(row, name) in values for name, values in asked.but
    )


def _text(row: Line, name: str) -> str | None:
    value = getattr(row, name)
    return None if value is None else str(value)


def list_title(asked: Rows) -> str:
    """The heading of a list."""
    title = LISTS[asked.report].title
    return f"{title}: {asked.title}" if asked.title else title


def list_page(
    pages: Pages, asked: Rows, found: Chosen | None = None, files: int | None = None
) -> str:
    """The page of a list.

    Args:
        pages: the moment, and which part of the store.
        asked: which list.
        found: its rows, if they are known already.
        files: of so many rows cases and customers have files; None: of all rows.
    """
    kind = LISTS[asked.report]
    found = chosen(pages, asked) if found is None else found
    return pages.render(
        "list.html",
        title=list_title(asked),
        about=kind.about,
        left_out=left_out(pages, kind.report),
        columns=columns(asked.report),
        rows=found.rows,
        total=found.total,
        more=found.total - len(found.rows),
        files=None if files is None or files >= len(found.rows) else files,
        asked=asked,
        whole=None if asked == Rows(asked.report) else pages.links.rows(Rows(asked.report)),
        address_of=lambda row: _address(pages, asked, row),
    )


def _address(pages: Pages, asked: Rows, row: Any) -> str | None:
    """Where a row of groups leads: the list of what it counts."""
    if asked.report == "consistency":
        return pages.links.rows(_alike(asked, row))
    # A folder would get a list for each agent.
    if asked.report == "agents" and pages.frame.bar:
        made_by = ("made_by", (row.agent,))
        return pages.links.rows(Rows("promises", f"of {row.agent}", asked.options, (made_by,)))
    return None


def _alike(asked: Rows, row: Any) -> Rows:
    """The gestures that a row compares."""
    alike = {name: (getattr(row, name),) for name in ("category", "product", "outcome", "currency")}
    by = dict(asked.options).get("by", "region")
    return Rows(
        "goodwill",
        f"like gestures, {by} {row.group}",
        (("ledger", ("goodwill",)), ("status", ("given",))),
        (*alike.items(), (str(by), (row.group,))),
    )
