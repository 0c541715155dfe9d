"""A TCP proxy in front of a server, for networks that misbehave and addresses that move."""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Literal, Self

from tests.servers import HOST

__all__ = ("Mode", "Proxy")

Mode = Literal["pass", "swallow", "swallow replies", "lose replies", "cut replies"]


@dataclass(eq=False)
class _Link:
    """A client's connection and the server's."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    stuck: bool = False
    """Nothing goes through it any more, as nobody knows what was lost."""

    def reset(self) -> None:
        for writer in (self.client, self.server):
            if writer is not None:
                with suppress(OSError):
                    endpoint: socket.socket = writer.get_extra_info("socket")
                    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()


class Proxy:
    """Passes on what clients and a server say, unless its mode is another one.

    - ``swallow``: takes connections and packets, and passes nothing on, as a network does that drops packets;
    - ``swallow replies``: the server gets what is said, the clients hear nothing;
    - ``lose replies``: as that, and the connection is reset;
    - ``cut replies``: half of a reply arrives, and the connection is reset.

    What went through a mode that swallows never continues: bytes are missing.

    Args:
        target: The port of the server.
        port: The port to listen on, 0 for any.
        host: Where the server is.
    """

    def __init__(self, target: int, port: int = 0, host: str = HOST) -> None:
        self.target = target
        self.host = host
        self.port = port
        self.mode: Mode = "pass"
        self.delay = 0.0
        self.refuses = False
        """Whether new connections are reset."""
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def links(self) -> int:
        """How many connections go through it."""
        return len(self._links)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self, random: Random | None = None, share: float = 1.0) -> None:
        """Reset connections: all of them, or this part of them."""
        for link in list(self._links):
            if random is None or random.random() < share:
                link.reset()

    async def move(self, target: int, host: str = HOST) -> None:
        """Lead to another server from now on, as an address does that moves."""
        self.target, self.host = target, host
        self.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = _Link(writer)
        self._links.add(link)
        try:
            if self.refuses:
                link.reset()
            else:
                await self._serve(reader, link)
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            for each in (link.client, link.server):
                if each is not None:
                    each.close()
            self._links.discard(link)
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, link: _Link) -> None:
        if self.mode == "swallow":
            link.stuck = True
            await reader.read()  # until the client gives up
            return
        answers, link.server = await asyncio.open_connection(self.host, self.target)
        pumps = [
            asyncio.ensure_future(self._pump(reader, link.server, link, replies=False)),
            asyncio.ensure_future(self._pump(answers, link.client, link, replies=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link, *, replies: bool
    ) -> None:
        while data := await reader.read(1 << 16):
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.mode == "swallow" or (self.mode == "swallow replies" and replies):
                link.stuck = True
            if link.stuck and (replies or self.mode == "swallow"):
                continue
            if replies and self.mode in {"lose replies", "cut replies"}:
                if self.mode == "cut replies":
                    writer.write(data[: len(data) // 2])
                    await asyncio.sleep(0.005)
                link.reset()
                return
            writer.write(data)
            await writer.drain()
