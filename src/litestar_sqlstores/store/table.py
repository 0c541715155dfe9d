"""Operations on all entries of the table, or of the namespace."""

from __future__ import annotations

import itertools
import time

from litestar_sqlstores import errors
from litestar_sqlstores.observability import Observers
from litestar_sqlstores.store.calls import DELETE_BATCH, Calls

__all__ = ("Table",)


class Table(Calls):
    """Operations on all entries of the table, or of the namespace."""

    async def delete_all(self) -> None:
        """Remove every entry of this namespace and its children, a batch at a time."""
        await self.clear()

    async def clear(self) -> int:
        """As :meth:`delete_all`; how many entries were removed, expired ones among them."""
        return await self._delete_in_batches(self._operations.delete_namespace, *self._subtree)

    async def delete_expired(self, batch_size: int = DELETE_BATCH, max_batches: int | None = None) -> int:
        """Remove what has expired, in all namespaces of the table.

        Args:
            batch_size: How many rows a statement removes; between statements, other writers get their turn.
            max_batches: How many statements to run at most; None for as many as it takes.

        Returns:
            How many rows were removed.
        """
        for name, value in (("batch_size", batch_size), ("max_batches", max_batches)):
            if value is not None and (not isinstance(value, int) or value < 1):
                msg = f"{name} is {value!r}; it must be a positive int"
                raise errors.ConfigurationError(msg)
        started = time.monotonic()
        total = 0
        for _ in itertools.count() if max_batches is None else range(max_batches):
            removed: int = await self._submit_alone(self._operations.delete_expired, batch_size)
            total += removed
            if removed < batch_size:
                break
        if self._settings.observer is not None:
            Observers(self._settings.observer).cleanup(total, time.monotonic() - started)
        return total
