"""HSQLDB in Oracle's terms: its statements rewritten where it cannot run them, its values and errors translated."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import jpype
import oracledb
from oracledb.errors import _Error

from tests.servers import ServerUnavailable

JARS = (os.environ.get("LITESTAR_SQLSTORES_TEST_HSQLDB", ""), "/usr/share/java/hsqldb.jar")
JVM_OPTIONS = (
    *("-Xrs", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC"),
    # The stack of the thread that starts it is guarded too: from 3.12 on, Python needs more than the 1 MiB by default.
    "-Xss8m",
)

# What it has no type for is binary text, told apart by its length.
BLOB, JSON_BLOB, JSON = 40_000_000, 40_000_001, 40_000_002

_TTL = r"CAST(\1 AS BIGINT)"

REWRITES = [
    # Before 21c, JSON is an object or array, with space in front or without. No more of it is checked.
    (
        r"\bdata BLOB NOT NULL CHECK \(data IS JSON\)",
        f"data VARBINARY({JSON_BLOB}) NOT NULL CHECK (SUBSTRING(data FROM 1 FOR 1) IN (X'7B', X'5B', X'20'))",
    ),
    (r"\bdata BLOB\b", f"data VARBINARY({BLOB})"),
    (r"\bdata JSON\b", f"data VARBINARY({JSON})"),
    # JSON is the text that it came as.
    (r"\bJSON\(:data\)", ":data"),
    (r"JSON_SERIALIZE\(s\.data RETURNING BLOB\)", f"CAST(s.data AS VARBINARY({BLOB}))"),
    (
        r"JSON_SERIALIZE\(s\.data RETURNING VARCHAR2\(4000\) NULL ON ERROR\)",
        "CASE WHEN OCTET_LENGTH(s.data) <= 4000 THEN s.data END AS short_text",
    ),
    # How a table is stored, and that a dropped one leaves nothing behind.
    (r"PCTFREE 20( INMEMORY PRIORITY HIGH)?", ""),
    (r" PURGE\b", ""),
    # Its NUMTODSINTERVAL drops fractions of a second.
    (
        r"NUMTODSINTERVAL\((:\w+) / 1000, 'SECOND'\)",
        rf"(NUMTODSINTERVAL({_TTL} / 1000, 'SECOND') + INTERVAL '0.001' SECOND * MOD({_TTL}, 1000))",
    ),
    # It waits for locked rows; and if it has to sort them, it locks none.
    (r" SKIP LOCKED", ""),
    (r"ORDER BY s\.key_digest\s+FOR UPDATE", "FOR UPDATE"),
    # It counts and orders characters beyond the first 65,536 as two.
    (r"\bkey_text VARCHAR2\(512 CHAR\)", "key_text VARCHAR2(1024 CHAR)"),
    (r"key_text < :behind", "SUBSTRING(key_text FROM 1 FOR CHAR_LENGTH(CAST(:prefix AS VARCHAR(2000)))) = :prefix"),
    # Its catalog.
    (
        r"\ball_indexes\b",
        "(SELECT DISTINCT table_schem table_owner, table_name, index_name FROM information_schema.system_indexinfo)",
    ),
    (
        r"\ball_tab_comments\b",
        "(SELECT table_schem owner, table_name, remarks comments FROM information_schema.system_tables)",
    ),
    (r"SYS_CONTEXT\('USERENV', 'CURRENT_SCHEMA'\)", "CURRENT_SCHEMA"),
    # It has one way to commit.
    (r"^ALTER SESSION SET commit_logging = \w+ commit_wait = \w+$", "SET SESSION RESULT MEMORY ROWS 0"),
    # What the contract's tests say themselves: 23ai wants no FROM.
    (r"^SELECT 1$", "SELECT 1 FROM DUAL"),
]

SETUP = (
    "SET DATABASE COLLATION SQL_TEXT NO PAD",  # as VARCHAR2 is compared
    "CREATE SCHEMA DBMS_LOB",
    f"CREATE FUNCTION DBMS_LOB.GETLENGTH(b VARBINARY({JSON})) RETURNS BIGINT RETURN OCTET_LENGTH(b)",
    f"""CREATE FUNCTION DBMS_LOB.SUBSTR(b VARBINARY({JSON}), n INTEGER, o INTEGER) RETURNS VARBINARY(2000)
        RETURN CAST(SUBSTRING(b FROM o FOR n) AS VARBINARY(2000))""",
)

# From its numbers to Oracle's. It has one number for a table and a column that are missing.
MISSING = -5501
ERRORS = {
    -10: (1400, "cannot insert NULL"),
    -104: (1, "unique constraint violated"),
    -157: (2290, "check constraint violated"),
    -3401: (12899, "value too large for column"),
    -4850: (1918, "user does not exist"),
    -4861: (8177, "can't serialize access for this transaction"),
    MISSING: (904, "invalid identifier"),
    -5504: (955, "name is already used by an existing object"),
    -5561: (932, "inconsistent datatypes"),
    -5562: (932, "inconsistent datatypes"),
}

TYPES = {
    "BIGINT": oracledb.DB_TYPE_NUMBER,
    "CHARACTER": oracledb.DB_TYPE_VARCHAR,
    "DECIMAL": oracledb.DB_TYPE_NUMBER,
    "INTEGER": oracledb.DB_TYPE_NUMBER,
    "INTERVAL DAY TO SECOND": oracledb.DB_TYPE_INTERVAL_DS,
    "TIMESTAMP": oracledb.DB_TYPE_TIMESTAMP,
    "VARBINARY": oracledb.DB_TYPE_RAW,
    "VARCHAR": oracledb.DB_TYPE_VARCHAR,
}
LOB_TYPES = {BLOB: oracledb.DB_TYPE_BLOB, JSON_BLOB: oracledb.DB_TYPE_BLOB, JSON: oracledb.DB_TYPE_JSON}


class Answer(NamedTuple):
    """What a statement gave: columns and rows if it is a query, else how many rows it changed for each of its binds."""

    columns: list[SimpleNamespace] | None
    rows: list[tuple[Any, ...]]
    counts: list[int]


def start_jvm() -> None:
    jar = next((jar for jar in JARS if Path(jar).is_file()), None)
    if jar is None:
        msg = (
            "HSQLDB, which stands in for Oracle, is not installed: apt-get install libhsqldb-java default-jre-headless"
        )
        raise ServerUnavailable(msg)
    if not jpype.isJVMStarted():
        jpype.startJVM(*JVM_OPTIONS, classpath=[jar])


def open_session(name: str) -> Any:
    """A connection to a database in memory, which lives as long as the process."""
    url = f"jdbc:hsqldb:mem:{name};sql.syntax_ora=true;hsqldb.tx=locks"
    session = jpype.JClass("java.sql.DriverManager").getConnection(url, "SA", "")
    session.setAutoCommit(False)
    return session


def run(session: Any, sql: str, binds: list[dict[Any, Any]]) -> Answer:
    """Run a statement once for each of the binds, which have names, or numbers from 0 on."""
    for pattern, replacement in REWRITES:
        sql = re.sub(pattern, replacement, sql)
    names = [name for name in re.findall(r"'[^']*'|:(\w+)", sql) if name]
    try:
        statement = session.prepareStatement(re.sub(r"('[^']*')|:\w+", lambda match: match[1] or "?", sql))
        counts = []
        for given in binds:
            values = given.values() if 0 in given else [given[name] for name in names]
            for index, value in enumerate(values, 1):
                statement.setObject(index, _to_java(value))
            if statement.execute():
                return _fetch(statement.getResultSet())
            counts.append(int(statement.getUpdateCount()))
        return Answer(None, [], counts)
    except jpype.JException as error:
        raise _oracles_error(error, sql) from error


def _fetch(results: Any) -> Answer:
    data = results.getMetaData()
    numbers = range(1, data.getColumnCount() + 1)
    columns = [
        _column(str(data.getColumnLabel(number)), str(data.getColumnTypeName(number)), int(data.getPrecision(number)))
        for number in numbers
    ]
    # As a text, an interval of less than a second has no sign.
    duration = [jpype.JClass("java.time.Duration")]
    kinds = [duration if column.dbtype is oracledb.DB_TYPE_INTERVAL_DS else [] for column in columns]
    rows = []
    while results.next():
        values = (results.getObject(number, *kind) for number, kind in zip(numbers, kinds, strict=True))
        rows.append(tuple(_to_python(value, column.dbtype) for value, column in zip(values, columns, strict=True)))
    return Answer(columns, rows, [])


def _column(name: str, type_name: str, precision: int) -> SimpleNamespace:
    """What the driver says of a column, as `oracledb.FetchInfo` wants it."""
    dbtype = oracledb.DB_TYPE_VARCHAR if name == "SHORT_TEXT" else LOB_TYPES.get(precision, TYPES[type_name])
    sizes = dict.fromkeys(("precision", "scale", "max_size", "buffer_size"), 0)
    is_json = precision in (JSON_BLOB, JSON)
    return SimpleNamespace(
        name=name, dbtype=dbtype, objtype=None, is_json=is_json, is_oson=False, nulls_allowed=True, **sizes
    )


def _to_java(value: Any) -> Any:
    if isinstance(value, bytes):
        array: Any = jpype.JArray(jpype.JByte)
        return array(value)
    if isinstance(value, datetime):
        return jpype.JClass("java.sql.Timestamp").valueOf(str(value))
    return jpype.JLong(value) if isinstance(value, int) else value


def _to_python(value: Any, dbtype: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, jpype.JArray):
        return bytes(value).decode() if dbtype is oracledb.DB_TYPE_VARCHAR else bytes(value)
    if dbtype is oracledb.DB_TYPE_TIMESTAMP:
        return datetime.fromisoformat(str(value).ljust(26, "0"))
    if dbtype is oracledb.DB_TYPE_INTERVAL_DS:
        return timedelta(seconds=value.getSeconds(), microseconds=value.getNano() // 1000)
    return int(str(value)) if dbtype is oracledb.DB_TYPE_NUMBER else str(value)


def _oracles_error(error: Any, sql: str) -> oracledb.Error:
    number = int(error.getErrorCode())
    code, text = ERRORS.get(number, (900, "invalid SQL statement"))
    if number == MISSING and (name := re.search(r"not found: (?:\w+\.)?(\S+)", str(error))):
        is_table = re.search(rf'\b(FROM|INTO|UPDATE|TABLE|ON) ("\w+"\.)?"?{re.escape(name[1])}\b', sql)
        code, text = (942, "table or view does not exist") if is_table else (code, text)
    return oracle_error(code, f"{text} ({error})")


def oracle_error(code: int, text: str) -> oracledb.Error:
    """The error that the driver makes of what the server says."""
    detail = _Error(f"ORA-{code:05}: {text}", code=code)
    return detail.exc_type(detail)
