"""What cannot work, or not together, is refused at start-up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from litestar import Litestar, asgi, get, websocket
from litestar.config.app import AppConfig
from litestar.config.response_cache import ResponseCacheConfig
from litestar.middleware.base import DefineMiddleware
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.middleware.session.client_side import CookieBackendConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.plugins import InitPlugin
from litestar.security.session_auth import SessionAuth

from litestar_sqlstores import SQLRateLimitConfig, SQLSessionConfig, SQLStoresPlugin
from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.registry.configs import configs_in
from tests.wiring.helpers import AnyRequest, AnyWebSocket, serve

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send


MISSING = SQLSessionConfig(store="elsewhere")
CLIENT_SIDE = CookieBackendConfig(secret=b"0" * 16)


class Wrapper:
    """A middleware of another package."""

    def __init__(self, app: ASGIApp, *args: Any, **kwargs: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@dataclass(slots=True)
class Slotted:
    inner: object


class Holder:
    def __init__(self, inner: object) -> None:
        self._inner = inner

    def make(self, app: ASGIApp) -> ASGIApp:
        return app

    @property
    def dangerous(self) -> None:
        raise AssertionError


class Callable(Holder):
    def __call__(self, app: ASGIApp) -> ASGIApp:
        return app


def closure(config: object) -> Any:
    def make(app: ASGIApp) -> ASGIApp:
        return app if config else Wrapper(app)

    return make


class Classed(Wrapper):
    config = MISSING


def pass_on(app: ASGIApp, config: object) -> ASGIApp:
    return app


WAYS: dict[str, Any] = {
    "middleware": MISSING.middleware,
    "backend": DefineMiddleware(Wrapper, backend=MISSING._backend_class(MISSING)),
    "keyword": DefineMiddleware(Wrapper, session_backend_config=MISSING),
    "argument": DefineMiddleware(Wrapper, MISSING),
    "list": DefineMiddleware(Wrapper, settings={"all": [MISSING]}),
    "attribute": DefineMiddleware(Wrapper, settings=Holder(Slotted(Holder(MISSING)))),
    "wrapped": DefineMiddleware(Wrapper, inner=MISSING.middleware),
    "session auth": SessionAuth[Any, Any](
        retrieve_user_handler=lambda *_: None, session_backend_config=MISSING
    ).middleware,
    "closure": closure(MISSING),
    "partial": partial(pass_on, config=MISSING),
    "method": Callable(MISSING).make,
    "callable": Callable(MISSING),
    "class": Classed,
}


@pytest.mark.parametrize("way", WAYS)
def test_configs_are_found_however_they_are_wrapped(way: str) -> None:
    assert list(configs_in(WAYS[way])) == [MISSING]


def test_what_is_no_part_of_a_middleware_is_not_searched() -> None:
    app = Litestar([], middleware=[MISSING.middleware])
    assert list(configs_in(DefineMiddleware(Wrapper, application=app))) == []
    endless: list[Any] = []
    endless.append(endless)
    assert list(configs_in(DefineMiddleware(Wrapper, endless))) == []


@get("/page")
async def page() -> None:
    return


@websocket("/socket")
async def socket(socket: AnyWebSocket) -> None:
    return


@asgi("/asgi", copy_scope=True)
async def application(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def start(*handlers: Any, plugin: SQLStoresPlugin | None = None, **options: Any) -> None:
    async with serve(plugin or SQLStoresPlugin("sqlite://"), handlers, **options):
        pass


async def refused(text: str, *handlers: Any, **options: Any) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(text)) as error:
        await start(*handlers, **options)
    assert "0x" not in str(error.value)


@pytest.mark.parametrize("handler", [page, socket, application])
@pytest.mark.parametrize("way", ["session auth", "keyword", "closure"])
async def test_stores_are_looked_for_on_every_kind_of_route(handler: Any, way: str) -> None:
    plugin = SQLStoresPlugin("sqlite://", default=False)
    await refused("the application's store 'elsewhere' is a", handler, plugin=plugin, middleware=[WAYS[way]])


# -- sessions


def handler_with(path: str, *configs: Any, **options: Any) -> Any:
    @get(path, middleware=[config.middleware for config in configs], **options)
    async def handler(request: AnyRequest) -> None:
        return

    return handler


@pytest.mark.parametrize(
    "one, other",
    [
        (SQLSessionConfig(), ServerSideSessionConfig()),
        (SQLSessionConfig(path="/a"), SQLSessionConfig(path="/a/b")),
        (SQLSessionConfig(), CLIENT_SIDE),
        (SQLSessionConfig(domain="a.test"), SQLSessionConfig(domain=".x.a.test", max_age=5)),
    ],
)
async def test_two_configs_with_one_cookie_are_refused(one: Any, other: Any) -> None:
    text = f"have the cookie 'session' for paths that overlap ({one.path!r} and {other.path!r})"
    await refused(text, handler_with("/a", one), handler_with("/b", other))


@pytest.mark.parametrize(
    "one, other",
    [
        (SQLSessionConfig(), SQLSessionConfig()),
        (SQLSessionConfig(), SQLSessionConfig(key="other")),
        (SQLSessionConfig(path="/a"), SQLSessionConfig(path="/ab")),
        (SQLSessionConfig(domain="a.test"), SQLSessionConfig(domain="b.test")),
        (SQLSessionConfig(domain="a.test"), SQLSessionConfig(domain="ba.test")),
    ],
)
async def test_configs_that_do_not_meet_may_be_as_they_like(one: Any, other: Any) -> None:
    await start(handler_with("/a", one), handler_with("/b", other))


OTHER = SQLSessionConfig(key="other")
TWO = (
    "the route /a has two sessions, of SQLSessionConfig with the cookie 'session' and of SQLSessionConfig with 'other'"
)


async def test_two_sessions_on_one_route_are_refused() -> None:
    await refused(TWO, handler_with("/a", SQLSessionConfig(), OTHER))
    await refused(TWO, handler_with("/a", OTHER), middleware=[SQLSessionConfig().middleware])


@pytest.mark.parametrize(
    "config, options",
    [
        (SQLSessionConfig(exclude="^/a"), {}),
        (SQLSessionConfig(exclude=["^/x", "^/a$"]), {}),
        (SQLSessionConfig(exclude_opt_key="no"), {"no": True}),
        (OTHER, {}),
    ],
)
async def test_a_route_that_is_excluded_has_one_session(config: SQLSessionConfig, options: dict[str, Any]) -> None:
    await start(handler_with("/a", OTHER, **options), middleware=[config.middleware])


async def test_a_config_that_another_middleware_knows_of_is_no_second_session() -> None:
    config = SQLSessionConfig()
    await start(page, middleware=[config.middleware, DefineMiddleware(Wrapper, session_config=config)])


# -- the response cache


@get("/cached", cache=60)
async def cached() -> None:
    return


async def test_a_cached_route_with_a_session_of_its_own_has_to_say_what_it_means() -> None:
    def handler(**options: Any) -> Any:
        return handler_with("/page", SQLSessionConfig(), cache=60, **options)

    await refused("the route /page is cached and has a session of its own (SQLSessionConfig)", handler())
    for answer in (True, False):
        await start(handler(opt={"cache_despite_credentials": answer}))
    # One of the application's is no sign that the route needs it.
    await start(cached, middleware=[SQLSessionConfig().middleware])


async def test_a_cache_needs_a_store_of_bytes() -> None:
    plugin = SQLStoresPlugin("sqlite://", data_format="json")
    await refused("the response cache's store 'response_cache' has data_format='json'", cached, plugin=plugin)
    await start(page, plugin=plugin)
    fix = SQLStoresPlugin("sqlite://", names=["response_cache"], default=False, dependency=None)
    await start(cached, plugin=SQLStoresPlugin("sqlite://", data_format="json"), plugins=[fix])


async def test_a_plugin_that_takes_the_cache_away_is_named() -> None:
    class Greedy(InitPlugin):
        def on_app_init(self, app_config: AppConfig) -> AppConfig:
            app_config.response_cache_config = ResponseCacheConfig()
            return app_config

    await refused("the application has a ResponseCacheConfig in place of the one", cached, plugins=[Greedy()])
    await start(cached, plugins_before=[Greedy()])


# -- places


@pytest.mark.parametrize(
    "middleware, text",
    [
        (SQLSessionConfig(store="response_cache"), "sessions (store 'response_cache') and cached responses"),
        (ServerSideSessionConfig(store="response_cache"), "sessions (store 'response_cache') and cached responses"),
        (SQLRateLimitConfig(("day", 1), store="response_cache"), "rate limits (store 'response_cache') and cached"),
    ],
)
async def test_what_is_cleared_by_itself_has_a_place_of_its_own(middleware: Any, text: str) -> None:
    await refused(text, cached, middleware=[middleware.middleware])


async def test_limits_do_not_count_among_sessions() -> None:
    text = "sessions (store 'sessions') and rate limits (store 'sessions') are in one namespace"
    both = [SQLSessionConfig().middleware, SQLRateLimitConfig(("day", 1), store="sessions").middleware]
    await refused(text, page, middleware=both)


async def test_two_names_may_be_one_place() -> None:
    plugin = SQLStoresPlugin("sqlite://")
    stores = {"mine": plugin.store.with_namespace("sessions")}
    limit = SQLRateLimitConfig(("day", 1), store="mine").middleware
    text = "sessions (store 'sessions') and rate limits (store 'mine')"
    await refused(text, page, plugin=plugin, stores=stores, middleware=[SQLSessionConfig().middleware, limit])


# -- rate limits


async def identify(request: AnyRequest) -> str:
    return ""


class Identify:
    async def __call__(self, request: AnyRequest) -> str:
        return ""


@pytest.mark.parametrize("function", [identify, partial(identify), Identify()])
async def test_an_identifier_that_litestar_would_not_await_is_refused(function: Any) -> None:
    config = RateLimitConfig(("day", 1), identifier_for_request=function)
    await refused(
        "the identifier_for_request of a RateLimitConfig is asynchronous", page, middleware=[config.middleware]
    )
    await start(page, middleware=[RateLimitConfig(("day", 1)).middleware])


async def test_limits_of_one_name_are_one_limit() -> None:
    def both(**options: Any) -> list[Any]:
        return [SQLRateLimitConfig(("day", 1), name="x").middleware, SQLRateLimitConfig(name="x", **options).middleware]

    await refused("two rate limits have the name 'x'", page, middleware=both(rate_limit=("day", 2)))
    await refused("two rate limits have the name 'x'", page, middleware=both(rate_limit=("day", 1), store="limits"))
    await start(page, middleware=both(rate_limit=("day", 1)))
