"""What an application has: stores under names, and configs of sessions and rate limits in its middleware."""

from __future__ import annotations

from litestar_sqlstores.registry.configs import PlacedConfig, middleware_configs, middleware_of, placed_configs
from litestar_sqlstores.registry.stores import refuse_kept_keys, registered_store

__all__ = (
    "PlacedConfig",
    "middleware_configs",
    "middleware_of",
    "placed_configs",
    "refuse_kept_keys",
    "registered_store",
)
