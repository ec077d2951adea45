"""How far each relay is: kept with the store, and by no means with the projections.

A projection can be made anew, a checkpoint cannot. It is in no backup: a store that is restored
has events that were sent, or none, and only its receiver knows.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, NamedTuple, cast

from casestore.errors import NotRelayed, StoreDamaged, quoted
from casestore.journal.url import SQLiteUrl, parse_url
from casestore.store import CaseStore
from casestore.streams.history import Cursor
from casestore.streams.wording import counted

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_COLUMNS = (
    "name",
    "mark",
    "target",
    "attempts",
    "failing_since_us",
    "next_attempt_us",
    "stopped",
    "last_error",
)


class Checkpoint(NamedTuple):
    """How far a relay is. Times are in microseconds since 1970-01-01T00:00:00Z."""

    name: str
    after: Cursor | None
    """The last event that was sent or is not to be sent; None before the first."""
    target: str
    attempts: int = 0
    """How often in a row what comes next was not taken."""
    failing_since_us: int | None = None
    next_attempt_us: int | None = None
    stopped: bool = False
    """Whether it goes on only after `casestore relay retry`."""
    last_error: str | None = None

    @property
    def position(self) -> int:
        """The position of `after`; 0 before the first event."""
        return self.after.position if self.after else 0


class Parked(NamedTuple):
    """A stream that a relay has put aside, because its receiver does not take an event of it."""

    relay: str
    stream: str
    position: int
    """Of its first event that was not taken."""
    error: str
    due: bool = False
    """Whether it is to be tried again."""


def checked_name(name: str) -> str:
    """The name of a relay. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{quoted(name)} is no name of a relay: small letters, digits, - and _, at most 40"
        )
    return name


