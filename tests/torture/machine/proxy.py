"""A proxy on the way to PostgreSQL, whose connections can be cut at any moment.

So a commit is made and its answer is lost, or an answer is cut off in the middle.
"""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress
from pathlib import Path


class Proxy:
    """Listens on a Unix socket, in a thread of its own.

    Args:
        socket: of the server.
        ours: the socket to make.
    """

    def __init__(self, socket: Path, ours: Path) -> None:
        self._server, self._ours = socket, ours
        self._loop = asyncio.new_event_loop()
        self._wires: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def cut(self, share: float, chance: random.Random) -> int:
        """Cut some of the connections. Gives how many.

        Args:
            share: of all of them, from 0 to 1.
            chance: chooses them.
        """
        return asyncio.run_coroutine_threadsafe(self._cut(share, chance), self._loop).result(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _cut(self, share: float, chance: random.Random) -> int:
        chosen = [wire for wire in self._wires if chance.random() < share]
        for wire in chosen:
            for side in wire:
                side.transport.abort()
        return len(chosen)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_unix_server(self._carry, self._ours))
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    async def _carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_unix_connection(self._server)
        except OSError:
            to_client.transport.abort()
            return
        wire = (to_client, to_server)
        self._wires.add(wire)
        try:
            ways = [self._pass(client, to_server), self._pass(server, to_client)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        finally:
            self._wires.discard(wire)
            for side in wire:
                with suppress(OSError, RuntimeError):
                    side.close()

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
