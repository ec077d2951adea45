"""Many reports about one moment of a store: its tables are opened once, or made once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, Unpack

from casestore import CaseStore
from casestore.streams.history import to_microseconds
from casestore.streams.policies import Policies
from projections.engine.live import LiveTables, Tick
from projections.engine.open_tables import scratch_tables
from projections.engine.tables import unavailable
from projections.query.open_view import fill_moment, open_view, view_of
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

    def view(self, **asked: Any) -> View:
        """The tables, asked about what every report is asked about, but for some fields."""
        return self._view.about(replace(self.selection, **asked))

    def about(self, **asked: Any) -> Ask:
        """Asks about the same moment, but for some fields of the selection."""
        return Ask(self.view(**asked), self.parked)

    def of_streams(self, streams: Sequence[str]) -> Ask:
        """Asks reports whose rows come from some streams alone. Their summaries count only these.

        It is right for reports whose rows do not depend on those of other streams.
        """
        return Ask(self._view.of_streams(streams), self.parked)

    @property
    def begin(self) -> datetime | None:
        """When the first case was opened; None in a store without cases."""
        return self._view.first_opening()

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
    store: CaseStore, selection: Selection, *, processes: int = 1, tick: Tick | None = None
) -> Iterator[Ask]:
    """Open a store at the moment of a selection, to ask reports about it.

    Args:
        store: the store.
        selection: the moment, and which part of the store every report is about.
        processes: the number of processes that build, if tables have to be built first.
        tick: called with the number of events done so far.

    Raises:
        StoreUnavailable: a database does not answer or cannot be written.
    """
    with (
        LiveTables(store, PROJECTIONS, for_one_report=True) as live,
        unavailable(),
        open_view(live, PROJECTIONS, selection, tick, processes) as (view, parked),
    ):
        yield Ask(view, parked)


# --- a moment that is asked about more than once ----------------------------------------------


class MadeMoment(NamedTuple):
    """The tables of a moment, in a file."""

    path: Path
    as_of: datetime
    known_at: datetime | None
    position: int
    """The position of the last event that is in them."""
    parked: int
    """The number of streams that they lack."""


def make_moment(
    store: CaseStore, selection: Selection, path: Path, tick: Tick | None = None
) -> MadeMoment:
    """Make the tables of a moment of the whole store, in a file: see `asking_made`.

    Args:
        store: the store.
        selection: the moment; its `as_of` is the newest time if it is left out.
        path: the file, which is not there yet. Whoever names it removes it.
        tick: called with the number of events done so far.

    Raises:
        StoreUnavailable: a database does not answer or cannot be written.
    """
    position = store._recorder.last_position()
    if (known_at := selection.known_at) is not None:
        position = store._recorder.last_position_by(to_microseconds(known_at), position)
    as_of = selection.as_of or store.now()
    with unavailable(), closing(scratch_tables(path)) as tables:
        parked = fill_moment(tables, store, as_of, position, tick)
    return MadeMoment(path, as_of, known_at, position, parked)


@contextmanager
def asking_made(store: CaseStore, made: MadeMoment, selection: Selection) -> Iterator[Ask]:
    """Ask about a moment whose tables are made. The file may be removed meanwhile.

    Args:
        store: the store that they were made from.
        made: the tables.
        selection: which part of the store; its moment is that of the tables.

    Raises:
        StoreUnavailable: the tables cannot be read.
    """
    chosen = replace(selection, as_of=made.as_of, known_at=made.known_at)
    with (
        unavailable(),
        closing(scratch_tables(made.path, filled=True)) as tables,
        tables.reading() as cursor,
    ):
        yield Ask(view_of(tables, cursor, store, chosen, made.position), made.parked)
