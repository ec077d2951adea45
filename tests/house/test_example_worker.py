"""docs/examples/worker as a process: whatever comes, and however often, is done once."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from casestore import CaseStore
from projections import reports
from tests.support import stories
from tests.support.processes import wait_until
from tests.support.running import PATIENCE, ROOT, Running, python

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are of Unix")

OLD, SECRET = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZA==", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STORE = "/casestore/5f0c3b1e-54d1-4d0a-9d3c-0a4b7f6e2c11"
ONE, MANY = "application/cloudevents+json", "application/cloudevents-batch+json"
Event = dict[str, Any]


def event(kind: str, version: int, case: str = "4711", **data: Any) -> Event:
    """What the relay tells of an event: CloudEvents 1.0 as JSON."""
    stream = f"case:{case}"
    return {
        "specversion": "1.0",
        "id": f"{case}-{version}",
        "source": STORE,
        "type": f"org.casestore.{kind}.v1",
        "subject": stream,
        "time": f"2026-03-02T10:{version:02}:00Z",
        "datacontenttype": "application/json",
        "sequence": f"{version:019}",
        "partitionkey": stream,
        "streamversion": version,
        "data": data,
    }


STORY = [
    event("CaseOpened", 1, customer_id="c-7", channel="web"),
    event("MessageReceived", 2, message_id="m1", channel="web"),
    event("ReplySent", 3, reply_id="r1", channel="web"),
    event("MessageReceived", 4, message_id="m2", channel="web"),
    event("MessageReceived", 5, message_id="m3", channel="web"),
    event("ReplySent", 6, reply_id="r2", channel="web", automated=True),
    event("NoteAdded", 7),
]
WAITS = [("case:4711", "c-7", 2, "2026-03-02T10:04:00Z")]


class Worker:
    def __init__(self, running: Running, file: Path) -> None:
        self.running = running
        self.file = file
        self.failed = False
        """Whether an exception is expected."""

    def send(
        self, told: Event | list[Event], secret: str = SECRET, at: datetime | None = None
    ) -> int:
        """Send an event or a batch, as the relay does; the status."""
        body, headers = signed(told, secret, at)
        return self.post(body, headers)

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        return httpx.post(
            self.running.url, content=body, headers=headers, timeout=PATIENCE
        ).status_code

    def waiting(self) -> list[tuple[str, str, int, str]]:
        with closing(sqlite3.connect(self.file)) as db:
            return db.execute(
                "SELECT stream, customer, unanswered, waiting_since FROM cases"
                " WHERE waiting_since IS NOT NULL ORDER BY stream"
            ).fetchall()


def signed(
    told: Event | list[Event], secret: str = SECRET, at: datetime | None = None
) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(told)
    at = at or datetime.now(UTC)
    if isinstance(told, list):
        first, last = (int(each["sequence"]) for each in (told[0], told[-1]))
        name = f"{STORE.rpartition('/')[2]}:{first}-{last}"
    else:
        name = told["id"]
    return body.encode(), {
        "content-type": MANY if isinstance(told, list) else ONE,
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, at, body),
    }


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    file = tmp_path / "waiting.db"
    running = Running(
        ROOT / "docs" / "examples" / "worker",
        tmp_path / "said",
        *("worker.py", "{port}", str(file)),
        env={"CASESTORE_RELAY_SECRET": f"{SECRET} {OLD}"},
    )
    with running:
        worker = Worker(running, file)
        yield worker
        assert ("Traceback" in running.said) == worker.failed


def test_who_waits_is_told_one_by_one_or_in_a_batch(worker: Worker) -> None:
    assert [worker.send(each) for each in STORY] == [204] * len(STORY)
    assert worker.waiting() == WAITS
    other = [{**each, "id": f"x{each['id']}", "subject": "case:x"} for each in STORY]
    assert worker.send(other) == 204
    assert worker.waiting() == [*WAITS, ("case:x", *WAITS[0][1:])]


def test_what_comes_again_changes_nothing(worker: Worker) -> None:
    for first in range(len(STORY)):  # as after a relay that fell back, each time
        for each in STORY[: first + 1]:
            assert worker.send(each) == 204
    assert worker.send(STORY) == 204
    assert worker.waiting() == WAITS
    assert worker.send(event("ReplySent", 8, reply_id="r3")) == 204
    assert worker.send(STORY[4:]) == 204
    assert worker.waiting() == []


def test_of_the_same_many_times_at_once_one_is_done(worker: Worker) -> None:
    """As when a relay lost patience, and sends again what is still under way."""
    with ThreadPoolExecutor(8) as pool:
        for told in (*STORY[:3], STORY[:4], STORY):
            assert set(pool.map(worker.send, [told] * 8)) == {204}
    with closing(sqlite3.connect(worker.file)) as db:
        assert db.execute("SELECT count(*) FROM seen").fetchall() == [(len(STORY),)]
    assert worker.waiting() == WAITS


def test_an_older_event_that_comes_late_undoes_nothing(worker: Worker) -> None:
    assert worker.send(STORY[3]) == 204
    assert worker.send(STORY[2]) == 204
    assert [each[3] for each in worker.waiting()] == [STORY[3]["time"]]


def test_only_who_has_a_secret_is_heard(worker: Worker) -> None:
    told = STORY[1]
    body, headers = signed(told)
    other = "whsec_" + "bm90IG91ciBzZWNyZXQsIGJ1dCBhbm90aGVy"
    stranger = signed(told, other)[1]["webhook-signature"]
    now = datetime.now(UTC)
    for wrong in (
        {"webhook-signature": stranger},
        {"webhook-signature": ""},
        {"webhook-signature": "v1a,x v1, v1,é"},
        {"webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")},
        {"webhook-id": "another"},
        {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "-1"},
    ):
        sent = [(name.encode(), text.encode("latin-1")) for name, text in (headers | wrong).items()]
        assert httpx.post(worker.running.url, content=body, headers=sent).status_code == 401, wrong
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        left_out = {key: value for key, value in headers.items() if key != name}
        assert worker.post(body, left_out) == 401, name
    assert worker.post(body + b" ", headers) == 401
    assert worker.send(told, at=now - timedelta(minutes=6)) == 401
    assert worker.send(told, at=now + timedelta(minutes=6)) == 401
    assert worker.waiting() == []

    assert worker.send(told, at=now - timedelta(minutes=4)) == 204
    assert worker.send(STORY[2], OLD) == 204  # while the secret is changed
    both = {**headers, "webhook-signature": f"{stranger} {headers['webhook-signature']}"}
    assert worker.post(body, both) == 204


def test_a_batch_is_done_whole_or_not_at_all(worker: Worker) -> None:
    worker.failed = True
    broken = {name: value for name, value in STORY[6].items() if name != "subject"}
    with pytest.raises(httpx.TransportError):
        worker.send([*STORY[:6], broken])
    assert worker.waiting() == []
    assert worker.send(STORY) == 204
    assert worker.waiting() == WAITS


@contextmanager
def full(worker: Worker) -> Iterator[None]:
    """Somebody else writes into the worker's file."""
    with closing(sqlite3.connect(worker.file, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def test_a_worker_that_is_killed_amid_a_batch_has_done_all_or_nothing(worker: Worker) -> None:
    assert worker.send(STORY[:2]) == 204
    with ThreadPoolExecutor(1) as pool, full(worker):
        waiting = pool.submit(worker.send, STORY[2:])
        with pytest.raises(TimeoutError):
            waiting.result(0.5)
        worker.running.kill()
        assert isinstance(waiting.exception(PATIENCE), httpx.TransportError)
    assert [each[3] for each in worker.waiting()] == [STORY[1]["time"]]
    worker.running.start()
    assert worker.send(STORY[2:]) == 204
    assert worker.waiting() == WAITS


def test_a_stop_waits_for_what_is_under_way(worker: Worker) -> None:
    with ThreadPoolExecutor(1) as pool:
        with full(worker):
            waiting = pool.submit(worker.send, STORY)
            with pytest.raises(TimeoutError):
                waiting.result(1.5)  # so that it has surely come
            worker.running.ask_to_end()
        assert waiting.result(PATIENCE) == 204
    assert worker.running.ended() == 0
    assert worker.waiting() == WAITS


def test_a_request_that_breaks_off_or_never_ends_holds_up_nobody(worker: Worker) -> None:
    body, headers = signed(STORY[1])
    head = "POST / HTTP/1.1\r\nHost: x\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head += f"Content-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", worker.running.port)) as hangs:
        hangs.sendall(head.encode() + body[:9])
        with socket.create_connection(("127.0.0.1", worker.running.port)) as breaks_off:
            breaks_off.sendall(head.encode() + body[:9])
        assert worker.send(STORY[0]) == 204
        assert worker.waiting() == []
        hangs.sendall(body[9:])
        wait_until(lambda: worker.waiting() != [])
    for said, status in (
        ("", "411"),
        (f"Content-Length: {1 << 40}\r\n", "413"),
        ("Content-Length: -1\r\n", "411"),
    ):
        with socket.create_connection(("127.0.0.1", worker.running.port)) as client:
            client.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{said}\r\n".encode())
            assert client.makefile().readline().split()[1] == status


@pytest.mark.parametrize("batch", [(), ("--batch", "3")], ids=["one by one", "in batches"])
def test_behind_the_relay_it_says_what_the_report_says(
    batch: tuple[str, ...], worker: Worker, store_url: str
) -> None:
    to = ("--to", worker.running.url, "--allow-private", "--name", "waiting", "--once", "-q")
    env = {"CASESTORE_URL": store_url, "CASESTORE_RELAY_SECRET": SECRET}

    def relay(*arguments: str) -> None:
        python(ROOT, "-m", "casestore", "relay", *arguments, env=env)

    def reported() -> list[tuple[str, str, int, str]]:
        return [
            (f"case:{row.case_id}", row.customer_id, row.unanswered, f"{row.waiting_since:%FT%TZ}")
            for row in reports.waiting(store, sort="case_id").rows
        ]

    with CaseStore.create(store_url) as store:
        for case in ("case:1", "case:2"):
            store.append(case, stories.opened(), stories.wrote("m1"), stories.wrote("m2", "+2h"))
        relay(*to, *batch)
        assert len(worker.waiting()) == 2
        assert worker.waiting() == reported()
        store.append("case:2", stories.replied("r1", "+3h"))
        relay(*to, *batch)
        assert len(worker.waiting()) == 1
        assert worker.waiting() == reported()
        relay("forget", "waiting")  # and so all comes again, from the first event on
        relay(*to, *batch)
        assert worker.waiting() == reported()
