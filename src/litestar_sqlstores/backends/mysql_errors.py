"""What the error codes of MySQL and MariaDB mean.

https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html, https://mariadb.com/kb/en/mariadb-error-codes
"""

from __future__ import annotations

from collections.abc import Mapping

from litestar_sqlstores.coalescing import Failure

__all__ = ("FAILURES", "STATEMENT_LOG", "UNKNOWN_COLUMN", "UNKNOWN_DATABASE")

UNKNOWN_DATABASE = 1049
UNKNOWN_COLUMN = 1054
STATEMENT_LOG = 1665

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
    # The server is full, not ready or shutting down, or has ended the connection, or lost it.
    (Failure.DISCONNECTED, (1040, 1043, 1047, 1053, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1927, 3169, 4031)),
    # The driver has not reached the server, or lost it, or its place in what the server says.
    (Failure.DISCONNECTED, (2002, 2003, 2005, 2006, 2013, 2014, 2055)),
)

FAILURES: Mapping[int, Failure] = {code: failure for failure, codes in _CODES for code in codes}
