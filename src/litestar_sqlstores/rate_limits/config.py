"""What an application sets about a rate limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from litestar.connection import Request
from litestar.middleware.base import DefineMiddleware
from litestar.middleware.rate_limit import DURATION_VALUES, RateLimitConfig, get_remote_address

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.rate_limits.middleware import SQLRateLimitMiddleware
from litestar_sqlstores.registry import registered_store

if TYPE_CHECKING:
    from litestar import Litestar

    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("SQLRateLimitConfig",)

Identifier: TypeAlias = Callable[[Request[Any, Any, Any]], str | Awaitable[str]]


@dataclass
class SQLRateLimitConfig(RateLimitConfig):
    """A drop-in for Litestar's ``RateLimitConfig`` whose limit is exact, however many workers there are.

    All its fields mean the same; ``identifier_for_request`` may be asynchronous, too. The store that ``store`` names
    must be one of this package. A window begins with a client's first call and ends a ``rate_limit`` unit later; calls
    that are refused count, but do not make it longer.
    """

    identifier_for_request: Identifier = get_remote_address  # type: ignore[assignment]  # Litestar's is synchronous
    """Whose calls are counted together; may be asynchronous. By default the client's address."""
    middleware_class: type[Any] = field(default=SQLRateLimitMiddleware)
    """The middleware: a subclass of :class:`SQLRateLimitMiddleware`."""
    name: str = ""
    """What the limit is known by; by default how much it allows, such as ``100/minute``. Limits of one name are one
    limit: a request that meets it on several layers counts once, and routes that have it share what it allows."""
    on_unavailable: Literal["refuse", "allow"] = "refuse"
    """What becomes of requests while the database is away. ``"refuse"``: they are answered with 503 and
    ``Retry-After``, so that nobody gets around the limit by overloading the database. ``"allow"``: they are let
    through uncounted, after a second at most."""

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigurationError: One of them cannot be.
        """
        super().__post_init__()
        unit, count = self.rate_limit
        if unit not in DURATION_VALUES or not isinstance(count, int) or isinstance(count, bool) or count < 1:
            msg = (
                f"rate_limit is {self.rate_limit!r}; it must be a unit (second, minute, hour, day) and a positive"
                " number, such as ('minute', 100)"
            )
            raise ConfigurationError(msg)
        if self.on_unavailable not in {"refuse", "allow"}:
            msg = f"on_unavailable is {self.on_unavailable!r}; it must be 'refuse' or 'allow'"
            raise ConfigurationError(msg)
        if not isinstance(self.name, str) or ":" in self.name:
            msg = f"name is {self.name!r}; it must be a text without colons"
            raise ConfigurationError(msg)
        self.name = self.name or f"{count}/{unit}"

    @property
    def middleware(self) -> DefineMiddleware:
        """The middleware for a layer of the application."""
        return DefineMiddleware(self.middleware_class, config=self)

    def get_store_from_app(self, app: Litestar) -> BaseSQLSpecStore[Any]:
        """The store of the application that :attr:`store` names.

        Raises:
            ConfigurationError: It is none of this package.
        """
        return registered_store(app, self.store, type(self).__name__)
