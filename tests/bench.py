"""Speed, as ratios against the raw database and the stock library in one run on one machine.

    python -m tests.bench [--rounds N] [--events N] [--only sqlite|postgres|start]
    python -m tests.bench generate [--events N] [--seed N] [--out FILE|-] [--db URL]

Every ratio is a speed divided by a speed, so larger is better; each is the median of rounds in
which the contenders take turns, because machines are noisy. Raw means the same durable work by
hand: the same columns and indexes, synchronous=FULL, rows made beforehand.

`generate` measures nothing: it makes histories shaped like real ones (tests/generate), as NDJSON
or in a store.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.system import NotificationLogReader

from casestore import Actor, CaseOpened, CaseStore, MessageReceived, ReplySent
from casestore.append import Append
from casestore.events import Event
from casestore.journal.recorder import Row
from casestore.journal.sqlite import Datastore, SQLiteJournal
from casestore.transfer import import_lines
from tests import generate
from tests.postgres_server import server

AGENT = Actor(kind="agent", id="anna", role="first_line", team="north")
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
STOCK_ACTOR = {"kind": "agent", "id": "anna", "role": "first_line", "team": "north"}
TEXT = "The parcel came late, and the box was open. I would like to know what happened to it."
PER_CASE = 8


class Floor(NamedTuple):
    """A row of the table that is printed."""

    work: str
    against: str
    ratio: float
    floor: float

    def line(self) -> str:
        """The row."""
        met = "ok" if self.ratio >= self.floor else "BELOW"
        return f"{self.work:<34} {self.ratio:6.2f} × {self.against:<28} floor {self.floor:<5} {met}"


def made(case: int, number: int, whose: str = "C") -> Event:
    """The n-th event of a case: opened, then messages and replies in turn."""
    at = START + timedelta(minutes=case, seconds=number)
    if number == 0:
        return CaseOpened(
            occurred_at=at,
            actor=AGENT,
            customer_id=f"{whose}-{case // 2}",
            channel="email",
            subject=TEXT,
        )
    if number % 2:
        return MessageReceived(
            occurred_at=at, actor=AGENT, message_id=f"m{number}", channel="email", text=TEXT
        )
    return ReplySent(
        occurred_at=at,
        actor=AGENT,
        reply_id=f"r{number}",
        channel="email",
        language="en",
        text=TEXT,
    )


def events(count: int) -> Iterator[tuple[str, Event]]:
    """So many events of cases of eight, in the order in which they come."""
    for n in range(count):
        yield f"case:{n // PER_CASE}", made(n // PER_CASE, n % PER_CASE)


def lines(count: int) -> list[bytes]:
    """The same as NDJSON."""
    found = []
    for n, (stream, each) in enumerate(events(count)):
        cls: Any = type(each)
        data = json.loads(cls.__pydantic_serializer__.to_json(each, exclude_none=True))
        line = {"stream": stream, "type": cls.__name__, "data": data, "key": f"k{n}"}
        found.append(json.dumps(line, separators=(",", ":")).encode())
    return found


def rows(store: CaseStore) -> list[Row]:
    """What the store holds, as rows to insert elsewhere."""
    return [Row._make(row) for row in store.recorder.rows(0, 10_000_000)]


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def race(rounds: int, **contenders: Callable[[], float]) -> dict[str, float]:
    """The median seconds of each contender; they take turns, so that noise hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            taken[name].append(contender())
    return {name: statistics.median(each) for name, each in taken.items()}


# --- SQLite ----------------------------------------------------------------------------------


