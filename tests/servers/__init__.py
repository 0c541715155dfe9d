"""Private servers for tests and benchmarks, started from the programs that are installed.

Each server has a temporary folder, a free port on the loopback interface and a process of its own; it is ended by that
process's id, also when the process that started it is killed. Another kind of server is one more subclass of
`PrivateServer`: how to find its programs, initialise its folder, start it, and see that it is ready.

    with require(postgres_from_environment_or_private) as server:  # skips, or fails where CI=true, if there is none
        dsn = server.create_database()
"""

from tests.servers.availability import ServerUnavailable, require
from tests.servers.mysql import (
    GivenMySQL,
    MariaDBServer,
    MySQLServer,
    mariadb_from_environment_or_private,
    mysql_from_environment_or_private,
)
from tests.servers.postgres import (
    GivenPostgres,
    PostgresServer,
    PostgresStandby,
    postgres_from_environment_or_private,
    require_private,
)
from tests.servers.private import HOST, PrivateServer
from tests.servers.redis import RedisServer, ValkeyServer
from tests.servers.spanner import GivenSpanner, SpannerEmulator, spanner_from_environment_or_private

__all__ = (
    "HOST",
    "GivenMySQL",
    "GivenPostgres",
    "GivenSpanner",
    "MariaDBServer",
    "MySQLServer",
    "PostgresServer",
    "PostgresStandby",
    "PrivateServer",
    "RedisServer",
    "ServerUnavailable",
    "SpannerEmulator",
    "ValkeyServer",
    "mariadb_from_environment_or_private",
    "mysql_from_environment_or_private",
    "postgres_from_environment_or_private",
    "require",
    "require_private",
    "spanner_from_environment_or_private",
)
