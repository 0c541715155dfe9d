"""Where a run ran: figures mean nothing without it."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

import psutil

__all__ = ("Machine",)

_PACKAGES = (
    "litestar-sqlstores",
    "litestar",
    "sqlspec",
    "advanced-alchemy",
    "asyncpg",
    "aiosqlite",
    "aiomysql",
    "google-cloud-spanner",
    "redis",
    "valkey",
    "uvloop",
    "granian",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and the packages on it."""

    system: str
    processor: str
    cpus: int
    memory_gib: float
    load: float
    """Processes that wanted a CPU in the minute before the run; above zero, others were at work too."""
    python: str
    packages: dict[str, str]

    @classmethod
    def describe(cls) -> Self:
        return cls(
            system=platform.platform(),
            processor=_processor(),
            cpus=psutil.cpu_count() or 0,
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            load=round(psutil.getloadavg()[0], 2),
            python=platform.python_version(),
            packages={name: version(name) for name in _PACKAGES},
        )

    def __str__(self) -> str:
        return (
            f"{self.system}, {self.cpus} CPUs ({self.processor}), {self.memory_gib} GiB, load {self.load} before the "
            f"run, Python {self.python}"
        )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")
