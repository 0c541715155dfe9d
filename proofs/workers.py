"""Processes that work beside this one, and end with it."""

import faulthandler
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

__all__ = ("Worker", "start_worker", "workers")


START = 180.0
"""Seconds in which a process has imported what it needs, on a very busy machine."""


@dataclass
class Worker:
    """A process, and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def receive(self, timeout: float) -> Any:
        """What it sends next.

        Raises:
            TimeoutError: It sends nothing.
            EOFError: It has ended.
        """
        if not self.pipe.poll(timeout):
            msg = f"process {self.process.name} sent nothing for {timeout:.0f} s"
            raise TimeoutError(msg)
        return self.pipe.recv()

    def wait_until_ready(self) -> None:
        """Wait until it has imported what it needs."""
        self.receive(START)

    def signal(self, number: signal.Signals) -> None:
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, number)

    def end(self) -> None:
        """End it at once."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


def start_worker(target: Callable[..., None], *arguments: Any) -> Worker:
    """Run a function, which is given a pipe and the arguments, in a process of its own."""
    spawn = multiprocessing.get_context("spawn")  # a fork would share this one's sockets
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_run, args=(target, theirs, *arguments))
    process.start()
    theirs.close()
    return Worker(process, ours)


@contextmanager
def workers(target: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> Iterator[list[Worker]]:
    """Run a function once with each of the arguments; what is left of the processes ends with the block."""
    started: list[Worker] = []
    try:
        for each in arguments:
            started.append(start_worker(target, *each))  # noqa: PERF401 - to be ended if the next one does not start
        for worker in started:
            worker.wait_until_ready()
        yield started
    finally:
        for worker in started:
            worker.end()


def _run(target: Callable[..., None], pipe: Connection, *arguments: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    faulthandler.register(signal.SIGUSR1)  # shows where it is
    logging.disable(logging.CRITICAL)  # of what goes wrong on purpose
    pipe.send("ready")
    target(pipe, *arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
