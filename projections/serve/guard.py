"""Who may ask, and how: what is checked of each request before a page is made, and what each
answer carries.

By default the server listens on the loopback alone. Whoever has the one-time token of the address
that it printed gets a cookie; nobody else is answered. Behind a proxy, the proxy says who asks, in
a header: so only the proxy may be talked to, and anybody who can reach the port from where the
proxy is could say the same.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from hmac import compare_digest
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Lock
from typing import NamedTuple

METHODS = ("GET", "HEAD")
LONGEST = 8_192
"""Bytes that a path and its query may have together."""
HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""Every answer has them, besides the Content-Security-Policy."""
_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_WHO = re.compile(r"[\x20-\x7e\x80-\xff]{1,200}")
_OURS = {
    *("authorization", "connection", "content-length", "cookie", "forwarded", "host"),
    *("transfer-encoding", "upgrade"),
}
"""Headers that mean something else."""
Network = IPv4Network | IPv6Network


class Refused(Exception):  # noqa: N818  (it says what happened)
    """A request is not answered. The message may be shown."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request(NamedTuple):
    """What is checked of a request."""

    method: str
    path: str
    query: bytes
    headers: Sequence[tuple[str, str]]
    """Their names in lower case."""
    peer: str
    """The address that it came from; "" where that is not known."""

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for key, value in self.headers if key == name]


class Guard:
    """What a server checks.

    Args:
        hosts: the values of the header Host that it answers to, with the port where there is one.
        port: the port; cookies are not kept apart by it, so the cookie's name has it.
        header: the header in which a proxy says who asks; None: whoever has the token.
        proxies: the addresses or networks that the proxy's requests come from.
        who: whom the token is given to.

    Raises ValueError for a header or a proxy that cannot be one.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        port: int,
        *,
        header: str | None = None,
        proxies: Iterable[str] = (),
        who: str = "",
    ) -> None:
        self._hosts = {host.lower() for host in hosts}
        self._header = None if header is None else header.lower()
        if self._header is not None and not _NAME.fullmatch(self._header):
            raise ValueError(f"{header!r} is no name of a header")
        if self._header in _OURS:
            raise ValueError(f"the header {header} says something else than who asks")
        self._proxies: list[Network] = [ip_network(each, strict=False) for each in proxies]
        self._who = who
        self._cookie = f"casestore-{port}"
        self._session = secrets.token_urlsafe(32)
        self._token: str | None = None if header else secrets.token_urlsafe(32)
        self.entrance = "" if header else f"/enter?token={self._token}"
        """The address, below the server's, by which one browser is let in; "" behind a proxy."""
        self._lock = Lock()

    def check(self, request: Request) -> None:
        """Check what holds for every request. Raises Refused."""
        if request.method not in METHODS:
            raise Refused(405, "these pages can only be read: GET and HEAD")
        if len(request.path) + len(request.query) > LONGEST:
            raise Refused(414, "the address is too long")
        hosts = request.all("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            # A page of elsewhere, whose name was made to lead here, is told nothing.
            raise Refused(421, "this server does not go by that name; --allow-host adds one")
        site = request.all("sec-fetch-site")
        elsewhere = bool(site) and site[0] not in ("same-origin", "none")
        if elsewhere and request.all("sec-fetch-mode") != ["navigate"]:
            raise Refused(403, "another page may not read this one")

    def asking(self, request: Request) -> str:
        """Who asks. Raises Refused."""
        if self._header is None:
            given = [
                value
                for cookies in request.all("cookie")
                for name, value in _cookies(cookies)
                if name == self._cookie
            ]
            if not any(_same(each, self._session) for each in given):
                raise Refused(401, "open the address that `casestore serve` printed")
            return self._who
        if not self._is_proxy(request.peer):
            raise Refused(403, "only the proxy may ask; --proxy names its address")
        names = request.all(self._header)
        if len(names) != 1 or not names[0].strip() or not _WHO.fullmatch(names[0]):
            raise Refused(401, "the proxy does not say who asks")
        return names[0].strip()

    def enter(self, token: str) -> str:
        """The cookie for whoever has the token, which then is used up. Raises Refused."""
        with self._lock:
            if self._token is None:
                raise Refused(403, "this address was used; start `casestore serve` again")
            if not _same(token, self._token):
                raise Refused(403, "this is not the address that `casestore serve` printed")
            self._token = None
        return f"{self._cookie}={self._session}; HttpOnly; SameSite=Strict; Path=/"

    def _is_proxy(self, peer: str) -> bool:
        try:
            address: IPv4Address | IPv6Address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._proxies)


def _cookies(text: str) -> list[tuple[str, str]]:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return [(name, value) for name, _, value in pairs]


def _same(given: str, wanted: str) -> bool:
    return compare_digest(given.encode("utf-8", "replace"), wanted.encode())
