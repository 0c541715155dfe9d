"""Whose entries are: to list all that somebody has, and to remove them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from litestar_sqlstores.store.calls import Calls, checked_owner, utc

__all__ = ("OwnedEntry", "Owners")


@dataclass(frozen=True)
class OwnedEntry:
    """A live entry of an owner, without its key and value.

    Attributes:
        digest: What the table knows the key by; see :meth:`BaseSQLSpecStore.digest`.
        created_at: When it was first stored.
        updated_at: When it was last written or renewed.
        expires_at: When it expires; None for never.
    """

    digest: bytes
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None


class Owners(Calls):
    """Operations on the entries of an owner, in the store's own namespace."""

    async def list_owned(self, owner: str, *, limit: int = 1000) -> list[OwnedEntry]:
        """The live entries of an owner in this namespace, the ones last written first.

        Args:
            owner: What :meth:`set` was given as ``owner``.
            limit: How many at most.
        """
        entries = await self._submit_alone(self._operations.owned, self.namespace, checked_owner(owner), limit)
        return [
            OwnedEntry(key, utc(created_at), utc(updated_at), None if expires_at is None else utc(expires_at))
            for key, created_at, updated_at, expires_at in entries
        ]

    async def delete_owned(self, owner: str, *, keep: str | None = None) -> int:
        """Remove the entries of an owner in this namespace, a batch at a time.

        Args:
            owner: What :meth:`set` was given as ``owner``.
            keep: The key of an entry to leave.

        Returns:
            How many were removed.
        """
        kept = None if keep is None else self._digest(keep)
        return await self._delete_in_batches(self._operations.delete_owned, self.namespace, checked_owner(owner), kept)
