"""Values as users give them to values as the table holds them."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import msgspec

from litestar_sqlstores.errors import InvalidValueError, ValueTooLargeError

__all__ = ("DataFormat", "Value", "encode_value", "is_number")

DataFormat: TypeAlias = Literal["bytes", "json"]
Value: TypeAlias = "str | bytes | bytearray | memoryview"

_NUMBER = re.compile(rb"-?[0-9]{1,19}")
# A NUL in a string, and not a backslash in front of "u0000".
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def encode_value(value: Value, data_format: DataFormat, max_bytes: int) -> bytes:
    """The bytes to store: text as UTF-8, anything bytes-like as it is.

    Raises:
        InvalidValueError: ``value`` is neither text nor bytes, or is no JSON where the store holds JSON.
        ValueTooLargeError: ``value`` is longer than ``max_bytes``.
    """
    if isinstance(value, str):
        try:
            data = value.encode("utf-8")
        except UnicodeEncodeError as error:
            msg = "the value holds lone surrogates, which are no UTF-8; encode it yourself and store the bytes"
            raise InvalidValueError(msg) from error
    elif isinstance(value, bytes):
        data = value
    elif isinstance(value, (bytearray, memoryview)):
        data = bytes(value)
    else:
        msg = (
            f"values are str or bytes, not {type(value).__name__}; encode the value first, for example with json.dumps"
        )
        raise InvalidValueError(msg)
    if len(data) > max_bytes:
        msg = f"the value is {len(data):,} bytes long, max_value_bytes is {max_bytes:,}; store less or raise the limit"
        raise ValueTooLargeError(msg)
    if data_format == "json":
        _check_json(data)
    return data


def is_number(data: bytes) -> bool:
    """Whether data is what the database writes for a number that it counts."""
    return _NUMBER.fullmatch(data) is not None


_JSON_OR_BYTES = "store JSON, or make the store with data_format='bytes'"


def _check_json(data: bytes) -> None:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        msg = f"the value is no JSON ({error}); {_JSON_OR_BYTES}"
        raise InvalidValueError(msg) from error
    except UnicodeDecodeError:
        # Neither its text nor itself: both hold the value.
        msg = f"the value is no JSON (no UTF-8); {_JSON_OR_BYTES}"
        raise InvalidValueError(msg) from None
    # The rest of the check is for the few that may have one.
    if b"\\u0000" in data and _NUL.search(data):
        msg = f"the value has a NUL in a string (\\u0000), which not every database stores in JSON; {_JSON_OR_BYTES}"
        raise InvalidValueError(msg)
