"""What a report is: the projections that it reads, a function over their rows, and its result."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import Any, Generic, NamedTuple, TypeVar, Unpack

import msgspec

from casestore import CaseStore
from casestore.errors import quoted
from casestore.telemetry.spans import span
from projections.engine.live import LiveTables, Tick
from projections.engine.tables import unavailable
from projections.models.cases import CASES
from projections.models.customers import CUSTOMERS
from projections.projection import Projection
from projections.query.lines import in_order
from projections.query.open_view import open_view
from projections.query.selection import FIELDS, Asked, Selection
from projections.query.view import View
from projections.read_models import PROJECTIONS


class CannotAsk(ValueError):  # noqa: N818  (named as the errors of casestore are)
    """A report cannot be asked so. The message says why, and what to ask instead."""


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of a report."""


R_co = TypeVar("R_co", bound=Line, covariant=True)


class Answer(NamedTuple, Generic[R_co]):
    """What a report's function returns: rows in the report's order, and their summary."""

    rows: Sequence[R_co]
    """`Lines`, where there may be one for each case of a store."""
    summary: dict[str, Any]


@dataclass(frozen=True)
class Result(Generic[R_co]):
    """The result of a report."""

    report: str
    as_of: datetime
    known_at: datetime | None
    position: int
    """The position of the last event that was taken into account."""
    rows: Sequence[R_co]
    summary: Mapping[str, object]
    """Totals over all rows, also those that `limit` leaves out: numbers, text, Money, and lists or
    mappings of these; None for a value that cannot be known. docs/reports.md describes each."""
    total: int = 0
    """The number of rows, also those that `limit` leaves out."""
    parked: int = 0
    """The number of streams that are left out, because their rows could not be made."""


class Option(NamedTuple):
    """An option that only this report has."""

    name: str
    help: str
    kind: type[bool | str | timedelta | datetime] | tuple[str, ...] | Callable[[str], object] = bool
    """The type of its value: bool (a flag), str, timedelta or datetime; a tuple of the codes that
    may be given; or a function that parses a text and raises ValueError."""
    required: bool = False
    default: str | None = None
    multiple: bool = False
    """Whether several values may be given; a row needs to match only one of them."""
    instead: Report[Line] | None = None
    """The report that runs instead if this option is given. It gets the other options that it
    knows."""


SELECTS = (
    *("since", "until", "customer", "case", "agent", "team"),
    *("product", "region", "category"),
)


