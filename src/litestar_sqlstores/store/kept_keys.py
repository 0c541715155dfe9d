"""Operations on keys that the table holds as text."""

from __future__ import annotations

from litestar_sqlstores import errors
from litestar_sqlstores.keys import prefix_range
from litestar_sqlstores.store.calls import Calls

__all__ = ("KeptKeys",)


class KeptKeys(Calls):
    """Operations on keys that the table holds as text, where ``keep_keys`` says so."""

    @property
    def keeps_keys(self) -> bool:
        """Whether the keys of this namespace are in the table as text; see ``keep_keys``."""
        return self._keeps_keys

    async def invalidate(self, *, prefix: str) -> int:
        """Remove the entries of this namespace, not of its children, whose keys start with a prefix.

        Entries that were stored before the store kept keys are not found: :meth:`delete_all` removes them.

        Args:
            prefix: How the keys start; up to 512 characters.

        Returns:
            How many were removed.

        Raises:
            ConfigurationError: The store keeps no keys.
            InvalidKeyError: The prefix is empty, too long, or holds NUL, a lone surrogate or U+10FFFF.
        """
        if not self._keeps_keys:
            msg = (
                f"namespace {self.namespace!r} has digests in place of keys, and those have no prefixes: name it in"
                " keep_keys, for example keep_keys=['response_cache'], and call delete_all() on it once"
            )
            raise errors.ConfigurationError(msg)
        return await self._delete_in_batches(self._operations.delete_prefix, self.namespace, *prefix_range(prefix))
