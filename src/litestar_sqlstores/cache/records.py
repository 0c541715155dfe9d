"""What is stored under a key, as bytes: a page, or what pages under the key depend on."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

__all__ = ("Page", "Record", "Variants", "decode_record", "encode_record")


class Page(msgspec.Struct, frozen=True, array_like=True, tag="page"):
    """A whole response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def messages(self) -> bytes:
        """The ASGI messages that send it, as Litestar reads them from a cache."""
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        body = {"type": "http.response.body", "body": self.body, "more_body": False}
        return msgspec.msgpack.encode([start, body])


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
