"""A receiver of webhooks on this machine, which misbehaves as it is told to."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from standardwebhooks import Webhook as Standard

WORD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


class Request(NamedTuple):
    """One that was received whole, and whose signature is good."""

    headers: dict[str, str]
    events: tuple[dict[str, Any], ...]
    fault: str
    """What was done with it; "" where it was taken and answered 204."""


Fault = Callable[[int], str]
"""Says of the nth request what is done with it, as a name in FAULTS."""


def _status(code: int, *headers: tuple[str, str]) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.send_response(code)
        for name, value in (*headers, ("Content-Length", "0")):
            handler.send_header(name, value)
        handler.end_headers()

    return answer


def _hang(handler: Any) -> None:
    handler.server.closing.wait(5)


def _garbage(handler: Any) -> None:
    handler.wfile.write(b"\x16\x03\x01 220 mail.example ESMTP\r\n\r\n" + os.urandom(64))
    handler.close_connection = True


def _vanish(handler: Any) -> None:
    """Reset the connection in mid-answer."""
    handler.wfile.write(b"HTTP/1.1 20")
    handler.wfile.flush()
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True


def _close(handler: Any) -> None:
    handler.close_connection = True


def _vanish_after_the_status(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbut")
    handler.close_connection = True


def _vanish_amid_headers(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    handler.close_connection = True


def _drip(handler: Any) -> None:
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for byte in b"X-Slow: " + b"." * 1000:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            if handler.server.closing.wait(0.05):
                return


def _huge(handler: Any) -> None:
    """A body without end."""
    handler.wfile.write(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with suppress(OSError):
        while not handler.server.closing.is_set():
            handler.wfile.write(chunk)


def _huge_and_fine(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with suppress(OSError):
        for _ in range(64):
            handler.wfile.write(chunk)


def _headers(handler: Any) -> None:
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(200):
            handler.wfile.write(b"X-%d: %s\r\n" % (number, b"y" * 60_000))


FAULTS: dict[str, Callable[[Any], None]] = {
    "": _status(204),
    "500": _status(500),
    "400": _status(400),
    "redirect": _status(302, ("Location", "/elsewhere")),
    "gone": _status(410),
    "busy": _status(503, ("Retry-After", "0")),
    "hang": _hang,
    "garbage": _garbage,
    "vanish": _vanish,
    "close": _close,
    "no-end": _vanish_amid_headers,
    "half": _vanish_after_the_status,
    "drip": _drip,
    "huge": _huge,
    "huge-200": _huge_and_fine,
    "headers": _headers,
}
TAKEN = ("", "half", "huge-200")
"""With these, the answer says that the message was taken."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        server: Any = self.server
        length = int(self.headers["Content-Length"] or 1)
        body = self.rfile.read(length)
        if len(body) < length:  # who sent it was killed amid
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.standard.verify(body, headers)
        found = json.loads(body)
        events = tuple(found) if isinstance(found, list) else (found,)
        with server.order:
            fault = server.fault(len(server.log), events)
            server.log.append(Request(headers, events, fault))
        with suppress(OSError):
            FAULTS[fault](self)

    def log_message(self, *_: Any) -> None:
        pass


class Receiver(ThreadingHTTPServer):
    """A receiver; its log is in the order in which it received."""

    daemon_threads = True

    def __init__(self, fault: Callable[[int, Any], str], port: int = 0, word: str = WORD) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.fault = fault
        self.log: list[Request] = []
        self.order = threading.Lock()
        self.closing = threading.Event()
        self.standard = Standard(word)
        self.errors: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    @property
    def taken(self) -> list[dict[str, Any]]:
        """The events that it said it took."""
        return [event for each in self.log if each.fault in TAKEN for event in each.events]

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.taken]

    def handle_error(self, *_: Any) -> None:
        import sys
        import traceback

        if not isinstance(sys.exception() if sys.version_info >= (3, 11) else None, OSError):
            self.errors.append(traceback.format_exc())


def fine(*_: Any) -> str:
    return ""


def in_turn(faults: Iterable[str], then: str = "") -> Callable[[int, Any], str]:
    """These faults, one a request, and then another one for ever."""
    left = list(faults)
    return lambda number, _: left[number] if number < len(left) else then


@contextmanager
def receiving(
    fault: Callable[[int, Any], str] = fine, port: int = 0, word: str = WORD
) -> Iterator[Receiver]:
    """A receiver in a thread."""
    with Receiver(fault, port, word) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
    assert server.errors == [], server.errors


def check(log: Iterable[dict[str, Any]], expected: Iterable[tuple[str, str]]) -> None:
    """Check a receiver's log: every event at least once, and in order in each stream.

    Args:
        log: the events taken, in the order in which they came.
        expected: the stream and the id of each event that was recorded, in order.
    """
    came: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for event in log:
        came[event["subject"]].setdefault(event["id"])
    recorded: defaultdict[str, list[str]] = defaultdict(list)
    for stream, uid in expected:
        recorded[stream].append(uid)
    for stream, uids in recorded.items():
        ids = list(came[stream])
        missing = set(uids) - set(ids)
        assert not missing, f"{stream}: {len(missing)} are missing, like {min(missing)}"
        assert ids == uids, f"{stream}: not in order"
    assert came.keys() == recorded.keys()


def wait_for(condition: Callable[[], object], patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
