"""The table as it should be, beside the table as it is.

What should be is read from ``create-table`` in the dialect's ``.sql`` file, so that it is written once. What is comes
from the database's catalog. A table says which version of the schema it has, and the oldest version of the code that
it serves: in its comment, or in the name of a constraint where tables have no comments. A later version that only adds
to an earlier one serves the earlier code too, so that a table can be upgraded before the last worker is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

__all__ = (
    "SCHEMA_VERSION",
    "Column",
    "Differences",
    "Shape",
    "declared_shape",
    "differences",
    "schema_mark",
    "shape_of",
)

SCHEMA_VERSION = 1
"""The version of the schema that this code creates and needs."""

_MARK = re.compile(r"litestar[-_ ]sqlstores[-_ ]schema[_ ](\d+)(?:[_ ]from[_ ](\d+))?")
_COLUMN = re.compile(r"^  (?!PRIMARY |INDEX |CONSTRAINT )(\w+) (\w+(?:\([^)]*\))?)", re.MULTILINE)
_INDEX = re.compile(r'\bINDEX (?:IF NOT EXISTS )?(?:["`]\w+["`]\.)?["`](\w+)["`]')
_COLUMNS_OF_SQLSPEC = {"session_id", "data", "expires_at"}
_MOVE = (
    "Give this store another table, to which `litestar stores import-sqlspec` moves the sessions, and keep SQLSpec's"
    " migration from making one of that name: migration_config={'exclude_extensions': ['litestar']}"
)


class Column(NamedTuple):
    """The type of a column as the database has it, and whether a row must give it a value."""

    type: str
    required: bool = False


class Shape(NamedTuple):
    """A table: its columns and indexes by name, its version and the oldest version of the code that it serves."""

    columns: Mapping[str, Column]
    indexes: frozenset[str]
    version: int = SCHEMA_VERSION
    serves: int = SCHEMA_VERSION


class Differences(NamedTuple):
    """How a table differs from what it should be, as sentences.

    Attributes:
        wrong: What keeps it from serving the store.
        missing_indexes: What it can be given.
        advice: What to do about what is wrong.
        cause: The driver's error, if there was one.
    """

    wrong: list[str]
    missing_indexes: list[str]
    advice: str = "Give the store another table, or drop this one if nothing needs it"
    cause: BaseException | None = None


def schema_mark(separator: str) -> str:
    """How a table says which version it has; ``_`` is the separator in a name."""
    return separator.join(("litestar_sqlstores", "schema", str(SCHEMA_VERSION)))


def declared_shape(create_table: str) -> Shape:
    """The table that a ``create-table`` statement makes."""
    table = next(statement for statement in create_table.split(";") if "CREATE TABLE" in statement)
    columns = {name: Column(kind) for name, kind in _COLUMN.findall(table)}
    return Shape(columns, frozenset(_INDEX.findall(create_table)))


def shape_of(rows: Iterable[tuple[str, str | None, str | None, object]]) -> Shape:
    """The table that the catalog speaks of.

    Args:
        rows: What there is: ``column`` with name, type, and whether it is required; ``index`` with its name; ``mark``
            with a text that may say the version. A table that says none is taken for one of this version.
    """
    columns: dict[str, Column] = {}
    indexes: set[str] = set()
    version = serves = SCHEMA_VERSION
    for kind, name, type_, required in rows:
        if kind == "column":
            columns[name or ""] = Column(type_ or "", bool(required))
        elif kind == "index":
            indexes.add(name or "")
        elif found := _MARK.search(name or ""):
            version = int(found[1])
            serves = int(found[2] or version)
    return Shape(columns, frozenset(indexes), version, serves)


def differences(expected: Shape, found: Shape, normal_type: Callable[[str], str]) -> Differences:
    """How a table differs from what it should be.

    Args:
        expected: What it should be.
        found: What it is.
        normal_type: A type in one spelling.
    """
    if found.serves > SCHEMA_VERSION:
        newer = f"it has version {found.version}, which serves code that knows version {found.serves}"
        return Differences([newer], [], "Update litestar-sqlstores, or give the store another table")
    if found.version < SCHEMA_VERSION:
        return Differences([f"it has version {found.version}"], [], "Upgrade the table: `litestar db upgrade`")
    if found.columns.keys() >= _COLUMNS_OF_SQLSPEC and "key_digest" not in found.columns:
        return Differences(["it is a table of SQLSpec's own session store"], [], _MOVE)
    wrong = [f"column {name} is missing" for name in expected.columns if name not in found.columns]
    for name, column in found.columns.items():
        declared = expected.columns.get(name)
        if declared is None and column.required:
            wrong.append(f"column {name} is unknown, and each row must give it a value")
        elif declared is not None and normal_type(column.type) != normal_type(declared.type):
            wrong.append(f"column {name} is {column.type}, and should be {declared.type}")
    return Differences(wrong, [f"index {name} is missing" for name in sorted(expected.indexes - found.indexes)])
