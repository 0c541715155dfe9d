"""What is told of a value beside itself: whether it was renewed, and whether it is stored as it would be now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.backends import Store


async def test_a_renewal_is_told_when_it_was_due(store: Store) -> None:
    await store.set("key", "1", expires_in=100)
    assert await store.get_stored("key") == (b"1", True, False)
    assert await store.get_stored("key", renew_for=100) == (b"1", True, False)
    assert await store.get_stored("key", renew_for=1000) == (b"1", True, True)
    assert await store.get_stored("key", renew_for=1000) == (b"1", True, False)


async def test_what_has_no_expiry_or_is_not_there_is_never_renewed(store: Store) -> None:
    await store.set("key", "1")
    assert await store.get_stored("key", renew_for=1000) == (b"1", True, False)
    assert await store.get_stored("missing", renew_for=1000) is None
