"""Readable keys: kept only where that is asked for, and then whatever starts with a prefix can be removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import ConfigurationError, InvalidKeyError
from tests.backends import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.backends import Store, Stores

PAGES = ["GET/a", "GET/a/1", "GET/a/2", "GET/b", "POST/a"]


@pytest.fixture
async def cache(stores: Stores) -> AsyncIterator[Store]:
    """A store that keeps keys, beside one that does not."""
    async with stores(keep_keys=["cache"]) as parent:
        await parent.create_table()
        yield parent.with_namespace("cache")


async def texts(store: Store) -> list[str | None]:
    return sorted((row["key_text"] for row in await rows(store, "key_text")), key=str)


async def kept(store: Store, keys: list[str]) -> list[str]:
    return list(await store.get_many(keys))


async def test_keys_are_kept_where_that_is_asked_for_and_nowhere_else(cache: Store, stores: Stores) -> None:
    parent = stores.on(cache.config, keep_keys=["cache"])
    for store in (parent, parent.with_namespace("other"), parent.with_namespace("cache2"), cache.with_namespace("x")):
        assert not store.keeps_keys
        await store.set("planted", b"1")
        await store.increment("planted number", expires_in=100)
    assert await texts(cache) == [None] * 8
    assert cache.keeps_keys
    await cache.set("set", b"1")
    await cache.set("set, keep_ttl", b"1", keep_ttl=True)
    await cache.set_many({"set_many": b"1"}, expires_in=100)
    await cache.increment("increment", expires_in=100)
    assert await texts(cache) == [*[None] * 8, "increment", "set", "set, keep_ttl", "set_many"]


async def test_the_store_itself_may_keep_keys(stores: Stores) -> None:
    async with stores(keep_keys=True) as store:
        await store.create_table()
        child = store.with_namespace("child")
        await store.set("a", b"1")
        await child.set("b", b"1")
        assert await texts(store) == [None, "a"]
        assert await store.invalidate(prefix="a") == 1
        assert await kept(child, ["b"]) == ["b"]


async def test_a_prefix_removes_what_starts_with_it_and_nothing_else(cache: Store, stores: Stores) -> None:
    spaces = [
        cache,
        *(stores.on(cache.config, namespace=f"LITESTAR_{name}", keep_keys=True) for name in ("cache_x", "cache2", "c")),
    ]
    for space in spaces:
        await space.set_many(dict.fromkeys(PAGES, b"1"), expires_in=100)
    assert await cache.invalidate(prefix="GET/a/") == 2
    assert await kept(cache, PAGES) == ["GET/a", "GET/b", "POST/a"]
    assert await cache.invalidate(prefix="GET/a/") == 0
    assert await cache.invalidate(prefix="GET") == 2
    assert await cache.invalidate(prefix="get") == await cache.invalidate(prefix="P%") == 0
    assert await cache.invalidate(prefix="POST/a") == 1
    for space in spaces[1:]:
        assert await kept(space, PAGES) == PAGES


async def test_texts_are_compared_by_code_point(cache: Store) -> None:
    # What collations take for equal, LIKE takes for a pattern, and the order of UTF-16 puts elsewhere.
    keys = [
        *("a", "A", "á", "a ", "a\t", "a\x01", "a  b", " a", "a%", "a_", "ab", "a\\", "aé", "ae\u0301", "a'\"`;--"),
        *(
            "b",
            "a\ud7ff",
            "a\ue000",
            "a\uffff",
            "a😀",
            "😀",
            "\ud7ff",
            "\ud7ff1",
            "\ue000",
            "\U0010fffe",
            "ÿ",
            "%",
            "_",
        ),
    ]
    for prefix in keys:
        await cache.set_many(dict.fromkeys(keys, b"1"))
        matching = [key for key in keys if key.startswith(prefix)]
        assert await cache.invalidate(prefix=prefix) == len(matching), ascii(prefix)
        assert await kept(cache, keys) == [key for key in keys if key not in matching], ascii(prefix)


async def test_any_key_may_still_be_set(cache: Store) -> None:
    long = ["x" * 512, "x" * 513, "x" * 100_000, "😀" * 600]
    odd = ["", "\0", "odd\0a", "odd\ud800", "odd\udfff1", "odd\U0010ffff", "odd\n"]
    for number, key in enumerate([*long, *odd]):
        await cache.set(key, str(number), expires_in=100)
        assert await cache.get(key, renew_for=200) == str(number).encode()
        assert await cache.increment(f"{key}1") == 1
    assert await cache.invalidate(prefix="x" * 512) == 6
    assert await cache.invalidate(prefix="😀" * 512) == 2
    assert await cache.invalidate(prefix="odd") == 10
    assert await kept(cache, [*long, *odd]) == ["", "\0"]


async def test_a_prefix_that_says_nothing_is_refused(cache: Store) -> None:
    await cache.set_many(dict.fromkeys(PAGES, b"1"))
    with pytest.raises(InvalidKeyError, match=r"delete_all\(\)"):
        await cache.invalidate(prefix="")
    for prefix in ("x" * 513, "a\0", "a\ud800", "\U0010ffff"):
        with pytest.raises(InvalidKeyError, match="the first 512 are kept"):
            await cache.invalidate(prefix=prefix)
    with pytest.raises(InvalidKeyError, match="not bytes"):
        await cache.invalidate(prefix=b"GET")  # type: ignore[arg-type]
    assert await kept(cache, PAGES) == PAGES


async def test_a_prefix_without_readable_keys_is_refused(store: Store) -> None:
    child = store.with_namespace("cache")
    await child.set_many(dict.fromkeys(PAGES, b"1"))
    for space in (store, child):
        with pytest.raises(
            ConfigurationError, match=rf"'{space.namespace}' has digests.*keep_keys=\['response_cache'\]"
        ):
            await space.invalidate(prefix="GET")
    assert await kept(child, PAGES) == PAGES


async def test_many_are_removed_in_batches(cache: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litestar_sqlstores.store.calls.DELETE_BATCH", 50)
    for size in (49, 50, 101):
        await cache.set_many({f"page {number}": b"1" for number in range(size)}, expires_in=100)
        await cache.set("other", b"1")
        assert await cache.invalidate(prefix="page ") == size
        assert await texts(cache) == ["other"]


async def test_an_entry_gets_and_loses_its_text_when_it_is_written(cache: Store, stores: Stores) -> None:
    plain = stores.on(cache.config).with_namespace("cache")
    await plain.set("key", b"1")
    assert await cache.invalidate(prefix="key") == 0
    await cache.set("key", b"2")
    assert await texts(cache) == ["key"]
    assert await cache.replace("key", b"3")
    assert await cache.renew("key", 100)
    assert await texts(cache) == ["key"]
    await plain.set("key", b"4")
    assert await texts(cache) == [None]
    await cache.increment("key")
    assert await texts(cache) == ["key"]
    assert await cache.get_number("key") == 5
