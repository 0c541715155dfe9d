"""The syncs of processes, seen by strace."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import ServerUnavailable

__all__ = ("Syncs", "traced")

CALLS = "fsync,fdatasync,msync,sync_file_range,syncfs"
ENDED = re.compile(r"^\d+ +(?P<began>[\d.]+) (?P<what>\w+\(|<\.\.\. \w+ resumed>).*= 0 <(?P<took>[\d.]+)>$")


class Syncs:
    """When syncs ended, in order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.ends: list[float] = []

    def read(self) -> None:
        for line in self._path.read_text().splitlines():
            if found := ENDED.match(line):
                # A line about the end of a call that was interrupted by others has the time of that end.
                resumed = found["what"].startswith("<")
                self.ends.append(float(found["began"]) + (0 if resumed else float(found["took"])))
        self.ends.sort()

    def within(self, start: float, end: float) -> bool:
        """Whether a sync ended in this time."""
        return any(start < each <= end for each in self.ends)


@contextmanager
def traced(pids: Iterable[int], folder: Path) -> Iterator[Syncs]:
    """Watch processes, and what they start; the syncs can be read when the block has ended.

    Raises:
        ServerUnavailable: strace is not installed.
    """
    program = shutil.which("strace")
    if program is None:
        msg = "strace is not installed (on Debian and Ubuntu: apt-get install strace)"
        raise ServerUnavailable(msg)
    path, log = folder / "syncs", folder / "strace"
    command = [program, "-f", "-ttt", "-T", "-e", f"trace={CALLS}", "-o", str(path)]
    for pid in pids:
        command += ["-p", str(pid)]
    with log.open("w") as errors:
        tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors)
    syncs = Syncs(path)
    try:
        _wait_until_attached(tracer, log)
        yield syncs
    finally:
        tracer.terminate()
        tracer.wait()
    syncs.read()


def _wait_until_attached(tracer: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 20
    while "attached" not in log.read_text():
        if tracer.poll() is not None or time.monotonic() > deadline:
            msg = f"strace cannot watch processes here: {log.read_text()[-500:]}"
            raise ServerUnavailable(msg)
        time.sleep(0.02)
    time.sleep(0.5)  # the others of the processes, and their threads
