"""The page of a case that is merged into another one: what is on record under its own number.

How the family stands is told once, in the file of the case that it is merged into. If each of its
cases told all of it, a family of 300 would take 300 times as much room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casestore.audit.explained import NOT_PROVEN
from casestore.streams.history import History
from projections.models.cases import CASES, CaseRow
from projections.pages.happenings import Told, in_time, told
from projections.pages.page import Pages
from projections.query.histories import Histories


@dataclass(frozen=True, kw_only=True)
class MergedFile:
    """All that the page says."""

    row: CaseRow
    root: str
    """The case that tells of all: it is merged into no other."""
    timeline: Sequence[Told]
    amended: Sequence[Told]
    """The events of which a later one says that they are wrong."""
    events: int
    sealed: int
    """How many of them the newest seal covers."""


def merged_page(pages: Pages, row: CaseRow, root: str, history: History) -> str:
    """The page of a case that is merged into another one.

    Args:
        pages: the moment.
        row: of the case.
        root: the case at the end of its merges.
        history: of the case alone.
    """
    covered = pages.sealed.position if pages.sealed else 0
    events = in_time(told(history, pages.zone, covered))
    file = MergedFile(
        row=row,
        root=root,
        timeline=events,
        amended=[each for each in events if each.corrections],
        events=len(events),
        sealed=sum(each.sealed for each in events),
    )
    title = f"Case {row.case_id}"
    return pages.render("merged_file.html", title=title, file=file, not_proven=NOT_PROVEN)


def merged_into(pages: Pages, case_id: str) -> tuple[CaseRow, str] | None:
    """The row of a case that is merged at that moment, and its root; None if it is not merged."""
    view = pages.ask.view(case=case_id, customer=None)
    rows: list[CaseRow] = view.lookup(CASES, "case_id", [case_id])
    if not rows or rows[0].merged_into is None or view.case is None:
        return None
    return rows[0], view.case


def own_history(pages: Pages, case_id: str) -> History:
    """The history of a case alone, at the moment of the pages. Raises KeyFileError."""
    read = Histories(
        pages.store, pages.as_of, pages.known_at, pages.ask.position, reveal=pages.reveal
    )
    return read.history(f"case:{case_id}")
