"""Whether the sessions of an application can work."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from litestar.middleware.session.base import BaseBackendConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.registry import PlacedConfig, refuse_kept_keys

if TYPE_CHECKING:
    from litestar import Litestar

__all__ = ("check_sessions",)


def check_sessions(app: Litestar, placed: Iterable[PlacedConfig]) -> None:
    """See that sessions have stores that can serve them, and that no two of them get into each other's way.

    Raises:
        ConfigurationError: They do.
    """
    sessions = [each for each in placed if isinstance(each.config, BaseBackendConfig)]
    configs: list[Any] = list({id(each.config): each.config for each in sessions}.values())
    for config in configs:
        if isinstance(config, ServerSideSessionConfig):
            # Of SQLSessionConfig, it is none but of this package.
            refuse_kept_keys(config.get_store_from_app(app))
    _refuse_two_on_one_route(sessions)
    for one, other in itertools.combinations(configs, 2):
        if one != other and one.key == other.key and _share_cookies(one, other):
            msg = (
                f"{_name(one)} and {_name(other)} have the cookie {one.key!r} for paths that overlap ({one.path!r} and"
                f" {other.path!r}), so each overwrites the other's: give one of them another key=..., or use one config"
            )
            raise ConfigurationError(msg)


def _refuse_two_on_one_route(sessions: Iterable[PlacedConfig]) -> None:
    for (_, route), group in itertools.groupby(sessions, key=lambda each: (id(each.handler), each.route.path)):
        by_middleware: dict[int, list[PlacedConfig]] = {}
        for each in group:
            if each.applies:
                by_middleware.setdefault(id(each.middleware), []).append(each)
        for one, other in itertools.combinations(by_middleware.values(), 2):
            if not any(a.config == b.config for a in one for b in other):
                first, second = one[0].config, other[0].config
                msg = (
                    f"the route {route} has two sessions, of {_name(first)} with the cookie {first.key!r} and of"
                    f" {_name(second)} with {second.key!r}, but request.session can be one only: take one of them off"
                    f" the route, or exclude it there (exclude=..., or opt={{{second.exclude_opt_key!r}: True}})"
                )
                raise ConfigurationError(msg)


def _share_cookies(one: Any, other: Any) -> bool:
    """Whether some request may carry the cookies of both."""
    if one.domain and other.domain and not _within(one.domain, other.domain, "."):
        return False
    short, long = sorted((one.path.rstrip("/"), other.path.rstrip("/")), key=len)
    return long == short or bool(long.startswith(f"{short}/"))


def _within(one: str, other: str, separator: str) -> bool:
    short, long = sorted((one.strip(separator).lower(), other.strip(separator).lower()), key=len)
    return long == short or long.endswith(f"{separator}{short}")


def _name(config: object) -> str:
    return type(config).__name__
