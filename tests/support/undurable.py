"""A PostgreSQL that flushes nothing by itself, and commits that nobody has waited for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from casestore.journal.url import PostgresUrl, parse_url
from tests.support.postgres_server import Server, own_server

_SETTINGS = ("autovacuum = off", "checkpoint_timeout = '1d'", "wal_writer_delay = '10s'")
_COPY = """
INSERT INTO "{schema}".stored_events (originator_id, originator_version, topic, state, personal,
    customer_id, event_id, recorded_at, metadata)
SELECT originator_id, originator_version, topic, state, personal, customer_id, event_id,
    recorded_at, metadata
FROM "{source}".stored_events WHERE position > (SELECT max(position) FROM "{schema}".stored_events)
ORDER BY position
"""


@contextmanager
def nothing_flushes() -> Iterator[Server]:
    """Run a server that flushes a commit only if somebody waits for it.

    Raises NoServer.
    """
    with own_server() as server:
        with psycopg.connect(server.url, autocommit=True) as admin:
            for setting in _SETTINGS:
                admin.execute(f"ALTER SYSTEM SET {setting}".encode())
            admin.execute("SELECT pg_reload_conf()")
        with _wal_writer_stopped(server):
            yield server


@contextmanager
def crashed(server: Server) -> Iterator[None]:
    """Crash the server, and start it again; until the context ends, it flushes nothing either."""
    server.kill()
    server.start()
    with _wal_writer_stopped(server):
        yield


@contextmanager
def _wal_writer_stopped(server: Server) -> Iterator[None]:
    """Stop the process that writes the WAL in the background."""
    sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
    with psycopg.connect(server.url) as admin:
        (pid,) = admin.execute(sql).fetchone() or (0,)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # the server was crashed, and this with it
            os.kill(pid, signal.SIGCONT)


def commit_undurably(url: str, source: str) -> str:
    """Commit in a store what another store has beyond it, as a writer that waits for no flush.

    Gives the end of the WAL after it, which is not flushed.
    """
    where, other = parse_url(url), parse_url(source)
    assert isinstance(where, PostgresUrl)
    assert isinstance(other, PostgresUrl)
    with psycopg.connect(where.conninfo) as writer:
        writer.execute("SET synchronous_commit = off")
        writer.execute(_COPY.format(schema=where.schema, source=other.schema).encode())
        writer.commit()
        (end,) = writer.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone() or ("",)
    assert not is_flushed(where.conninfo, end), "this server flushes by itself"
    return str(end)


def is_flushed(conninfo: str, end: str) -> bool:
    """Whether the WAL is on the disk up to an end."""
    with psycopg.connect(conninfo) as connection:
        sql = "SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn"
        (flushed,) = connection.execute(sql, [end]).fetchone() or (False,)
    return bool(flushed)
