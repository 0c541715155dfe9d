"""Whether Oracle would take a statement, as far as that can be known without one.

Two opinions: sqlfluff's parser for Oracle, which lets about half of what is broken pass, and rules for mistakes that
are easy to make, since the other files of `sql/` say it so.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tests import parsing

# What is Oracle's and sqlfluff does not know: taken away before it looks.
UNKNOWN_TO_SQLFLUFF = [
    (r" GENERATED ALWAYS AS \(TRUNC\(CAST\(expires_at AS DATE\), 'HH24'\)\)", ""),
    (r"CHECK \(data IS JSON\)", "CHECK (data IS NOT NULL)"),
    (r" NULL ON ERROR\)", ")"),
    (r"= (BATCH|IMMEDIATE) commit_wait = \w+", "= BATCH"),
]

RESERVED_WORDS = """
    ACCESS ADD ALL ALTER AND ANY AS ASC AUDIT BETWEEN BY CHAR CHECK CLUSTER COLUMN COLUMN_VALUE COMMENT COMPRESS
    CONNECT CREATE CURRENT DATE DECIMAL DEFAULT DELETE DESC DISTINCT DROP ELSE EXCLUSIVE EXISTS FILE FLOAT FOR
    FROM GRANT GROUP HAVING IDENTIFIED IMMEDIATE IN INCREMENT INDEX INITIAL INSERT INTEGER INTERSECT INTO IS
    LEVEL LIKE LOCK LONG MAXEXTENTS MINUS MLSLABEL MODE MODIFY NESTED_TABLE_ID NOAUDIT NOCOMPRESS NOT NOWAIT
    NULL NUMBER OF OFFLINE ON ONLINE OPTION OR ORDER PCTFREE PRIOR PUBLIC RAW RENAME RESOURCE REVOKE ROW ROWID
    ROWNUM ROWS SELECT SESSION SET SHARE SIZE SMALLINT START SUCCESSFUL SYNONYM SYSDATE TABLE THEN TO TRIGGER
    UID UNION UNIQUE UPDATE USER VALIDATE VALUES VARCHAR VARCHAR2 VIEW WHENEVER WHERE WITH
"""


class Rule(NamedTuple):
    """What must not be found in a statement: a pattern, and a statement that breaks the rule."""

    pattern: str
    broken: str


RULES = {
    "MERGE has its condition in parentheses": Rule(
        r"\bMERGE\b.*?\bON\s+(?!\()",
        "MERGE INTO t USING (SELECT :digest AS k FROM DUAL) s ON t.k = s.k WHEN MATCHED THEN UPDATE SET owner = NULL",
    ),
    "VARCHAR2 has a size": Rule(r"\bVARCHAR2\b(?!\s*\()", "CREATE TABLE t (namespace VARCHAR2 NOT NULL)"),
    "a text column has its size in characters": Rule(
        r"\bCREATE TABLE\b.*\bVARCHAR2\s*\(\d+(?! CHAR\))\b", "CREATE TABLE t (namespace VARCHAR2(255) NOT NULL)"
    ),
    "there is no TEXT, BYTEA, BOOLEAN or BIGINT": Rule(
        r"\b(TEXT|BYTEA|BOOLEAN|BIGINT|TIMESTAMPTZ)\b", "CREATE TABLE t (namespace TEXT)"
    ),
    "FETCH FIRST locks nothing": Rule(
        r"\bFETCH (FIRST|NEXT)\b.*\bFOR UPDATE\b", "SELECT data FROM t FETCH FIRST 5 ROWS ONLY FOR UPDATE"
    ),
    "no query inside another one locks": Rule(
        r"\([^()]*\bFOR UPDATE\b", "DELETE FROM t WHERE key_digest IN (SELECT key_digest FROM t FOR UPDATE SKIP LOCKED)"
    ),
    "there is no LIMIT": Rule(r"\bLIMIT\b", "SELECT data FROM t LIMIT 1"),
    "the clock is the server's, in UTC": Rule(
        r"\bNOW\s*\(|\b(SYSDATE|CURRENT_TIMESTAMP|CURRENT_DATE|LOCALTIMESTAMP)\b|(?<!SYS_EXTRACT_UTC\()\bSYSTIMESTAMP\b",
        "SELECT data FROM t WHERE expires_at > NOW()",
    ),
    "a condition is no literal": Rule(
        r"\b(WHERE|AND|OR|WHEN|ON)\s+\(*(TRUE|FALSE)\b", "UPDATE t SET owner = NULL WHERE TRUE"
    ),
    "no bind has a reserved name": Rule(
        rf":({'|'.join(RESERVED_WORDS.split())})\b(?!_)", "UPDATE t SET expires_at = :date WHERE key_digest = :digest"
    ),
    "binds have names": Rule(r"\?|\$\d|@\w|%s", "SELECT data FROM t WHERE key_digest = ?1"),
    "a table's other name has no AS": Rule(
        r'\b(FROM|JOIN|UPDATE|INTO)\s+[\w".]+\s+AS\b', "SELECT s.data FROM t AS s WHERE s.key_digest = :digest"
    ),
    "RETURNING goes into binds": Rule(
        r"(?<!data )\bRETURNING\b(?!.*\bINTO\b)",
        "UPDATE t SET owner = NULL WHERE key_digest = :digest RETURNING key_digest",
    ),
    "there is no IF EXISTS before 23ai": Rule(r"\bIF (NOT )?EXISTS\b", "CREATE TABLE IF NOT EXISTS t (data BLOB)"),
    "there is no query without FROM before 23ai": Rule(r"^SELECT (?!.*\bFROM\b)", "SELECT 1"),
    "there are no casts with colons": Rule(r"::", "SELECT data::text FROM t"),
    "there is no ON CONFLICT": Rule(
        r"\bON (CONFLICT|DUPLICATE)\b",
        "INSERT INTO t (key_digest) VALUES (:digest) ON CONFLICT (key_digest) DO NOTHING",
    ),
    "the driver adds no semicolon, and Oracle wants none": Rule(r";", "SELECT data FROM t;"),
    # A long value travels as a LONG: for a column, or as a LOB for JSON(), but in no other expression.
    "data is bound to a column": Rule(
        r"(?<!data = )(?<!:namespace, )(?<!JSON\():data\b",
        "UPDATE t SET owner = NULL WHERE DBMS_LOB.COMPARE(data, :data) = 0",
    ),
}


def broken_rules(sql: str) -> list[str]:
    """The rules that a statement breaks. What is quoted does not count."""
    text = re.sub(r"'[^']*'", "''", sql)
    flags = re.IGNORECASE | re.DOTALL
    return [name for name, rule in RULES.items() if re.search(rule.pattern, text, flags)]


def unparsable(sql: str) -> str | None:
    """What sqlfluff's parser for Oracle says against a statement."""
    return parsing.unparsable(sql, "oracle", UNKNOWN_TO_SQLFLUFF)
