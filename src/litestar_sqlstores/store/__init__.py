"""The store: one contract for every database.

An entry is a value under a key in a namespace, with an expiry or without. What every backend promises:

- A key is any ``str``; the database sees its digest only (:mod:`litestar_sqlstores.keys`).
- A value is ``str`` (stored as UTF-8) or bytes-like, up to ``max_value_bytes``; :meth:`~BaseSQLSpecStore.get` gives
  bytes.
- Expiry is decided by the database's clock alone. What has expired is gone for every operation, cleaned up or not.
- ``expires_in`` of None is never; zero or less is "expired already": the entry is removed. Fractions of a second count.
- A renewal gives an entry that has an expiry a new one. It never gives one to an entry that has none, never brings
  back what is gone, and never touches what replaced the entry that was read.
- What would change an expiry by no more than the tolerance and a value not at all is not written: a hot session
  is read.
- For each key, operations are linearizable, across processes too.
- Of a key the table has the digest only, unless ``keep_keys`` says otherwise; then
  :meth:`~BaseSQLSpecStore.invalidate` removes entries by the start of their keys.
- With ``encryption_keys``, of a value the table has a ciphertext only, which is no value in another row.
- A store may be called from any event loop in any thread; one event loop makes the calls of all.
- :meth:`~BaseSQLSpecStore.delete_all` covers the store's namespace and its children, and nothing else.

Every operation has one form, over many keys, and single calls are batches of one that travel with the others
(:mod:`litestar_sqlstores.coalescing`). How a database runs them is its backend's business
(:mod:`litestar_sqlstores.backends.base`).

A store is made of parts, by what its operations are about: one key, many keys, kept keys, an owner, all entries, and
the table itself. What these share is in :mod:`~litestar_sqlstores.store.calls`; how a store comes and goes is here.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, Unpack, cast

from litestar.stores.base import NamespacedStore

from litestar_sqlstores.backends.base import Backend
from litestar_sqlstores.backends.operations import Operations
from litestar_sqlstores.coalescing import CLOSED, Connector, Home, Limits
from litestar_sqlstores.encryption_keys import load_cipher
from litestar_sqlstores.errors import ClosedError
from litestar_sqlstores.keys import Subtree, key_digester
from litestar_sqlstores.observability import Observers
from litestar_sqlstores.settings import ALL_OTHERS, Durability, Settings, StoreOptions, resolve_settings
from litestar_sqlstores.store.calls import Submits
from litestar_sqlstores.store.kept_keys import KeptKeys
from litestar_sqlstores.store.many_keys import ManyKeys
from litestar_sqlstores.store.overview import EntryInfo, NamespaceStats, Overview
from litestar_sqlstores.store.owners import OwnedEntry, Owners
from litestar_sqlstores.store.schema import Schema
from litestar_sqlstores.store.single_keys import SingleKeys, StoredValue
from litestar_sqlstores.store.table import Table

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("BaseSQLSpecStore", "EntryInfo", "NamespaceStats", "OwnedEntry", "StoredValue")

ConfigT = TypeVar("ConfigT")


class BaseSQLSpecStore(
    SingleKeys, ManyKeys, KeptKeys, Owners, Table, Schema, Overview, NamespacedStore, Generic[ConfigT]
):
    """A Litestar store in a table of a database that SQLSpec has a config for.

    Args:
        config: The SQLSpec config of the database. The store borrows connections from its pool and never closes it.
        **options: See :class:`~litestar_sqlstores.settings.StoreOptions`.

    Raises:
        ConfigurationError: An option is unknown or has no valid value.
    """

    backend: ClassVar[type[Backend[Any, Any]]]
    """How the driver of the database is used."""

    def __init__(self, config: ConfigT, **options: Unpack[StoreOptions]) -> None:
        self._settings = settings = resolve_settings(
            cast("Mapping[str, Any]", options),
            getattr(config, "extension_config", None),
            self.backend.options,
            type(self).__name__,
        )
        self._backend = backend = self.backend(config, settings)
        connections = backend.max_connections()
        # Everything but the namespace is shared with the stores of child namespaces.
        self._operations_by_durability = _operations(backend, settings)
        self._durability: Durability = settings.durabilities[ALL_OTHERS]
        self._operations = self._operations_by_durability[self._durability]
        self._shared = Home(
            Connector(
                backend.connect,
                backend.discard,
                backend.classify,
                backend.describe,
                backend.close,
                backend.leave,
                backend.home,
            ),
            Limits(
                max_lanes=connections,
                # One is left for reads, which then never wait for a commit.
                max_writers=min(backend.max_writers, max(1, connections - 1)),
                shares=backend.shares,
                max_pending=settings.max_pending,
                timeout=settings.timeout,
                connect_timeout=min(settings.timeout, backend.connect_timeout),
            ),
            None if settings.observer is None else Observers(settings.observer),
        )
        # What operations use: the shared one, unless this very store was entered and left.
        self._coalescer: Submits = self._shared
        self._entered: list[BaseSQLSpecStore[ConfigT]] = []
        self._cipher = load_cipher(settings.encryption_keys)
        self._keeps_keys = settings.keep_keys is True
        self._set_namespace(Subtree.of_root(settings.namespace))

    @classmethod
    def _with_own_config(cls, make_config: Callable[[], ConfigT], **options: Unpack[StoreOptions]) -> Self:
        """A store that closes the pools of its configs, because nobody else knows of them."""
        store = cls(make_config(), **options)
        store._backend.own_pool(make_config)
        return store

    def __repr__(self) -> str:
        return f"{type(self).__name__}(table={self._settings.table!r}, namespace={self.namespace!r})"

    @property
    def config(self) -> ConfigT:
        """The SQLSpec config of the database; each event loop has one of its own if the store was made from a URL."""
        return cast("ConfigT", self._backend.config)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @property
    def table_name(self) -> str:
        """The table, as SQLSpec's own stores call it."""
        return self._settings.table

    @property
    def durability(self) -> Durability:
        """What an acknowledged write to this namespace survives."""
        return self._durability

    # -- life

    async def __aenter__(self) -> Self:  # type: ignore[override]  # Litestar's returns nothing
        """Open the store. A store that was not entered opens at its first use."""
        self._shared.open()
        self._coalescer = self._shared
        self._entered.append(self)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Close the store, unless another namespace of it is still in use."""
        if self in self._entered:
            self._entered.remove(self)
        if self not in self._entered:
            self._coalescer = _Left(self)
        # A store of another namespace that was never entered opens at its next use, as it did before.
        await self._shared.leave(last=not self._entered)

    async def aclose(self) -> None:
        """Answer the calls under way, give all connections back, and close the pool if the store opened it.

        The pool of a config that the caller supplied stays open. The namespaces of one store close together.
        """
        self._entered.clear()
        await self._shared.close()

    def with_namespace(self, namespace: str) -> Self:
        """A store for a child namespace: its own keys, the same table, connections and settings.

        It keeps keys as text only if the setting ``keep_keys`` has its name, and is as durable as this one unless
        the setting ``durability`` has its name.

        Args:
            namespace: The name of the child. However it is named, it shares nothing with other children or theirs.

        Raises:
            ConfigurationError: ``namespace`` cannot be one.
        """
        child = copy.copy(self)
        child._coalescer = self._shared
        child._set_namespace(self._subtree.child(namespace))
        child._durability = self._settings.durabilities.get(namespace, self._durability)
        child._operations = self._operations_by_durability[child._durability]
        keep_keys = self._settings.keep_keys
        child._keeps_keys = not isinstance(keep_keys, bool) and namespace in keep_keys
        return child

    def _set_namespace(self, subtree: Subtree) -> None:
        self._subtree = subtree
        self.namespace = subtree.namespace
        self._digest = key_digester(subtree.namespace)


def _operations(backend: Backend[Any, Any], settings: Settings) -> Mapping[Durability, Operations[Any]]:
    """The operations for each durability that the settings speak of. All but the writes of keys are the same."""
    full = Operations(backend)
    if "relaxed" not in settings.durabilities.values():
        return {"full": full}
    return {"full": full, "relaxed": full.writing_by(backend.relaxed())}


class _Left:
    """In place of what takes the calls of a store that was entered and left, for as long as that event loop lives."""

    def __init__(self, store: BaseSQLSpecStore[Any]) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()

    def submit(self, *call: Any) -> asyncio.Future[Any]:
        if not self._loop.is_closed():
            raise ClosedError(CLOSED)
        self._store._coalescer = self._store._shared
        return self._store._shared.submit(*call)
