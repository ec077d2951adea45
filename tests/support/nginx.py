"""nginx in front of `casestore serve`, set up as docs/pages.md says."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "pages.md"
# What Debian's package of the name installs; None where it is missing.
PROGRAM = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")


def documented() -> str:
    """What docs/pages.md tells nginx."""
    found = re.search(r"```nginx\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@contextmanager
def nginx(folder: Path, upstream: int, users: dict[str, str]) -> Iterator[int]:
    """Run nginx. Gives its port; it speaks HTTP without TLS, and all else is as documented.

    Args:
        folder: for its files.
        upstream: the port of the server behind it.
        users: who may pass, each with a password.
    """
    assert PROGRAM is not None
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = int(free.getsockname()[1])
    (folder / "users").write_text("".join(f"{n}:{{PLAIN}}{p}\n" for n, p in users.items()))
    told = re.sub(r" *ssl_certificate.*\n", "", documented())
    for documents, here in (
        ("127.0.0.1:8440", f"127.0.0.1:{upstream}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port}"),
        ("/etc/nginx/complaints.users", f"{folder}/users"),
    ):
        assert documents in told
        told = told.replace(documents, here)
    owner = "user root;" if getattr(os, "geteuid", lambda: 1)() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"{owner}\ndaemon off;\nworker_processes 1;\npid {folder}/pid;\n"
        f"error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{places}{told}}}\n"
    )
    command = [PROGRAM, "-p", str(folder), "-e", f"{folder}/error.log", "-c", "nginx.conf"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        _wait(process, port, folder)
        yield port
    finally:
        process.terminate()  # its workers end with it
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            ended = process.poll() is not None or time.monotonic() > deadline
            assert not ended, (folder / "error.log").read_text()
            time.sleep(0.05)
        else:
            return