class StockCase(Aggregate):
    """The stock library's own way: an aggregate that holds what was said."""

    def __init__(self, customer_id: str) -> None:
        self.customer_id = customer_id
        self.said: list[str] = []

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
        self.said.append(message_id)


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
        given = rows(store)
        stock = stock_app(folder)
        stock_each(stock, len(given) // 20)
        read = race(
            rounds,
            ours=lambda: seconds(lambda: sum(1 for _ in store.read())),
            raw=lambda: seconds(lambda: len(store.recorder.fetch(_SCAN))),
            stock=lambda: 20 * seconds(lambda: stock_read(stock)),
        )
        stock.close()

    def raw_append() -> float:
        connection = raw_sqlite(folder / f"{next(number)}.db")
        with contextlib.closing(connection):
            return seconds(lambda: one_by_one(connection, given[:small]))

    def raw_bulk() -> float:
        connection = raw_sqlite(folder / f"{next(number)}.db")
        with contextlib.closing(connection):
            return seconds(lambda: many(connection, given))

    def our_append() -> float:
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: append_each(store, small))

    def our_bulk() -> float:
        given_lines = lines(count)
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: import_lines(store, given_lines))

    def our_batches() -> float:
        made_events = list(events(count))
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: write_batches(store, made_events))

    def stock_append() -> float:
        with stock_app(folder) as app:
            return seconds(lambda: stock_each(app, small))

    append = race(rounds, raw=raw_append, ours=our_append, stock=stock_append)
    bulk = race(rounds, raw=raw_bulk, ours=our_bulk, batches=our_batches)
    # Our appends write a registration for every second case besides: count rows, not calls.
    ours_rows = small + small / PER_CASE / 2
    per_event = append["ours"] / ours_rows
    return [
        Floor("SQLite append", "raw insert", append["raw"] / small / per_event, 0.4),
        Floor("SQLite append", "stock load and save", append["stock"] / small / per_event, 2.0),
        Floor(
            "SQLite bulk, batches of events", "raw executemany", bulk["raw"] / bulk["batches"], 0.3
        ),
        Floor("SQLite import of NDJSON lines", "raw executemany", bulk["raw"] / bulk["ours"], 0.3),
        Floor("SQLite read, decoded", "raw scan", read["raw"] / read["ours"], 0.4),
        Floor("SQLite read, decoded", "stock reader", read["stock"] / read["ours"], 4.0),
    ]


_SCAN = (
    "SELECT position, originator_id, originator_version, topic, state, personal, customer_id, "
    "event_id, recorded_at, metadata FROM stored_events ORDER BY position"
)


def append_each(store: CaseStore, count: int) -> None:
    """One event, one commit; made (validated) on the way."""
    for n in range(count):
        case, number = divmod(n, PER_CASE)
        store.append(f"case:{case}", made(case, number), key=f"k{n}")


def write_batches(store: CaseStore, given: Sequence[tuple[str, Event]]) -> None:
    """Appends through the library, each with its key, a thousand a commit."""
    for start in range(0, len(given), 1000):
        some = enumerate(given[start : start + 1000], start)
        appends = [Append(batches=((stream, (e,)),), key=f"k{n}") for n, (stream, e) in some]
        store.write(appends)


def one_by_one(connection: sqlite3.Connection, given: Sequence[Row]) -> None:
    """One row, one commit."""
    for row in given:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_INSERT, row[1:])
        connection.execute("COMMIT")


def many(connection: sqlite3.Connection, given: Sequence[Row]) -> None:
    """A thousand rows a commit."""
    for start in range(0, len(given), 1000):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT, [row[1:] for row in given[start : start + 1000]])
        connection.execute("COMMIT")


def stock_each(app: Stock, count: int) -> None:
    """The stock library doing the same: load the aggregate, one more event, save."""
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
    """The stock library reading every event in order, with its own reader as it comes."""
    reader = NotificationLogReader(app.notification_log)
    return sum(1 for each in reader.read(start=1) if app.mapper.to_domain_event(each) is not None)


# --- PostgreSQL ------------------------------------------------------------------------------

_WRITER = """
import sys, time
from tests.bench import write_for
write_for(sys.argv[1], sys.argv[2], int(sys.argv[3]))
"""


def write_for(url: str, name: str, count: int) -> None:
    """What a writer process does: so many appends to cases of its own, once told to begin."""
    with CaseStore.open(url) as store:
        store.append(f"case:{name}-warm", made(0, 0, name))
        print("ready", flush=True)
        sys.stdin.readline()
        for n in range(count):
            case, number = divmod(n, PER_CASE)
            store.append(f"case:{name}-{case}", made(case, number, name), key=f"k{n}")


def writers(url: str, how_many: int, count: int) -> float:
    """Seconds for so many processes to append `count` events between them."""
    each = count // how_many
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, url, f"w{n}-{uuid4().hex[:6]}", str(each)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(how_many)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()

    def run() -> None:
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in started:
            process.communicate()

    return seconds(run)


