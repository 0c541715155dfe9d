"""How a call becomes one of the backend's operations: what all parts of a store stand on."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, cast

from litestar_sqlstores import errors
from litestar_sqlstores.backends.operations import Operations
from litestar_sqlstores.backends.records import Entry, Renewal
from litestar_sqlstores.coalescing import MAX_BATCH_ITEMS, Operation, Submit
from litestar_sqlstores.durations import Duration, tolerance_ms, ttl_ms
from litestar_sqlstores.keys import Subtree, key_text
from litestar_sqlstores.settings import Settings
from litestar_sqlstores.values import Value, encode_value

if TYPE_CHECKING:
    from litestar_sqlstores.encryption import Cipher

__all__ = ("Calls", "Submits", "checked_owner", "positive_ms", "utc")

MAX_OWNER_LENGTH = 255
DELETE_BATCH = 1000
"""How many rows one statement removes, so that none locks many for long."""


class Submits(Protocol):
    """Takes calls for the database."""

    @property
    def submit(self) -> Submit:
        """Has an operation run for a key."""
        ...


class Calls:
    """What a store's operations have in common."""

    namespace: str
    """The part of the table that the store's keys are in."""
    _subtree: Subtree
    _settings: Settings
    _operations: Operations[Any]
    _coalescer: Submits
    _digest: Callable[[str], bytes]
    _keeps_keys: bool
    _cipher: Cipher | None

    # -- arguments

    def _entry(
        self, key: str, digest: bytes, value: Value, expires_in: Duration | None, *, keep_ttl: bool, owner: str | None
    ) -> Entry:
        if keep_ttl and expires_in is not None:
            msg = "keep_ttl=True keeps the expiry there is, expires_in sets one; give one of them"
            raise errors.ConfigurationError(msg)
        if owner is not None:
            checked_owner(owner)
        settings = self._settings
        ttl = ttl_ms(expires_in)
        tolerance = tolerance_ms(ttl, settings.renew_tolerance)
        return Entry(self.namespace, self._stored(digest, value), ttl, tolerance, owner, self._key_text(key))

    def _key_text(self, key: str) -> str | None:
        return key_text(key) if self._keeps_keys else None

    def _encode(self, value: Value) -> bytes:
        return encode_value(value, self._settings.data_format, self._settings.max_value_bytes)

    def _stored(self, digest: bytes, value: Value) -> bytes:
        """What the table is to hold for a value."""
        data = self._encode(value)
        return data if self._cipher is None else self._cipher.encrypt(digest, data)

    def _given(self, digest: bytes, data: bytes | None) -> bytes | None:
        """The value for what the table holds, None if that is nothing."""
        return data if data is None or self._cipher is None else self._cipher.decrypt(digest, data)

    def _setting(self, entry: Entry, keep_ttl: bool) -> tuple[Operation[Any], Entry | None, int]:
        """What stores an entry: operation, argument, and size in a statement."""
        if entry.ttl == 0:
            return self._operations.delete, None, 0
        operation = self._operations.set_keeping_ttl if keep_ttl else self._operations.set
        return operation, entry, len(entry.data)

    def _renewal(self, ttl: int) -> Renewal:
        return _renewal(ttl, self._settings.renew_tolerance)

    # -- calls

    def _digests(self, keys: Iterable[str]) -> dict[str, bytes]:
        if isinstance(keys, (str, bytes)):
            # Which would be one key for each of its characters.
            msg = f"keys are a list of str, not one {type(keys).__name__}; put the key into a list"
            raise errors.InvalidKeyError(msg)
        return {key: self._digest(key) for key in keys}

    async def _each(
        self, digests: Mapping[str, bytes], calls: Mapping[str, tuple[Operation[Any], Any, int]]
    ) -> dict[str, Any]:
        """Make a call for each key, a batch of them at a time; the answers, or the first error once all have ended."""
        answers: dict[str, Any] = {}
        remaining = deque(calls)
        while remaining:
            futures: dict[str, asyncio.Future[Any]] = {}
            try:
                while remaining and len(futures) < MAX_BATCH_ITEMS:
                    key = remaining[0]
                    operation, argument, size = calls[key]
                    futures[key] = self._coalescer.submit(operation, digests[key], argument, size)
                    del remaining[0]
            except errors.OverloadedError:
                # Where fewer calls may wait than there are keys, the rest comes after those that do.
                if not futures:
                    raise
            except errors.StoreError:
                for future in futures.values():
                    future.cancel()
                raise
            answers.update(zip(futures, await asyncio.gather(*futures.values(), return_exceptions=True), strict=True))
        for answer in answers.values():
            if isinstance(answer, BaseException):
                raise answer
        return answers

    async def _submit_alone(self, operation: Operation[Any], *arguments: Any) -> Any:
        """Run an operation that is not about a key; calls of it never become one."""
        return await self._coalescer.submit(operation, self._operations.unique_key(), arguments)

    async def _delete_in_batches(self, operation: Operation[Any], *arguments: Any) -> int:
        """Run an operation that removes so many rows at most until none is left; how many were removed."""
        total = 0
        while (removed := await self._submit_alone(operation, *arguments, DELETE_BATCH)) >= DELETE_BATCH:
            total += removed
        return total + cast("int", removed)


@lru_cache(maxsize=256)
def _renewal(ttl: int, tolerance: float) -> Renewal:
    """The renewals of sessions are all alike: made once, and told apart by a backend at a glance."""
    return Renewal(ttl, tolerance_ms(ttl, tolerance))


def positive_ms(name: str, duration: Duration) -> int:
    """A duration in milliseconds.

    Args:
        name: What it is called, for the message.
        duration: Seconds or a timedelta.

    Raises:
        DurationError: It is not positive.
    """
    ttl = ttl_ms(duration)
    if not ttl:
        msg = f"{name} is {duration!r}; give a positive number of seconds"
        raise errors.DurationError(msg)
    return ttl


def checked_owner(owner: str) -> str:
    """An owner as it was given.

    Raises:
        InvalidKeyError: It is no ``str``.
        InvalidValueError: Not every database can hold and index it.
    """
    if not isinstance(owner, str):
        msg = f"an owner is a str, not {type(owner).__name__}; convert it first"
        raise errors.InvalidKeyError(msg)
    if len(owner) > MAX_OWNER_LENGTH or re.search("[\0\ud800-\udfff]", owner):
        msg = f"an owner is at most {MAX_OWNER_LENGTH} characters of text, without NUL and lone surrogates; give an id"
        raise errors.InvalidValueError(msg)
    return owner


def utc(milliseconds: int) -> datetime:
    """A time from milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
