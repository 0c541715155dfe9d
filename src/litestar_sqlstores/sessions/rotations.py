"""Remembers for a while that a session got another id: requests with the old one may still be under way.

What is remembered of the new id is its digest, which the table has anyway: it leads to the row of the session, and to
no cookie.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("ROTATED_SECONDS", "end_successors", "forget_rotation", "remember_rotation", "was_rotated")

ROTATED_SECONDS = 60
"""For how long it is remembered."""


class _Mark(msgspec.Struct):
    to: str
    """The digest of the new id, in hexadecimal."""


async def remember_rotation(store: BaseSQLSpecStore[Any], old_id: str, new_id: str) -> None:
    """Remember that a session gets another id."""
    await store.set(_key(store.digest(old_id)), _mark(store, new_id), ROTATED_SECONDS)


async def forget_rotation(store: BaseSQLSpecStore[Any], old_id: str, new_id: str) -> None:
    """A session has not got that id after all; if it has got another one meanwhile, that is still remembered."""
    mark = _mark(store, new_id)
    await store.replace(_key(store.digest(old_id)), mark, 0, expected=mark)


async def was_rotated(store: BaseSQLSpecStore[Any], ids: Iterable[str]) -> bool:
    """Whether one of these ids was that of a session which has another one now."""
    return bool(await store.get_many([_key(store.digest(session_id)) for session_id in ids]))


async def end_successors(store: BaseSQLSpecStore[Any], ids: Iterable[str]) -> None:
    """End the sessions that had these ids, under whatever ids they have got since."""
    digests = [store.digest(session_id) for session_id in ids]
    while digests:
        marks = await store.get_many([_key(digest) for digest in digests])
        digests = [bytes.fromhex(msgspec.json.decode(mark, type=_Mark).to) for mark in marks.values()]
        await store.delete_digests(digests)


def _mark(store: BaseSQLSpecStore[Any], new_id: str) -> bytes:
    return msgspec.json.encode(_Mark(store.digest(new_id).hex()))


def _key(digest: bytes) -> str:
    """The key of what is remembered of an id; it looks like no id, so that no cookie is one."""
    return f"rotated {digest.hex()}"