def bench_postgres(base: str, folder: Path, count: int, rounds: int) -> list[Floor]:
    """Append, import and read on PostgreSQL, and writers side by side."""
    import psycopg

    from casestore.journal.postgres import Datastore as PgDatastore
    from casestore.journal.postgres import PostgresJournal
    from casestore.journal.url import PostgresUrl

    os.environ["CASESTORE_KEY_FILE"] = str(folder / "key")
    small = max(200, count // 50)

    def fresh() -> str:
        return f"{base}&schema=b{uuid4().hex[:10]}"

    insert = (
        "INSERT INTO {}.stored_events (originator_id, originator_version, topic, state, personal, "
        "customer_id, event_id, recorded_at, metadata) VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s)"
    )

    def raw(work: Callable[[psycopg.Connection[Any], str], object]) -> float:
        schema = f"b{uuid4().hex[:10]}"
        datastore = PgDatastore(PostgresUrl(base, schema))
        PostgresJournal(datastore).create_table()
        datastore.close()
        with psycopg.connect(base, autocommit=True) as connection:
            return seconds(lambda: work(connection, insert.format(schema)))

    with CaseStore.create(fresh()) as store:
        import_lines(store, lines(count))
        given = [row._replace(event_id=str(row.event_id)) for row in rows(store)]
        scan = _SCAN.replace("stored_events", store.recorder.table)
        read = race(
            rounds,
            ours=lambda: seconds(lambda: sum(1 for _ in store.read())),
            raw=lambda: seconds(lambda: len(store.recorder.fetch(scan))),
        )

    def raw_each(connection: psycopg.Connection[Any], sql: str) -> None:
        for row in given[:small]:
            connection.execute(sql, row[1:])

    def raw_many(connection: psycopg.Connection[Any], sql: str) -> None:
        for start in range(0, len(given), 1000):
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(sql, [row[1:] for row in given[start : start + 1000]])

    def our_append() -> float:
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: append_each(store, small))

    def our_bulk() -> float:
        given_lines = lines(count)
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: import_lines(store, given_lines))

    def side_by_side(how_many: int) -> float:
        """Long enough that starting up is not what is measured."""
        url = fresh()
        CaseStore.create(url).close()
        return writers(url, how_many, 6000)

    append = race(rounds, raw=lambda: raw(raw_each), ours=our_append)
    bulk = race(rounds, raw=lambda: raw(raw_many), ours=our_bulk)
    eight = race(rounds, one=lambda: side_by_side(1), eight=lambda: side_by_side(8))
    per_event = append["ours"] / (small + small / PER_CASE / 2)
    return [
        Floor("PostgreSQL append", "raw insert", append["raw"] / small / per_event, 0.5),
        Floor(
            "PostgreSQL import of NDJSON lines", "raw executemany", bulk["raw"] / bulk["ours"], 0.3
        ),
        Floor("PostgreSQL read, decoded", "raw scan", read["raw"] / read["ours"], 0.4),
        Floor("PostgreSQL, 8 writers", "1 writer", eight["one"] / eight["eight"], 1.0),
    ]


def bench_start(rounds: int) -> list[Floor]:
    """How soon `casestore --help` is there."""
    root = Path(__file__).parents[1]

    def run(*args: str) -> float:
        command = [sys.executable, *args]
        return seconds(lambda: subprocess.run(command, cwd=root, check=True, capture_output=True))

    taken = race(
        rounds * 3,
        click=lambda: run("-c", "import click"),
        ours=lambda: run("-m", "cli.main", "--help"),
    )
    return [Floor("casestore --help", "import click", taken["click"] / taken["ours"], 0.5)]


def main() -> None:
    """Print the table, or make histories."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--only", choices=["sqlite", "postgres", "start"])
    commands = parser.add_subparsers(dest="command")
    generate.arguments(commands.add_parser("generate", help="make histories shaped like real ones"))
    asked = parser.parse_args()
    if asked.command == "generate":
        generate.run(asked)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.only in (None, "sqlite"):
            show(bench_sqlite(folder, asked.events, asked.rounds))
        if asked.only in (None, "postgres"):
            with server() as url:
                show(bench_postgres(url, folder, asked.events, asked.rounds))
        if asked.only in (None, "start"):
            show(bench_start(asked.rounds))


def show(floors: list[Floor]) -> None:
    """Print rows as they come."""
    for each in floors:
        print(each.line(), flush=True)


if __name__ == "__main__":
    main()
