"""Fixtures for every test: the URL of a store on each database, a PostgreSQL, the real data."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.support.postgres_server import (
    GivenServer,
    NoServer,
    Server,
    any_server,
    binaries,
    own_server,
)

REQUIRED = "CASESTORE_REQUIRE_POSTGRES"
NONE = "no PostgreSQL: "
RAN = pytest.StashKey[set[str]]()
"""The PostgreSQL servers that tests ran on, for the summary."""

AnyServer = TypeVar("AnyServer", Server, Server | GivenServer)


def _ran(config: pytest.Config) -> set[str]:
    return config.stash.setdefault(RAN, set())


@contextmanager
def _or_skip(
    offered: AbstractContextManager[AnyServer], config: pytest.Config
) -> Iterator[AnyServer]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(offered)
        except NoServer as error:
            outcome = pytest.fail if os.environ.get(REQUIRED) == "1" else pytest.skip
            raise outcome.Exception(f"{NONE}{error}", pytrace=False) from None
        with psycopg.connect(server.url) as connection:
            major, minor = divmod(connection.info.server_version, 10000)
        _ran(config).add(f"{major}.{minor} from {server.source}")
        yield server


@pytest.fixture(scope="session")
def postgres_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Give the URL of the PostgreSQL that this session's tests share."""
    with _or_skip(any_server(), pytestconfig) as server:
        yield server.url


@pytest.fixture
def postgres_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """Give a PostgreSQL to this test alone, which it may kill and start again."""
    with _or_skip(own_server(), pytestconfig) as server:
        yield server


@pytest.fixture
def postgres_schema_url(postgres_url: str) -> Iterator[str]:
    """Give the URL of a schema that does not exist yet, and is dropped after the test."""
    name = f"t_{uuid4().hex}"
    yield f"{postgres_url}{'&' if '?' in postgres_url else '?'}schema={name}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        # If the test left a transaction open, it shall fail here, and not wait for ever.
        connection.execute("SET lock_timeout = '10s'")
        # Projections have a schema of their own beside the store's, named after it.
        like = "SELECT nspname::text FROM pg_namespace WHERE starts_with(nspname::text, %s)"
        for (schema,) in connection.execute(like, [name]).fetchall():
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Give the URL of a store that does not exist yet, on each database in turn."""
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "store.key"))
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    # The fixture is called only here, so that tests on SQLite start no server.
    return str(request.getfixturevalue("postgres_schema_url"))


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put PostgreSQL's programs, like pg_dump, on PATH: those that came with the server."""
    folders = [candidate.folder for candidate in binaries()]
    with_programs = [str(folder) for folder in folders if (folder / "pg_dump").is_file()]
    monkeypatch.setenv("PATH", os.pathsep.join([*with_programs, os.environ["PATH"]]))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Give the folder of real data, which is outside the project: we do not distribute the data."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CASESTORE_TEST_DATA") or default)
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there; name its place in CASESTORE_TEST_DATA")
    return folder


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass the servers from a worker of pytest-xdist on to the process that prints the summary."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["postgres"] = sorted(_ran(session.config))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the servers that a worker of pytest-xdist passed on; one that crashed passed none."""
    ran = getattr(node, "workeroutput", {}).get("postgres", [])
    _ran(node.config).update(ran)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say in one line what the PostgreSQL tests ran on, or that they did not run."""
    for server in sorted(_ran(config)):
        terminalreporter.write_line(f"PostgreSQL tests: ran on {server}")
    skipped = [str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])]
    reasons = [reason for reason in skipped if NONE in reason]
    if reasons:
        _, _, reason = reasons[0].partition(NONE)
        terminalreporter.write_line(f"PostgreSQL tests: {len(reasons)} SKIPPED ({reason})")
