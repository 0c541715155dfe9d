"""What creates the table, as text: for every database, whether its driver is installed or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.settings import Settings
from litestar_sqlstores.statements import TableName, load_statements

__all__ = ("DIALECTS", "create_table", "native_ttl", "split")


@dataclass(frozen=True)
class _Dialect:
    """What of a dialect the statements depend on that create its table, as its backend has it.

    Args:
        file: They are in ``sql/<file>.sql``.
        quote: The character that quotes identifiers.
        variants: What decides between their fragments.
    """

    file: str
    quote: str
    variants: Callable[[Settings], tuple[str, ...]]

    def statements(self, settings: Settings) -> Mapping[str, str]:
        return load_statements(self.file, TableName.parse(settings.table), self.variants(settings), self.quote)


def _by_format(settings: Settings) -> tuple[str, ...]:
    return (settings.data_format,)


def _mysql(server: str, settings: Settings) -> tuple[str, ...]:
    return settings.data_format, server, f"{settings.data_format}_{server}", "switch"


def _postgresql(settings: Settings) -> tuple[str, ...]:
    # How durable writes are makes no difference to the table.
    return settings.data_format, "full"


def _oracle(settings: Settings) -> tuple[str, ...]:
    storage = "in_memory" if settings.in_memory else "on_disk"
    return *dict.fromkeys((settings.data_format, "bytes")), storage


def _spanner(settings: Settings) -> tuple[str, ...]:
    return settings.data_format, "sharded" if settings.shard_count > 1 else "whole"


DIALECTS: Mapping[str, _Dialect] = {
    "mariadb": _Dialect("mysql", "`", partial(_mysql, "mariadb")),
    "mysql": _Dialect("mysql", "`", partial(_mysql, "mysql")),
    "oracle": _Dialect("oracle", '"', _oracle),
    "postgresql": _Dialect("postgresql", '"', _postgresql),
    "spanner": _Dialect("spanner", "`", _spanner),
    "sqlite": _Dialect("sqlite", '"', _by_format),
}
"""The databases, by name."""


def create_table(dialect: str, settings: Settings) -> list[str]:
    """The statements that create the table and its indexes.

    Args:
        dialect: One of :data:`DIALECTS`.
        settings: Those of the store. On Oracle, JSON is what it is from 21c on.
    """
    sql = DIALECTS[dialect].statements(settings)["create_table"]
    # A schema change takes no parameters.
    sql = sql.replace("@shard_count", str(settings.shard_count))
    return split(sql)


def split(sql: str) -> list[str]:
    """The statements of a text."""
    return [statement.strip() for statement in sql.split(";")]


def native_ttl(dialect: str, settings: Settings) -> str:
    """The statement that has the database itself remove expired rows.

    Raises:
        ConfigurationError: The database cannot.
    """
    statement = DIALECTS[dialect].statements(settings).get("native_ttl")
    if statement is None:
        msg = f"{dialect} has no scheduler; leave cleanup to SQLStoresPlugin, or to `litestar stores cleanup` from cron"
        raise ConfigurationError(msg)
    return statement
