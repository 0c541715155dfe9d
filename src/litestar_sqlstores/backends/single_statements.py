"""What a backend does by a statement for one call, not for a batch: the same for all that can run one by its name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

from litestar_sqlstores.backends.records import Inspected, Owned, Stats
from litestar_sqlstores.schema import Shape, shape_of
from litestar_sqlstores.statements import TableName

__all__ = ("SingleStatements",)

ConnectionT = TypeVar("ConnectionT")


class SingleStatements(ABC, Generic[ConnectionT]):
    """The statements that serve one call.

    A backend says how to run a statement, whose parameters come by these names and in this order. What its database
    needs another way, it changes: two statements for one, say, or rows of another form.
    """

    table: TableName

    @abstractmethod
    async def fetch(self, connection: ConnectionT, name: str, **parameters: Any) -> Iterable[Any]:
        """The rows that the statement under a name finds."""

    @abstractmethod
    async def execute(self, connection: ConnectionT, name: str, **parameters: Any) -> int:
        """Run what is under a name, and commit; how many rows that has removed, if it removes rows."""

    async def delete_namespace(
        self, connection: ConnectionT, namespace: str, children: str, behind: str, limit: int
    ) -> int:
        """Remove at most ``limit`` entries of a namespace and its children; how many. If fewer, none is left.

        The children are those from ``children`` on up to, but without, ``behind``, by code point.
        """
        return await self.execute(
            connection, "delete_namespace", namespace=namespace, children=children, behind=behind, most=limit
        )

    async def delete_prefix(self, connection: ConnectionT, namespace: str, prefix: str, behind: str, limit: int) -> int:
        """Remove at most ``limit`` entries of a namespace whose key text starts with ``prefix``; how many.

        These are those from ``prefix`` on up to, but without, ``behind``, by code point. If fewer, none is left.
        """
        return await self.execute(
            connection, "delete_prefix", namespace=namespace, prefix=prefix, behind=behind, most=limit
        )

    async def delete_expired(self, connection: ConnectionT, limit: int) -> int:
        """Remove at most ``limit`` expired rows, passing over those that others hold; how many."""
        return await self.execute(connection, "delete_expired", most=limit)

    async def owned(self, connection: ConnectionT, namespace: str, owner: str, limit: int) -> Sequence[Owned]:
        """At most ``limit`` live entries of an owner in a namespace, the ones last written first."""
        rows = await self.fetch(connection, "owned", namespace=namespace, owner=owner, most=limit)
        return [Owned(*row) for row in rows]

    async def delete_owned(
        self, connection: ConnectionT, namespace: str, owner: str, keep: bytes | None, limit: int
    ) -> int:
        """Remove at most ``limit`` entries of an owner, but not ``keep``; how many. If fewer, none is left."""
        return await self.execute(connection, "delete_owned", namespace=namespace, owner=owner, keep=keep, most=limit)

    async def stats(self, connection: ConnectionT, bounds: Sequence[int]) -> Sequence[Stats]:
        """What is in the table, by namespace and time to live.

        Args:
            connection: The connection.
            bounds: Milliseconds to live, ascending, the first of them 0.
        """
        return [Stats(*row) for row in await self.fetch(connection, "stats", bounds=list(bounds))]

    async def namespaces(self, connection: ConnectionT) -> Sequence[str]:
        """The namespaces that have rows."""
        return [namespace for (namespace,) in await self.fetch(connection, "namespaces")]

    async def inspect(self, connection: ConnectionT, keys: Sequence[bytes]) -> Sequence[Inspected]:
        """All but the data of those keys that have a row, alive or not."""
        return [Inspected(*row) for row in await self.fetch(connection, "inspect", keys=list(keys))]

    async def check_table(self, connection: ConnectionT) -> None:
        """Raise the driver's error if the table is missing or has another shape."""
        await self.fetch(connection, "check_table")

    async def table_shape(self, connection: ConnectionT) -> Shape:
        """What there is of the table, as the catalog has it; without columns if there is no table."""
        names = {"schema": self.table.schema, "table": self.table.table}
        return shape_of(await self.fetch(connection, "table_shape", **names))

    async def create_table(self, connection: ConnectionT) -> None:
        """Create table and indexes unless they are there, safe among many that do so at once."""
        await self.execute(connection, "create_table")

    async def drop_table(self, connection: ConnectionT) -> None:
        """Drop the table if it is there."""
        await self.execute(connection, "drop_table")
