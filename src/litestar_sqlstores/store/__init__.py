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
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, Unpack, cast

from litestar.stores.base import NamespacedStore

from litestar_sqlstores.backends.base import Backend
from litestar_sqlstores.backends.operations import Operations
from litestar_sqlstores.coalescing import CLOSED, Coalescer, Connector, Limits
from litestar_sqlstores.encryption_keys import load_cipher
from litestar_sqlstores.errors import ClosedError
from litestar_sqlstores.keys import child_namespace, key_digester
from litestar_sqlstores.observability import Observers
from litestar_sqlstores.settings import ALL_OTHERS, Durability, Settings, StoreOptions, resolve_settings
from litestar_sqlstores.store.calls import Submits
from litestar_sqlstores.store.kept_keys import KeptKeys
from litestar_sqlstores.store.many_keys import ManyKeys
from litestar_sqlstores.store.overview import EntryInfo, NamespaceStats, Overview
from litestar_sqlstores.store.owners import OwnedEntry, Owners
from litestar_sqlstores.store.schema import Schema
from litestar_sqlstores.store.single_keys import SingleKeys
from litestar_sqlstores.store.table import Table

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger("litestar_sqlstores")

CLOSE_SECONDS = 1.0
"""How long a pool has at least to close, when the calls that were under way have used up the timeout."""

__all__ = ("BaseSQLSpecStore", "EntryInfo", "NamespaceStats", "OwnedEntry")

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
        self._config = config
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
        self._durability = settings.durabilities[ALL_OTHERS]
        self._operations = self._operations_by_durability[self._durability]
        self._shared = Coalescer(
            Connector(self._connect, backend.discard, backend.classify, backend.describe),
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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cipher = load_cipher(settings.encryption_keys)
        self._keeps_keys = settings.keep_keys is True
        self._set_namespace(settings.namespace)

    @classmethod
    def _with_own_config(cls, config: ConfigT, **options: Unpack[StoreOptions]) -> Self:
        """A store that closes the pool of its config, because nobody else knows of it."""
        store = cls(config, **options)
        store._backend.owns_pool = True
        return store

    def __repr__(self) -> str:
        return f"{type(self).__name__}(table={self._settings.table!r}, namespace={self.namespace!r})"

    @property
    def config(self) -> ConfigT:
        """The SQLSpec config of the database."""
        return self._config

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
            self._coalescer = _Left()
        if not self._entered:
            await self._close()
            # A store of another namespace that was never entered opens at its next use, as it did before.
            self._shared.open()

    async def aclose(self) -> None:
        """Answer the calls under way, give all connections back, and close the pool if the store opened it.

        The pool of a config that the caller supplied stays open. The namespaces of one store close together.
        """
        self._entered.clear()
        await self._close()

    async def _close(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.timeout
        await self._shared.close()
        if self._backend.owns_pool:
            try:
                async with asyncio.timeout_at(max(until, loop.time() + CLOSE_SECONDS)):
                    await cast("Any", self._config).close_pool()
            except TimeoutError:
                logger.warning("the pool of connections did not close in time; what is left of it was given up")

    def with_namespace(self, namespace: str) -> Self:
        """A store for a child namespace: its own keys, the same table, connections and settings.

        It keeps keys as text only if the setting ``keep_keys`` has its name, and is as durable as this one unless
        the setting ``durability`` has its name.

        Args:
            namespace: The name of the child, joined to this store's namespace with ``_``.

        Raises:
            ConfigurationError: ``namespace`` cannot be one.
        """
        child = copy.copy(self)
        child._coalescer = self._shared
        child._set_namespace(child_namespace(self.namespace, namespace))
        child._durability = self._settings.durabilities.get(namespace, self._durability)
        child._operations = self._operations_by_durability[child._durability]
        keep_keys = self._settings.keep_keys
        child._keeps_keys = not isinstance(keep_keys, bool) and namespace in keep_keys
        return child

    def _set_namespace(self, namespace: str) -> None:
        self.namespace = namespace
        self._digest = key_digester(namespace)

    def _connect(self) -> AbstractAsyncContextManager[Any]:
        loop = asyncio.get_running_loop()
        if self._backend.owns_pool and self._loop not in (None, loop):
            self._backend.forget_pool()
        self._loop = loop
        return self._backend.connect()


def _operations(backend: Backend[Any, Any], settings: Settings) -> Mapping[Durability, Operations[Any]]:
    """The operations for each durability that the settings speak of. All but the writes of keys are the same."""
    full = Operations(backend)
    if "relaxed" not in settings.durabilities.values():
        return {"full": full}
    return {"full": full, "relaxed": full.writing_by(backend.relaxed())}


class _Left:
    """In place of the coalescer of a store that was entered and left."""

    def submit(self, *_: object) -> asyncio.Future[Any]:
        raise ClosedError(CLOSED)
