"""A transaction pooler, pgbouncer, between the tests and a PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.postgres_server import NoServer, Server, surroundings

# What Debian's package of the name installs; None where it is missing.
PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")


@contextmanager
def pooler(server: Server) -> Iterator[str]:
    """Give the URL of the server through a pooler with five sessions of the server.

    Raises NoServer where it does not start.
    """
    assert PROGRAM is not None
    folder = server.folder / "pooler"
    folder.mkdir()
    server.own(folder)
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={server.folder} port=5432 user=postgres\n"
        f"[pgbouncer]\nlisten_port = 6432\nlisten_addr =\nunix_socket_dir = {folder}\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 5\n"
        "max_client_conn = 500\nserver_check_delay = 0\n"
    )
    url = f"postgresql://postgres@/postgres?host={folder}&port=6432"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **surroundings(folder),
        )
    try:
        _wait_until_ready(url, folder)
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(url: str, folder: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise NoServer(f"pgbouncer: {(folder / 'log').read_text()}") from error
            time.sleep(0.05)
        else:
            return
