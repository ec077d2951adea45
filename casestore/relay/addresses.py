"""To which addresses a relay connects.

A URL may be anybody's wish, and a name may lead elsewhere tomorrow. So the address itself is
checked, the one that is connected to: a webhook must not reach what is behind the firewall.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from casestore.errors import quoted

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are an IPv4 address."""
_ASSIGNED = IPv6Network("2000::/3")
"""RFC 4291, 2.4, and IANA's registry: no public IPv6 address is elsewhere. What is, may lead to an
IPv4 address (::/96, 64:ff9b:1::/48, ::ffff:0:0:0/96), and `is_global` does not know all of it."""


class Url(NamedTuple):
    """The URL of a webhook."""

    secure: bool
    host: str
    """A name in ASCII, or an address without brackets."""
    port: int
    netloc: str
    """Host and port as the header Host has them."""
    path: str
    """With its query."""

    def __str__(self) -> str:
        """As it may be shown: a query may hold a key."""
        path, query, _ = self.path.partition("?")
        return f"http{'s' if self.secure else ''}://{self.netloc}{path}{query and '?…'}"


def parse_webhook_url(text: str) -> Url:
    """Read the URL of a webhook. Raises ValueError."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        name = host if ":" in host else host.encode("idna").decode()
    except ValueError:
        parts, host, port, name = urlsplit(""), "", None, ""
    if parts.scheme not in ("http", "https") or not host or re.search(r"[^!-~]", text):
        shown = "this" if re.search("[@?#]", text) else quoted(text)  # a password or a key
        raise ValueError(f"{shown} is no URL of a webhook, like https://crm.example/hook")
    if "@" in parts.netloc:
        raise ValueError("name no user and no password in the URL: the signature says who sends")
    secure = parts.scheme == "https"
    shown = f"[{host}]" if ":" in host else name
    usual = port is None or port == (443 if secure else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    netloc = shown if usual else f"{shown}:{port}"
    return Url(secure, name, port or (443 if secure else 80), netloc, path)


def why_not(address: str, *, secure: bool, allow_private: bool) -> str | None:
    """Why an address is not connected to; None if it may be.

    Args:
        address: as the resolver gave it.
        secure: whether it is by TLS.
        allow_private: whether loopback and private addresses may be.
    """
    ip = _inner(ip_address(address.partition("%")[0]))
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return f"{ip} is an address that no webhook has (link-local, multicast or none)"
    if ip.is_global and (isinstance(ip, IPv4Address) or ip in _ASSIGNED):
        if secure:
            return None
        return f"http to {ip}, which is public, would show the events to others; use https"
    if allow_private:
        return None
    return f"{ip} is a private address; --allow-private permits these"


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address leads to, if it does."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    teredo = ip.teredo[1] if ip.teredo else None
    return ip.ipv4_mapped or ip.sixtofour or teredo or ip
