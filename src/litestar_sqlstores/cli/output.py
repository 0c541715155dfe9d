"""What the commands print for people."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from litestar_sqlstores.keys import SEPARATOR

__all__ = ("Interruption", "bytes_text", "print_text", "progress", "shown")

PIPE_WIDTH = 160
"""Columns of what is no terminal, where nothing has to be cut."""


def print_text(text: RenderableType) -> None:
    """Print to standard output."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False, markup=False)
    console.print(text, soft_wrap=isinstance(text, str))


def bytes_text(size: float) -> str:
    """A number of bytes: 1.5 MiB."""
    if size < 1024:
        return f"{size:,.0f} bytes"
    for power, unit in enumerate(("KiB", "MiB", "GiB"), 1):
        if size < 1024 ** (power + 1):
            return f"{size / 1024**power:,.1f} {unit}"
    return f"{size / 1024**4:,.1f} TiB"


class _Bar:
    """A progress bar that can be told how far the work came."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def at(self, completed: int) -> None:
        self._progress.update(self._task, completed=completed)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[_Bar]:
    """Show how far a command came, if standard error is a terminal.

    Args:
        what: What it does.
        total: How much there is to do; None if nobody knows.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
        yield _Bar(bars, bars.add_task(what, total=total))


class Interruption:
    """Makes Ctrl-C, and SIGTERM, a wish to stop after the batch in hand. The second one stops at once.

    Attributes:
        signal: Which signal came, None as long as none did.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _stop(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        self.__exit__()

    @property
    def exit_code(self) -> int:
        """What a process that a signal has ended tells the shell."""
        return 128 + (self.signal or 0)


def shown(namespace: str) -> str:
    """The full name of a namespace for people."""
    return namespace.replace(SEPARATOR, "/")
