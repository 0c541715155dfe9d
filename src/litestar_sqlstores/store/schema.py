"""Operations on the table itself."""

from __future__ import annotations

from typing import Any

from litestar_sqlstores import errors
from litestar_sqlstores.backends.base import Backend
from litestar_sqlstores.schema import SCHEMA_VERSION, Differences, Shape, declared_shape, differences
from litestar_sqlstores.store.calls import Calls

__all__ = ("Schema",)


class Schema(Calls):
    """Operations on the table itself: whether it is there, and as it should be."""

    _backend: Backend[Any, Any]

    async def create_table(self) -> None:
        """Create the table and its indexes, unless they are there; any number of workers may call this at once.

        Raises:
            SchemaError: There is a table of that name with another shape or data format, or of another version.
        """
        try:
            found = await self._differences()
        except errors.MissingTableError:
            pass
        else:
            self._refuse(found)
            if not found.missing_indexes:
                return
        # Another worker may be about to create them, too.
        await self._submit_alone(self._operations.create_table)
        await self.check_table()

    async def check_table(self) -> None:
        """See whether the table is there and can serve this store.

        Raises:
            MissingTableError: It is not there.
            SchemaError: It has another shape or data format, or another version; the text has the differences.
        """
        found = await self._differences()
        self._refuse(found)
        if found.missing_indexes:
            msg = (
                f"table {self._settings.table!r} lacks what makes it fast: {'; '.join(found.missing_indexes)};"
                " `await store.create_table()` adds it, except on MySQL and MariaDB, which want CREATE INDEX"
            )
            raise errors.SchemaError(msg)

    async def schema_difference(self) -> list[str]:
        """How the table differs from what this store needs, as sentences; none if it does not.

        Columns that are not known here do no harm, as long as rows need not give them a value.

        Raises:
            MissingTableError: There is no table.
        """
        found = await self._differences()
        return [*found.wrong, *found.missing_indexes]

    def statements(self, name: str) -> list[str]:
        """The statements under a name of the dialect's ``.sql`` file, such as ``create_table``, one by one.

        Where they depend on the server, they suit the one that was last connected to.
        """
        return [statement.strip() for statement in self._backend.sql[name].split(";")]

    async def drop_table(self) -> None:
        """Drop the table with everything in it, if it is there."""
        await self._submit_alone(self._operations.drop_table)

    async def _differences(self) -> Differences:
        cause: errors.SchemaError | None = None
        try:
            await self._submit_alone(self._operations.check_table)
        except errors.MissingTableError:
            raise
        except errors.SchemaError as error:
            cause = error
        shape: Shape = await self._submit_alone(self._operations.table_shape)
        if cause is not None and not shape.columns:
            # Not the table's, but that of what it is in.
            raise cause
        expected = declared_shape(self._backend.sql["create_table"])
        found = differences(expected, shape, self._backend.normal_type)
        if cause is None:
            return found
        # What the catalog does not tell: how a column is checked, or the table is divided.
        return found._replace(wrong=found.wrong or [str(cause)], cause=cause.__cause__)

    def _refuse(self, found: Differences) -> None:
        if found.wrong:
            msg = (
                f"table {self._settings.table!r} is no table of litestar-sqlstores with"
                f" data_format={self._settings.data_format!r} and version {SCHEMA_VERSION} of the schema:"
                f" {'; '.join(found.wrong)}. {found.advice}"
            )
            raise errors.SchemaError(msg) from found.cause
