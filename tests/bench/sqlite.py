"""The journal on SQLite against raw sqlite3 and the stock library."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from secrets import token_bytes
from typing import cast
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.system import NotificationLogReader

from casestore import CaseStore, CustomerRegistered
from casestore.append.request import Append, event_id
from casestore.events import Event
from casestore.journal.rows import Row
from casestore.journal.sqlite import SQLiteJournal
from casestore.journal.sqlite_datastore import Datastore
from casestore.streams.customer import STORE
from casestore.streams.history import Metadata, encode_metadata, to_microseconds
from casestore.transfer.ndjson import import_lines
from tests.bench.plain_events import PER_CASE, START, TEXT, event_of, events, lines, rows
from tests.bench.race import Floor, race, seconds
from tests.bench.threads import bench_threads

STOCK_ACTOR = {"kind": "agent", "id": "anna", "role": "first_line", "team": "north"}


class StockCase(Aggregate):
    """A case as one writes it with the stock library: an aggregate that holds its messages."""

    def __init__(self, customer_id: str) -> None:
        self.customer_id = customer_id
        self.messages: list[str] = []

    @event("Said")
    def say(
        self,
        *,
        occurred_at: datetime,
        actor: dict[str, str],
        message_id: str,
        channel: str,
        text: str,
        event_id: UUID,
        customer_id: str,
    ) -> None:
        """One more message, with the same facts as one of ours."""
        self.messages.append(message_id)


class Stock(Application[UUID]):
    """The stock library's application."""


_INSERT = "INSERT INTO stored_events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def raw_sqlite(path: Path) -> sqlite3.Connection:
    """Our table with its indexes, without our triggers."""
    store = SQLiteJournal(Datastore(path, create=True))
    store.create_table()
    store.datastore.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        connection.execute(f"DROP TRIGGER {trigger}")
    return connection


def bench_sqlite(folder: Path, count: int, rounds: int) -> list[Floor]:
    """Append, import and read on SQLite."""
    os.environ["CASESTORE_KEY_FILE"] = str(folder / "key")
    number = iter(range(1_000_000))
    small = max(200, count // 50)

    def fresh() -> str:
        return f"sqlite:///{folder}/{next(number)}.db"

    with CaseStore.create(fresh()) as store:
        import_lines(store, lines(count))
        raw_rows = rows(store)
        stock = stock_app(folder)
        stock_each(stock, len(raw_rows) // 20)
        read = race(
            rounds,
            ours=lambda: seconds(lambda: sum(1 for _ in store.read())),
            raw=lambda: seconds(lambda: len(store._recorder.fetch(SCAN))),
            stock=lambda: 20 * seconds(lambda: stock_read(stock)),
        )
        stock.close()

    def raw_append() -> float:
        connection = raw_sqlite(folder / f"{next(number)}.db")
        with contextlib.closing(connection):
            return seconds(lambda: one_by_one(connection, raw_rows[:small]))

    def raw_bulk() -> float:
        connection = raw_sqlite(folder / f"{next(number)}.db")
        with contextlib.closing(connection):
            return seconds(lambda: many(connection, raw_rows))

    def our_append() -> float:
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: append_each(store, small))

    def our_bulk() -> float:
        all_lines = lines(count)
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: import_lines(store, all_lines))

    def our_batches() -> float:
        all_events = list(events(count))
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: write_batches(store, all_events))

    def stock_append() -> float:
        with stock_app(folder) as app:
            return seconds(lambda: stock_each(app, small))

    def bare_append() -> float:
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: bare_each(store, raw_rows[:small]))

    append = race(rounds, raw=raw_append, ours=our_append, stock=stock_append, bare=bare_append)
    bulk = race(rounds, raw=raw_bulk, ours=our_bulk, batches=our_batches)
    # For every second case our append also writes the customer's registration: count all rows.
    ours_rows = small + small / PER_CASE / 2
    per_event = append["ours"] / ours_rows
    return [
        Floor("SQLite append", "raw insert", append["raw"] / small / per_event, 0.5),
        Floor("SQLite append", "stock load and save", append["stock"] / small / per_event, 0),
        Floor("SQLite append", "its bare work", append["bare"] / small / per_event, 0.75),
        Floor("its bare work", "stock load and save", append["stock"] / append["bare"], 0),
        Floor(
            "SQLite bulk, batches of events", "raw executemany", bulk["raw"] / bulk["batches"], 0.4
        ),
        Floor("SQLite import of NDJSON lines", "raw executemany", bulk["raw"] / bulk["ours"], 0.4),
        Floor("SQLite read, decoded", "raw scan", read["raw"] / read["ours"], 0.6),
        Floor("SQLite read, decoded", "stock reader", read["stock"] / read["ours"], 4.0),
        *bench_threads(fresh, small, rounds),
    ]


