"""How many instructions this process executes for a call, by perf, or by valgrind's callgrind: they do not drift.

A run with many calls less a run with few is what the calls cost. ``python -m benchmarks.cost.instructions URL OPERATION
CALLERS CALLS`` is such a run.
"""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.contender import Contender, Settings
from benchmarks.operations import OPERATIONS, set_value
from benchmarks.peers import PEERS, Backend
from benchmarks.progress import Progress
from benchmarks.servers import Servers
from benchmarks.workload import Workload

__all__ = ("Instructions", "count_instructions")

_FEW, _MANY = 256, 2304
_TOOLS = {
    "perf": (("perf", "stat", "-x,", "-e", "instructions:u"), r"(?m)^(\d+),,instructions"),
    "valgrind": (("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"), r"Collected : (\d+)"),
}


@dataclass(frozen=True, slots=True)
class Instructions:
    """What a call of one operation takes."""

    backend: Backend
    operation: str
    concurrency: int
    tool: str
    instructions: float


def count_instructions(
    backends: Sequence[Backend],
    operations: Sequence[str],
    concurrency: Sequence[int],
    servers: Servers,
    progress: Progress,
) -> list[Instructions]:
    """Count the instructions of a call. Takes minutes with valgrind.

    Raises:
        RuntimeError: There is neither perf, with a processor that lets itself be counted, nor valgrind.
    """
    tool = _usable_tool()
    found = []
    for backend in backends:
        progress.title(f"instructions on {backend}, by {tool}")
        for callers in concurrency:
            for operation in operations:
                progress.show(f"{operation}, {callers} callers")
                url = servers.new_database(backend)
                run = [backend, url, operation, str(callers)]
                few, many = (_run(tool, *run, str(calls)) for calls in (_FEW, _MANY))
                found.append(Instructions(backend, operation, callers, tool, (many - few) / (_MANY - _FEW)))
    return found


def _usable_tool() -> str:
    for tool, (command, pattern) in _TOOLS.items():
        if shutil.which(tool):
            output = subprocess.run([*command, "true"], capture_output=True, text=True, check=False).stderr
            if re.search(pattern, output):
                return tool
    msg = "instructions are counted by perf, where the processor can, or by valgrind (apt-get install valgrind)"
    raise RuntimeError(msg)


def _run(tool: str, *arguments: str) -> int:
    command, pattern = _TOOLS[tool]
    run = [*command, sys.executable, "-m", __name__, *arguments]
    output = subprocess.run(run, capture_output=True, text=True, check=True).stderr
    return int(re.findall(pattern, output)[-1])


async def _call(backend: str, url: str, operation: str, callers: int, calls: int) -> None:
    peer = next(peer for peer in PEERS.values() if (peer.kind, peer.backend) == ("ours", backend))
    async with peer.open(url) as store:
        contender = Contender(peer, store, Workload(_FEW, 512), Settings())
        await contender.run(set_value, contender.workload.everything(), peer.loaders)
        # What is planned takes instructions too: everyone plans the same.
        planned = OPERATIONS[operation].plan(contender.workload, _MANY)
        await contender.run(OPERATIONS[operation].call, planned[:calls], callers)


if __name__ == "__main__":
    asyncio.run(_call(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
