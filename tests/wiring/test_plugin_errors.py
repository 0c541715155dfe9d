"""SQLStoresPlugin: what cannot be, and what is said about it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.security.session_auth import SessionAuth
from litestar.stores.memory import MemoryStore

from litestar_sqlstores import SQLRateLimitConfig, SQLSessionConfig, SQLStoresPlugin
from litestar_sqlstores.errors import ConfigurationError
from tests.wiring.helpers import AnyRequest, Browser, serve


@get("/")
async def read(request: AnyRequest) -> dict[str, Any]:
    return dict(request.session)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"create_table": "yes"}, "create_table is 'yes'; it must be True, False or 'check'"),
        ({"names": "sessions"}, "names is 'sessions'; it must be a list of names"),
        ({"cleanup": 0}, "cleanup is 0; give a positive number of seconds, or a timedelta"),
        ({"cleanup": timedelta(-1)}, "cleanup is datetime.timedelta(days=-1); give a positive number of seconds"),
        ({"cleanup": "hourly"}, "cleanup is 'hourly'; give a positive number of seconds, or a timedelta"),
        ({"tabel": "mine"}, "'tabel' is no option of AiosqliteStore"),
        ({"data_format": "xml"}, "data_format is 'xml'; it must be 'bytes' or 'json'"),
    ],
)
def test_wrong_options_are_named_at_once(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        SQLStoresPlugin("sqlite://", **options)
    assert str(error.value).startswith(text)


NAME_TAKEN = (
    "a store 'sessions' is registered already; give SQLStoresPlugin(names=...) the names that it shall serve, or take"
    " that one out of Litestar(stores=...)"
)
DEFAULT_TAKEN = (
    "the store registry has a default factory already, of another SQLStoresPlugin or your own; use"
    " SQLStoresPlugin(default=False) to leave it"
)
DEPENDENCY_TAKEN = "the dependency 'sql_store' is taken; give each SQLStoresPlugin its own: dependency='...'"


@pytest.mark.parametrize(
    "first, second, text",
    [
        ({"default": False}, {"default": False}, NAME_TAKEN),
        ({}, {"names": ["other"]}, DEFAULT_TAKEN),
        ({}, {"names": ["other"], "default": False}, DEPENDENCY_TAKEN),
    ],
)
def test_two_plugins_on_one_name_say_so(first: dict[str, Any], second: dict[str, Any], text: str) -> None:
    plugins = [SQLStoresPlugin("sqlite://", **options) for options in (first, second)]
    with pytest.raises(ConfigurationError) as error:
        Litestar([], plugins=plugins)
    assert str(error.value) == text


def test_a_name_that_the_application_uses_is_not_taken_from_it() -> None:
    with pytest.raises(ConfigurationError, match=re.escape(NAME_TAKEN)):
        Litestar([], plugins=[SQLStoresPlugin("sqlite://")], stores={"sessions": MemoryStore()})


def test_a_plugin_without_a_config_says_what_it_needs() -> None:
    with pytest.raises(ConfigurationError) as error:
        Litestar([], plugins=[SQLStoresPlugin()])
    assert str(error.value) == (
        "the application has no SQLSpecPlugin with a config; give SQLStoresPlugin the config or URL of its database"
    )
    with pytest.raises(ConfigurationError, match="SQLStoresPlugin has no store before it is in an application"):
        _ = SQLStoresPlugin().store


def _nothing(*_: Any) -> None: ...


@pytest.mark.parametrize(
    "middleware, wanted_by",
    [
        (SQLSessionConfig(store="elsewhere").middleware, "SQLSessionConfig"),
        (SQLRateLimitConfig(("day", 1), store="elsewhere").middleware, "SQLRateLimitConfig"),
        (
            SessionAuth[Any, Any](
                retrieve_user_handler=_nothing, session_backend_config=SQLSessionConfig(store="elsewhere")
            ).middleware,
            "SQLSessionConfig",
        ),
    ],
)
@pytest.mark.parametrize("layer", ["application", "handler"])
async def test_a_store_that_nobody_registered_is_named_at_start_up(middleware: Any, wanted_by: str, layer: str) -> None:
    @get("/handler", middleware=[middleware] if layer == "handler" else [])
    async def handler() -> None:
        return

    plugin = SQLStoresPlugin("sqlite://", default=False)
    with pytest.raises(ConfigurationError) as error:
        async with serve(plugin, [handler], middleware=[middleware] if layer == "application" else []):
            pass
    assert str(error.value) == (
        f"the application's store 'elsewhere' is a MemoryStore, but {wanted_by} needs one of litestar-sqlstores: give"
        " SQLStoresPlugin(names=...) that name too, or the application stores={'elsewhere': create_store(...)}"
    )


async def test_without_the_plugin_the_first_request_names_it() -> None:
    errors: list[str] = []

    async def after_exception(error: Exception, _: Any) -> None:
        errors.append(str(error))

    for config in (SQLSessionConfig(), SQLRateLimitConfig(("day", 1))):
        app = Litestar([read], middleware=[config.middleware], after_exception=[after_exception])
        async with app.lifespan():
            cookie = {"cookie": f"session={'0' * 64}"}
            assert (await Browser(app).get("/", headers=cookie)).status_code == 500
    assert [error.partition(" needs")[0] for error in errors] == [
        "the application's store 'sessions' is a MemoryStore, but SQLSessionConfig",
        "the application's store 'rate_limit' is a MemoryStore, but SQLRateLimitConfig",
    ]
