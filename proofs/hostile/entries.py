"""Operations on a store with hostile arguments."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar_sqlstores import (
    BaseSQLSpecStore,
    ConfigurationError,
    DurationError,
    InvalidKeyError,
    InvalidValueError,
)

__all__ = ("EXPECTED", "use")

EXPECTED = (ConfigurationError, DurationError, InvalidKeyError, InvalidValueError)
"""The errors that bad input may raise."""


async def use(store: BaseSQLSpecStore[Any], items: Sequence[tuple[Any, Any]], duration: Any, owner: Any) -> None:
    """Give a store arguments of every kind, in every operation.

    Raises:
        AssertionError: It answered wrongly, or told a secret.
    """
    given = {key: value for key, value in items if isinstance(key, str)}
    texts = [text for text in (*given, owner) if isinstance(text, str) and len(text) > 12]
    for key, value in items:
        with _refusals(texts):
            await store.set(key, value, 100, owner=owner)
            assert isinstance(key, str)
            assert await store.get(key) == (value.encode() if isinstance(value, str) else bytes(value))
    with _refusals(texts):
        await store.set_many(given, duration)
        await store.get_many(given, renew_for=duration)
        await store.renew_many(given, 5000)
        await store.get_many(given, renew_for=500)
        await store.set_many(given, keep_ttl=True)
    for key, value in items[:2]:
        for call in _operations(store, key, value, duration, owner):
            with _refusals(texts):
                await call()
    with _refusals(texts):
        await store.delete_many([key for key, _ in items])


def _operations(
    store: BaseSQLSpecStore[Any], key: Any, value: Any, duration: Any, owner: Any
) -> list[Callable[[], Awaitable[Any]]]:
    return [
        lambda: store.renew(key, duration),
        lambda: store.increment(key, 3, duration),
        lambda: store.replace(key, value, duration, expected=value, owner=owner),
        lambda: store.get(key, renew_for=duration),
        lambda: store.exists(key),
        lambda: store.expires_in(key),
        lambda: store.inspect(key),
        lambda: store.invalidate(prefix=key),
        lambda: store.list_owned(owner),
        lambda: store.delete_owned(owner, keep=key),
        lambda: store.delete(key),
    ]


class _refusals(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as suppress does
    """Errors that bad input may raise; their text tells none of these."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        if not isinstance(error, EXPECTED):
            return False
        assert not any(secret in str(error) for secret in self._secrets), "an error tells a key or an owner"
        return True
