"""A server of pages as a process of its own, and requests as browsers and rogues send them."""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import NamedTuple

from tests.support.command_line import Casestore

PATIENCE = 120.0


class Answer(NamedTuple):
    """An answer, read to its end."""

    status: int
    headers: dict[str, str]
    text: str


class Served:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process = process
        self.url = url
        """As it was printed, with the token."""
        self.base, _, self.entrance = url.partition("/enter")
        self.port = int(self.base.rpartition(":")[2].rstrip("/"))
        self.cookie = ""

    def ask(
        self, path: str = "/", method: str = "GET", cookie: bool = True, **headers: str
    ) -> Answer:
        """Send a request. In names of headers "_" stands for "-"."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        if cookie and self.cookie:
            own["Cookie"] = self.cookie
        connection.request(method, path, headers=own)
        response: HTTPResponse = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, text)

    def enter(self) -> Answer:
        """Go in with the token, as the browser of whoever started the server."""
        answer = self.ask(f"/enter{self.entrance}", cookie=False)
        self.cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        return answer

    def page(self, path: str = "/") -> str:
        """The text of a page that is there."""
        answer = self.ask(path)
        assert answer.status == 200, (path, answer.status, answer.text[-500:])
        return answer.text

    def raw(self, sent: bytes, *, wait: float = 10) -> bytes:
        """Send bytes, and read what comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), wait) as plug:
            plug.sendall(sent)
            got = b""
            try:
                while more := plug.recv(65536):
                    got += more
            except TimeoutError:
                pass
            return got

    def stop(self, how: signal.Signals = signal.SIGINT) -> tuple[int, float, bytes]:
        """End it; gives the exit code, the seconds that it took, and what it wrote to stderr."""
        begun = time.monotonic()
        self.process.send_signal(how)
        _, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, time.monotonic() - begun, err


@contextmanager
def served(casestore: Casestore, *args: str, enter: bool = True) -> Iterator[Served]:
    """Start `casestore serve`, and go in."""
    process = casestore.process("serve", "--format", "json", "--quiet", *args, bufsize=0)
    try:
        assert process.stdout is not None
        text = b""
        deadline = time.monotonic() + PATIENCE
        while not text.endswith(b"}\n"):
            ready = select.select([process.stdout], [], [], deadline - time.monotonic())[0]
            line = process.stdout.readline() if ready else b""
            assert line, process.communicate()[1] if process.poll() is not None else "no address"
            text += line
        server = Served(process, json.loads(text)["url"])
        if enter and "/enter" in server.url:
            assert server.enter().status == 303
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
