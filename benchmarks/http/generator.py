"""A load generator for machines without wrk: ``python -m benchmarks.http.generator PORT COOKIES CONNECTIONS SECONDS``.

Slower than wrk, so that it takes more of the machine from what is measured. Writes its figures to stderr, as JSON.
"""

import asyncio
import json
import sys
from itertools import cycle
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import cast

import uvloop

from benchmarks.latency import Latency, histogram
from tests.servers import HOST


class Client(asyncio.Protocol):
    """A connection that asks again as soon as it was answered."""

    def __init__(self, requests: "cycle[bytes]", durations: list[int], errors: list[bytes], until: float) -> None:
        self._requests, self._durations, self._errors, self._until = requests, durations, errors, until
        self._received = b""
        self._started = 0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(body) < length:
            return
        self._durations.append(perf_counter_ns() - self._started)
        if not head.startswith(b"HTTP/1.1 200"):
            self._errors.append(head)
        self._received = b""
        if perf_counter() < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if perf_counter() < self._until:
            self._errors.append(b"lost")
        if not self.ended.done():
            self.ended.set_result(None)

    def _ask(self) -> None:
        self._started = perf_counter_ns()
        self._transport.write(next(self._requests))


async def main(port: int, cookies: list[str], connections: int, seconds: float) -> None:
    requests = cycle(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}\r\n\r\n".encode() for cookie in cookies)
    durations: list[int] = []
    errors: list[bytes] = []
    loop = asyncio.get_running_loop()
    started = perf_counter()
    made = [
        await loop.create_connection(lambda: Client(requests, durations, errors, started + seconds), HOST, port)
        for _ in range(connections)
    ]
    await asyncio.wait([client.ended for _, client in made], timeout=seconds + 30)
    latency = Latency.of(histogram(durations))
    figures = {
        "requests": len(durations),
        "seconds": perf_counter() - started,
        "p50": latency.p50,
        "p99": latency.p99,
        "errors": len(errors),
    }
    sys.stderr.write(json.dumps(figures))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]).read_text().split("\n"), int(sys.argv[3]), float(sys.argv[4])))
