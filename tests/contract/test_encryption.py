"""Values that the database cannot read, and keys that change while the table is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from litestar_sqlstores import DecryptionError, InvalidValueError, ValueTooLargeError
from tests.backends import rows
from tests.contract.helpers import about

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.backends import Store, Stores

pytestmark = pytest.mark.formats("bytes")

OLD, NEW = "the key that there was at first, a text", b"the key that came after it, in bytes"


@pytest.fixture
async def plain(stores: Stores) -> AsyncIterator[Store]:
    """A store that sees what the table holds."""
    async with stores(encryption_keys=()) as store:
        await store.create_table()
        yield store


@pytest.fixture
async def old(stores: Stores, plain: Store) -> AsyncIterator[Store]:
    async with stores.on(plain.config, encryption_keys=[OLD]) as store:
        yield store


@pytest.fixture
async def new(stores: Stores, plain: Store) -> AsyncIterator[Store]:
    """After the key was changed."""
    async with stores.on(plain.config, encryption_keys=[NEW, OLD]) as store:
        yield store


async def test_the_table_has_no_value_as_it_was_given(old: Store, plain: Store) -> None:
    values = {"one": b"a value that nobody reads", "two": b"", "three": b"x" * 100_000}
    await old.set_many(values, expires_in=100)
    await old.set("one", b"another value that nobody reads", keep_ttl=True)
    assert await old.replace("two", b"a third value that nobody reads", 100)
    stored = await plain.get_many(values)
    assert await old.get_many(values) == values | {
        "one": b"another value that nobody reads",
        "two": b"a third value that nobody reads",
    }
    for data in stored.values():
        assert b"nobody reads" not in data
        assert b"xxxx" not in data
    assert await old.expires_in("one") == about(100)
    assert await old.get("one", renew_for=1000) == b"another value that nobody reads"
    assert await old.expires_in("one") == about(1000)


async def test_what_is_unchanged_is_not_written(old: Store, plain: Store) -> None:
    await old.set("key", b"value", expires_in=1000, owner="ada")
    before = await rows(plain)
    await old.set("key", b"value", expires_in=1001, owner="ada")
    assert await rows(plain) == before


async def test_what_was_put_into_the_table_by_others_is_no_value(old: Store, plain: Store) -> None:
    await old.set_many({"mine": b"value", "theirs": b"value"})
    stolen = await plain.get("theirs")
    assert stolen is not None
    await plain.set_many({"mine": stolen, "forged": b'{"user": "admin"}', "changed": stolen[:-1] + b"?"})
    for key in ("mine", "forged", "changed"):
        with pytest.raises(DecryptionError):
            await old.get(key)
        with pytest.raises(DecryptionError):
            await old.get_many(["theirs", key], renew_for=10)
    assert await old.get("theirs") == b"value"
    # What cannot be read can be written and removed.
    await old.set("mine", b"new")
    await old.delete("forged")
    assert await old.get_many(["mine", "theirs", "forged"]) == {"mine": b"new", "theirs": b"value"}


async def test_a_namespace_has_ciphertexts_of_its_own(old: Store, plain: Store) -> None:
    child = old.with_namespace("child")
    await old.set("key", b"value")
    await child.set("key", b"value")
    assert await child.get("key") == b"value"
    found = await plain.get("key")
    assert found is not None
    assert await plain.with_namespace("child").get("key") not in {None, found}
    await plain.with_namespace("child").set("key", found)
    with pytest.raises(DecryptionError):
        await child.get("key")


async def test_a_key_is_changed_while_the_table_is_in_use(old: Store, new: Store, stores: Stores, plain: Store) -> None:
    await old.set_many({"read": b"1", "written": b"2"}, expires_in=100)
    assert await new.get_many(["read", "written"]) == {"read": b"1", "written": b"2"}
    before = await plain.get("written")
    await new.set("written", b"2", expires_in=100)
    assert await plain.get("written") != before
    with pytest.raises(DecryptionError, match="another key"):
        await old.get("written")
    last = stores.on(plain.config, encryption_keys=[NEW])
    assert await last.get("written") == b"2"
    with pytest.raises(DecryptionError, match="another key"):
        await last.get("read")


async def test_encryption_is_switched_on_and_off_while_the_table_is_in_use(stores: Stores, plain: Store) -> None:
    await plain.set_many({"before": b"value", "replaced": b"value"})
    on = stores.on(plain.config, encryption_keys=[NEW, None])
    assert await on.get("before") == b"value"
    assert await on.replace("replaced", b"next", expected=b"value")
    await on.set("after", b"value")
    assert await plain.get("after") != b"value"
    off = stores.on(plain.config, encryption_keys=[None, NEW])
    assert await off.get_many(["before", "replaced", "after"]) == {
        "before": b"value",
        "replaced": b"next",
        "after": b"value",
    }
    await off.set("after", b"value")
    assert await plain.get("after") == b"value"


async def test_what_is_expected_is_found_whichever_key_it_was_stored_with(old: Store, new: Store) -> None:
    await old.set("key", b"one")
    assert not await new.replace("key", b"two", expected=b"three")
    assert await new.get("key") == b"one"
    assert await new.replace("key", b"two", expected=b"one")
    assert await new.replace("key", b"three", expected=b"two")
    assert not await new.replace("key", b"four", expected=b"two")
    assert not await new.replace("missing", b"four", expected=b"two")
    assert await new.get("key") == b"three"


async def test_numbers_that_the_database_counts_are_not_encrypted(old: Store, new: Store, plain: Store) -> None:
    assert await old.increment("number", 5, expires_in=100) == 5
    assert await new.increment("number") == 6
    assert await old.get_number("number") == await plain.get_number("number") == 6
    assert await plain.get("number") == b"6"
    assert await old.expires_in("number") == about(100)
    for value in (b"7", b"text"):
        await old.set("value", value, expires_in=100)
        with pytest.raises(InvalidValueError):
            await old.increment("value")
        assert await old.get("value") == value


async def test_the_longest_value_is_as_long_as_ever(stores: Stores, plain: Store) -> None:
    store = stores.on(plain.config, encryption_keys=[NEW], max_value_bytes=1000)
    await store.set("key", b"x" * 1000)
    assert await store.get("key") == b"x" * 1000
    with pytest.raises(ValueTooLargeError, match="1,001 bytes long"):
        await store.set("key", b"x" * 1001)


@pytest.mark.parametrize("digits", [b"1", b"0", b"-12", b"9999999999999999999"])
async def test_digits_that_others_have_put_there_are_no_value(old: Store, plain: Store, digits: bytes) -> None:
    await old.set("session", b'{"user": "ada"}', expires_in=100)
    await plain.set("session", digits, expires_in=100)
    for read in (old.get("session"), old.get("session", renew_for=10), old.get_many(["session"])):
        with pytest.raises(DecryptionError, match=r"get_number\(\)"):
            await read
    assert not await old.replace("session", b"next", expected=digits)
    # A number is one for who asks for a number, and nothing else is.
    assert await old.get_number("session") == int(digits)
    await old.set("session", digits)
    with pytest.raises(InvalidValueError, match="no number"):
        await old.get_number("session")
    assert await old.get_number("missing") is None


async def test_values_that_begin_like_a_ciphertext_are_values(
    old: Store, new: Store, stores: Stores, plain: Store
) -> None:
    await old.set("key", b"value")
    ciphertext = await plain.get("key")
    assert ciphertext is not None
    mixed = [stores.on(plain.config, encryption_keys=keys) for keys in ([OLD, None], [None, OLD])]
    values = [b"\0siv", b"\0siv\0\0\0\0", b"\0siv\0\0\0\0text", b"\0sivabcd" + b"x" * 40, ciphertext, b"\0"]
    for store in (old, new, *mixed):
        for number, value in enumerate(values):
            await store.set(f"like {number}", value, expires_in=100)
            assert await store.get(f"like {number}") == value
            assert await store.replace(f"like {number}", value + b"!", expected=value)
            for reader in mixed if store is not new else [new]:
                assert await reader.get(f"like {number}") == value + b"!"
