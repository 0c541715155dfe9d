"""Operations on many keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from litestar_sqlstores.durations import Duration, renewal_ms
from litestar_sqlstores.errors import InvalidKeyError
from litestar_sqlstores.store.calls import Calls, positive_ms
from litestar_sqlstores.values import Value

__all__ = ("ManyKeys",)


class ManyKeys(Calls):
    """Operations on many keys, in as few statements as possible."""

    async def get_many(self, keys: Iterable[str], renew_for: Duration | None = None) -> dict[str, bytes]:
        """The values under many keys, in as few statements as possible.

        Args:
            keys: Keys of the values.
            renew_for: As in :meth:`get`.

        Returns:
            The values that there are, by key.

        Raises:
            InvalidKeyError: ``keys`` is one text, and no list.
        """
        ttl = renewal_ms(renew_for)
        operation = self._operations.get_and_renew if ttl else self._operations.get
        digests = self._digests(keys)
        found = await self._each(digests, dict.fromkeys(digests, (operation, self._renewal(ttl), 0)))
        values = {key: self._given(digests[key], data) for key, data in found.items()}
        return {key: value for key, value in values.items() if value is not None}

    async def set_many(
        self,
        items: Mapping[str, Value],
        expires_in: Duration | None = None,
        *,
        keep_ttl: bool = False,
        owner: str | None = None,
    ) -> None:
        """Store many values, in as few statements as possible; each as by :meth:`set`.

        All values are checked before the first is written. If the database fails, some may have been written.
        """
        if not isinstance(items, Mapping):
            msg = f"items are a mapping of keys to values, not {type(items).__name__}"
            raise InvalidKeyError(msg)
        digests = self._digests(items)
        entries = {
            key: self._entry(key, digests[key], value, expires_in, keep_ttl=keep_ttl, owner=owner)
            for key, value in items.items()
        }
        await self._each(digests, {key: self._setting(entry, keep_ttl) for key, entry in entries.items()})

    async def delete_digests(self, digests: Iterable[bytes]) -> None:
        """Remove entries by what the table knows their keys by.

        Args:
            digests: Of each key, as :meth:`digest` gives it.
        """
        by_digest = {digest.hex(): digest for digest in digests}
        await self._each(by_digest, dict.fromkeys(by_digest, (self._operations.delete, None, 0)))

    async def renew_many(self, keys: Iterable[str], renew_for: Duration) -> frozenset[str]:
        """Renew many entries as by :meth:`renew`; returns the keys that have an entry."""
        renewal = self._renewal(positive_ms("renew_for", renew_for))
        digests = self._digests(keys)
        alive = await self._each(digests, dict.fromkeys(digests, (self._operations.renew, renewal, 0)))
        return frozenset(key for key, is_alive in alive.items() if is_alive)

    async def delete_many(self, keys: Iterable[str]) -> None:
        """Remove the entries under many keys, in as few statements as possible."""
        digests = self._digests(keys)
        await self._each(digests, dict.fromkeys(digests, (self._operations.delete, None, 0)))
