"""Any text is a key, and no two texts are the same key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import InvalidKeyError, StoreError
from tests.backends import rows
from tests.contract.helpers import ON_A_KEY, about

if TYPE_CHECKING:
    from tests.backends import Store

KEYS = [
    *("", " ", "\n", "key", "Key", "KEY", "key ", " key", "key\n", "key\t", "key\u00a0", "key\u200b"),
    *("é", "e\u0301", "É", "E\u0301", "e", "ñ", "n\u0303", "å", "\u212b", "ß", "ss", "ẞ", "ﬁ", "fi"),
    *("i", "I", "ı", "İ", "１", "1", "01", "1.0", "ς", "σ", "Σ", "ж", "Ж", "日本語", "か", "が", "か\u3099"),
    *("\0", "key\0", "key\0a", "\0key", "\x01", "\x7f", "\ufeff", "\uffff", "\U0010ffff"),
    *("😀", "😀\ufe0f", "\ud800", "\udfff", "\udc80", "key\ud800", "\ud83d", "\ude00", "\ud83d\ude00"),
    *("%", "_", "*", "?", "\\", "'", '"', "`", "$1", ":name", "?1", "%s", "' OR 1=1 --", "null", "None", "NULL"),
    *("a_b", "a", "_b", "LITESTAR", "LITESTAR_key", "child_key", "../key", "key/../key"),
    *("k" * 9_999, "k" * 10_000, "k" * 9_999 + "l", "k" * 100_000, "😀" * 10_000),
]


async def test_any_text_is_a_key_of_its_own(store: Store) -> None:
    for number, key in enumerate(KEYS):
        await store.set(key, str(number), expires_in=1000 + number * 100)
    for number, key in enumerate(KEYS):
        assert await store.get(key) == str(number).encode()
        assert await store.expires_in(key) == about(1000 + number * 100, within=90)
    assert len(await rows(store)) == len(set(KEYS)) == len(KEYS)


async def test_any_text_is_a_key_of_its_own_in_one_statement_too(store: Store) -> None:
    items = {key: str(number).encode() for number, key in enumerate(KEYS)}
    await store.set_many(items)
    assert await store.get_many(KEYS) == items
    assert await store.renew_many(KEYS, 10) == set(KEYS)


async def test_removing_a_key_leaves_those_that_look_like_it(store: Store) -> None:
    items = {key: str(number).encode() for number, key in enumerate(KEYS)}
    await store.set_many(items)
    for key in KEYS[::2]:
        await store.delete(key)
    assert await store.get_many(KEYS) == {key: items[key] for key in KEYS[1::2]}
    await store.delete_many(KEYS[:20])
    assert await store.get_many(KEYS) == {key: items[key] for key in KEYS[21::2]}


async def test_the_database_never_sees_a_key(store: Store) -> None:
    key = "0123456789abcdef-the-secret-of-a-session"
    await store.set(key, b"1", expires_in=100)
    await store.get(key, renew_for=200)
    [row] = await rows(store)
    for column in row.values():
        assert key not in str(column)
        assert key.encode() not in (column if isinstance(column, bytes) else str(column).encode())
    assert len(row["key_digest"]) == 32


async def test_what_is_no_text_is_no_key_and_nothing_is_done(store: Store) -> None:
    keys: list[Any] = [None, 1, b"bytes"]
    harmed = []
    for key in keys:
        for name, operation in ON_A_KEY.items():
            await store.set("first", b"1", expires_in=100)
            with pytest.raises(InvalidKeyError, match=f"str, not {type(key).__name__}"):
                await operation(store, key)
            await store.exists("another")  # what went out nevertheless has arrived by now
            if await store.get("first") != b"1" or await store.expires_in("first") != about(100):
                harmed.append(name)
    assert harmed == []


async def test_what_is_no_text_is_no_owner(store: Store) -> None:
    owners: list[Any] = [1, b"bytes", ["a"]]
    for owner in owners:
        with pytest.raises(InvalidKeyError, match="owner"):
            await store.set("key", b"1", owner=owner)
    assert not await store.exists("key")


@pytest.mark.parametrize(
    "owner",
    ["é😀 ' OR 1=1", "o" * 255, "a\0b", "\ud800", "o" * 1_000_000],
    ids=lambda owner: f"{owner[:10]!r} ({len(owner)})",
)
async def test_any_text_is_an_owner_or_is_refused_alone(store: Store, owner: str) -> None:
    answers = await asyncio.gather(
        store.set("key", b"1", owner=owner),
        *(store.set(f"other {number}", b"1", owner="other") for number in range(10)),
        return_exceptions=True,
    )
    assert answers[1:] == [None] * 10
    stored = [row["owner"] for row in await rows(store) if row["owner"] != "other"]
    if answers[0] is None:
        assert stored == [owner]
    else:
        assert isinstance(answers[0], ValueError), answers[0]
        assert isinstance(answers[0], StoreError), answers[0]
        assert stored == []
