"""Whether the rate limits of an application limit anything."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from litestar.middleware.rate_limit import RateLimitConfig

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.rate_limits import SQLRateLimitConfig
from litestar_sqlstores.registry import PlacedConfig

if TYPE_CHECKING:
    from litestar import Litestar

__all__ = ("check_limits",)


def check_limits(app: Litestar, placed: Iterable[PlacedConfig]) -> None:
    """See that limits have stores that can serve them, find out who calls, and have names of their own.

    Raises:
        ConfigurationError: They do not.
    """
    named: dict[str, SQLRateLimitConfig] = {}
    for config in (each.config for each in placed):
        if isinstance(config, SQLRateLimitConfig):
            config.get_store_from_app(app)
            other = named.setdefault(config.name, config)
            if (other.rate_limit, other.store) != (config.rate_limit, config.store):
                msg = (
                    f"two rate limits have the name {config.name!r} and would count in one window: one is"
                    f" {other.rate_limit!r} in the store {other.store!r}, the other {config.rate_limit!r} in"
                    f" {config.store!r}. Give each a name=... of its own"
                )
                raise ConfigurationError(msg)
        elif isinstance(config, RateLimitConfig) and _is_async(config.identifier_for_request):
            msg = (
                "the identifier_for_request of a RateLimitConfig is asynchronous, but Litestar does not await it, so"
                " that every call has a limit of its own: use SQLRateLimitConfig, or a synchronous function"
            )
            raise ConfigurationError(msg)


def _is_async(function: object) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - of an instance
