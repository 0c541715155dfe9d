"""The emulator of Cloud Spanner."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Self
from uuid import uuid4

import psutil

from tests.servers.availability import ServerUnavailable
from tests.servers.private import HOST, START_SECONDS, PrivateServer

__all__ = ("GivenSpanner", "SpannerEmulator", "spanner_from_environment_or_private")

VARIABLE = "SPANNER_EMULATOR_HOST"  # every client of Spanner's knows it
FOLDERS = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "~/google-cloud-sdk",
)


class _Spanner(ABC):
    """What can be done with any emulator of Cloud Spanner, ours or another's."""

    @property
    @abstractmethod
    def dsn(self) -> str:
        """Its address, as `host:port`."""

    def create_database(self, *schema: str) -> str:
        """Create a database in a new instance of its own; inside an event loop too.

        Args:
            schema: DDL statements to begin with.

        Returns:
            The URL of it.
        """
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.spanner_v1 import Client

        name = f"test-{uuid4().hex[:12]}"
        client = Client(
            "test-project",
            AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=self.dsn),
            disable_builtin_metrics=True,
        )
        try:
            instance = client.instance(name, f"{client.project_name}/instanceConfigs/emulator-config", node_count=1)
            instance.create().result(START_SECONDS)
            instance.database(name, schema).create().result(START_SECONDS)
        finally:
            client.close()
        return f"spanner://{self.dsn}/projects/{client.project}/instances/{name}/databases/{name}"


class SpannerEmulator(PrivateServer, _Spanner):
    """An emulator of Cloud Spanner of our own, in memory.

    Raises:
        ServerUnavailable: The emulator is not installed.
    """

    def __init__(self) -> None:
        folders = [str(Path(folder).expanduser() / "bin/cloud_spanner_emulator") for folder in FOLDERS]
        program = shutil.which("emulator_main") or shutil.which("emulator_main", path=os.pathsep.join(folders))
        if program is None:
            msg = (
                "the emulator of Cloud Spanner is not installed (gcloud components install cloud-spanner-emulator, or "
                "apt-get install google-cloud-cli-spanner-emulator where Google's packages can be had); "
                f"or set {VARIABLE} to the address of one that runs"
            )
            raise ServerUnavailable(msg)
        self._program = program
        super().__init__()

    @property
    def dsn(self) -> str:
        return f"{HOST}:{self.port}"

    def _command(self, directory: Path) -> list[str]:
        return [self._program, "--host_port", self.dsn]

    def _is_ready(self, directory: Path, pid: int) -> bool:
        with suppress(psutil.NoSuchProcess):
            ports = (connection.laddr.port for connection in psutil.Process(pid).net_connections() if connection.laddr)
            return self.port in ports
        return False


class GivenSpanner(_Spanner):
    """An emulator that somebody else runs. What is created stays there, which is in memory.

    Args:
        address: Its address, as `host:port`.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def dsn(self) -> str:
        return self._address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def spanner_from_environment_or_private() -> SpannerEmulator | GivenSpanner:
    """The emulator that `SPANNER_EMULATOR_HOST` names, else a private one; to be used as a context manager.

    Raises:
        ServerUnavailable: The variable is not set and the emulator is not installed.
    """
    address = os.environ.get(VARIABLE)
    return GivenSpanner(address) if address else SpannerEmulator()
