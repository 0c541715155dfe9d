"""Statements, for a server that cannot be had here."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
import sqlglot
from sqlglot import exp

from litestar_sqlstores.backends.mysql_client import Statement
from litestar_sqlstores.statements import TableName, load_statements
from tests.parsing import unparsable

# What a parser of MySQL's dialect makes of constructs that both manuals have.
CONSTRUCTS = frozenset(
    re.findall(
        r"\w+",
        """
        Abs Add Alias And Boolean Case Cast CharacterSetColumnConstraint Coalesce CollateColumnConstraint Column
        ColumnConstraint ColumnDef ColumnPrefix Commit ComputedColumnConstraint Concat Count Create CurrentSchema
        CurrentVersion DataType DataTypeParam Delete Distinct Drop EQ EngineProperty From GT GTE Group HexString
        Identifier If In IndexColumnConstraint IndexParameters IndexTableHint Insert IntDiv Interval Is Join Kill LT LTE
        Left Length
        Like Limit Literal Lock Mul NEQ Not NotNullColumnConstraint Null NullSafeEQ OnConflict Or Order Ordered
        Parameter Paren PrimaryKey Properties RowFormatProperty Schema SchemaCommentProperty Select
        SessionParameter Set SetItem Show
        Star Sub Subquery Sum Table TableAlias Timestamp TimestampDiff Transaction Tuple Union Update UtcTimestamp
        Values Var Where
        """,
    )
)
UNKNOWN_TO_SQLGLOT = {
    "SYSDATE(": "UTC_TIMESTAMP(",
    "ELT(FIELD(": "COALESCE(COALESCE(",
    "CONNECTION_ID(": "VERSION(",
    "UNIX_TIMESTAMP(": "VERSION(",
}
# How MariaDB names what an INSERT could not insert, and compares JSON: functions that the parser does not know.
OF_MARIADB = {"Anonymous", "Collate"}


@pytest.mark.parametrize("table", ["litestar_session", "app.order"])
@pytest.mark.parametrize("data_format", ["bytes", "json"])
def test_every_statement_for_mysql_is_mysqls(table: str, data_format: str) -> None:
    for name, sql in statements(table, data_format, "mysql").items():
        # The parser knows no events.
        assert not unknown_constructs(sql) or name == "native_ttl", name


@pytest.mark.parametrize("data_format", ["bytes", "json"])
def test_the_statements_for_mariadb_are_the_same_but_for_what_mysql_names_otherwise(data_format: str) -> None:
    of_mysql = statements("litestar_session", data_format, "mysql")
    for name, sql in statements("litestar_session", data_format, "mariadb").items():
        assert unknown_constructs(sql) <= OF_MARIADB or name == "native_ttl"
        if "VALUES(" not in sql and "JSON_COMPACT(" not in sql:
            assert sql == of_mysql[name]


@pytest.mark.parametrize(
    "broken",
    [
        "SELECT key_digest data FROM t WHERE",
        "SELECT a FROM t LIMIT 1 FOR UPDATE SKIP LOCKED NOWAIT",
        "INSERT INTO t (a) VALUES (1) RETURNING a",
        "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1",
        "REPLACE INTO t (a) VALUES (1)",
        "DELETE FROM t WHERE a = ANY(ARRAY[1])",
        "SELECT JSON_COMPACT(data) FROM t",
        "SELECT now() + interval '1 second'",
        "SELECT a FROM t FETCH FIRST 1 ROWS ONLY",
    ],
)
def test_the_check_finds_what_is_not_mysqls(broken: str) -> None:
    with suppress(sqlglot.ParseError):
        assert unknown_constructs(broken)


# What both servers take and sqlfluff does not know: hints, and what reads from a query or locks inside of one.
UNKNOWN_TO_SQLFLUFF = [
    (r" FORCE INDEX \(\S+\)", ""),
    (r"\bSTRAIGHT_JOIN\b", "JOIN"),
    (r"\s+FOR UPDATE SKIP LOCKED(?=\s+\))", ""),
    (r"\bUPDATE \(\s*(SELECT [^()]+)\) AS n\b", r"\1; UPDATE n"),
]


@pytest.mark.parametrize("server", ["mysql", "mariadb"])
def test_each_statement_parses_in_the_dialect_of_its_server(server: str) -> None:
    both_formats = [statements("app.order", data_format, server) for data_format in ("bytes", "json")]
    for name, sql in {(name, sql) for found in both_formats for name, sql in found.items()}:
        assert unparsable(sql, server, UNKNOWN_TO_SQLFLUFF) is None, name


@pytest.mark.parametrize("server", ["mysql", "mariadb"])
@pytest.mark.parametrize(
    "broken",
    [
        "SELECT a FROM t WHERE",
        "SELECT a FROM t WHERE a IN (1 AND b",
        "INSERT INTO t (a VALUES (1)",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO NOTHING",
        "DELETE s FROM t AS s JOIN",
        "CREATE TABLE t (a INT PRIMARY)",
        "UPDATE t SET a = 1 WHERE a = LIMIT 1",
        "SHOW COLUMNS t",
    ],
)
def test_the_parser_finds_what_is_broken(server: str, broken: str) -> None:
    assert unparsable(broken, server) is not None


def test_what_the_parser_does_not_know_is_still_in_use() -> None:
    everything = "\n".join(statements("app.order", "bytes", "mysql").values())
    assert [pattern for pattern, _ in UNKNOWN_TO_SQLFLUFF if not re.search(pattern, everything)] == []


def unknown_constructs(sql: str) -> set[str]:
    # Both servers have these, and the parser takes them for functions of somebody's.
    for theirs, known in UNKNOWN_TO_SQLGLOT.items():
        sql = sql.replace(theirs, known)
    found = {node for statement in sqlglot.parse(sql, read="mysql") if statement for node in statement.walk()}
    standard = {"OnConflict" for node in found if isinstance(node, exp.OnConflict) and not node.args.get("duplicate")}
    return {type(node).__name__ for node in found} - CONSTRUCTS | standard


def statements(table: str, data_format: str, server: str) -> dict[str, str]:
    variants = (data_format, server, f"{data_format}_{server}", "switch")
    found = {}
    for name, sql in load_statements("mysql", TableName.parse(table), variants, "`").items():
        statement = Statement.parse(sql)
        row = (1,) * statement.line.count("%s")
        parameters = dict.fromkeys(re.findall(r"%\((\w+)\)s", statement.after), 1)
        found[name] = statement.query(parameters, [row, row] if statement.line else [])
    return found
