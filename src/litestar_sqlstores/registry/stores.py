"""What an application's store registry has under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.store import BaseSQLSpecStore

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.stores.base import Store

__all__ = ("refuse_kept_keys", "registered_store")


def registered_store(app: Litestar, name: str, wanted_by: str) -> BaseSQLSpecStore[Any]:
    """A store of this package from the registry of an application.

    Args:
        app: The application.
        name: The name of the store.
        wanted_by: Who needs it, for the message.

    Raises:
        ConfigurationError: It is none of this package.
    """
    store = app.stores.get(name)
    if not isinstance(store, BaseSQLSpecStore):
        msg = (
            f"the application's store {name!r} is a {type(store).__name__}, but {wanted_by} needs one of"
            f" litestar-sqlstores: give SQLStoresPlugin(names=...) that name too, or the application"
            f" stores={{{name!r}: create_store(...)}}"
        )
        raise ConfigurationError(msg)
    return store


def refuse_kept_keys(store: Store) -> None:
    """See that a store for sessions keeps no keys as text.

    Raises:
        ConfigurationError: It does.
    """
    if isinstance(store, BaseSQLSpecStore) and store.keeps_keys:
        msg = (
            f"the store of namespace {store.namespace!r} keeps keys as text, but those of sessions are live session"
            " ids: take it out of keep_keys, or give the sessions another store"
        )
        raise ConfigurationError(msg)