SCAN = (
    "SELECT position, originator_id, originator_version, topic, state, personal, customer_id, "
    "event_id, recorded_at, metadata FROM stored_events ORDER BY position"
)


def append_each(store: CaseStore, count: int) -> None:
    """Append one event a commit. Making the events, which validates them, is measured too."""
    for n in range(count):
        case, number = divmod(n, PER_CASE)
        store.append(f"case:{case}", event_of(case, number), key=f"k{n}")


class _Turn:
    left = False


def bare_each(store: CaseStore, like: Sequence[Row]) -> None:
    """The least work of an append: make (validate), encode and seal an event, and commit its row.

    Nothing is read from the store, and nothing is checked against its history.
    """
    codec, vault = store._codec, store._vault
    key = vault.new_key("C")
    with store._recorder.writing() as writing:
        writing.commit([], [key])
    datastore = cast(SQLiteJournal, store._recorder).datastore
    registered, n = CustomerRegistered(occurred_at=START, actor=STORE), 0
    for row in like:
        if row.topic == "CustomerRegistered":
            event: Event = registered
        else:
            event, n = event_of(n // PER_CASE, n % PER_CASE), n + 1
        uid = event_id(row.stream, f"k{n}", 0)
        topic, state = codec.encode(event)
        part, personal = None, codec.personal(event)
        if personal:
            salt = token_bytes(16)
            part = vault.seal(personal, key, row.stream, row.version, topic, salt=salt)
        own = urlsafe_b64encode(token_bytes(18)).decode()
        metadata = encode_metadata(Metadata(own, f"k{n}", 1, tuple(personal)))
        at = to_microseconds(store.now())
        values = (row.stream, row.version, topic, state, part, row.customer_id, uid, at, metadata)
        turn = _Turn()
        writer, cursor = datastore.take_writer(turn)  # begins the transaction
        cursor.execute(_INSERT, values)
        writer.commit()
        datastore.give_writer_back(turn)
        turn.left = True


def write_batches(store: CaseStore, all_events: Sequence[tuple[str, Event]]) -> None:
    """Append events through the library, each with a key of its own, a thousand to a commit."""
    for start in range(0, len(all_events), 1000):
        batch = enumerate(all_events[start : start + 1000], start)
        appends = [Append(batches=((stream, (e,)),), key=f"k{n}") for n, (stream, e) in batch]
        store.write(appends)


def one_by_one(connection: sqlite3.Connection, raw_rows: Sequence[Row]) -> None:
    """Insert one row a commit."""
    for row in raw_rows:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_INSERT, row[1:])
        connection.execute("COMMIT")


def many(connection: sqlite3.Connection, raw_rows: Sequence[Row]) -> None:
    """Insert a thousand rows a commit."""
    for start in range(0, len(raw_rows), 1000):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT, [row[1:] for row in raw_rows[start : start + 1000]])
        connection.execute("COMMIT")


def stock_each(app: Stock, count: int) -> None:
    """Append with the stock library: load the aggregate, add one event, save it."""
    case = None
    for n in range(count):
        if n % PER_CASE == 0:
            case = StockCase(customer_id="C-1")
        else:
            assert case is not None
            case = app.repository.get(case.id)
            case.say(
                occurred_at=START,
                actor=STOCK_ACTOR,
                message_id=f"m{n}",
                channel="email",
                text=TEXT,
                event_id=uuid4(),
                customer_id="C-1",
            )
        app.save(case)


def stock_app(folder: Path) -> Stock:
    """The stock library on a fresh SQLite file."""
    env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": f"{folder}/{uuid4()}"}
    return Stock(env)


def stock_read(app: Stock) -> int:
    """Read every event in order with the stock library's own reader and its default settings."""
    reader = NotificationLogReader(app.notification_log)
    return sum(1 for note in reader.read(start=1) if app.mapper.to_domain_event(note) is not None)
