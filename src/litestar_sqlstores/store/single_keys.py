"""Operations on one key."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import NamedTuple, cast

from litestar_sqlstores import errors
from litestar_sqlstores.backends.records import NEVER, Increment, RenewedData, Replacement
from litestar_sqlstores.durations import Duration, renewal_ms
from litestar_sqlstores.store.calls import Calls, positive_ms
from litestar_sqlstores.values import Value, is_number

__all__ = ("SingleKeys", "StoredValue")


class StoredValue(NamedTuple):
    """A value, and in what state it was found.

    Attributes:
        value: The value.
        current: Whether it is stored as it would be now: not if a key that is no longer the first one encrypts it.
        renewed: Whether its renewal was due.
    """

    value: bytes
    current: bool
    renewed: bool


class SingleKeys(Calls):
    """Operations on one key; concurrent ones share their statements."""

    async def get(self, key: str, renew_for: Duration | None = None) -> bytes | None:
        """The value under a key.

        Args:
            key: Key of the value.
            renew_for: Seconds (or a timedelta) from now in which the entry shall expire, if it has an expiry. Zero and
                None leave the expiry as it is.

        Returns:
            The value, or None if there is none or it has expired.

        Raises:
            DurationError: ``renew_for`` is negative or no duration.
            DecryptionError: The value was not encrypted with any of ``encryption_keys``, or was changed since.
        """
        digest = self._digest(key)
        return self._given(digest, await self._getting(digest, renew_for))

    async def get_stored(self, key: str, renew_for: Duration | None = None) -> StoredValue | None:
        """As :meth:`get`, and in what state the value was found.

        Raises:
            DurationError, DecryptionError: As in :meth:`get`.
        """
        digest = self._digest(key)
        data = await self._getting(digest, renew_for)
        if data is None:
            return None
        current = self._cipher is None or self._cipher.is_current(data)
        return StoredValue(cast("bytes", self._given(digest, data)), current, isinstance(data, RenewedData))

    def _getting(self, digest: bytes, renew_for: Duration | None) -> Awaitable[bytes | None]:
        if renew_for is not None and (ttl := renewal_ms(renew_for)):
            return self._coalescer.submit(self._operations.get_and_renew, digest, self._renewal(ttl))
        return self._coalescer.submit(self._operations.get, digest)

    async def set(
        self,
        key: str,
        value: Value,
        expires_in: Duration | None = None,
        *,
        keep_ttl: bool = False,
        owner: str | None = None,
    ) -> None:
        """Store a value, in place of any other under the key.

        Args:
            key: Key of the value.
            value: What to store; text is stored as UTF-8.
            expires_in: Seconds (or a timedelta) until the value expires. None for never; zero or less removes the entry
                and stores nothing. More than 1,000 years are cut to that.
            keep_ttl: Keep the expiry of the entry that is replaced; without one, the value never expires.
            owner: Who the entry belongs to, such as the id of a user.

        Raises:
            InvalidValueError: The value cannot be stored in the store's data format.
            ValueTooLargeError: The value is longer than ``max_value_bytes``.
            DurationError: ``expires_in`` is no duration.
            ConfigurationError: Both ``expires_in`` and ``keep_ttl`` are given.
        """
        digest = self._digest(key)
        entry = self._entry(key, digest, value, expires_in, keep_ttl=keep_ttl, owner=owner)
        operation, argument, size = self._setting(entry, keep_ttl)
        await self._coalescer.submit(operation, digest, argument, size)

    async def replace(
        self,
        key: str,
        value: Value,
        expires_in: Duration | None = None,
        *,
        expected: Value | None = None,
        owner: str | None = None,
    ) -> bool:
        """Store a value in place of another one, but not where there is none.

        What was deleted meanwhile stays deleted; with ``expected``, what was changed meanwhile stays as it is.

        Args:
            key: Key of the value.
            value: What to store.
            expires_in: As in :meth:`set`.
            expected: What the entry must hold to be replaced; None for anything.
            owner: Who the entry belongs to.

        Returns:
            Whether the entry was replaced. Not retried after a lost connection, when nobody knows.

        Raises:
            InvalidValueError, DurationError: As in :meth:`set`.
        """
        digest = self._digest(key)
        entry = self._entry(key, digest, value, expires_in, keep_ttl=False, owner=owner)
        for data in self._expected(digest, expected):
            size = len(entry.data) + len(data or b"")
            if await self._coalescer.submit(self._operations.replace, digest, Replacement(entry, data), size):
                return True
        return False

    def _expected(self, digest: bytes, value: Value | None) -> Sequence[bytes | None]:
        """What the table may hold for an expected value; None for anything."""
        if value is None:
            return [None]
        data = self._encode(value)
        return [data] if self._cipher is None else self._cipher.forms(digest, data)

    async def increment(self, key: str, by: int = 1, expires_in: Duration | None = None) -> int:
        """Add to a number, atomically for all processes; what is not there counts as zero.

        It is the database that adds, so what it adds to is never encrypted: who can write to the table can set it.

        Args:
            key: Key of the number.
            by: What to add; may be negative.
            expires_in: Seconds (or a timedelta) until the number expires, None for never. It counts for the first
                increment only: a number that is there keeps its expiry.

        Returns:
            The number after this increment, which :meth:`get_number` reads. Without encryption, :meth:`get` gives it as
            decimal digits, too.

        Raises:
            InvalidValueError: What is under the key is no number, or is encrypted, or ``by`` is no int of 64 bits.
            DurationError: ``expires_in`` is no positive duration.
        """
        if not isinstance(by, int) or isinstance(by, bool) or not -(2**63) <= by < 2**63:
            msg = f"by is {by!r}; it must be an int of 64 bits"
            raise errors.InvalidValueError(msg)
        ttl = None if expires_in is None else positive_ms("expires_in", expires_in)
        digest = self._digest(key)
        increment = Increment(self.namespace, by, ttl, self._key_text(key))
        return cast("int", await self._coalescer.submit(self._operations.increment, digest, increment))

    async def get_number(self, key: str) -> int | None:
        """The number under a key that :meth:`increment` has counted.

        Args:
            key: Key of the number.

        Returns:
            The number, or None if there is none or it has expired.

        Raises:
            InvalidValueError: What is under the key is no number.
        """
        data = await self._getting(self._digest(key), None)
        if data is not None and not is_number(data):
            msg = "what is under the key is no number of increment(); read it with get()"
            raise errors.InvalidValueError(msg)
        return None if data is None else int(data)

    async def renew(self, key: str, renew_for: Duration) -> bool:
        """Give an entry a new expiry, if it has one.

        Args:
            key: Key of the entry.
            renew_for: Seconds (or a timedelta) from now in which the entry shall expire.

        Returns:
            Whether there is an entry under the key.

        Raises:
            DurationError: ``renew_for`` is not positive.
        """
        renewal = self._renewal(positive_ms("renew_for", renew_for))
        return bool(await self._coalescer.submit(self._operations.renew, self._digest(key), renewal))

    async def delete(self, key: str) -> None:
        """Remove the entry under a key, if there is one."""
        await self._coalescer.submit(self._operations.delete, self._digest(key))

    async def exists(self, key: str) -> bool:
        """Whether there is an entry under a key that has not expired."""
        return await self._remaining(key) is not None

    async def expires_in(self, key: str) -> int | None:
        """How long an entry will live.

        Returns:
            Whole seconds, -1 if the entry has no expiry, None if there is no entry.
        """
        remaining = await self._remaining(key)
        return remaining if remaining is None or remaining == NEVER else remaining // 1000

    async def _remaining(self, key: str) -> int | None:
        return cast("int | None", await self._coalescer.submit(self._operations.remaining, self._digest(key)))

    def digest(self, key: str) -> bytes:
        """What the table knows a key by (``key_digest``), to find its row with SQL."""
        return self._digest(key)
