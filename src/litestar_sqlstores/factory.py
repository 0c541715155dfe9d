"""``create_store``: a store from a SQLSpec config or a URL."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Unpack

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.extras import needing
from litestar_sqlstores.settings import StoreOptions, resolve_settings
from litestar_sqlstores.store import BaseSQLSpecStore
from litestar_sqlstores.urls import mysql, oracle, postgresql, spanner, sqlite

__all__ = ("BACKENDS", "KnownBackend", "create_store", "is_installed", "load_backend", "register_backend")


@dataclass(frozen=True)
class KnownBackend:
    """Where a backend is, and what belongs to it. Nothing of it is imported before it is asked for.

    Args:
        store: The store's class, as ``module:Class``.
        config: The class of the SQLSpec config that it takes, as ``module:Class``.
        driver: The name of the driver in URLs: ``scheme+driver://``.
        schemes: The URL schemes that mean this backend; those before it come first.
        connection_config: From a URL and the number of connections to what the SQLSpec config takes.
        module: The module of the driver, if it has another name.
        requires: What to install to have the driver; by default this package with an extra of the driver's name.
    """

    store: str
    config: str
    driver: str
    schemes: tuple[str, ...] = ()
    connection_config: Callable[[str, int], Mapping[str, Any]] = field(default=lambda url, _: {"url": url}, repr=False)
    module: str = ""
    requires: str = ""

    @property
    def store_name(self) -> str:
        """The name of the store's class."""
        return self.store.rpartition(":")[2]

    @property
    def config_name(self) -> str:
        """The name of the config's class."""
        return self.config.rpartition(":")[2]


def _own(store: str, driver: str, config: str, *rest: Any) -> KnownBackend:
    return KnownBackend(
        f"litestar_sqlstores.backends.{driver}:{store}", f"sqlspec.adapters.{driver}:{config}", driver, *rest
    )


BACKENDS = [
    _own("AsyncpgStore", "asyncpg", "AsyncpgConfig", ("postgresql", "postgres"), postgresql.connection_config),
    _own("AiosqliteStore", "aiosqlite", "AiosqliteConfig", ("sqlite",), sqlite.connection_config),
    _own("AiomysqlStore", "aiomysql", "AiomysqlConfig", ("mysql", "mariadb"), mysql.connection_config),
    _own("AsyncmyStore", "asyncmy", "AsyncmyConfig", ("mysql", "mariadb"), mysql.connection_config),
    _own(
        "SpannerStore",
        "spanner",
        "SpannerAsyncConfig",
        ("spanner",),
        spanner.connection_config,
        "google.cloud.spanner_v1",
    ),
    _own("OracleStore", "oracledb", "OracleAsyncConfig", ("oracle",), oracle.connection_config),
]


def register_backend(backend: KnownBackend) -> None:
    """Have :func:`create_store`, and with it the plugin, know a backend of yours.

    Args:
        backend: The backend; to register one a second time changes nothing.

    Raises:
        ConfigurationError: Another one takes the same config, or has the same URLs.
    """
    if backend in BACKENDS:
        return
    for known in BACKENDS:
        if known.config_name == backend.config_name:
            msg = f"{known.store_name} takes {known.config_name} already; give {backend.store_name} a subclass of it"
            raise ConfigurationError(msg)
        if known.driver == backend.driver and set(known.schemes) & set(backend.schemes):
            msg = f"{known.store_name} has {backend.driver!r} URLs already; give {backend.store_name} another driver"
            raise ConfigurationError(msg)
    BACKENDS.append(backend)


def create_store(config_or_url: object, **options: Unpack[StoreOptions]) -> BaseSQLSpecStore[Any]:
    """Make a store on a database.

    Args:
        config_or_url: A SQLSpec config (``AsyncpgConfig``, ``AiosqliteConfig``, ``AiomysqlConfig``, ``AsyncmyConfig``,
            ``SpannerAsyncConfig``, ``OracleAsyncConfig``), or a URL, also one with SQLAlchemy's driver names:

            - PostgreSQL: ``postgresql://user:password@host/database``, ``postgresql+asyncpg://...``
            - SQLite: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``sqlite://`` (in memory),
              ``sqlite+aiosqlite://...``
            - MySQL and MariaDB: ``mysql://user:password@host/database``, ``mariadb://...``, ``mysql+aiomysql://...``,
              ``mysql+asyncmy://...``
            - Cloud Spanner: ``spanner:///projects/project/instances/instance/databases/database``
            - Oracle: ``oracle://user:password@host/?service_name=service``, ``oracle+oracledb://...``
        **options: See :class:`~litestar_sqlstores.settings.StoreOptions`.

    Returns:
        The store. One that is made from a URL closes its pool when it is closed; one that is made from a config leaves
        the config's pool open.

    Raises:
        ConfigurationError: The URL or an option cannot be honoured.
        MissingDriverError: The driver is not installed.
    """
    if isinstance(config_or_url, str):
        return _from_url(config_or_url, options)
    for base in type(config_or_url).__mro__:
        for backend in BACKENDS:
            if base.__name__ == backend.config_name:
                return load_backend(backend)(config_or_url, **options)
    name, known = type(config_or_url).__name__, ", ".join(backend.config_name for backend in BACKENDS)
    msg = f"no store for {name}; give a URL or one of {known} of SQLSpec"
    raise ConfigurationError(msg)


def is_installed(backend: KnownBackend) -> bool:
    """Whether the driver of a backend is there, without importing it."""
    try:
        return importlib.util.find_spec(backend.module or backend.driver) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False


def load_backend(backend: KnownBackend) -> type[BaseSQLSpecStore[Any]]:
    """The store's class of a backend.

    Raises:
        MissingDriverError: The driver is not installed.
    """
    requires = backend.requires or f"litestar-sqlstores[{backend.driver}]"
    with needing(backend.driver, requires, backend.store_name):
        store: type[BaseSQLSpecStore[Any]] = _import(backend.store)
        importlib.import_module(backend.module or backend.driver)
    return store


def _import(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _from_url(url: str, options: StoreOptions) -> BaseSQLSpecStore[Any]:
    # Never the URL itself in a message: it may hold a password.
    given, separator, _ = url.partition("://")
    scheme, _, driver = given.partition("+")
    for backend in BACKENDS:
        if separator and scheme in backend.schemes and driver in ("", backend.driver):
            store_class = load_backend(backend)
            settings = resolve_settings(options, None, store_class.backend.options, backend.store_name)
            # One connection more than the store uses, so that none of its lanes waits while another is given back.
            connection_config = _read_url(backend, url, settings.max_connections + 1)
            make_config = partial(_import(backend.config), connection_config=connection_config)
            return store_class._with_own_config(make_config, **options)
    known = [f"{name}://, {name}+{backend.driver}://" for backend in BACKENDS for name in backend.schemes]
    if separator:
        what = f"scheme {given!r}" if re.fullmatch(r"[a-z0-9+.-]*", given) else "a text that is no URL"
    else:
        what = "a text without a scheme"
    msg = f"no store for {what}; known are {', '.join(known)}"
    raise ConfigurationError(msg)


def _read_url(backend: KnownBackend, url: str, connections: int) -> dict[str, Any]:
    try:
        return dict(backend.connection_config(url, connections))
    except ConfigurationError:
        raise
    except ValueError:
        # Its text may hold a part of the URL.
        msg = f"the {backend.schemes[0]} URL cannot be read; quote user and password with urllib.parse.quote"
        raise ConfigurationError(msg) from None
