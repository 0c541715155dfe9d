"""What a server was asked to run, and the shapes of it."""

import re
from functools import lru_cache

from proofs.databases import Database
from proofs.databases.mysql import MySQL
from proofs.databases.postgresql import PostgreSQL

__all__ = ("SETTINGS", "shape", "statements")

RECORD = "@@record@@"
SETTINGS = {
    "postgresql": {"fsync": "off", "log_statement": "all", "log_line_prefix": RECORD, "log_parameter_max_length": "0"},
    "mariadb": {"innodb-flush-log-at-trx-commit": "0", "log-output": "TABLE", "general-log": "1"},
    "mysql": {"log-output": "TABLE", "general-log": "1"},
}
"""Settings with which servers keep a log of statements."""

LITERAL = re.compile(
    r"""FROM_BASE64\('[^']*'\) | _binary\s*'(?:[^'\\]|''|\\.)*' | [xX]'[^']*' | 0x[0-9a-fA-F]+
    | '(?:[^'\\]|''|\\.)*' | \bNULL\b | \$?\b\d+(?:\.\d+)?\b""",
    re.VERBOSE | re.DOTALL,
)
NAME = re.compile(r'"(?:[^"]|"")*" | `(?:[^`]|``)*`', re.VERBOSE | re.DOTALL)
TOKEN = re.compile(r"\w+|[^\w\s]")
REPETITION = re.compile(r"((?:\S+ ){1,60}?)\1+")


def shape(statement: str) -> str:
    """A statement without its literals and names, and with what repeats itself said once."""
    without = NAME.sub(" name ", LITERAL.sub(" ? ", statement))
    return _said_once("".join(f"{token} " for token in TOKEN.findall(without)))


@lru_cache(maxsize=100_000)
def _said_once(tokens: str) -> str:
    return REPETITION.sub(r"\1", tokens)


def statements(database: Database) -> list[str]:
    """What the server of a database was asked to run so far."""
    if isinstance(database, PostgreSQL):
        records = database.server.log.split(RECORD)
        found = (re.match(r"LOG:  (?:statement|execute [^:]*): (.*)", record, re.DOTALL) for record in records)
        return [match[1] for match in found if match]
    assert isinstance(database, MySQL)
    rows = database.run(
        "SELECT DISTINCT CONVERT(argument USING latin1) FROM mysql.general_log WHERE command_type <> 'Connect'"
        " AND argument NOT LIKE '%general_log%'"
    )
    return [str(argument) for (argument,) in rows]
