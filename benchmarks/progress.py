"""How far a run is: a bar on a terminal, a line now and then elsewhere."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

__all__ = ("Progress",)


class Progress:
    """To be used as a context manager; says everything to stderr."""

    def __init__(self) -> None:
        console = Console(file=sys.stderr)
        self._is_terminal = console.is_terminal
        columns = (BarColumn(30), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        self._bar = Bar(*columns, console=console, disable=not self._is_terminal, transient=True)
        self._task = self._bar.add_task("")
        self._title = ""

    def expect(self, steps: int) -> None:
        """Say how often :meth:`show` will be called, about."""
        self._bar.update(self._task, total=steps)

    def title(self, title: str) -> None:
        """Say what the next steps belong to."""
        self._title = title
        if not self._is_terminal:
            print(title, file=sys.stderr, flush=True)

    def show(self, step: str) -> None:
        """A step begins."""
        self._bar.update(self._task, advance=1, description=f"{self._title}: {step}")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()
