"""What the tests of the contract share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.backends import Store


class about:  # noqa: N801 - reads as a value
    """Equal to what `expires_in` may be for an entry that was given so many seconds a moment ago."""

    def __init__(self, seconds: float, *, within: float = 4) -> None:
        self._seconds = seconds
        self._within = within

    def __eq__(self, other: object) -> bool:
        return type(other) is int and self._seconds - self._within < other <= self._seconds

    def __hash__(self) -> int:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"about({self._seconds})"


# Every operation, for what is true of all of them.
ON_A_KEY: dict[str, Callable[[Store, Any], Awaitable[object]]] = {
    "get": lambda store, key: store.get(key),
    "get and renew": lambda store, key: store.get(key, renew_for=10),
    "set": lambda store, key: store.set(key, b"2", expires_in=10),
    "set to expired": lambda store, key: store.set(key, b"2", expires_in=0),
    "set, keep_ttl": lambda store, key: store.set(key, b"2", keep_ttl=True),
    "renew": lambda store, key: store.renew(key, 10),
    "delete": lambda store, key: store.delete(key),
    "exists": lambda store, key: store.exists(key),
    "expires_in": lambda store, key: store.expires_in(key),
    "get_many": lambda store, key: store.get_many(["first", key]),
    "get_many and renew": lambda store, key: store.get_many(["first", key], renew_for=10),
    "set_many": lambda store, key: store.set_many({"first": b"2", key: b"2"}),
    "set_many, keep_ttl": lambda store, key: store.set_many({"first": b"2", key: b"2"}, keep_ttl=True),
    "renew_many": lambda store, key: store.renew_many(["first", key], 10),
    "delete_many": lambda store, key: store.delete_many(["first", key]),
}

ON_THE_TABLE: dict[str, Callable[[Store, Any], Awaitable[object]]] = {
    "delete_all": lambda store, _: store.delete_all(),
    "delete_expired": lambda store, _: store.delete_expired(),
}

ALL = ON_A_KEY | ON_THE_TABLE
