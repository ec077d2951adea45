"""What a report is: which rows it reads, a function over them, and what it answers with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import Any, Generic, NamedTuple, TypeVar, Unpack

import msgspec
from eventsourcing.persistence import ProgrammingError

from casestore import CaseStore
from casestore.errors import quoted
from projections.engine.live import LiveTables, Tick
from projections.engine.tables import unavailable
from projections.models.cases import CASES
from projections.models.customers import CUSTOMERS
from projections.projection import Projection
from projections.query.open_view import open_view
from projections.query.selection import FIELDS, Asked, Selection
from projections.query.view import View
from projections.read_models import PROJECTIONS


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a report."""


R_co = TypeVar("R_co", bound=Line, covariant=True)


class Answer(NamedTuple, Generic[R_co]):
    """What a report's own function gives: rows in its own order, and what they come to."""

    rows: Sequence[R_co]
    summary: dict[str, Any]


@dataclass(frozen=True)
class Result(Generic[R_co]):
    """What a report answers."""

    report: str
    as_of: datetime
    known_at: datetime | None
    position: int
    """Of the last event that was taken into account."""
    rows: Sequence[R_co]
    summary: Mapping[str, object]
    """What all rows come to, also those that `limit` leaves out: numbers, text, Money, and lists
    or mappings of these; None where it cannot be told. docs/reports.md says what each has."""
    total: int = 0
    """How many rows there are, with those that `limit` leaves out."""
    parked: int = 0
    """Streams that are missing, because their rows could not be made."""


class Option(NamedTuple):
    """An option of one report alone."""

    name: str
    help: str
    kind: type[bool | str | timedelta | datetime] | tuple[str, ...] | Callable[[str], object] = bool
    """bool (a flag), str, timedelta, datetime, a tuple of the codes that may be given, or a
    function that reads a text, and raises ValueError."""
    required: bool = False
    default: str | None = None
    multiple: bool = False
    """Whether several may be given, of which any will do."""
    instead: Report[Line] | None = None
    """A report that is answered instead where the option is given, with what it knows of the
    others."""


SELECTS = (
    *("since", "until", "customer", "case", "agent", "team"),
    *("product", "region", "category"),
)


@dataclass(frozen=True)
class Report(Generic[R_co]):
    """A report. To add one: a function with its rows, and a line in `REPORTS`."""

    name: str
    """As the command line has it: "goodwill history" is one of a group."""
    help: str
    line: type[R_co]
    _answer: Callable[..., Answer[R_co]]
    """From a View and the report's own options to rows."""
    needs: tuple[Projection, ...]
    shown: str
    """The fields that people are shown in a table, in order."""
    options: tuple[Option, ...] = ()
    selects: tuple[str, ...] = SELECTS
    """What of a Selection it heeds, beside the times."""
    argument: str | None = None
    """The field of a Selection without which it cannot be asked."""
    example: str = ""

    def __call__(
        self,
        store: CaseStore,
        *,
        selection: Selection | None = None,
        sort: str | None = None,
        limit: int | None = None,
        workers: int = 1,
        tick: Tick | None = None,
        **asked: Unpack[Asked],
    ) -> Result[R_co]:
        """Answer.

        Args:
            store: what to report on.
            selection: what of it; fields of a Selection may also be given by name, like `as_of`
                or `customer`, and go before it.
            sort: the field to sort by, with "-" before it for the largest first.
            limit: the number of rows to give at most; the summary is of all.
            workers: processes to share the work with, where tables have to be built first.
            tick: told the number of events done, where it takes long.
            asked: fields of a Selection, and options of this report, which docs/reports.md tells.

        Raises ValueError for what cannot be asked, StoreUnavailable.
        """
        options: dict[str, Any] = {**asked}
        named = {each: options.pop(each) for each in FIELDS if each in options}
        chosen = replace(selection or Selection(), **named)
        self._check(chosen, sort, limit)
        try:
            signature(self._answer).bind(None, **options)
        except TypeError as error:
            raise ValueError(f"the report {self.name!r}: {error}") from None
        needs = tuple(dict.fromkeys([*self.needs, CASES, CUSTOMERS]))
        with LiveTables(store, PROJECTIONS, for_one_report=True) as live:
            # PostgreSQL drops a table that a rebuild has replaced under a reader's feet.
            patience: list[AbstractContextManager[Any]]
            patience = [*[suppress(ProgrammingError)] * 5, nullcontext()]
            for again in patience:
                with unavailable(), again, open_view(live, needs, chosen, tick, workers) as seen:
                    return self._result(*seen, sort, limit, options)
        raise AssertionError

    def _result(
        self,
        view: View,
        parked: int,
        sort: str | None,
        limit: int | None,
        options: Mapping[str, Any],
    ) -> Result[R_co]:
        found = self._answer(view, **options)
        rows = _in_order(found.rows, sort)
        return Result(
            self.name,
            view.as_of,
            view.selection.known_at,
            view.position,
            rows if limit is None else rows[:limit],
            found.summary,
            len(rows),
            parked,
        )

    def _check(self, asked: Selection, sort: str | None, limit: int | None) -> None:
        if limit is not None and not isinstance(limit, int):
            raise ValueError(f"limit is a whole number, not {quoted(limit)}")
        for at in (asked.as_of, asked.known_at, asked.since, asked.until):
            if at is not None and not isinstance(at, datetime):
                raise ValueError(f"{quoted(at)} is not a time; give an aware datetime")
            if at is not None and at.utcoffset() is None:
                raise ValueError("the time has no time zone; give an aware datetime")
            if at is not None and not _is_in_utc(at):
                raise ValueError(f"{at} is not in the years 1 to 9999 of UTC; give a time that is")
        for name in set(SELECTS) - {"since", "until"}:
            if not _are_texts(getattr(asked, name)):
                raise ValueError(f"{name} is text or several texts, without NUL or lone surrogates")
        for name in set(SELECTS) - set(self.selects):
            if getattr(asked, name) is not None:
                raise ValueError(f"the report {self.name!r} cannot be asked for one {name}")
        if self.argument is not None and getattr(asked, self.argument) is None:
            raise ValueError(f"the report {self.name!r} needs to be told which {self.argument}")
        fields = self.line.__struct_fields__
        if sort is not None and str(sort).removeprefix("-") not in fields:
            raise ValueError(
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


AnyLine = TypeVar("AnyLine", bound=Line)


def _in_order(rows: Sequence[AnyLine], sort: str | None) -> Sequence[AnyLine]:
    if sort is None:
        return rows
    name, largest_first = sort.removeprefix("-"), sort.startswith("-")
    known = [row for row in rows if getattr(row, name) is not None]
    unknown = [row for row in rows if getattr(row, name) is None]
    known.sort(key=lambda row: sortable(getattr(row, name)), reverse=largest_first)
    return [*known, *unknown]  # what is not known comes last, either way


def sortable(value: Any) -> Any:
    """A value that can be compared with others of its column: plain ones come before money."""
    if hasattr(value, "currency"):
        return (value.currency, value.amount)
    return ("", value)
