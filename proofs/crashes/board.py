"""What callers have done so far, in memory that outlives their processes."""

import mmap
import struct
from pathlib import Path

__all__ = ("Board",)

NUMBER = struct.Struct("<q")


class Board:
    """Two numbers for each caller: the last one that it began to write, and the last that was acknowledged.

    Args:
        path: The file that processes share.
        callers: How many callers there are.
    """

    def __init__(self, path: Path, callers: int) -> None:
        self._callers = callers
        size = 2 * callers * NUMBER.size
        with path.open("a+b") as file:
            file.truncate(size)
            self._memory = mmap.mmap(file.fileno(), size)

    def begin(self, caller: int, number: int) -> None:
        NUMBER.pack_into(self._memory, caller * NUMBER.size, number)

    def acknowledge(self, caller: int, number: int) -> None:
        NUMBER.pack_into(self._memory, (self._callers + caller) * NUMBER.size, number)

    def begun(self) -> list[int]:
        return self._numbers(0)

    def acknowledged(self) -> list[int]:
        return self._numbers(self._callers)

    def _numbers(self, offset: int) -> list[int]:
        return [NUMBER.unpack_from(self._memory, (offset + caller) * NUMBER.size)[0] for caller in range(self._callers)]
