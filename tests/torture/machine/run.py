"""One run: a store is made, workers use it, faults come, and all come to rest again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from casestore import CaseStore
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.journal.url import PostgresUrl, parse_url
from casestore.privacy.erasure import finish
from casestore.privacy.rotation import rotate
from tests.support.postgres_server import Server, own_server
from tests.torture.machine.crew import Crew
from tests.torture.machine.faults import Faults
from tests.torture.machine.logs import Log, operations, read
from tests.torture.machine.options import Options
from tests.torture.machine.place import Place
from tests.torture.machine.plan import BEGIN, POLICY, note, opening
from tests.torture.machine.proxy import Proxy
from tests.torture.machine.worker import Task
from tests.torture.machine.writers import told_receipt

_BESIDE = {
    "reader": 2,
    "follower": 2,
    "runner": 1,
    "sealer": 1,
    "eraser": 1,
    "taker": 1,
    "rotator": 1,
}
"""The other workers, beside the writers."""
_FIRST = ("writer", "eraser", "taker", "sealer", "runner", "rotator")
_WATCHERS = ("reader", "follower")
_CATCHES_UP = 90.0
"""Seconds in which followers see the last event, on a machine however slow."""
_ENOUGH = {
    **dict.fromkeys(("note", "all", "expected", "repeat", "gift"), 3),
    **dict.fromkeys(
        ("new", "everything", "stream", "seal", "erase", "look", "backup", "rotate"), 1
    ),
    "claim": 20,
    "catch up": 1,
}
"""What is done at least so often, so that a run shows something."""
_SERVER = ("max_connections=200",)


@contextmanager
def placed(options: Options, folder: Path) -> Iterator[tuple[Place, Server | None, Proxy | None]]:
    """Make the place of a run; a PostgreSQL server runs while the context lasts.

    Raises NoServer.
    """
    with ExitStack() as stack:
        if options.backend == "sqlite":
            url = f"sqlite:///{folder}/store.db"
            place = Place(folder, "sqlite", url, url)
            place.make()
            place.settle()
            yield place, None, None
            return
        server = stack.enter_context(own_server((*_SERVER, *options.settings)))
        socket = server.folder / ".s.PGSQL.5432"
        proxied = server.folder / "proxy"
        proxied.mkdir()
        proxy = Proxy(socket, proxied / socket.name)
        stack.callback(proxy.close)
        url = f"{server.url}&schema=torture"
        through = url.replace(f"host={_quoted(server.folder)}", f"host={_quoted(proxied)}")
        place = Place(folder, "postgres", url, through)
        place.make()
        place.settle(server.binaries.folder)
        yield place, server, proxy


def _quoted(folder: Path) -> str:
    from urllib.parse import quote

    return quote(str(folder))


def torture(options: Options, place: Place, server: Server | None, proxy: Proxy | None) -> float:
    """Make the store, and torture it. Gives the seconds that the faults went on."""
    log = Log(place.logs / "machine.log")
    with CaseStore.create(place.url, clock=lambda: BEGIN) as store:
        store.append("policy", POLICY)
        Folder.of(store.url).make_key(origin(store))
    crew = Crew(_tasks(options, place), log)
    try:
        crew.start()
        begun = time.monotonic()
        faults = Faults(crew, log, server, proxy)
        faults.run(options.seed, options.faults, options.backend, options.seconds)
        lasted = time.monotonic() - begun
        _until_enough(place)
        crew.end(_FIRST)
        if server is not None:
            _until_quiet(place, log)
        head = _last_event(place, log)
        _until_followed(place, log, head)
        crew.end(_WATCHERS)
    finally:
        crew.close()
    return lasted


def _tasks(options: Options, place: Place) -> list[Task]:
    wanted = {"writer": options.writers, **_BESIDE}
    return [
        Task(
            role,
            f"{role}{number}",
            number,
            place,
            options.seed,
            options.faults,
            options.threads if role == "writer" and number % 2 == 0 else 1,
        )
        for role, count in wanted.items()
        for number in range(count)
    ]


def _until_enough(place: Place) -> None:
    """Wait until each kind of work was done at least once: a machine may be slow."""
    deadline = time.monotonic() + _CATCHES_UP
    while time.monotonic() < deadline:
        lines = [operations(read(path)) for path in place.logs.glob("*.log")]
        done = Counter(each.ask for of_one in lines for each in of_one if each.told == "done")
        if all(done[what] >= least for what, least in _ENOUGH.items()):
            return
        time.sleep(0.3)


def _until_quiet(place: Place, log: Log) -> None:
    """Wait until the server has ended what dead clients asked of it."""
    where = parse_url(place.url)
    assert isinstance(where, PostgresUrl)
    sql = (
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
        "AND pid <> pg_backend_pid() AND (state <> 'idle' OR backend_xid IS NOT NULL)"
    )
    deadline = time.monotonic() + _CATCHES_UP
    with psycopg.connect(where.conninfo, autocommit=True) as connection:
        while connection.execute(sql).fetchone() != (0,):
            if time.monotonic() > deadline:
                log.line(hangs="a process of the server")
                return
            time.sleep(0.1)


def _last_event(place: Place, log: Log) -> int:
    """Append once more: a healed store takes it. Then finish what was interrupted, and seal."""
    stream, opens = opening("end", "c0")
    with place.open() as store:
        log.line(op="end", ask="end", mark="end", streams=[stream] * 2)
        receipt = store.append(stream, opens, note(BEGIN, None), key="end", correlation_id="end")
        log.line(op="end", told="done", **told_receipt(receipt))
        if left := finish(store):
            log.line(op="finish", ask="finish")
            log.line(op="finish", told="wrong", error="left", words="; ".join(left))
        log.line(op="rotate", ask="rotate")
        rotated = rotate(store)  # goes on with one that was interrupted
        log.line(op="rotate", told="done", wrapped=rotated.wrapped, resumed=rotated.resumed)
        log.line(op="seal", ask="seal")
        sealed = seal(store)
        log.line(
            op="seal", told="done", note=sealed.note, size=sealed.checkpoint.size, new=sealed.new
        )
        return receipt.position


def _until_followed(place: Place, log: Log, head: int) -> None:
    """Wait until every follower has seen the last event; the checks say who has not."""
    deadline = time.monotonic() + _CATCHES_UP
    wanted = f'"follows":[{head},'.encode()
    paths = list(place.logs.glob("follower*.log"))
    while time.monotonic() < deadline:
        if all(wanted in path.read_bytes() for path in paths):
            return
        time.sleep(0.1)
