"""Values as MySQL and MariaDB read them inside a statement, whatever the character set and the SQL mode.

aiomysql would escape bytes with backslashes, which is unsafe where the SQL mode has no such escapes, and slow.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import TypeAlias

__all__ = ("MAX_HEX_BYTES", "Value", "literal")

Value: TypeAlias = bytes | str | int | list[bytes] | list[int] | None

MAX_HEX_BYTES = 4096
"""The longest literal in hexadecimal digits, which are fast. Longer ones are base64: it has two thirds of their length,
and MariaDB cuts hexadecimal literals in a UNION to their length modulo 65,536."""


def literal(value: Value) -> str:
    """A value in a statement: text as the bytes of its UTF-8, a list with commas between, None as NULL.

    Raises:
        ValueError: A number has more than 64 bits, or a text has lone surrogates.
    """
    if isinstance(value, bytes):
        if len(value) <= MAX_HEX_BYTES:
            return f"x'{value.hex()}'"
        return f"FROM_BASE64('{b2a_base64(value, newline=False).decode()}')"
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return literal(value.encode())
    if isinstance(value, list):
        return ",".join([literal(each) for each in value])
    if not -(2**63) <= value < 2**63:
        msg = "the number has more than 64 bits"
        raise ValueError(msg)
    return str(value)
