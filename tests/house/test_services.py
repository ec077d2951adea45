"""The servers of docs/python.md, as processes of their own, under clients that never let go.

In the middle each server is stopped by SIGTERM and started again. A client whose answer got lost
sends the same once more.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from casestore import CaseStore
from tests.support import stories
from tests.support.processes import wait_until
from tests.support.running import PATIENCE, ROOT, Running

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="signals and forks are of Unix")

CASES, CLIENTS, EACH = 3, 8, 12
TOLD = CLIENTS * EACH + CASES + 1
"""How many events there are in the end: messages, cases and a customer."""
GUNICORN = ["-m", "gunicorn", "--workers", "3", "--log-level", "warning"]
SERVERS = {
    "prefork": [*GUNICORN, "--bind", "127.0.0.1:{port}", "prefork"],
    "prefork with --preload": [*GUNICORN, "--bind", "127.0.0.1:{port}", "--preload", "prefork"],
    "threaded": ["threaded.py", "{port}"],
    "asyncio": ["aio.py", "{port}"],
}

USUAL = r"POST / HTTP|^\d+ \S+ \w+$"
"""What they say: a request, or an event that the follower saw."""

Receipt = dict[str, int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the page's files."""
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    place = tmp_path / "service"
    place.mkdir()
    for name, code in re.findall(r"^```python (\w+\.py)\n(.*?)^```", page, re.M | re.S):
        (place / name).write_text(code, "utf-8")
    return place


class Served(Running):
    """A server of the page, which can be stopped and started again."""

    def __init__(self, kind: str, folder: Path, url: str) -> None:
        # What Python warns of, it tells: the test reads all that is said.
        env = {"CASESTORE_URL": url, "PYTHONWARNINGS": ""}
        super().__init__(folder, folder / "said", *SERVERS[kind], env=env)
        self.kind = kind

    def stop(self) -> int:
        """End it as a supervisor does; its exit code."""
        self.ask_to_end()
        return self.ended()

    def send(self, body: bytes) -> tuple[int, Receipt]:
        if self.kind == "asyncio":
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as client:
                client.sendall(body + b"\n")
                with client.makefile("rb") as file:
                    answer = file.read()
            if not answer:
                raise ConnectionResetError
            status, _, said = answer.partition(b" ")
            return int(status), json.loads(said)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("POST", "/", body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def sent(self, body: bytes) -> Receipt:
        """Send until there is a receipt."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                status, said = self.send(body)
            except (OSError, HTTPException):
                status = 503
            if status == 200:
                return said
            assert status == 503
            assert time.monotonic() < deadline
            time.sleep(0.05)


def message(name: str, case: int) -> bytes:
    said = {"id": name, "case": str(case), "at": "2026-03-02T10:00:00Z", "text": f"I am {name}."}
    return json.dumps(said).encode()


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_of_the_page_loses_and_doubles_nothing(
    kind: str, folder: Path, store_url: str
) -> None:
    with CaseStore.create(store_url) as store:
        for number in range(CASES):
            store.append(f"case:{number}", stories.opened())
    receipts: dict[str, Receipt] = {}
    with Served(kind, folder, store_url) as server:

        def client(me: int) -> None:
            for number in range(EACH):
                name = f"m{me}-{number}"
                body = message(name, number % CASES)
                receipts[name] = server.sent(body)
                assert server.sent(body) == receipts[name]
                if me > 0:  # what somebody else may be sending at this moment
                    server.sent(message(f"m0-{number}", number % CASES))

        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(client, me) for me in range(CLIENTS)]
            wait_until(lambda: len(receipts) > CLIENTS * EACH // 3)
            assert server.stop() == 0, server.said
            server.start()
            for each in clients:
                each.result()
        assert server.send(message("x", CASES + 1))[0] == 400
        assert server.send(b"{}")[0] == 400
        if kind == "asyncio":  # its follower, which began anew with the second process
            wait_until(lambda: len(set(server.said.splitlines())) >= TOLD or unusual(server) != [])
        assert server.stop() == 0, server.said
    with CaseStore.open(store_url) as store:
        there = {
            recorded.metadata.key: {"version": recorded.version, "position": recorded.position}
            for recorded in store.read()
            if recorded.type == "MessageReceived"
        }
        assert there == receipts
        assert len(list(store.read())) == TOLD
    assert unusual(server) == []


def unusual(server: Served) -> list[str]:
    """What a server said that is neither a request nor an event that it follows."""
    return [line for line in server.said.splitlines() if not re.search(USUAL, line)]
