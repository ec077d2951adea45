"""Receive what `casestore relay` sends, and keep a table of the customers who are waiting.

Usage: CASESTORE_RELAY_SECRET=whsec_… python worker.py PORT FILE.db
"""

import base64
import hmac
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

MOST = 64 << 20  # bytes of a body
TOLERANCE = 300  # seconds: a request that somebody kept, and sends again, is older
TABLES = """
CREATE TABLE IF NOT EXISTS seen (source TEXT, id TEXT, PRIMARY KEY (source, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cases (
    stream TEXT PRIMARY KEY, version INTEGER, customer TEXT,
    unanswered INTEGER NOT NULL, waiting_since TEXT);
"""


def genuine(headers: Any, body: bytes, secrets: Iterable[str], now: float) -> bool:
    """Whether a body was signed with one of the secrets, just now.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    said, when = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (when.isascii() and when.isdigit() and abs(now - int(when)) <= TOLERANCE):
        return False
    signed = f"{said}.{when}.".encode() + body  # the bytes as they came, not JSON made anew
    given = [each.encode() for each in headers.get("webhook-signature", "").split()]
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        right = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
        if any(hmac.compare_digest(right, each) for each in given):  # in a time that tells nothing
            return True
    return False


def take(db: sqlite3.Connection, events: Iterable[dict[str, Any]]) -> None:
    """Do what events ask for, once: all of a request, or nothing, so that it may come again."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        for event in events:
            # The mark that it was seen, and what it does, are in one transaction.
            new = "INSERT OR IGNORE INTO seen VALUES (?, ?)"
            if db.execute(new, (event["source"], event["id"])).rowcount:
                do(db, event)


def do(db: sqlite3.Connection, event: dict[str, Any]) -> None:
    """Note who waits, and who does not any more.

    This is a short example: `casestore waiting` knows more, like corrections, merged cases and
    replies that did not arrive.
    """
    stream, version, data = event["subject"], event["streamversion"], event["data"]
    # Events of a stream come in their order. One that is older than what is here already, because
    # the relay was started anew with more types say, must not undo what came after it.
    older = "SELECT 1 FROM cases WHERE stream = ? AND version > ?"
    if db.execute(older, (stream, version)).fetchone():
        return
    match event["type"].split(".")[-2]:  # org.casestore.CaseOpened.v1
        case "CaseOpened":
            change, values = "customer = excluded.customer", (data["customer_id"], 0, None)
        case "MessageReceived" if not data.get("automated"):
            since = "coalesce(waiting_since, excluded.waiting_since)"
            change = f"unanswered = unanswered + 1, waiting_since = {since}"
            values = (None, 1, event["time"])
        case "ReplySent" | "CaseClosed" if not data.get("automated"):
            change, values = "unanswered = 0, waiting_since = NULL", (None, 0, None)
        case _:
            return
    db.execute(
        f"INSERT INTO cases VALUES (?, ?, ?, ?, ?) "
        f"ON CONFLICT DO UPDATE SET version = excluded.version, {change}",
        (stream, version, *values),
    )


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 when a request is done, and the relay goes on.

    After any other answer, or none because of an exception, it sends the same again.
    """

    timeout = 30  # seconds: who says nothing for so long is left

    def do_POST(self) -> None:
        """Check a request, and do what it asks for."""
        self.send_response(self.answer())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self) -> int:
        """The HTTP status."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return 411
        if int(length) > MOST:
            return 413
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return 400
        if not genuine(self.headers, body, SECRETS, time.time()):
            return 401
        said = json.loads(body)
        with closing(connected()) as db:
            take(db, said if isinstance(said, list) else [said])  # a batch, or an event
        return 204


def connected() -> sqlite3.Connection:
    """The worker's own file; each request, and so each thread, has a connection of its own."""
    return sqlite3.connect(FILE, timeout=30, isolation_level=None)


class Server(ThreadingHTTPServer):
    """Ends behind the requests that are under way."""

    daemon_threads = False


if __name__ == "__main__":
    PORT, FILE = int(sys.argv[1]), sys.argv[2]
    SECRETS = os.environ["CASESTORE_RELAY_SECRET"].split()  # two while one takes the other's place
    with closing(connected()) as database:
        database.executescript(TABLES)
    with Server(("127.0.0.1", PORT), Receiver) as server:
        signal.signal(signal.SIGTERM, lambda *_: Thread(target=server.shutdown).start())
        server.serve_forever()
