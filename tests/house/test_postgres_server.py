"""The PostgreSQL that the tests bring is a real one, and its absence is never silent."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.support import postgres_server as module
from tests.support.postgres_server import DSN, Binaries, NoServer, Server, own_server, server


def _ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
    return row and row[0]


def test_it_answers(postgres_url: str) -> None:
    assert _ask(postgres_url, "SELECT 1") == 1


def test_ours_syncs_and_listens_on_one_closed_socket_only(postgres_server: Server) -> None:
    assert _ask(postgres_server.url, "SHOW fsync") == "on"
    assert _ask(postgres_server.url, "SHOW listen_addresses") == ""
    assert _ask(postgres_server.url, "SHOW unix_socket_directories") == str(postgres_server.folder)
    assert postgres_server.folder.stat().st_mode & 0o077 == 0


def test_what_was_committed_survives_kill_9(postgres_server: Server) -> None:
    url = postgres_server.url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (what text)")
        connection.execute("INSERT INTO kept VALUES ('committed')")
    with psycopg.connect(url) as uncommitted:
        uncommitted.execute("INSERT INTO kept VALUES ('not committed')")
        postgres_server.kill()
        with pytest.raises(psycopg.OperationalError):
            uncommitted.commit()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)

    postgres_server.start()

    assert _ask(url, "SELECT string_agg(what, ', ') FROM kept") == "committed"


@pytest.mark.usefixtures("postgres_server")  # skips where there is none
def test_nothing_is_left_of_it_after_a_failure() -> None:
    stack = ExitStack()
    folder = stack.enter_context(own_server()).folder
    stack.push(lambda *_: pytest.fail("on the way out"))
    with pytest.raises(pytest.fail.Exception, match="on the way out"):
        stack.close()
    assert not folder.exists()


def test_a_given_server_is_taken_and_none_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "binaries", lambda: pytest.fail("looked for binaries"))
    monkeypatch.setenv(DSN, "postgresql://me@here/complaints")
    with server() as url:
        assert url == "postgresql://me@here/complaints"


@pytest.fixture
def broken(tmp_path: Path) -> Binaries:
    folder = tmp_path / "inst" / "bin"
    folder.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (folder / name).write_text("#!/bin/sh\necho no library found >&2; exit 1\n")
        (folder / name).chmod(0o755)
    return Binaries(folder, "wheel")


def test_a_broken_wheel_gives_way_to_the_next(
    broken: Binaries, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = next(each for each in module.binaries() if each.source == postgres_server.source)
    monkeypatch.setattr(module, "binaries", lambda: iter([broken, working]))
    with own_server() as ours:
        assert _ask(ours.url, "SELECT 1") == 1


def test_every_reason_is_kept(broken: Binaries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "binaries", lambda: iter([broken, broken]))
    with pytest.raises(NoServer) as none, own_server():
        pass
    assert str(none.value).count(f"{broken.folder}: initdb failed: no library found") == 2


@pytest.mark.parametrize(
    ("required", "code", "line"),
    [("", 0, "PostgreSQL tests: 1 SKIPPED (neither"), ("1", 1, "no PostgreSQL: neither")],
    ids=["skipped", "required"],
)
def test_its_absence_is_said(required: str, code: int, line: str, tmp_path: Path) -> None:
    hide = (
        "from tests.support import postgres_server\npostgres_server.binaries = lambda: iter(())\n"
    )
    (tmp_path / "hide.py").write_text(hide)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    settings = {"PYTHONPATH": path, "CASESTORE_REQUIRE_POSTGRES": required, DSN: ""}
    one_test = f"{__file__}::{test_it_answers.__name__}"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "hide", "-p", "no:cacheprovider", one_test],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, line in run.stdout) == (code, True), run.stdout
