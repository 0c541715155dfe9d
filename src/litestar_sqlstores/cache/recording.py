"""Keeps a response as it passes by, if it is whole in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from litestar_sqlstores.cache.policy import Headers, values_of

if TYPE_CHECKING:
    from litestar.types import Message

__all__ = ("Recording", "copied_start")


def copied_start(message: Message) -> Message:
    """A start message of its own: what others do with the headers of one shows in no other."""
    start = cast("dict[str, Any]", message)
    headers = [(bytes(name), bytes(value)) for name, value in start.get("headers", ())]
    return cast("Message", {**start, "headers": headers})


class Recording:
    """One response.

    Args:
        limit: How many bytes of body are kept at most; a response with more is not.

    Attributes:
        spoiled: Whether the response cannot be kept: it began twice, is too large, or is no plain response.
        status: Of the response, 0 before it has begun.
        headers: Of the response.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._complete = False
        self.spoiled = False
        self.status = 0
        self.headers: Headers = []

    def spoil(self) -> None:
        """Keep nothing of the response, also of what is still to come."""
        self.spoiled = True
        self._parts.clear()

    def add(self, message: Message) -> bool:
        """Keep a message; returns whether the response is complete with it, and nothing stands against it."""
        event = cast("dict[str, Any]", message)
        if self.spoiled:
            return False
        if event["type"] == "http.response.start" and not self.status and not event.get("trailers"):
            self.status = event["status"]
            self.headers = [(bytes(name), bytes(value)) for name, value in event.get("headers", ())]
        elif event["type"] == "http.response.body" and self.status and not self._complete:
            self._add_body(bytes(event.get("body", b"")))
            self._complete = not self.spoiled and not event.get("more_body", False)
        else:
            # A second start, or what is no body: a file that the server is to send, early hints, ...
            self.spoil()
        return self._complete and not self.spoiled

    def _add_body(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > self._limit:
            self.spoil()

    def body(self) -> bytes:
        """The body of the complete response."""
        return b"".join(self._parts)

    def has_right_length(self, method: str) -> bool:
        """Whether the body is as long as the response says; one to HEAD may have none."""
        lengths = set(values_of(self.headers, b"content-length"))
        if not lengths or (method == "HEAD" and not self._size):
            return True
        return lengths == {b"%d" % self._size}
