"""Which part of a store, and which time, a report is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain
from shlex import quote
from typing import TypedDict

from casestore.events.policy_document import Document

Several = str | Sequence[str] | None
"""One value, several values of which a row has to match one, or None for no condition."""


@dataclass(frozen=True)
class Selection:
    """Which part of a store, and which time, a report is about."""

    as_of: datetime | None = None
    """The time that the report is made for: later events are left out. Now, if left out."""
    known_at: datetime | None = None
    """Leave out what was recorded after this time. Nothing is left out, if it is None."""
    since: datetime | None = None
    """Only rows whose own time is at or after this; docs/reports.md names each report's time."""
    until: datetime | None = None
    """Only rows whose own time is before this."""
    customer: Several = None
    """Only rows of these customers, and of customers merged with them."""
    case: Several = None
    """Only rows of these cases, and of cases merged with them."""
    agent: Several = None
    team: Several = None
    product: Several = None
    region: Several = None
    category: Several = None
    tz: tzinfo = UTC
    """The time zone in which days, weeks and months begin."""

    def in_window(self, at: datetime) -> bool:
        """Whether since <= at < until. A bound that is None does not count."""
        after = self.since is None or at >= self.since
        return after and (self.until is None or at < self.until)

    def wanted(self, name: str) -> tuple[str, ...] | None:
        """The values of a field of which a row has to match one; None for no condition."""
        value: Several = getattr(self, name)
        return None if value is None else listed(value)

    def takes(self, name: str, value: str | None) -> bool:
        """Whether a row's value matches what is asked for a field."""
        wanted = self.wanted(name)
        return wanted is None or value in wanted


def listed(value: Several) -> tuple[str, ...]:
    """The values that were given: none, one or several."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def matching(**given: Several) -> tuple[list[str], list[str]]:
    """The SQL conditions that columns have one of the values that were given, and their parameters.

    A column of which none was given may have any.
    """
    values = {column: listed(value) for column, value in given.items() if value}
    where = [f"{column} IN ({', '.join('?' * len(each))})" for column, each in values.items()]
    return where, [*chain.from_iterable(values.values())]


FIELDS = tuple(field.name for field in fields(Selection))


class Asked(TypedDict, total=False):
    """What a report takes as keyword arguments: fields of a Selection, and its own options."""

    as_of: datetime | None
    known_at: datetime | None
    since: datetime | None
    until: datetime | None
    customer: Several
    case: Several
    agent: Several
    team: Several
    product: Several
    region: Several
    category: Several
    tz: tzinfo
    ages: str
    broken: bool
    by: str
    channel: Several
    closed_from: datetime | None
    closed_to: datetime | None
    document: Document
    due: timedelta | None
    kind: Several
    ledger: Several
    name: str
    complaints: bool
    open_at: datetime | None
    opened_from: datetime | None
    opened_to: datetime | None
    received_from: datetime | None
    received_to: datetime | None
    reopened_from: datetime | None
    reopened_to: datetime | None
    outcome: str
    role: str
    rule: str | None
    state: Several
    status: Several
    within: timedelta | None


def part_options(part: Iterable[tuple[str, Sequence[str] | None]]) -> Iterator[str]:
    """The options that choose a part of a store: fields of a selection and their values."""
    for name, values in part:
        yield from (f"--{name} {quote(value)}" for value in values or ())
