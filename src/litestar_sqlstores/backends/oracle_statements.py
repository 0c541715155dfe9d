"""The statements for Oracle, and values in the form that their binds take."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

import oracledb

from litestar_sqlstores.coalescing import MAX_BATCH_ITEMS
from litestar_sqlstores.keys import MAX_KEY_TEXT

__all__ = ("MILLISECOND", "READ_SIZES", "Format", "Found", "Statements", "bound", "plain")

Format: TypeAlias = Literal["bytes", "json", "json_text"]

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - TIMESTAMP has no time zone; ours are UTC
MILLISECOND = timedelta(milliseconds=1)
READ_SIZES = (1, 8, 64, MAX_BATCH_ITEMS)
"""How many keys a query takes. The driver keeps 20 parsed statements of a connection, so there are few sizes."""
MAX_TEXT = 1000
"""How many characters a text in an expression has. The driver reserves four bytes for each, and where it reserves more
than 4,000, a server with the standard MAX_STRING_SIZE takes the text for a LONG."""
JSON_SPACE = b" \t\n\r"
EMPTY_OWNER = "\0"
"""What stands for an empty owner, since Oracle takes an empty text for NULL; no owner has this character."""

_QUERIES = ("get", "lock", "get_whole", "remaining", "inspect")
_WRITES = (
    *("insert", "update", "update_keeping_ttl", "update_number", "replace", "renew"),
    *("delete", "delete_namespace", "delete_prefix", "delete_owned"),
)
# Of what may be None, which would be bound as a text, or has many lengths, each of which would be another statement to
# the server. A number stands for a text of so many characters.
_BIND_TYPES: Mapping[str, Any] = {
    "namespace": 255,
    "owner": 255,
    "keytext": MAX_KEY_TEXT,
    "prefix": MAX_KEY_TEXT,
    "behind": MAX_KEY_TEXT,
    "data": oracledb.DB_TYPE_RAW,
    "ttl": oracledb.DB_TYPE_NUMBER,
    "seen": oracledb.DB_TYPE_TIMESTAMP,
}


class Found(NamedTuple):
    """An entry as it was read, expired or not; ``remaining`` is the time until ``expires_at``, both None for never."""

    owner: str | None
    expires_at: datetime | None
    remaining: timedelta | None
    data: bytes

    @property
    def is_alive(self) -> bool:
        """Whether it had not expired, by the server's clock."""
        return self.remaining is None or self.remaining > timedelta(0)


class Statements:
    """The statements for one table on one kind of server.

    Args:
        sql: Their texts, by name.
        data_format: How the table holds data.
    """

    def __init__(self, sql: Mapping[str, str], data_format: Format) -> None:
        self.sql = sql
        self._format = data_format
        self.binds = {name: tuple(dict.fromkeys(re.findall(r":([a-z]+)", sql[name]))) for name in _WRITES}
        self.queries = {
            (name, size): sql[name].replace(":keys", ", ".join(f":k{number}" for number in range(size)))
            for name in _QUERIES
            for size in READ_SIZES
        }

    def encode(self, data: bytes) -> bytes:
        """A value as it is bound."""
        if self._format != "json_text":
            return data
        # What a server before 21c calls JSON is an object or an array. Anything else becomes an array, and a space in
        # front tells it from one.
        text = data.strip(JSON_SPACE)
        return text if text[:1] in (b"{", b"[") else b" [" + text + b"]"

    def decode(self, data: bytes | str | None) -> bytes:
        """A value as it was before it was bound."""
        if isinstance(data, str):
            return data.encode()
        if self._format == "json_text" and data and data[:2] == b" [":
            return data[2:-1]
        return data or b""

    def is_same(self, one: bytes, other: bytes) -> bool:
        """Whether two values are equal, or mean the same where they are JSON."""
        if one == other or self._format == "bytes":
            return one == other
        with suppress(RecursionError):
            return _meaning(one) == _meaning(other)
        return False

    def array_binds(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[list[int], dict[str, Any]]]:
        """The numbers of the rows that can be bound together, and the types of their binds that are told."""
        types = {bind: _BIND_TYPES[bind] for bind in self.binds[name] if bind in _BIND_TYPES}
        if self._format != "json" or "data" not in types:
            yield list(range(len(rows))), types
            return
        # JSON() takes a text if it is short, and a LOB if not. The driver could bind JSON itself, but takes seconds to
        # encode some hundred objects.
        for is_long, dbtype in ((False, MAX_TEXT), (True, oracledb.DB_TYPE_BLOB)):
            numbers = [number for number, row in enumerate(rows) if (len(row["data"]) > MAX_TEXT) is is_long]
            yield numbers, {**types, "data": dbtype}


def bound(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they are bound."""
    return {name: EMPTY_OWNER if name == "owner" and value == "" else value for name, value in parameters.items()}


def plain(value: Any) -> Any:
    """A value of a row as other databases have it: times as milliseconds, since 1970, and owners as they were."""
    if isinstance(value, datetime):
        value -= EPOCH
    if isinstance(value, timedelta):
        return value // MILLISECOND
    return "" if value == EMPTY_OWNER else value


def _meaning(text: bytes) -> object:
    # Python calls 1 and True equal. A tuple, which JSON does not have, makes a number equal to numbers only.
    return json.loads(text, parse_int=_number, parse_float=_number)


def _number(digits: str) -> tuple[Decimal]:
    return (Decimal(digits),)
