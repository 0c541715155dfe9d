"""The statements of ``sql/<dialect>.sql``, rendered once for one table.

A statement there names what varies as ``/* slot: name */``. The names of the table and its indexes come from here; any
other slot is filled with the fragment of the same file that is called ``<slot>_<variant>``, where the data format is
one of the variants. So all SQL is in that file, and none is put together when a statement runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlspec.loader import SQLFileLoader

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.schema import schema_mark

__all__ = ("TableName", "load_statements", "sql_folder")

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INCLUDE = re.compile(r"/\* include: (\S+) \*/")
_SLOT = re.compile(r"/\* slot: (\S+) \*/")
MAX_IDENTIFIER_LENGTH = 48
"""Leaves room for the suffix of an index name within PostgreSQL's 63 bytes."""


@dataclass(frozen=True)
class TableName:
    """The name of a table, in a schema or not.

    Args:
        table: The bare name.
        schema: The schema it is in; None for the default one.
    """

    table: str
    schema: str | None = None

    @classmethod
    def parse(cls, name: str) -> TableName:
        """Read ``table`` or ``schema.table``. Reserved words are fine: names are always quoted.

        Raises:
            ConfigurationError: ``name`` is neither.
        """
        parts = name.split(".") if isinstance(name, str) else []
        valid = all(_IDENTIFIER.fullmatch(part) and len(part) <= MAX_IDENTIFIER_LENGTH for part in parts)
        if not valid or len(parts) not in (1, 2):
            msg = (
                f"table {name!r} is no table name; give up to {MAX_IDENTIFIER_LENGTH} letters, digits and underscores,"
                " optionally with a schema in front: sessions or app.sessions"
            )
            raise ConfigurationError(msg)
        return cls(parts[-1], parts[0] if len(parts) > 1 else None)

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}" if self.schema else self.table

    def slots(self, quote: str) -> dict[str, str]:
        """What fills the slots that hold names, quoted with ``quote``."""
        prefix = f"{quote}{self.schema}{quote}." if self.schema else ""
        indexes = {
            f"{index}_index": f"{quote}{self.table}_{index}{quote}"
            for index in ("expiry", "namespace", "owner", "keys")
        }
        bare = f"{quote}{self.table}{quote}"
        marks = {
            "schema_mark": f"'{schema_mark(' ')}'",
            # In Spanner, the names of constraints are those of the whole database.
            "schema_constraint": f"{quote}{'_'.join(filter(None, (self.schema, self.table, schema_mark('_'))))}{quote}",
        }
        return {"table": prefix + bare, "table_name": bare, "schema": prefix, **indexes, **marks}


def sql_folder() -> Path:
    """The folder of the ``.sql`` files: inside an installed package, at the top of a source tree."""
    packaged = Path(__file__).parent / "sql"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql"


@lru_cache(maxsize=64)
def load_statements(
    dialect: str, table: TableName, variants: tuple[str, ...], quote: str = '"', folder: Path | None = None
) -> Mapping[str, str]:
    """The text of every statement of a dialect, by name (``get_and_renew``), ready for the driver.

    Args:
        dialect: The name of the file, without ``.sql``.
        table: The table to speak of.
        variants: What decides between fragments, the data format first.
        quote: The character that quotes identifiers.
        folder: Where the file is; by default where this package keeps its own.
    """
    loader = SQLFileLoader()
    loader.load_sql((folder or sql_folder()) / f"{dialect}.sql")
    names = table.slots(quote)

    def fill(slot: str) -> str:
        if slot in names:
            return names[slot]
        fragment = next(name for variant in variants if loader.has_fragment(name := f"{slot}_{variant}"))
        return loader.get_fragment_text(fragment)

    def resolved(text: str) -> str:
        # SQLSpec includes nothing in what is quoted: the statement of a job of the database's own scheduler.
        text = _INCLUDE.sub(lambda include: loader.get_fragment_text(include[1]), text)
        return _SLOT.sub(lambda slot: resolved(fill(slot[1])), text)

    # Not as SQLSpec's get_sql(), which parses each statement: that takes ten times as long as all else a store does
    # before its first call.
    return {name: resolved(loader.get_query_text(name)) for name in loader.list_queries()}