class Checkpoints(ABC):
    """The tables `relays` and `relays_parked` of a store, on any database.

    A place that has no tables yet has no relays. Every method raises StoreUnavailable.
    """

    @abstractmethod
    def run(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run a statement in a transaction of its own, durably. No rows where there is no table."""

    @abstractmethod
    def make(self) -> None:
        """Make the tables, if there are none."""

    @abstractmethod
    def lease(self, name: str) -> AbstractContextManager[bool]:
        """Take the lease of a name, if it is free; whether it was. It ends with its process."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection, if there is one."""

    def at(self, table: str) -> str:
        """A table's name as it is written in a statement."""
        return table

    # --- checkpoints -----------------------------------------------------------------------

    def all(self) -> list[Checkpoint]:
        """All relays, by name."""
        return self._select("ORDER BY name")

    def load(self, name: str) -> Checkpoint | None:
        """A relay; None where there is none of that name."""
        found = self._select("WHERE name = ?", [name])
        return found[0] if found else None

    def _select(self, where: str, params: Sequence[Any] = ()) -> list[Checkpoint]:
        columns = ", ".join(_COLUMNS)
        rows = self.run(f"SELECT {columns} FROM {self.at('relays')} {where}", params)
        return [_checkpoint(row) for row in rows]

    def add(self, point: Checkpoint) -> None:
        """Add a relay."""
        self.make()
        marks = ", ".join("?" * (len(_COLUMNS) + 1))
        columns = ", ".join(["position", *_COLUMNS])
        self.run(
            f"INSERT INTO {self.at('relays')} ({columns}) VALUES ({marks})",
            [point.position, *_values(point)],
        )

    def save(self, point: Checkpoint) -> None:
        """Keep how far a relay is. Raises NotRelayed where it is not there any more."""
        sets = ", ".join(f"{column} = ?" for column in ("position", *_COLUMNS[1:]))
        saved = self.run(
            f"UPDATE {self.at('relays')} SET {sets} WHERE name = ? RETURNING name",
            [point.position, *_values(point)[1:], point.name],
        )
        if not saved:
            raise gone(point.name)

    # --- parked streams ----------------------------------------------------------------------

    def parked(self, name: str | None = None) -> list[Parked]:
        """The parked streams of a relay, or of all of them."""
        where, params = ("WHERE name = ? ", [name]) if name is not None else ("", [])
        rows = self.run(
            f"SELECT name, stream, position, error, due FROM {self.at('relays_parked')} {where}"
            "ORDER BY name, position",
            params,
        )
        return [
            Parked(relay, stream, position, error, bool(due))
            for relay, stream, position, error, due in rows
        ]

    def park(self, parked: Parked) -> None:
        """Put a stream aside, or keep how it stands now."""
        self.run(
            f"INSERT INTO {self.at('relays_parked')} (name, stream, position, error, due) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT (name, stream) DO UPDATE "
            "SET position = excluded.position, error = excluded.error, due = excluded.due",
            [*parked[:4], int(parked.due)],
        )

    def unpark(self, parked: Parked) -> None:
        """Let the events of a stream go their way again."""
        sql = f"DELETE FROM {self.at('relays_parked')} WHERE name = ? AND stream = ?"
        self.run(sql, [parked.relay, parked.stream])

    # --- what an operator does ---------------------------------------------------------------

    def retry(self, name: str) -> bool:
        """Let a relay try again at once, also what it has parked; whether there is such a relay."""
        found = self.run(
            f"UPDATE {self.at('relays')} SET attempts = 0, failing_since_us = NULL, "
            "next_attempt_us = NULL, stopped = 0, last_error = NULL WHERE name = ? RETURNING name",
            [name],
        )
        self.run(f"UPDATE {self.at('relays_parked')} SET due = 1 WHERE name = ?", [name])
        return bool(found)

    def forget(self, name: str) -> bool:
        """Remove a relay; whether there was one."""
        self.run(f"DELETE FROM {self.at('relays_parked')} WHERE name = ?", [name])
        return bool(
            self.run(f"DELETE FROM {self.at('relays')} WHERE name = ? RETURNING name", [name])
        )


def gone(name: str) -> NotRelayed:
    """The error for a relay whose checkpoint was taken away while it ran."""
    return NotRelayed(
        f"the relay {name} has no checkpoint any more: it was forgotten, or the store was "
        "replaced; find out which events its receiver has, and begin with --from-position"
    )


def not_known(name: str, events: int) -> NotRelayed:
    """The error for a relay that is new in a store that was restored or copied.

    Args:
        name: of the relay.
        events: how many the store had then.
    """
    return NotRelayed(
        f"how far the relay {name} was is not known, as the store was restored or copied when it "
        f"had {counted(events, 'event')}: find out which events its receiver has, and begin with "
        "--from-position (1 sends all)"
    )


def tables(at: str = "{}", number: str = "INTEGER", text: str = "TEXT") -> list[str]:
    """The statements that make the tables.

    Args:
        at: a table's name, where {} stands for it.
        number: the type of whole numbers.
        text: the type of texts that are compared.
    """
    relays, parked = at.format("relays"), at.format("relays_parked")
    return [
        f"CREATE TABLE IF NOT EXISTS {relays} (name {text} PRIMARY KEY, position {number} "
        f"NOT NULL, mark TEXT NOT NULL, target TEXT NOT NULL, attempts {number} NOT NULL, "
        f"failing_since_us {number}, next_attempt_us {number}, stopped {number} NOT NULL, "
        "last_error TEXT)",
        f"CREATE TABLE IF NOT EXISTS {parked} (name {text} NOT NULL, stream {text} NOT NULL, "
        f"position {number} NOT NULL, error TEXT NOT NULL, due {number} NOT NULL, "
        "PRIMARY KEY (name, stream))",
    ]


def _values(point: Checkpoint) -> list[Any]:
    return [
        point.name,
        "" if point.after is None else str(point.after),
        *point[2:6],
        int(point.stopped),
        point.last_error,
    ]


def _checkpoint(row: Sequence[Any]) -> Checkpoint:
    name, mark, target, attempts, since, following, stopped, error = row
    try:
        after = Cursor.parse(mark) if mark else None
    except ValueError:
        raise StoreDamaged(f"the checkpoint of the relay {name} was altered: forget it") from None
    return Checkpoint(name, after, target, attempts, since, following, bool(stopped), error)


def checkpoints_of(store: CaseStore) -> Checkpoints:
    """The checkpoints of a store's relays. Raises StoreUnavailable."""
    where = parse_url(store.url)
    module = "sqlite" if isinstance(where, SQLiteUrl) else "postgres"
    # As psycopg need not be installed where only SQLite is used.
    made = import_module(f"casestore.relay.{module}").made(where)
    return cast(Checkpoints, made)
