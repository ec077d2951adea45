"""Other event stores for Python on the work that all can do, and ours beside them.

Each is used as its documentation shows, by the call that costs it least, with events that have the
same facts. All commits are durable: SQLite's synchronous is FULL, its default, which none
changes; the journal is a write-ahead log but for aett, which leaves SQLite's default.

eventsource-py and aett are not needed for anything else:
pip install --no-deps -r tests/support/peers_requirements.txt
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any, Protocol
from uuid import UUID, uuid4, uuid5

import psycopg

from casestore import CaseStore
from tests.bench.plain_events import PER_CASE, START, TEXT, events
from tests.bench.race import Floor, race, seconds
from tests.bench.sqlite import STOCK_ACTOR, Stock, StockCase, append_each, write_batches

LOADS = 100
"""Streams that are loaded, drawn by lot."""
REQUIREMENTS = "tests/support/peers_requirements.txt"


class Contender(Protocol):
    """A store with cases of eight events."""

    def append(self, count: int) -> object:
        """Append so many events to new cases, one a commit."""

    def fill(self, count: int) -> object:
        """Append so many events to new cases, more of them a commit."""

    def read(self) -> int:
        """Read all events, decoded, in the order of recording. Gives their number."""

    def load(self, cases: Sequence[int]) -> int:
        """Read the events of these cases, decoded. Gives their number."""

    def close(self) -> object:
        """Close the store."""


Make = Callable[[str], Contender]
"""Makes a contender with a new store, of that name."""


class Ours:
    """casestore: text sealed when it is appended, and opened when it is read."""

    def __init__(self, url: str) -> None:
        self._store = CaseStore.create(url)
        self.append = partial(append_each, self._store)
        self.close = self._store.close

    def fill(self, count: int) -> None:
        write_batches(self._store, list(events(count)))

    def read(self) -> int:
        registered = "CustomerRegistered"  # the store adds these: the others have none
        kinds = (type(each.event).__name__ for each in self._store.read(reveal=True))
        return sum(1 for kind in kinds if kind != registered)

    def load(self, cases: Sequence[int]) -> int:
        return sum(len(self._store.history(f"case:{n}", reveal=True)) for n in cases)


class StockLibrary:
    """eventsourcing: an aggregate that is held in memory, so that saving loads nothing."""

    def __init__(self, **environment: str) -> None:
        self._app = Stock(environment)
        self._ids: list[UUID] = []
        self.close = self._app.close

    def append(self, count: int) -> None:
        self._append(count, every=1)

    def fill(self, count: int) -> None:
        self._append(count, every=PER_CASE)

    def _append(self, count: int, every: int) -> None:
        case = StockCase(customer_id="C-1")
        for n in range(count):
            if n % PER_CASE == 0:
                case = StockCase(customer_id="C-1")
                self._ids.append(case.id)
            else:
                case.say(
                    occurred_at=START,
                    actor=STOCK_ACTOR,
                    message_id=f"m{n}",
                    channel="email",
                    text=TEXT,
                    event_id=uuid4(),
                    customer_id="C-1",
                )
            if (n + 1) % every == 0 or n + 1 == count:
                self._app.save(case)

    def read(self) -> int:
        found = 0
        while notes := self._app.recorder.select_notifications(found + 1, 1000):
            found += len([self._app.mapper.to_domain_event(note) for note in notes])
        return found

    def load(self, cases: Sequence[int]) -> int:
        return sum(len(list(self._app.events.get(self._ids[n]))) for n in cases)


class EventsourcePy:
    """eventsource-py: its store on aiosqlite, in one event loop."""

    def __init__(self, path: str) -> None:
        from eventsource import DomainEvent, ExpectedVersion, SQLiteEventStore, StreamId

        class PeerSaid(DomainEvent):  # type: ignore[misc]
            aggregate_type: str = "Case"
            actor: dict[str, str]
            message_id: str
            channel: str
            text: str

        self._said, self._stream, self._expected = PeerSaid, StreamId, ExpectedVersion
        self._loop = asyncio.Runner()
        from eventsource.domain.event_registry import EventRegistry

        registry = EventRegistry()
        registry.register(PeerSaid)
        self._store = SQLiteEventStore(path, registry)

    def append(self, count: int) -> None:
        self._loop.run(self._append(count, 1))

    def fill(self, count: int) -> None:
        self._loop.run(self._append(count, PER_CASE))

    async def _append(self, count: int, every: int) -> None:
        for first in range(0, count, every):
            case, done = divmod(first, PER_CASE)
            of = self._stream(_id(case), "Case")
            made = [
                self._said(
                    aggregate_id=of.aggregate_id,
                    occurred_at=START,
                    actor=STOCK_ACTOR,
                    message_id=f"m{n}",
                    channel="email",
                    text=TEXT,
                )
                for n in range(first, min(first + every, count))
            ]
            await self._store.append(of, made, self._expected.exact(done))

    def read(self) -> int:
        async def read() -> int:
            return len([each.event async for each in self._store.read_all()])

        return self._loop.run(read())

    def load(self, cases: Sequence[int]) -> int:
        async def load() -> int:
            found = 0
            for n in cases:
                stream = self._store.read_stream(self._stream(_id(n), "Case"))
                found += len([one.event async for one in stream])
            return found

        return self._loop.run(load())

    def close(self) -> None:
        self._loop.run(self._store.close())
        self._loop.close()


class Aett:
    """aett: its store of commits, which opens the file for each."""

    def __init__(self, path: str) -> None:
        from aett.eventstore import Commit, DomainEvent, EventMessage, TopicMap
        from aett.storage.synchronous.sqlite import CommitStore, PersistenceManagement

        class PeerSaid(DomainEvent):  # type: ignore[misc]
            actor: dict[str, str]
            message_id: str
            channel: str
            text: str

        topics = TopicMap().register(PeerSaid)
        PersistenceManagement(path, topics).initialize()
        self._said, self._commit, self._message = PeerSaid, Commit, EventMessage
        self._store = CommitStore(path, topics)

    def append(self, count: int) -> None:
        self._append(count, 1)

    def fill(self, count: int) -> None:
        self._append(count, PER_CASE)

    def _append(self, count: int, every: int) -> None:
        for first in range(0, count, every):
            case, done = divmod(first, PER_CASE)
            made = [
                self._message(
                    body=self._said(
                        source=f"case-{case}",
                        timestamp=START,
                        version=n % PER_CASE + 1,
                        actor=STOCK_ACTOR,
                        message_id=f"m{n}",
                        channel="email",
                        text=TEXT,
                    )
                )
                for n in range(first, min(first + every, count))
            ]
            commit = self._commit(
                tenant_id="bench",
                stream_id=f"case-{case}",
                stream_revision=done + len(made),
                commit_id=uuid4(),
                commit_sequence=done // every + 1,
                commit_stamp=datetime.now(UTC),
                headers={},
                events=made,
                checkpoint_token=0,
            )
            self._store.commit(commit)

    def read(self) -> int:
        return sum(len(each.events) for each in self._store.get_all_to("bench"))

    def load(self, cases: Sequence[int]) -> int:
        kept = [one for n in cases for one in self._store.get("bench", f"case-{n}")]
        return sum(len(each.events) for each in kept)

    def close(self) -> None:
        """It holds nothing open."""


def _id(case: int) -> UUID:
    return uuid5(UUID(int=1), str(case))


# --- the races -------------------------------------------------------------------------------


def bench_peers(folder: Path, count: int, rounds: int) -> Iterator[Floor]:
    """Append, read all and load streams, on SQLite and on PostgreSQL. Says who is not here."""
    from tests.support.postgres_server import NoServer, server

    os.environ["CASESTORE_KEY_FILE"] = str(folder / "key")
    here: dict[str, Make] = {
        "casestore": lambda name: Ours(f"sqlite:///{folder}/{name}.db"),
        f"eventsourcing {version('eventsourcing')}": lambda name: StockLibrary(
            PERSISTENCE_MODULE="eventsourcing.sqlite", SQLITE_DBNAME=f"{folder}/{name}.db"
        ),
    }
    for name, module, make in (
        ("eventsource-py", "eventsource", EventsourcePy),
        ("aett", "aett", Aett),
    ):
        if importlib.util.find_spec(module):
            here[f"{name} {version(name)}"] = lambda name, make=make: make(f"{folder}/{name}.db")  # type: ignore[misc]
        else:
            print(f"{name} is not installed: pip install --no-deps -r {REQUIREMENTS}", flush=True)
    yield from _compared("SQLite", here, count, rounds)
    try:
        with server() as url:
            stock = f"eventsourcing {version('eventsourcing')}"
            both: dict[str, Make] = {
                "casestore": lambda name: Ours(f"{url}&schema={name}"),
                stock: lambda name: _stock_on_postgres(url, name),
            }
            yield from _compared("PostgreSQL", both, count, rounds)
    except NoServer as error:
        print(f"PostgreSQL is left out: {error}", flush=True)


def _stock_on_postgres(url: str, schema: str) -> StockLibrary:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        info = connection.info
        return StockLibrary(
            PERSISTENCE_MODULE="eventsourcing.postgres",
            POSTGRES_DBNAME=info.dbname,
            POSTGRES_HOST=info.host,
            POSTGRES_PORT=str(info.port),
            POSTGRES_USER=info.user,
            POSTGRES_PASSWORD=info.password,
            POSTGRES_SCHEMA=schema,
        )


def _compared(where: str, makes: dict[str, Make], count: int, rounds: int) -> Iterator[Floor]:
    """Ours against each of the others: how much faster we are, and how many events a second."""
    few, many = max(80, count // 100), max(80, count // 10)

    def appended(make: Make) -> float:
        with closing(make(f"p{uuid4().hex[:10]}")) as one:
            return seconds(lambda: one.append(few))

    yield from _rows(
        f"{where} append",
        few,
        race(rounds, **{name: partial(appended, make) for name, make in makes.items()}),
    )
    cases = Random(1).choices(range(many // PER_CASE), k=LOADS)
    full: dict[str, Any] = {name: make(f"p{uuid4().hex[:10]}") for name, make in makes.items()}
    for name, one in full.items():
        one.fill(many)
        if (found := (one.read(), one.load(cases))) != (many, LOADS * PER_CASE):
            raise RuntimeError(f"{name} read {found} events")

    def read(one: Contender) -> float:
        return seconds(one.read)

    def load(one: Contender) -> float:
        return seconds(lambda: one.load(cases))

    reads = race(rounds, **{name: partial(read, one) for name, one in full.items()})
    yield from _rows(f"{where} read all", many, reads)
    loads = race(rounds, **{name: partial(load, one) for name, one in full.items()})
    yield from _rows(f"{where} load streams", LOADS * PER_CASE, loads)
    for one in full.values():
        one.close()


def _rows(work: str, count: int, times: dict[str, float]) -> Iterator[Floor]:
    ours = times.pop("casestore")
    for name, taken in times.items():
        told = f"{work}, {count / ours:,.0f} a second"
        yield Floor(told, f"{name}, {count / taken:,.0f}", taken / ours, 0)
