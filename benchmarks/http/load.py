"""The requests, from a process of their own: wrk where it is installed, else :mod:`benchmarks.http.generator`."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from tests.servers import HOST

__all__ = ("Generator", "Load", "generate", "installed_generator")

Generator: TypeAlias = Literal["wrk", "own"]

# In microseconds, as wrk has them.
_WRK = """
local requests = {}
local number = 0
init = function(args)
    for cookie in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("GET", "/", {["Cookie"] = cookie})
    end
end
request = function()
    number = number % #requests + 1
    return requests[number]
end
done = function(summary, latency, requests)
    local errors = summary.errors
    io.stderr:write(string.format(
        '{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What the generator saw; latencies in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int


def installed_generator() -> Generator:
    """The best one here."""
    return "wrk" if shutil.which("wrk") else "own"


def generate(generator: Generator, port: int, cookies: list[str], connections: int, seconds: float) -> Load:
    """Ask for ``/`` with the cookies in turn, as fast as the answers come.

    Args:
        generator: What makes the requests.
        port: Where.
        cookies: One for each session.
        connections: How many requests are under way at any time.
        seconds: How long.

    Raises:
        RuntimeError: The generator failed.
    """
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        names = Path(folder, "cookies")
        names.write_text("\n".join(cookies))
        if generator == "wrk":
            script = Path(folder, "script.lua")
            script.write_text(_WRK)
            command = [
                "wrk",
                "-t1",
                "--timeout",
                "10s",
                f"-c{connections}",
                f"-d{max(1, round(seconds))}s",
                "-s",
                str(script),
            ]
            command += [f"http://{HOST}:{port}/", "--", str(names)]
        else:
            command = [sys.executable, "-m", "benchmarks.http.generator"]
            command += [str(port), str(names), str(connections), str(seconds)]
        process = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if process.returncode:
        msg = f"{command[0]} failed: {process.stderr}"
        raise RuntimeError(msg)
    return Load(**json.loads(process.stderr.splitlines()[-1]))
