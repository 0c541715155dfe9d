"""What the error codes of MySQL and MariaDB mean.

https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html, https://mariadb.com/kb/en/mariadb-error-codes
"""

from __future__ import annotations

from collections.abc import Mapping

from litestar_sqlstores.coalescing import Failure

__all__ = (
    "FAILURES",
    "INTERRUPTED",
    "LOST",
    "STATEMENT_LOG",
    "UNKNOWN_COLUMN",
    "UNKNOWN_DATABASE",
    "UNKNOWN_SESSION",
)

UNKNOWN_DATABASE = 1049
UNKNOWN_COLUMN = 1054
UNKNOWN_SESSION = 1094
STATEMENT_LOG = 1665
LOST = 2013
INTERRUPTED = (1053, 1317, 1927)
"""The server shuts down, the statement was killed, or its session was. A statement that commits by itself has then not
run; of a COMMIT, nobody knows."""

_CODES: tuple[tuple[Failure, tuple[int, ...]], ...] = (
    (Failure.MISSING_TABLE, (1146,)),
    # Unknown columns and indexes, missing values, views, columns of another type.
    (Failure.WRONG_SCHEMA, (UNKNOWN_COLUMN, 1136, 1176, 1288, 1347, 1364, 1471)),
    # Lock waits, deadlocks, changed snapshots and tables, and those of a replicated group.
    (Failure.CONFLICT, (1020, 1205, 1213, 1412, 3101, 3572)),
    # Values that are NULL, out of range, too long or invalid, and statements that are too long.
    (Failure.BAD_VALUE, (1048, 1153, 1264, 1265, 1292, 1300, 1301, 1366, 1406, 1690)),
    # What is no JSON, or nested too deeply, or refused by a check: in MySQL, in MariaDB.
    (Failure.BAD_VALUE, (3140, 3141, 3144, 3157, 3819, 4025, *range(4035, 4041))),
    # The server takes no writes: read_only, the transaction, innodb_read_only, and as MariaDB says that of a table.
    (Failure.READ_ONLY, (1290, 1792, 1836, 1036)),
    # The server is no part of a cluster with a majority, has ended the session because it was idle, or refuses the
    # statement as the user has sent so many.
    (Failure.NOT_SENT, (1047, 1226, 4031, *INTERRUPTED)),
    # The server is full or not ready, or has lost the connection.
    (Failure.DISCONNECTED, (1040, 1043, 1158, 1159, 1160, 1161, 1184, 1203, 3169)),
    # The driver has not reached the server, or lost it, or its place in what the server says.
    (Failure.DISCONNECTED, (2002, 2003, 2005, 2006, LOST, 2014, 2055)),
)

FAILURES: Mapping[int, Failure] = {code: failure for failure, codes in _CODES for code in codes}
