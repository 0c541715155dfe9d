from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from litestar_sqlstores.errors import InvalidValueError, ValueTooLargeError
from litestar_sqlstores.values import DataFormat, encode_value

LIMIT = 1000
FORMATS: tuple[DataFormat, ...] = ("bytes", "json")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda children: (
        st.lists(children)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), children)
    ),
    max_leaves=20,
)


@given(st.binary(max_size=LIMIT))
def test_bytes_are_stored_as_they_are(value: bytes) -> None:
    for given_value in (value, bytearray(value), memoryview(value)):
        data = encode_value(given_value, "bytes", LIMIT)
        assert type(data) is bytes
        assert data == value


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=LIMIT // 4))
def test_text_is_stored_as_utf8(value: str) -> None:
    assert encode_value(value, "bytes", LIMIT).decode() == value


def test_parts_of_other_memory_are_stored_as_their_bytes() -> None:
    assert encode_value(memoryview(b"abcdef")[::2], "bytes", LIMIT) == b"ace"
    assert encode_value(memoryview(b"abcdefgh").cast("I"), "bytes", 8) == b"abcdefgh"


def test_what_is_stored_does_not_change_with_the_callers_buffer() -> None:
    buffer = bytearray(b"before")
    data = [encode_value(buffer, "bytes", LIMIT), encode_value(memoryview(buffer), "bytes", LIMIT)]
    buffer[:] = b"after!"
    assert data == [b"before", b"before"]


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("value", [None, 31337, 3.5, ["s3cr3t"], {"s3cr3t": 1}, object()])
def test_what_is_neither_text_nor_bytes_is_refused_with_a_way_out(value: Any, data_format: DataFormat) -> None:
    with pytest.raises(InvalidValueError) as caught:
        encode_value(value, data_format, LIMIT)
    assert f"values are str or bytes, not {type(value).__name__}; encode the value first" in str(caught.value)
    assert not re.search("s3cr3t|31337", str(caught.value))


@pytest.mark.parametrize("data_format", FORMATS)
def test_lone_surrogates_are_refused_with_a_way_out(data_format: DataFormat) -> None:
    with pytest.raises(InvalidValueError, match=r"surrogates.*encode it yourself and store the bytes") as caught:
        encode_value('"s3cr3t\ud800"', data_format, LIMIT)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("value", ["\u20ac" * 100, b"x" * 300, bytearray(300), memoryview(bytes(300))])
def test_the_limit_is_one_of_bytes_and_is_named(value: Any) -> None:
    assert len(encode_value(value, "bytes", 300)) == 300
    with pytest.raises(ValueTooLargeError, match=r"the value is 300 bytes long, max_value_bytes is 299; store less"):
        encode_value(value, "bytes", 299)
    with pytest.raises(ValueTooLargeError, match=r"is 5,242,880 bytes long, max_value_bytes is 1,048,576"):
        encode_value(b"x" * 5 * 2**20, "json", 2**20)


@given(value=json_values, ascii_only=st.booleans(), indent=st.none() | st.integers(0, 2))
def test_json_is_stored_byte_by_byte(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert encode_value(text, "json", 10**6) == text.encode()
    assert encode_value(text.encode(), "json", 10**6) == text.encode()


@given(st.text() | st.binary() | json_values.map(json.dumps).map(lambda text: text[: len(text) // 2]))
@example("NaN")
@example('{"a": Infinity}')
@example("-Infinity")
@example("'single'")
@example("1 2")
@example("\ufeff1")
@example(b'"\xff"')
def test_what_passes_is_json(value: str | bytes) -> None:
    with contextlib.suppress(InvalidValueError):
        json.loads(encode_value(value, "json", 10**6).decode(), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "value",
    [
        "s3cr3t",
        '"s3cr3t',
        '{"s3cr3t": }',
        '["s3cr3t" "s3cr3t"]',
        '{"s3cr3t": 1e999}',
        '{"s3cr3t": "\\ud800"}',
        b'{"s3cr3t": "\xff"}',
        "[" * 100_000 + '"s3cr3t"' + "]" * 100_000,
        "",
    ],
)
def test_what_is_no_json_is_refused_without_a_word_of_it(value: str | bytes) -> None:
    with pytest.raises(
        InvalidValueError, match=r"^the value is no JSON .*; store JSON, or make the store with data_format='bytes'$"
    ) as caught:
        encode_value(value, "json", 10**7)
    assert not re.search("s3cr3t|ud800|xff", str(caught.value))


@pytest.mark.parametrize(
    "value", ['"\\u0000"', '{"a": "b\\u0000"}', '{"\\u0000": 1}', '["\\\\\\u0000"]', '["\\\\", "\\u0000"]']
)
def test_a_nul_in_json_is_refused(value: str) -> None:
    assert "\0" in repr(json.loads(value)).replace("\\x00", "\0")
    with pytest.raises(InvalidValueError, match=r"NUL in a string .*data_format='bytes'"):
        encode_value(value, "json", 100)
    assert encode_value(value, "bytes", 100) == value.encode()


@pytest.mark.parametrize("value", ['"\\\\u0000"', '"\\\\\\\\u0000"', '"u0000"', '"\\u0001"'])
def test_what_only_looks_like_a_nul_is_stored(value: str) -> None:
    assert encode_value(value, "json", 100) == value.encode()
