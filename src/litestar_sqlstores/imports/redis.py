"""The sessions of Litestar's RedisStore or ValkeyStore."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from litestar_sqlstores.backends.records import ForeignSession
from litestar_sqlstores.errors import ConfigurationError, UnavailableError
from litestar_sqlstores.imports import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("RedisNamespace",)


class RedisNamespace(Source):
    """A namespace of a RedisStore, of which what has the id of a session as its key is taken for one.

    Args:
        url: The URL of the Redis, as for ``RedisStore.with_client``.
        namespace: The namespace of the RedisStore: ``LITESTAR``, unless it was given one or made by ``with_namespace``.

    Raises:
        ConfigurationError: The URL is none of a Redis.
    """

    def __init__(self, url: str, namespace: str) -> None:
        try:
            self._redis: Any = Redis.from_url(url.replace("valkey", "redis", 1) if url.startswith("valkey") else url)
        except ValueError:
            # Its text may hold a part of the URL, and so a password.
            msg = "the URL of the Redis cannot be read; give one such as redis://user:password@host:6379/0"
            raise ConfigurationError(msg) from None
        self._prefix = f"{namespace}:".encode()
        # What Litestar gives out as an id; a cache in the same namespace has paths as its keys.
        self._is_session = re.compile(re.escape(self._prefix) + b"[0-9a-f]{16,}").fullmatch

    async def batches(self, size: int) -> AsyncIterator[Sequence[ForeignSession]]:
        """Its live sessions, in no order.

        Raises:
            UnavailableError: The Redis cannot be reached, or refuses to be read.
        """
        pattern = re.sub(rb"([][*?\\])", rb"\\\1", self._prefix) + b"*"
        cursor = 0
        while True:
            with _described():
                cursor, keys = await self._redis.scan(cursor, match=pattern, count=size, _type="STRING")
                sessions = await self._read(list(filter(self._is_session, keys)))
            if sessions:
                yield sessions
            if not cursor:
                return

    async def _read(self, keys: Sequence[bytes]) -> list[ForeignSession]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.get(key).pttl(key)
            answers = await pipeline.execute()
        found = zip(keys, answers[::2], answers[1::2], strict=True)
        return [
            ForeignSession(key.removeprefix(self._prefix).decode(), data, None if ttl == -1 else ttl)
            for key, data, ttl in found
            # It may have ended in between, or be about to.
            if data is not None and (ttl == -1 or ttl > 0)
        ]

    async def remove(self, sessions: Sequence[ForeignSession]) -> None:
        """Remove sessions from the Redis."""
        with _described():
            await self._redis.unlink(*(self._prefix + each.session_id.encode() for each in sessions))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


@contextmanager
def _described() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        msg = f"the Redis cannot be reached, or refuses ({type(error).__name__}); see the cause"
        raise UnavailableError(msg) from error
