"""What is stored under a key, as bytes: a page, or what pages under the key depend on."""

from __future__ import annotations

from typing import Self, TypeAlias

import msgspec

__all__ = ("Page", "Record", "Variants", "decode_record", "encode_record")


class Page(msgspec.Struct, frozen=True, array_like=True, tag="page"):
    """A whole response."""

    messages: bytes
    """The ASGI messages that send it, encoded as Litestar reads them from a cache."""

    @classmethod
    def of(cls, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Self:
        """The page of a response."""
        start = {"type": "http.response.start", "status": status, "headers": headers}
        end = {"type": "http.response.body", "body": body, "more_body": False}
        return cls(msgspec.msgpack.encode([start, end]))


class Variants(msgspec.Struct, frozen=True, array_like=True, tag="vary"):
    """There are several pages, for different values of request headers; each has a key of its own."""

    names: list[str]
    """Of the headers, in lower case, sorted."""


Record: TypeAlias = Page | Variants

encode_record = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def decode_record(data: bytes) -> Record | None:
    """What some bytes hold; None if they are none of the cache's."""
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError:
        return None
