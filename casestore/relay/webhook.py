"""Sends messages by HTTP, and believes little of what is answered.

Proxies of the environment are not used, as the address that is connected to could not be checked.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from selectors import EVENT_READ, DefaultSelector
from threading import Timer
from typing import Any, cast

from casestore.relay.addresses import parse_webhook_url, why_not
from casestore.relay.message import Answer, Message
from casestore.relay.signing import signed_headers

_MOST_BODY = 64 * 1024
"""Bytes of an answer that are read, to use the connection again. Nothing is made of them."""
_KEPT = 20.0
"""Seconds for which a connection is kept for the next message."""


def _now() -> datetime:
    return datetime.now(UTC)


class _Refused(Exception):  # noqa: N818  (no fault: the address may not be used)
    pass


class _Lines:
    """What an answer is read from; it knows the last line, so that one that broke off is known."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.last = b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self._file.readline(limit)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Response(http.client.HTTPResponse):
    """An answer whose headers must have an end: http.client takes the end of all for theirs."""

    def begin(self) -> None:
        lines = _Lines(self.fp)
        self.fp = cast(Any, lines)
        super().begin()
        if lines.last not in (b"\r\n", b"\n"):
            self.close()
            raise ConnectionAbortedError(errno.ECONNABORTED, "its answer broke off")


class Webhook:
    """A receiver at a URL.

    Args:
        url: https://…; http:// only to a private address.
        secrets: one, or two while it is changed: a signature is made with each. 24 to 64 bytes.
        allow_private: connect to loopback and private addresses too.
        connect_within: seconds for each address of the name.
        answer_within: seconds for all of a request, from sending it to the end of its answer.
        clock: gives the present time, for the signature.

    Raises ValueError: the URL is none, or there is no secret.
    """

    def __init__(
        self,
        url: str,
        secrets: Sequence[bytes],
        *,
        allow_private: bool = False,
        connect_within: float = 10.0,
        answer_within: float = 30.0,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        if not secrets:
            raise ValueError("webhooks are signed: give a secret")
        self._url = parse_webhook_url(url)
        self._secrets = tuple(secrets)
        self._allow_private = allow_private
        self._connect_within, self._answer_within = connect_within, answer_within
        self._clock = clock
        self._tls = ssl.create_default_context() if self._url.secure else None
        self._kept: http.client.HTTPConnection | None = None
        self._used = 0.0
        """When the kept connection was used last, by time.monotonic()."""
        self._late = False

    @property
    def target(self) -> str:
        """The URL, without its query."""
        return str(self._url)

    def send(self, message: Message) -> Answer:
        """POST a message. Only an answer 2xx means that it was taken."""
        body = message.body
        headers = {
            "Host": self._url.netloc,
            "User-Agent": "casestore-relay",
            "Content-Type": message.content_type,
            "Content-Length": str(len(body)),
            **signed_headers(self._secrets, message.id, self._clock(), body),
        }
        try:
            answer = self._post(headers, body)
        except _Refused as error:
            answer = Answer(False, str(error))
        except (OSError, http.client.HTTPException) as error:
            answer = Answer(False, self._why(error))
        if not answer.taken:
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection that is kept."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _why(self, error: Exception) -> str:
        if self._late or isinstance(error, TimeoutError):
            return f"no answer within {self._answer_within:g} s"
        if isinstance(error, ConnectionError):
            return f"the connection ended: {error.strerror or 'no answer came'}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate: {error.verify_message}"
        if isinstance(error, ssl.SSLError):
            return f"TLS: {error.reason or 'it broke off'}"
        if isinstance(error, OSError):
            return f"it cannot be reached: {error.strerror or type(error).__name__}"
        return "what it answered is not HTTP"

    def _post(self, headers: dict[str, str], body: bytes) -> Answer:
        if time.monotonic() - self._used > _KEPT or (self._kept and _speaks(self._kept.sock)):
            self.close()
        if self._kept is not None:
            # The receiver may have closed it in the meantime, and then nothing was answered.
            try:
                return self._exchange(self._kept, headers, body)
            except (ConnectionError, ssl.SSLError):
                if self._late:
                    raise
            self.close()
        self._kept = self._connect()
        return self._exchange(self._kept, headers, body)

    def _connect(self) -> http.client.HTTPConnection:
        url = self._url
        error: Exception = OSError("its name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            url.host, url.port, type=socket.SOCK_STREAM
        ):
            refused = why_not(str(address[0]), secure=url.secure, allow_private=self._allow_private)
            if refused is not None:
                error = _Refused(refused)
                continue
            plain = socket.socket(family, kind, protocol)
            try:
                plain.settimeout(self._connect_within)
                plain.connect(address)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = http.client.HTTPConnection(url.host, url.port)
                connection.response_class = _Response
                connection.auto_open = 0  # to connect again would be to another address
                tls = self._tls
                connection.sock = tls.wrap_socket(plain, server_hostname=url.host) if tls else plain
                connection.sock.settimeout(self._answer_within)
            except OSError as failed:
                plain.close()
                error = failed
            except BaseException:
                plain.close()
                raise
            else:
                return connection
        raise error

    def _exchange(
        self, connection: http.client.HTTPConnection, headers: dict[str, str], body: bytes
    ) -> Answer:
        # A timeout of the socket is for each byte, and an answer may come in drips.
        self._late = False
        timer = Timer(self._answer_within, self._end_late, [connection.sock])
        timer.daemon = True
        timer.start()
        try:
            connection.putrequest("POST", self._url.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            with connection.getresponse() as response:
                answer = _answer(response, self._clock())
                reusable = answer.taken and _read_out(response)
        finally:
            timer.cancel()
        if not reusable or self._late:
            self.close()
        self._used = time.monotonic()
        return answer

    def _end_late(self, sock: socket.socket) -> None:
        self._late = True
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # that of TLS would wait for its peer


def _speaks(sock: socket.socket) -> bool:
    """Whether there is something to read, before anything was sent: it is no answer to that."""
    with DefaultSelector() as selector:
        selector.register(sock, EVENT_READ)
        return bool(selector.select(0))


def _answer(response: http.client.HTTPResponse, now: datetime) -> Answer:
    status = response.status
    if 200 <= status < 300:
        return Answer(True)
    why = f"it answered {status}"
    if 300 <= status < 400:
        why += ", and redirects are not followed: give the URL that it leads to"
    wait = _seconds(response.headers.get("Retry-After", ""), now)
    return Answer(False, why, wait, gone=status == http.client.GONE)


def _seconds(retry_after: str, now: datetime) -> float | None:
    """What Retry-After says, in seconds (RFC 9110, 10.2.3); None where it says nothing."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError, OverflowError):  # also where it has no zone
        return None


def _read_out(response: http.client.HTTPResponse) -> bool:
    """Read what is left of an answer; whether that was all, so that another may follow."""
    try:
        response.read(_MOST_BODY)
        return response.isclosed() and not response.will_close
    except (OSError, http.client.HTTPException):
        return False
