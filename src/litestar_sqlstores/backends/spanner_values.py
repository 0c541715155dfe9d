"""Values as the client of Cloud Spanner takes them, and as it gives them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.cloud.spanner_v1 import TypeCode
from google.cloud.spanner_v1.param_types import BYTES, INT64, STRING, Array, Struct, StructField

__all__ = ("ParameterTypes", "decoded")

# What a batch has for each key, beside the key and its shard.
_ENTRY = ("namespace", "data", "ttl", "tolerance", "owner", "key_text")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "get": (),
    "get_for_renewal": ("ttl", "tolerance"),
    "due_for_renewal": ("ttl", "tolerance"),
    "renew": ("ttl", "expires_at"),
    "remaining": (),
    "set": _ENTRY,
    "set_keeping_ttl": _ENTRY,
    "add": _ENTRY,
    "replace": (*_ENTRY, "expected"),
    "increment": ("namespace", "amount", "ttl", "key_text"),
    "still_expired": (),
    "inspect": (),
}
_TYPES = {
    **dict.fromkeys(("shard_id", "ttl", "tolerance", "expires_at", "amount", "most"), INT64),
    **dict.fromkeys(("namespace", "owner", "key_text", "prefix", "children", "behind", "schema", "table"), STRING),
    **dict.fromkeys(("key_digest", "keep"), BYTES),
    **dict.fromkeys(("shards", "bounds"), Array(INT64)),
}
# The client would hand out bytes as base64, and JSON as objects.
_DECODERS: Mapping[int, Callable[[str], Any]] = {
    TypeCode.BYTES: b64decode,
    TypeCode.INT64: int,
    TypeCode.JSON: str.encode,
}


class ParameterTypes:
    """The types of what statements take.

    Args:
        json: Whether data is JSON, which travels as text.
    """

    def __init__(self, *, json: bool) -> None:
        self._types = {**_TYPES, **dict.fromkeys(("data", "expected"), STRING if json else BYTES)}

    def of(self, name: str, parameters: Iterable[str]) -> dict[str, Any]:
        """The types of the parameters of a statement."""
        return {parameter: self._types.get(parameter) or self._batch(name) for parameter in parameters}

    def _batch(self, name: str) -> Any:
        columns = ("shard_id", "key_digest", *_COLUMNS[name])
        return Array(Struct([StructField(column, self._types[column]) for column in columns]))


def decoded(fields: Iterable[Any], rows: Iterable[Any]) -> list[list[Any]]:
    """Rows as they were stored, of cells that the client has left as they came."""
    decoders = [_DECODERS.get(field.type_.code, str) for field in fields]
    return [
        [
            None if cell.HasField("null_value") else decode(cell.string_value)
            for decode, cell in zip(decoders, row, strict=True)
        ]
        for row in rows
    ]
