"""A contender spread over processes, each with a store of its own on one table."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from benchmarks.contender import BenchmarkError, Round, Settings
from benchmarks.latency import histogram
from benchmarks.opening import Table, open_contender
from benchmarks.operations import OPERATIONS, Operation
from benchmarks.peers import PEERS, Peer

__all__ = ("Crew", "open_crew")


class Crew:
    """Contenders in other processes, which do at the same time what a contender in this one would do."""

    shape = ""

    def __init__(self, peer: Peer, pipes: list[Connection]) -> None:
        self.peer = peer
        self._pipes = pipes

    async def reset(self) -> None:
        await self._all("reset")

    async def prepare(self, operation: Operation) -> None:
        await self._all("prepare", operation.name)

    async def warm_up(self, operation: Operation, concurrency: int) -> int:
        counts: list[int] = await self._all("warm_up", operation.name, concurrency)
        return min(counts)

    async def round(self, operation: Operation, count: int, concurrency: int) -> Round:
        """Measure one round, of ``count`` calls by ``concurrency`` callers in each process."""
        rounds = await self._all("round", operation.name, count, concurrency)
        latencies = histogram()
        for _, _, encoded in rounds:
            latencies.decode_and_add(encoded)
        return Round(sum(calls for calls, _, _ in rounds), max(seconds for _, seconds, _ in rounds), latencies)

    async def _all(self, method: str, *arguments: Any) -> list[Any]:
        for pipe in self._pipes:
            pipe.send((method, arguments))
        answers = [await asyncio.to_thread(pipe.recv) for pipe in self._pipes]
        for answer in answers:
            if isinstance(answer, BenchmarkError):
                raise answer
        return answers


@asynccontextmanager
async def open_crew(peer: Peer, url: str, table: Table, settings: Settings) -> AsyncIterator[Crew]:
    """Start the processes; they end with the block, or with this process."""
    spawn = multiprocessing.get_context("spawn")  # a fork would share this one's sockets
    pipes = []
    processes = []
    for part in range(table.processes):
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_serve, args=(theirs, peer.name, url, table, settings, part), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        yield Crew(peer, pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            await asyncio.to_thread(process.join)


def _serve(pipe: Connection, peer: str, *opening: Any) -> None:
    async def serve() -> None:
        async with open_contender(PEERS[peer], *opening) as contender:
            while True:
                method, arguments = await asyncio.to_thread(pipe.recv)
                if arguments:
                    arguments = (OPERATIONS[arguments[0]], *arguments[1:])
                try:
                    answer = await getattr(contender, method)(*arguments)
                except Exception as error:  # noqa: BLE001 - the crew's process tells of it
                    answer = BenchmarkError(f"{type(error).__name__}: {error}")
                if isinstance(answer, Round):
                    answer = answer.calls, answer.seconds, answer.latencies.encode()
                pipe.send(answer)

    with suppress(EOFError):  # that was all
        uvloop.run(serve())
