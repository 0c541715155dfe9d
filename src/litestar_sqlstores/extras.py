"""What is only there if it was asked for when the package was installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from litestar_sqlstores.errors import MissingDriverError

__all__ = ("needing",)


@contextmanager
def needing(package: str, requires: str, wanted_by: str) -> Iterator[None]:
    """Import what may not be installed.

    Args:
        package: What the imports inside need.
        requires: What to install for it.
        wanted_by: Who needs it, for the message.

    Raises:
        MissingDriverError: One of the imports has failed.
    """
    try:
        yield
    except ImportError as error:
        msg = f"{wanted_by} needs {package}: pip install '{requires}'"
        raise MissingDriverError(msg) from error
