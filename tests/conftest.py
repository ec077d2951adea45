"""Fixtures for every test: a store's URL on each database, a PostgreSQL, a browser, Spark, data."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
import pytest
from playwright.sync_api import Browser
from psycopg.sql import SQL, Identifier

from tests.support.browser import NoBrowser, OpenPage, chromium, launched, watched
from tests.support.postgres_server import (
    GivenServer,
    NoServer,
    Server,
    any_server,
    binaries,
    own_server,
)
from tests.support.spark_cluster import Cluster, NoSpark, cluster, environment
from tests.support.undurable import nothing_flushes

REQUIRED = "CASESTORE_REQUIRE_POSTGRES"
BROWSER_REQUIRED = "CASESTORE_REQUIRE_CHROMIUM"
SPARK_REQUIRED = "CASESTORE_REQUIRE_SPARK"
NONE = "no PostgreSQL: "
NO_BROWSER = "no Chromium: "
NO_SPARK = "no Spark: "
RAN = pytest.StashKey[set[str]]()
"""What tests ran on, PostgreSQL servers and browsers, for the summary."""

AnyServer = TypeVar("AnyServer", Server, Server | GivenServer)


def _absent(required: str, why: str) -> BaseException:
    """To raise where something cannot be had here that CI must have."""
    outcome = pytest.fail if os.environ.get(required) == "1" else pytest.skip
    return outcome.Exception(why, pytrace=False)


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
            raise _absent(REQUIRED, f"{NONE}{error}") from None
        with psycopg.connect(server.url) as connection:
            major, minor = divmod(connection.info.server_version, 10000)
        _ran(config).add(f"PostgreSQL tests: ran on {major}.{minor} from {server.source}")
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


@pytest.fixture(scope="module")
def still_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """Give a PostgreSQL to this module's tests that flushes a commit only if somebody waits."""
    with _or_skip(nothing_flushes(), pytestconfig) as server:
        yield server


@pytest.fixture
def postgres_schema_url(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Give the URL of a schema that does not exist yet, and is dropped after the test."""
    monkeypatch.setenv("CASESTORE_ACCESS_LOG", str(tmp_path / "access.ndjson"))
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


@pytest.fixture(scope="module")
def browser(pytestconfig: pytest.Config) -> Iterator[Browser]:
    """Give a Chromium.

    It ends with the module and not with the session, because a thread in which playwright runs
    can run no asyncio, which other tests need.
    """
    with ExitStack() as stack:
        try:
            running = stack.enter_context(launched())
        except NoBrowser as error:
            raise _absent(BROWSER_REQUIRED, f"{NO_BROWSER}{error}") from None
        _ran(pytestconfig).add(f"Browser tests: ran in Chromium {running.version}, {chromium()}")
        yield running


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[OpenPage]:
    """Open pages, none of which may request anything or say anything on the console."""
    with watched(browser, tmp_path) as opens:
        yield opens


@pytest.fixture(scope="module")
def spark_cluster(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Give a cluster of Spark on loopback: a master and two workers of one core each."""
    folder = tmp_path_factory.mktemp("spark")
    with ExitStack() as stack:
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in environment(folder).items():
            patched.setenv(name, value)
        try:
            running = stack.enter_context(cluster(folder))
        except NoSpark as error:
            raise _absent(SPARK_REQUIRED, f"{NO_SPARK}{error}") from None
        _ran(pytestconfig).add(f"Spark tests: ran on {running.version}")
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a browser or Spark, so that `-m browser` runs them alone."""
    for item in items:
        for fixture, mark in (("browser", "browser"), ("spark_cluster", "spark")):
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Give the folder of real data, which is outside the project: we do not distribute the data."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CASESTORE_TEST_DATA") or default)
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there; name its place in CASESTORE_TEST_DATA")
    return folder


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass what tests ran on from a worker of pytest-xdist to the process with the summary."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["ran"] = sorted(_ran(session.config))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker of pytest-xdist passed on; one that crashed passed nothing."""
    ran = getattr(node, "workeroutput", {}).get("ran", [])
    _ran(node.config).update(ran)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what the tests of PostgreSQL, pages and Spark ran on, or that they did not run."""
    for line in sorted(_ran(config)):
        terminalreporter.write_line(line)
    skipped = [str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])]
    for tests, none in (("PostgreSQL", NONE), ("Browser", NO_BROWSER), ("Spark", NO_SPARK)):
        reasons = [reason for reason in skipped if none in reason]
        if reasons:
            _, _, reason = reasons[0].partition(none)
            terminalreporter.write_line(f"{tests} tests: {len(reasons)} SKIPPED ({reason})")
