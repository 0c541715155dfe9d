"""Refuses at start-up what could not work, by name and with what to change: no request finds it out first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar_sqlstores.registry import placed_configs
from litestar_sqlstores.startup.limits import check_limits
from litestar_sqlstores.startup.places import check_places
from litestar_sqlstores.startup.response_cache import check_response_cache
from litestar_sqlstores.startup.sessions import check_sessions

if TYPE_CHECKING:
    from litestar import Litestar

__all__ = ("check_application",)


def check_application(app: Litestar) -> None:
    """See whether the sessions, cached responses and rate limits of an application can work, and work together.

    Raises:
        ConfigurationError: They cannot.
    """
    placed = list(placed_configs(app))
    check_sessions(app, placed)
    check_limits(app, placed)
    check_response_cache(app, placed)
    check_places(app, placed)
