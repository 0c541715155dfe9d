"""The Litestar plugin: one line for sessions, response cache, rate limits and their upkeep."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack

from litestar.di import Provide
from litestar.plugins import CLIPlugin, InitPlugin
from litestar.stores.registry import StoreRegistry, default_default_factory
from sqlspec.extensions.litestar import SQLSpecPlugin

from litestar_sqlstores.cache import cache_responses
from litestar_sqlstores.cleanup import DEFAULT_INTERVAL, ScheduledCleanup, interval_seconds
from litestar_sqlstores.durations import Duration
from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.factory import create_store
from litestar_sqlstores.migrations import register_migrations
from litestar_sqlstores.sessions import StoreSessions
from litestar_sqlstores.settings import StoreOptions
from litestar_sqlstores.startup import check_application
from litestar_sqlstores.store import BaseSQLSpecStore

if TYPE_CHECKING:
    from click import Group
    from litestar import Litestar
    from litestar.config.app import AppConfig
    from litestar.stores.base import Store

__all__ = ("SQLStoresPlugin",)


class SQLStoresPlugin(InitPlugin, CLIPlugin):
    """Puts stores into the application's registry, and looks after their table.

    Each name in the registry becomes a namespace of one table, so that clearing one clears no other. Handlers get the
    store itself, whose children they are, as the dependency ``sql_store``.

    Args:
        config_or_url: What :func:`~litestar_sqlstores.create_store` takes. None takes the config of the application's
            SQLSpecPlugin, and shares its pool.
        names: The stores to register; they must not be registered yet.
        default: Whether every other name that the application asks for is served, too.
        create_table: True creates the table at start-up if it is missing. ``"check"`` fails at start-up if it is
            missing or has another shape. False does neither.
        migrations: Whether ``litestar db upgrade`` creates and upgrades the table, as it does with the application's
            own ones; ``create_table="check"`` goes well with it.
        cleanup: How often expired entries are removed, in seconds or as a timedelta; True for every five minutes. False
            leaves it to others: a cron job that calls ``delete_expired``, or the database itself.
        dependency: The name of the dependency that gives handlers the store; None for none.
        **options: See :class:`~litestar_sqlstores.settings.StoreOptions`. ``keep_keys`` takes names of stores.

    Raises:
        ConfigurationError: An argument has no valid value.
    """

    def __init__(
        self,
        config_or_url: object | None = None,
        *,
        names: Iterable[str] = ("sessions",),
        default: bool = True,
        create_table: bool | Literal["check"] = True,
        migrations: bool = False,
        cleanup: bool | Duration = True,
        dependency: str | None = "sql_store",
        **options: Unpack[StoreOptions],
    ) -> None:
        if create_table not in (True, False, "check"):
            msg = f"create_table is {create_table!r}; it must be True, False or 'check'"
            raise ConfigurationError(msg)
        if isinstance(names, str):
            msg = f"names is {names!r}; it must be a list of names"
            raise ConfigurationError(msg)
        self._names = tuple(names)
        self._default = default
        self._create_table = create_table
        self._migrations = migrations
        self._cleanup_interval: float | None = None if cleanup is False else DEFAULT_INTERVAL
        if not isinstance(cleanup, bool):
            self._cleanup_interval = interval_seconds("cleanup", cleanup)
        self._dependency = dependency
        self._options = options
        self._config_or_url = config_or_url
        self._store: BaseSQLSpecStore[Any] | None = None
        if config_or_url is not None:
            self._store = create_store(config_or_url, **options)
            if migrations:
                register_migrations(config_or_url, self._store.settings)

    @property
    def store(self) -> BaseSQLSpecStore[Any]:
        """The store whose children are in the registry.

        Raises:
            ConfigurationError: The plugin takes its config from an application, and is in none yet.
        """
        if self._store is None:
            msg = "SQLStoresPlugin has no store before it is in an application; give it a config or a URL to have one"
            raise ConfigurationError(msg)
        return self._store

    @property
    def names(self) -> tuple[str, ...]:
        """What it can be told from other plugins by: the stores that it registers, and its dependency."""
        return self._names if self._dependency is None else (*self._names, self._dependency)

    def on_cli_init(self, cli: Group) -> None:
        """Add ``litestar stores``."""
        # Only here, since nothing else needs what the commands print with.
        from litestar_sqlstores.cli import stores_group  # noqa: PLC0415

        if "stores" not in cli.commands:
            cli.add_command(stores_group)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Register the stores.

        Raises:
            ConfigurationError: A name is taken, or there is no SQLSpecPlugin to take a config from.
        """
        if self._config_or_url is None:
            config = _sqlspec_config(app_config)
            self._store = create_store(config, **self._options)
            if self._migrations:
                register_migrations(config, self._store.settings)
        store = self.store
        app_config.stores = self._register(app_config.stores, store)
        cache_responses(app_config)
        if self._dependency is not None:
            if self._dependency in app_config.dependencies:
                msg = (
                    f"the dependency {self._dependency!r} is taken; give each SQLStoresPlugin its own: dependency='...'"
                )
                raise ConfigurationError(msg)
            app_config.dependencies[self._dependency] = Provide(lambda: store, sync_to_thread=False)
            app_config.signature_types.extend([BaseSQLSpecStore, type(store)])
        lifespan = partial(self._lifespan, store)
        if isinstance(self._config_or_url, str):
            # Around all others, which can use the stores from their first line to their last.
            app_config.lifespan.insert(0, lifespan)
        else:
            # Inside what opens and closes the pool, SQLSpecPlugin or the application, whatever the order of plugins.
            app_config.plugins.append(_Lifespan(lifespan))
        return app_config

    def _register(
        self, registered: StoreRegistry | dict[str, Store] | None, store: BaseSQLSpecStore[Any]
    ) -> StoreRegistry:
        if store.keeps_keys:
            msg = (
                "keep_keys is True, which means the store of no name in the registry; name those whose keys shall be"
                " kept: keep_keys=['response_cache']"
            )
            raise ConfigurationError(msg)
        # A dict of the application's stays as it is: it may make another application of it.
        registry = registered if isinstance(registered, StoreRegistry) else StoreRegistry(dict(registered or {}))
        for name in self._names:
            if name in registry._stores:
                msg = (
                    f"a store {name!r} is registered already; give SQLStoresPlugin(names=...) the names that it shall"
                    " serve, or take that one out of Litestar(stores=...)"
                )
                raise ConfigurationError(msg)
            registry.register(name, store.with_namespace(name))
        if self._default:
            if registry._default_factory is not default_default_factory:
                msg = (
                    "the store registry has a default factory already, of another SQLStoresPlugin or your own;"
                    " use SQLStoresPlugin(default=False) to leave it"
                )
                raise ConfigurationError(msg)
            registry._default_factory = store.with_namespace
        return registry

    @asynccontextmanager
    async def _lifespan(self, store: BaseSQLSpecStore[Any], app: Litestar) -> AsyncGenerator[None, None]:
        check_application(app)
        async with AsyncExitStack() as stack:
            # Behind the hooks of all plugins, also of those that other plugins brought along.
            hook = StoreSessions(app)
            app.before_send.append(hook)
            stack.callback(app.before_send.remove, hook)
            await stack.enter_async_context(store)
            if self._create_table == "check":
                await store.check_table()
            elif self._create_table:
                await store.create_table()
            if self._cleanup_interval is not None:
                await stack.enter_async_context(ScheduledCleanup(store, self._cleanup_interval))
            yield


class _Lifespan(InitPlugin):
    """Adds a lifespan after those of the plugins before it."""

    def __init__(self, lifespan: Callable[[Litestar], Any]) -> None:
        self._lifespan = lifespan

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.lifespan.append(self._lifespan)
        return app_config


def _sqlspec_config(app_config: AppConfig) -> object:
    configs = [config for plugin in app_config.plugins if isinstance(plugin, SQLSpecPlugin) for config in plugin.config]
    if len(configs) != 1:
        found = "no SQLSpecPlugin with a config" if not configs else f"{len(configs)} configs in SQLSpecPlugin"
        msg = f"the application has {found}; give SQLStoresPlugin the config or URL of its database"
        raise ConfigurationError(msg)
    return configs[0]
