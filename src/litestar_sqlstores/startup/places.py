"""Whether features of an application that are cleared by themselves have places of their own."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from litestar.middleware.rate_limit import RateLimitConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.registry import PlacedConfig
from litestar_sqlstores.startup.response_cache import has_cached_routes
from litestar_sqlstores.store import BaseSQLSpecStore

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.stores.base import Store

__all__ = ("check_places",)


def check_places(app: Litestar, placed: Iterable[PlacedConfig]) -> None:
    """See that sessions, cached responses and rate limits are not in one namespace.

    Raises:
        ConfigurationError: They are.
    """
    places: dict[tuple[str, str], Store] = {}
    for config in (each.config for each in placed):
        if isinstance(config, (ServerSideSessionConfig, RateLimitConfig)):
            feature = "sessions" if isinstance(config, ServerSideSessionConfig) else "rate limits"
            places[feature, config.store] = config.get_store_from_app(app)
    if has_cached_routes(app):
        name = app.response_cache_config.store
        places["cached responses", name] = app.stores.get(name)
    for ((feature, name), store), ((other, other_name), other_store) in itertools.combinations(places.items(), 2):
        if feature != other and _is_one_place(store, other_store):
            msg = (
                f"{feature} (store {name!r}) and {other} (store {other_name!r}) are in one namespace, so that clearing"
                " one would clear the other: give one of their configs another store=..."
            )
            raise ConfigurationError(msg)


def _is_one_place(one: Store, other: Store) -> bool:
    if isinstance(one, BaseSQLSpecStore) and isinstance(other, BaseSQLSpecStore):
        return (one.config, one.settings.table, one.namespace) == (other.config, other.settings.table, other.namespace)
    return one is other
