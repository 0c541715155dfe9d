"""A TCP proxy with faults, between a store and its database."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Self

__all__ = ("Proxy",)

HOST = "127.0.0.1"


class _Link:
    """A connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.stuck = False
        self.sent = 0

    def reset(self) -> None:
        """End both sides at once, as a crash or a firewall does; what was not read yet is lost."""
        for writer in (self.client, self.server):
            if writer is not None:
                raw = writer.get_extra_info("socket")
                if raw is not None and raw.fileno() >= 0:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()


class Proxy:
    """Passes bytes on, until it is told otherwise. An async context manager.

    Faults, each of which may be set at any time:

    - ``blackhole``: connections are accepted, bytes are taken, nothing is answered. What has met that stays stuck for
      good, as a connection does whose packets a firewall swallows; :meth:`heal` helps later ones.
    - ``delay``: seconds that each packet takes, in both directions.
    - ``swallow``: a test on what a client sends; a connection on which it is true is stuck from there on. So a fault
      can hit a statement, or what a pool sends when it takes a connection back, or the farewell.
    - ``lose_reply``: what the server answers next is thrown away, its connection reset: the statement has run.
    - ``cut_after``: how many bytes the server may send on a connection before it is reset, in the midst of an answer.
    - :meth:`hold` and :meth:`release`: new connections wait; with ``requests=True``, what clients send, too.
    - :meth:`reset`: all connections end.
    - :meth:`refuse` and :meth:`accept`: nobody listens; somebody does again, on the same port.
    - ``target``: the port of the server that new connections lead to: an address that moves.

    Args:
        target: The port of the server.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.blackhole = False
        self.delay = 0.0
        self.swallow: Callable[[bytes], bool] = lambda _: False
        self.lose_reply = False
        self.cut_after: int | None = None
        self.accepted = 0
        """How many connections there were."""
        self.replies_lost = asyncio.Event()
        """Set when ``lose_reply`` has taken effect."""
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._may_connect = asyncio.Event()
        self._may_send = asyncio.Event()
        self.release()

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        self.refuse()
        self.release()
        for link in list(self._links):
            link.reset()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._links)

    async def accept(self) -> None:
        """Listen, on the port there was before if there was one."""
        self._server = await asyncio.start_server(self._connected, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse connections; those there are stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def hold(self, *, requests: bool = False) -> None:
        """Let new connections wait, and, if asked for, what clients send on those there are."""
        self._may_connect.clear()
        if requests:
            self._may_send.clear()

    def release(self) -> None:
        """Let all go on that is held."""
        self._may_connect.set()
        self._may_send.set()

    def reset(self) -> None:
        """End all connections."""
        for link in list(self._links):
            link.reset()

    def heal(self) -> None:
        """Behave, from now on."""
        self.blackhole = self.lose_reply = False
        self.swallow = lambda _: False
        self.delay = 0.0
        self.cut_after = None
        self.release()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        link = _Link(writer)
        self._links.add(link)
        try:
            await self._serve(link, reader)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._links.discard(link)
            for each in (link.client, link.server):
                if each is not None:
                    each.close()

    async def _serve(self, link: _Link, reader: asyncio.StreamReader) -> None:
        if self.blackhole:
            link.stuck = True
            while await reader.read(65536):
                pass
            return
        await self._may_connect.wait()
        server_reader, link.server = await asyncio.open_connection(HOST, self.target)
        up = asyncio.ensure_future(self._up(link, reader, link.server))
        down = asyncio.ensure_future(self._down(link, server_reader))
        try:
            # A client that goes takes its server along; one that is stuck does not hear of it.
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            if down.done() and link.stuck:
                await up
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _up(self, link: _Link, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._may_send.wait()
            if self.blackhole or self.swallow(data):
                link.stuck = True
            if link.stuck:
                continue
            await asyncio.sleep(self.delay)
            server.write(data)
            await server.drain()

    async def _down(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            if self.blackhole:
                link.stuck = True
            if link.stuck:
                continue
            await asyncio.sleep(self.delay)
            if self.lose_reply:
                self.lose_reply = False
                self.replies_lost.set()
                link.reset()
                return
            if self.cut_after is not None and link.sent + len(data) > self.cut_after:
                link.client.write(data[: max(0, self.cut_after - link.sent)])
                await link.client.drain()
                link.reset()
                return
            link.sent += len(data)
            link.client.write(data)
            await link.client.drain()
