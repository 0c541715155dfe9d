"""What becomes of tests whose server cannot be had here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("ServerUnavailable", "require")

T = TypeVar("T")


class ServerUnavailable(Exception):  # noqa: N818 - says what is so, not what went wrong
    """A server cannot be had here; the text says how to get it."""


def require(server: Callable[[], T], *, in_ci: bool = True) -> T:
    """Call `server`; where it cannot be had, skip the test with what to do about it.

    Args:
        server: What makes the server.
        in_ci: Whether to fail the test instead where `CI` is `true`.
    """
    import pytest

    try:
        return server()
    except ServerUnavailable as error:
        if in_ci and os.environ.get("CI") == "true":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
