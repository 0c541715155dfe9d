"""Three nodes of MariaDB with Galera on one machine, each on a loopback address of its own."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql

from tests.servers import MariaDBServer, ServerUnavailable

__all__ = ("Cluster", "Node", "open_cluster")

ADDRESSES = ("127.0.0.11", "127.0.0.12", "127.0.0.13")
PROVIDERS = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so")


class Node(MariaDBServer):
    """One of the nodes.

    Args:
        number: Which one; the first makes the cluster.
        ports: Of the client, of the group, of incremental and of full state transfers; the same on every address.
    """

    def __init__(self, number: int, ports: tuple[int, int, int, int]) -> None:
        provider = next((path for path in PROVIDERS if Path(path).exists()), None)
        if provider is None or shutil.which("rsync") is None:
            msg = "Galera is not installed (on Debian and Ubuntu: apt-get install galera-4 rsync)"
            raise ServerUnavailable(msg)
        super().__init__()
        self.address = ADDRESSES[number]
        self.port, group, incremental, full = ports
        members = ",".join(f"{address}:{group}" for address in ADDRESSES)
        self._galera = {
            "wsrep-on": "ON",
            "wsrep-provider": provider,
            "wsrep-cluster-name": f"proofs-{group}",
            "wsrep-cluster-address": f"gcomm://{members}",
            "wsrep-node-address": self.address,
            "wsrep-provider-options": f"gmcast.listen_addr=tcp://{self.address}:{group};"
            f"base_port={group};ist.recv_addr={self.address}:{incremental}",
            "wsrep-sst-receive-address": f"{self.address}:{full}",
            "wsrep-sst-method": "rsync",
            "binlog-format": "ROW",
            "innodb-autoinc-lock-mode": "2",
        }
        self._begins = number == 0

    @property
    def dsn(self) -> str:
        return f"mysql://root@{self.address}:{self.port}/mysql"

    def _command(self, directory: Path) -> list[str]:
        command = [argument for argument in super()._command(directory) if not argument.startswith("--bind-address")]
        command += [f"--bind-address={self.address}", *(f"--{name}={value}" for name, value in self._galera.items())]
        return [*command, "--wsrep-new-cluster"] if self._begins else command

    def _is_ready(self, directory: Path, pid: int) -> bool:
        with suppress(OSError, pymysql.err.Error):
            return self.status("wsrep_ready") == "ON"
        return False

    def status(self, name: str) -> str:
        """A status variable."""
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SHOW STATUS LIKE '{name}'")
            row = cursor.fetchone()
        return str(row[1]) if row else ""

    def isolate(self) -> None:
        """Cut it off from the other nodes."""
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")

    def _connect(self) -> Any:
        return pymysql.connect(host=self.address, port=self.port, user="root", connect_timeout=2, autocommit=True)


class Cluster:
    """The nodes, and a database on them.

    Args:
        nodes: All of them.
        dsn: The database, on the first.
    """

    def __init__(self, nodes: list[Node], dsn: str) -> None:
        self.nodes = nodes
        self._name = urlsplit(dsn).path

    def url(self, node: Node) -> str:
        return f"mysql://root@{node.address}:{node.port}{self._name}"


@contextmanager
def open_cluster() -> Iterator[Cluster]:
    """Start the nodes, one after another.

    Raises:
        ServerUnavailable: Galera is not installed.
    """
    ports = _free_ports()
    with ExitStack() as stack:
        nodes: list[Node] = []
        for number in range(len(ADDRESSES)):
            nodes.append(stack.enter_context(Node(number, ports)))  # noqa: PERF401 - those that have started end
        yield Cluster(nodes, nodes[0].create_database())


def _free_ports() -> tuple[int, int, int, int]:
    """Four that are free, a while before those that the kernel gives to clients."""
    with ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < 4:
            candidate = stack.enter_context(socket.socket())
            candidate.bind((ADDRESSES[0], 0))
            ports.append(candidate.getsockname()[1])
    first, second, third, fourth = ports
    return first, second, third, fourth
