"""What is stored is what is read."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from litestar_sqlstores import InvalidValueError, ValueTooLargeError
from tests.contract.helpers import about

if TYPE_CHECKING:
    from tests.backends import Store, Stores

pytestmark = pytest.mark.about("driver", "data")

MEBIBYTE = 1024 * 1024


@pytest.mark.formats("bytes")
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00", id="NUL"),
        pytest.param(bytes(range(256)), id="every byte"),
        pytest.param(b"\xff\xfe\x00\xc3\x28", id="no UTF-8"),
        pytest.param(b"\\x41", id="PostgreSQL's escape"),
        pytest.param(b"value", id="no JSON"),
        pytest.param(b'{ "spaces" :  1.0 , "spaces":2}', id="JSON, not normalised"),
        pytest.param(bytes(range(256)) * (5 * MEBIBYTE // 256), id="5 MiB"),
    ],
)
async def test_bytes_come_back_exactly(store: Store, value: bytes) -> None:
    await store.set("key", value)
    assert await store.get("key") == value
    assert await store.get_many(["key"]) == {"key": value}


@pytest.mark.formats("bytes")
@pytest.mark.parametrize(
    "value, expected",
    [
        pytest.param("", b"", id="empty str"),
        pytest.param("é\0😀", b"\xc3\xa9\0\xf0\x9f\x98\x80", id="str"),
        pytest.param(bytearray(b"a\0b"), b"a\0b", id="bytearray"),
        pytest.param(memoryview(b"a\0b"), b"a\0b", id="memoryview"),
        pytest.param(memoryview(b"a.\0.b.")[::2], b"a\0b", id="memoryview with steps"),
    ],
)
async def test_text_is_stored_as_utf_8_and_anything_like_bytes_as_it_is(
    store: Store, value: Any, expected: bytes
) -> None:
    await store.set("key", value)
    found = await store.get("key")
    assert found == expected
    assert type(found) is bytes


async def test_a_value_is_taken_when_set_is_called(store: Store) -> None:
    value = bytearray(b"1")
    call = asyncio.ensure_future(store.set("key", value))
    await asyncio.sleep(0)
    value[:] = b"2"
    await call
    assert await store.get("key") == b"1"


async def test_the_last_value_counts(store: Store) -> None:
    for value in (b"1", b"123456789", b"2", b'"text"'):
        await store.set("key", value)
        assert await store.get("key") == value


@pytest.mark.formats("json")
async def test_json_comes_back_with_the_same_meaning(store: Store) -> None:
    values: list[object] = [
        {"user": 1, "roles": ["admin", None, True], "nested": {"": {"a": [[]]}}},
        {"é": "😀 \" \\ / \n \t ' -- ; $1 ?1 :name", "ключ": "\u2028"},
        {"b": 1, "a": 2, "aa": 0},
        [0, -1, 1.5, 1e-7, 1e22, 2**53 + 1, -(2**63)],
        [],
        {},
        "",
        None,
        False,
        "x" * (5 * MEBIBYTE),
    ]
    for value in values:
        for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2)):
            await store.set("key", text)
            assert json.loads(await store.get("key") or b"") == value


@pytest.mark.formats("json")
async def test_what_is_no_json_is_refused_and_nothing_changes(store: Store) -> None:
    await store.set("key", b"1", expires_in=100)
    for value in (
        b"",
        b" ",
        b"value",
        b"{",
        b"{'a': 1}",
        b"1 2",
        b"NaN",
        b"[1,]",
        b'"\xff"',
        b"\xef\xbb\xbf1",
        b"\0",
        b"[" * 99_999,
    ):
        with pytest.raises(InvalidValueError, match=r"no JSON.*data_format='bytes'"):
            await store.set("key", value)
    assert await store.get("key") == b"1"
    assert await store.expires_in("key") == about(100)


@pytest.mark.formats("json")
@pytest.mark.parametrize(
    "value", [r'"\u0000"', r'{"\u0000": 1}', r'"\ud800"', "[" * 900 + "]" * 900, "1e400", "9" * 400, "-0"]
)
async def test_json_that_a_database_may_refuse_is_stored_or_refused_alone(store: Store, value: str) -> None:
    others = {f"other {number}": str(number) for number in range(20)}
    await store.set("key", b"1")
    answers = await asyncio.gather(
        store.set("key", value),
        *(store.set(key, text) for key, text in others.items()),
        return_exceptions=True,
    )
    assert answers[1:] == [None] * 20
    assert await store.get_many(others) == {key: text.encode() for key, text in others.items()}
    found = await store.get("key")
    assert found is not None
    if answers[0] is None:
        assert json.loads(found) == json.loads(value)
    else:
        assert isinstance(answers[0], InvalidValueError)
        assert found == b"1"


async def test_other_types_are_refused_and_nothing_changes(store: Store) -> None:
    await store.set("key", b"1")
    values: list[Any] = [None, 1, 1.5, {"a": 1}, ["a"], object()]
    for value in values:
        with pytest.raises(InvalidValueError, match=f"str or bytes, not {type(value).__name__}"):
            await store.set("key", value)
        with pytest.raises(InvalidValueError, match="str or bytes"):
            await store.set_many({"new": b"1", "key": value})
    assert await store.get("key") == b"1"
    assert not await store.exists("new")


async def test_text_that_is_no_unicode_is_refused(store: Store) -> None:
    with pytest.raises(InvalidValueError, match="surrogates"):
        await store.set("key", '"\ud800"')
    assert not await store.exists("key")


async def test_a_value_longer_than_max_value_bytes_is_refused(store: Store, stores: Stores) -> None:
    small = stores(max_value_bytes=10)
    await small.set("key", b'"12345678"')
    for value in (b'"123456789"', '"éééé1"', bytearray(b'"123456789"'), memoryview(b'"123456789"')):
        with pytest.raises(ValueTooLargeError, match=r"11 bytes.*max_value_bytes is 10\b"):
            await small.set("key", value)
        with pytest.raises(ValueTooLargeError):
            await small.set("key", value, keep_ttl=True)
        with pytest.raises(ValueTooLargeError):
            await small.set_many({"new": b"1", "key": value})
    assert await store.get_many(["key", "new"]) == {"key": b'"12345678"'}


async def test_values_up_to_8_mib_fit_by_default(store: Store) -> None:
    text = b'"' + b"x" * (8 * MEBIBYTE - 2) + b'"'
    await store.set("key", text)
    assert await store.get("key") == text
    with pytest.raises(ValueTooLargeError, match=r"8,388,609 bytes.*8,388,608"):
        await store.set("key", text + b" ")
    assert await store.get("key") == text


async def test_large_values_of_many_callers_are_not_mixed_up(store: Store) -> None:
    values = {str(number): b'"%d"' % (number % 10) + b" " * (number * 20_000) for number in range(40)}
    await asyncio.gather(*(store.set(key, value) for key, value in values.items()))
    found = await asyncio.gather(*(store.get(key) for key in values))
    assert [json.loads(value or b"") for value in found] == [json.loads(value) for value in values.values()]


@pytest.mark.formats("json")
async def test_every_database_refuses_a_nul_in_json_and_stores_all_other_characters(store: Store) -> None:
    for value in ('{"a": "b\\u0000c"}', '{"\\u0000": 1}'):
        with pytest.raises(InvalidValueError, match="NUL"):
            await store.set("key", value)
        with pytest.raises(InvalidValueError):
            await store.set_many({"other": b"1", "key": value})
    assert await store.get_many(["key", "other"]) == {}
    text = "".join(map(chr, range(1, 0x250))) + "\\u0000"
    await store.set("key", json.dumps(text))
    assert json.loads(await store.get("key") or b"") == text
