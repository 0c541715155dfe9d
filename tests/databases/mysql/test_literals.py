"""Values inside statements."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from litestar_sqlstores import ValueTooLargeError
from litestar_sqlstores.backends.mysql_literals import MAX_HEX_BYTES
from tests.databases.mysql.clients import KEYS, client, opened

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize("data_format", ["bytes", "json"])
async def test_lengths_around_every_limit_come_back(url: str, data_format: Any) -> None:
    """MariaDB cuts hexadecimal literals in some places to their length modulo 65,536."""
    lengths = [0, 1, 255, 256, 512, 513, MAX_HEX_BYTES, MAX_HEX_BYTES + 1, 65_535, 65_536, 65_537, 1_000_000]
    values = {str(length): b'"' + b"\\" * (length // 2 * 2) + b'"' for length in lengths}
    async with opened(url, data_format=data_format) as store:
        await store.set_many(values)
        assert await store.get_many(values) == values
        for owner in ("o" * 255, "😀" * 255):
            await store.set("owned", b"1", owner=owner)
            assert [entry.digest for entry in await store.list_owned(owner)] == [store.digest("owned")]
        assert all(await asyncio.gather(*(store.replace(key, b"1", expected=value) for key, value in values.items())))
        assert set((await store.get_many(values)).values()) == {b"1"}


async def test_a_trailing_space_makes_another_namespace_and_another_owner(url: str) -> None:
    """For most collations of MySQL's it does not."""
    async with opened(url, namespace="A") as store, opened(url, namespace="A ") as spaced:
        for each in (store, spaced):
            await each.set("key", b"1", owner="ada")
            await each.set("spaced", b"1", owner="ada ")
            await each.set("case", b"1", owner="Ada")
        assert await store.delete_owned("ada") == 1
        assert await store.get_many(["key", "spaced", "case"]) == {"spaced": b"1", "case": b"1"}
        assert len(await spaced.list_owned("ada ")) == 1
        await store.delete_all()
        assert not await store.exists("case")
        assert len(await spaced.get_many(["key", "spaced", "case"])) == 3
        await spaced.set("key", b"1", owner="ada ")
        assert await spaced.list_owned("ada") == []


async def test_a_thousand_years_are_no_never(url: str) -> None:
    async with opened(url) as store, client(url) as execute:
        await store.set("key", b"1", expires_in=10**15)
        await store.set("renewed", b"1", expires_in=10)
        await store.renew("renewed", 10**15)
        ages = await execute("SELECT TIMESTAMPDIFF(DAY, UTC_TIMESTAMP(), expires_at) FROM litestar_session")
        assert {days for (days,) in ages} <= {364_999, 365_000}
        for key in ("key", "renewed"):
            assert (await store.expires_in(key) or 0) > 999 * 365 * 24 * 60 * 60


async def test_a_value_beyond_the_servers_packet_is_refused_alone_and_says_so(url: str) -> None:
    async with opened(url, max_value_bytes=200 * MEBIBYTE, timeout=60) as store, client(url) as execute:
        ((packet,),) = await execute("SELECT @@max_allowed_packet")
        value = bytes(packet * 3 // 4)
        others = dict.fromkeys(KEYS, b"1")
        answers = await asyncio.gather(
            store.set("large", value),
            *(store.set(key, b"1") for key in others),
            return_exceptions=True,
        )
        assert isinstance(answers[0], ValueTooLargeError)
        assert re.search(r"max_allowed_packet", str(answers[0]))
        assert answers[1:] == [None] * len(others)
        assert await store.get_many(["large", *others]) == others
        await store.set("large", value[: packet * 5 // 7])
        assert len(await store.get("large") or b"") == packet * 5 // 7