@dataclass(frozen=True)
class Report(Generic[R_co]):
    """A report. To add one, write a function that makes its rows and add a line to `REPORTS`."""

    name: str
    """The name on the command line. "goodwill history" belongs to the group "goodwill"."""
    help: str
    line: type[R_co]
    _answer: Callable[..., Answer[R_co]]
    """The function that makes the rows. It takes a View and the report's own options."""
    needs: tuple[Projection, ...]
    shown: str
    """The fields that a table for people shows, in order, with spaces between."""
    options: tuple[Option, ...] = ()
    selects: tuple[str, ...] = SELECTS
    """The fields of a Selection that it takes, besides `as_of`, `known_at` and `tz`."""
    argument: str | None = None
    """The field of a Selection that has to be given."""
    example: str = ""

    def __call__(
        self,
        store: CaseStore,
        *,
        selection: Selection | None = None,
        sort: str | None = None,
        limit: int | None = None,
        processes: int = 1,
        tick: Tick | None = None,
        **asked: Unpack[Asked],
    ) -> Result[R_co]:
        """Run the report.

        Args:
            store: the store to report on.
            selection: what the report is about.
            sort: the field to sort by, with "-" before it for the largest first.
            limit: the largest number of rows to return; the summary is always over all rows.
            processes: the number of processes that build, if tables have to be built first.
            tick: called with the number of events done so far, if it takes long.
            asked: fields of a Selection, like `as_of` or `customer`, which replace those in
                `selection`; and this report's own options, see docs/reports.md.

        Raises:
            CannotAsk: a ValueError: an option, a field or its value is not one that this report
                takes.
            StoreUnavailable: a database does not answer or cannot be written.
        """
        with self.reading(
            store,
            selection=selection,
            sort=sort,
            limit=limit,
            processes=processes,
            tick=tick,
            **asked,
        ) as result:
            return replace(result, rows=list(result.rows))

    @contextmanager
    def reading(
        self,
        store: CaseStore,
        *,
        selection: Selection | None = None,
        sort: str | None = None,
        limit: int | None = None,
        processes: int = 1,
        tick: Tick | None = None,
        **asked: Unpack[Asked],
    ) -> Iterator[Result[R_co]]:
        """Run the report as a call does, for a context in which its rows are read.

        They may be made while they are read, so that not all are in memory. The context keeps the
        database's snapshot; who reads on after its end gets a ValueError.
        """
        options: dict[str, Any] = {**asked}
        named = {each: options.pop(each) for each in FIELDS if each in options}
        chosen = replace(selection or Selection(), **named)
        self._check(chosen, sort, limit, options)
        needs = tuple(dict.fromkeys([*self.needs, CASES, CUSTOMERS]))
        with (
            span(f"report {self.name}", store.url),
            LiveTables(store, PROJECTIONS, for_one_report=True) as live,
            unavailable(),
            open_view(live, needs, chosen, tick, processes) as (view, parked),
            closing(view),  # while the database is open, whoever holds its streams
        ):
            yield self._result(view, parked, sort, limit, options)

    def _result(
        self,
        view: View,
        parked: int,
        sort: str | None,
        limit: int | None,
        options: Mapping[str, Any],
    ) -> Result[R_co]:
        found = self._answer(view, **options)
        return Result(
            self.name,
            view.as_of,
            view.selection.known_at,
            view.position,
            in_order(found.rows, sort, limit),
            found.summary,
            len(found.rows),
            parked,
        )

    def _over(
        self,
        view: View,
        parked: int,
        sort: str | None,
        limit: int | None,
        options: Mapping[str, Any],
    ) -> Result[R_co]:
        """Run the report over tables that are open already.

        Args:
            view: the tables, and what is asked about.
            parked: the number of streams that they lack.
            sort: as in a call of the report.
            limit: as in a call of the report.
            options: this report's own options.

        Raises:
            CannotAsk: as a call of the report does.
        """
        self._check(view.selection, sort, limit, options)
        with span(f"report {self.name}", view.url):
            result = self._result(view, parked, sort, limit, options)
            return replace(result, rows=list(result.rows))

    def _check(
        self,
        asked: Selection,
        sort: str | None,
        limit: int | None,
        options: Mapping[str, Any],
    ) -> None:
        try:
            signature(self._answer).bind(None, **options)
        except TypeError as error:
            raise CannotAsk(f"the report {self.name!r}: {error}") from None
        if limit is not None and not isinstance(limit, int):
            raise CannotAsk(f"limit is a whole number, not {quoted(limit)}")
        if limit is not None and limit < 0:
            raise CannotAsk(f"limit is the largest number of rows, which cannot be {limit}")
        for at in (asked.as_of, asked.known_at, asked.since, asked.until):
            if at is not None and not isinstance(at, datetime):
                raise CannotAsk(f"{quoted(at)} is not a time; give an aware datetime")
            if at is not None and at.utcoffset() is None:
                raise CannotAsk("the time has no time zone; give an aware datetime")
            if at is not None and not _is_in_utc(at):
                raise CannotAsk(f"{at} is not in the years 1 to 9999 of UTC; give a time that is")
        if asked.since is not None and asked.until is not None and asked.since >= asked.until:
            raise CannotAsk(
                f"from {asked.since} to {asked.until} is no time at all; give the earlier one first"
            )
        for name in set(SELECTS) - {"since", "until"}:
            if not _are_texts(getattr(asked, name)):
                raise CannotAsk(f"{name} is text or several texts, without NUL or lone surrogates")
        for name in set(SELECTS) - set(self.selects):
            if getattr(asked, name) is not None:
                raise CannotAsk(f"the report {self.name!r} cannot be asked for one {name}")
        if self.argument is not None and getattr(asked, self.argument) is None:
            raise CannotAsk(f"the report {self.name!r} needs to be told which {self.argument}")
        fields = self.line.__struct_fields__
        if sort is not None and str(sort).removeprefix("-") not in fields:
            raise CannotAsk(
                f"{quoted(sort)} is not a field of the report {self.name!r}; sort by one of "
                f"{', '.join(fields)}"
            )


def _are_texts(given: Any) -> bool:
    """Whether a database can be asked for it: None, a text, or several."""
    if given is None:
        return True
    several = [given] if isinstance(given, str) else given
    return isinstance(several, Sequence | Set) and all(
        isinstance(each, str) and not _NO_TEXT.search(each) for each in several
    )


_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")


def _is_in_utc(at: datetime) -> bool:
    try:
        at.astimezone(UTC)
    except OverflowError:
        return False
    return True
