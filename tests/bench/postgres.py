"""The journal on PostgreSQL against raw psycopg, and several writers at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from casestore import CaseStore
from casestore.journal.postgres import PostgresJournal
from casestore.journal.postgres_datastore import Datastore
from casestore.journal.url import PostgresUrl
from casestore.transfer.ndjson import import_lines
from tests.bench.plain_events import PER_CASE, event_of, lines, rows
from tests.bench.race import Floor, race, seconds
from tests.bench.sqlite import SCAN, append_each

SLOW_DISK = "&options=-c%20commit_delay%3D2000%20-c%20commit_siblings%3D0"
"""In a URL: each flush takes two milliseconds more, as on the disks of most servers."""
_WRITER = """
import sys, time
from tests.bench.postgres import write_for
write_for(sys.argv[1], sys.argv[2], int(sys.argv[3]))
"""


def write_for(url: str, name: str, count: int) -> None:
    """Run in a writer process: make `count` appends to cases of its own, after a line on stdin."""
    with CaseStore.open(url) as store:
        store.append(f"case:{name}-warm", event_of(0, 0, name))
        print("ready", flush=True)
        sys.stdin.readline()
        for n in range(count):
            case, number = divmod(n, PER_CASE)
            store.append(f"case:{name}-{case}", event_of(case, number, name), key=f"k{n}")
        print("done", flush=True)


def writers(url: str, how_many: int, count: int) -> float:
    """Seconds in which `how_many` processes append `count` events together."""
    per_process = count // how_many
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, url, f"w{n}-{uuid4().hex[:6]}", str(per_process)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(how_many)
    ]

    def wait_for_a_line_of_each() -> None:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()

    def run() -> None:
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        wait_for_a_line_of_each()

    # Every process prints "ready" and "done": so neither its start nor its end is measured.
    wait_for_a_line_of_each()
    taken = seconds(run)
    for process in started:
        process.communicate()
    return taken


def bench_postgres(base: str, folder: Path, count: int, rounds: int) -> list[Floor]:
    """Append, import and read on PostgreSQL, and append with several writers at once."""
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
        datastore = Datastore(PostgresUrl(base, schema))
        PostgresJournal(datastore).create_table()
        datastore.close()
        with psycopg.connect(base, autocommit=True) as connection:
            return seconds(lambda: work(connection, insert.format(schema)))

    with CaseStore.create(fresh()) as store:
        import_lines(store, lines(count))
        raw_rows = [row._replace(event_id=str(row.event_id)) for row in rows(store)]
        scan = SCAN.replace("stored_events", store._recorder.table)
        read = race(
            rounds,
            ours=lambda: seconds(lambda: sum(1 for _ in store.read())),
            raw=lambda: seconds(lambda: len(store._recorder.fetch(scan))),
        )

    def raw_each(connection: psycopg.Connection[Any], sql: str) -> None:
        for row in raw_rows[:small]:
            connection.execute(sql, row[1:])

    def raw_many(connection: psycopg.Connection[Any], sql: str) -> None:
        for start in range(0, len(raw_rows), 1000):
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(sql, [row[1:] for row in raw_rows[start : start + 1000]])

    def our_append() -> float:
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: append_each(store, small))

    def our_bulk() -> float:
        all_lines = lines(count)
        with CaseStore.create(fresh()) as store:
            return seconds(lambda: import_lines(store, all_lines))

    def with_writers(how_many: int, count: int = 6000, options: str = "") -> float:
        url = f"{base}{options}&schema=b{uuid4().hex[:10]}"
        CaseStore.create(url).close()
        return writers(url, how_many, count)

    append = race(rounds, raw=lambda: raw(raw_each), ours=our_append)
    bulk = race(rounds, raw=lambda: raw(raw_many), ours=our_bulk)
    eight = race(rounds, one=lambda: with_writers(1), eight=lambda: with_writers(8))
    slow = race(
        rounds,
        one=lambda: with_writers(1, 2400, SLOW_DISK),
        eight=lambda: with_writers(8, 2400, SLOW_DISK),
        sixteen=lambda: with_writers(16, 2400, SLOW_DISK),
    )
    per_event = append["ours"] / (small + small / PER_CASE / 2)
    return [
        Floor("PostgreSQL append", "raw insert", append["raw"] / small / per_event, 0.5),
        Floor(
            "PostgreSQL import of NDJSON lines", "raw executemany", bulk["raw"] / bulk["ours"], 0.4
        ),
        Floor("PostgreSQL read, decoded", "raw scan", read["raw"] / read["ours"], 0.6),
        Floor("PostgreSQL, 8 writers", "1 writer", eight["one"] / eight["eight"], 1.0),
        Floor("  where a flush takes 2 ms", "1 writer", slow["one"] / slow["eight"], 4.0),
        Floor("  and 16 writers", "1 writer", slow["one"] / slow["sixteen"], 4.0),
    ]
