"""What the errors of Oracle and of python-oracledb mean."""

from __future__ import annotations

from collections.abc import Mapping

import oracledb

from litestar_sqlstores.coalescing import Failure

__all__ = ("INDEXED_ALREADY", "MISSING_TABLE", "NAME_IN_USE", "meaning")

MISSING_TABLE = 942
NAME_IN_USE = 955
INDEXED_ALREADY = 1408

# By the number of Oracle's error, or by the code of the driver's own.
_FAILURES: Mapping[int | str, Failure] = {
    MISSING_TABLE: Failure.MISSING_TABLE,
    1918: Failure.MISSING_SCHEMA,
    904: Failure.WRONG_SCHEMA,  # no such column
    932: Failure.WRONG_SCHEMA,  # data of another type
    1: Failure.CONFLICT,  # another one has inserted the key
    54: Failure.CONFLICT,  # DDL, and the table is in use
    60: Failure.CONFLICT,  # deadlock
    1555: Failure.CONFLICT,  # snapshot too old
    4020: Failure.CONFLICT,  # deadlock of DDL
    4021: Failure.CONFLICT,  # DDL waited too long
    8177: Failure.CONFLICT,  # cannot serialize
    14411: Failure.CONFLICT,  # other DDL is running
    12899: Failure.BAD_VALUE,  # too long for its column
    **dict.fromkeys(range(40440, 40800), Failure.BAD_VALUE),  # JSON that the server does not take
    "DPY-4005": Failure.DISCONNECTED,  # the pool is used up
    "DPY-4024": Failure.DISCONNECTED,  # the connection's own call_timeout
}
_FAILURES_BY_KIND: tuple[tuple[tuple[type[Exception], ...], Failure], ...] = (
    ((oracledb.OperationalError, oracledb.InterfaceError, OSError), Failure.DISCONNECTED),
    ((oracledb.DataError, oracledb.IntegrityError, ValueError), Failure.BAD_VALUE),
)


def meaning(error: Exception) -> Failure:
    """What an error means, Oracle's or the driver's."""
    if isinstance(error, oracledb.Error):
        [detail] = error.args
        failure = _FAILURES.get(detail.code) or _FAILURES.get(detail.full_code)
        if failure is not None:
            return failure
        if detail.isrecoverable:
            return Failure.DISCONNECTED
    return next((failure for kinds, failure in _FAILURES_BY_KIND if isinstance(error, kinds)), Failure.OTHER)
