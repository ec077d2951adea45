"""Runs a site: a socket, the server, and its end."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType

import uvicorn

from projections.serve.app import application
from projections.serve.live_site import Site

_GRACE = 1
"""Seconds for answers under way when the server ends; those to pages that listen end at once."""
_CONNECTIONS = 500


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # on Windows the other option shares a port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made


class _Server(uvicorn.Server):
    """A server that ends on a signal, without raising it again, and tells the site."""

    site: Site

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        wanted = [signal.SIGINT, signal.SIGTERM]
        before = {each: signal.signal(each, self.handle_exit) for each in wanted}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.site.stopping.set()
        super().handle_exit(sig, frame)


def run(site: Site, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM. Closes the site's library and store.

    Args:
        site: what is served.
        listening: the socket.
    """
    config = uvicorn.Config(
        application(site),
        access_log=False,
        date_header=True,
        h11_max_incomplete_event_size=32_768,
        http="h11",
        lifespan="off",
        limit_concurrency=_CONNECTIONS,
        log_level="critical",
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=5,
        ws="none",
    )
    server = _Server(config)
    server.site = site
    follower = Thread(target=site.follow, daemon=True)
    follower.start()
    try:
        server.run(sockets=[listening])
    finally:
        site.stopping.set()
        site.library.close()
        follower.join(0.5)
        site.opened.close()
