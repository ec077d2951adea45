"""Many reports about one moment of a store: its tables are opened once, or made once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar, Unpack

from casestore import CaseStore
from casestore.streams.policies import Policies
from projections.engine.live import LiveTables, Tick
from projections.engine.tables import unavailable
from projections.query.open_view import open_view
from projections.query.report import Line, Report, Result
from projections.query.selection import FIELDS, Asked, Selection
from projections.query.view import View
from projections.read_models import PROJECTIONS

R = TypeVar("R", bound=Line)


class Ask:
    """Asks reports about one moment: all that it answers is as of one time and one position."""

    def __init__(self, view: View, parked: int) -> None:
        self._view = view
        self.parked = parked
        """The number of streams that are left out, because their rows could not be made."""
        self.selection = replace(view.selection, as_of=view.as_of)
        """What every report is asked about; its `as_of` is always given."""
        self.position = view.position
        """The position of the last event that is taken into account."""

    @property
    def policies(self) -> Policies:
        """The policies adopted by that moment. Raises CaseStoreError if they cannot be read."""
        return self._view.policies

    def __call__(
        self,
        report: Report[R],
        *,
        sort: str | None = None,
        limit: int | None = None,
        **asked: Unpack[Asked],
    ) -> Result[R]:
        """Run a report; the arguments are those of a Report. Raises CannotAsk."""
        options: dict[str, Any] = {**asked}
        named = {each: options.pop(each) for each in FIELDS if each in options}
        chosen = replace(self.selection, **named)
        return report._over(self._view.about(chosen), self.parked, sort, limit, options)


@contextmanager
def asking(
    store: CaseStore, selection: Selection, *, workers: int = 1, tick: Tick | None = None
) -> Iterator[Ask]:
    """Open a store at the moment of a selection, to ask reports about it.

    Args:
        store: the store.
        selection: the moment, and which part of the store every report is about.
        workers: the number of processes that build, if tables have to be built first.
        tick: called with the number of events done so far.

    Raises:
        StoreUnavailable: a database does not answer or cannot be written.
    """
    with (
        LiveTables(store, PROJECTIONS, for_one_report=True) as live,
        unavailable(),
        open_view(live, PROJECTIONS, selection, tick, workers) as (view, parked),
    ):
        yield Ask(view, parked)
