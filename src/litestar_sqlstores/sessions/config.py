"""What an application sets about its sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from litestar.middleware.base import DefineMiddleware
from litestar.middleware.session.server_side import ServerSideSessionConfig

from litestar_sqlstores.errors import ConfigurationError
from litestar_sqlstores.registry import refuse_kept_keys, registered_store
from litestar_sqlstores.sessions.backend import SQLSessionBackend
from litestar_sqlstores.sessions.middleware import SQLSessionMiddleware

if TYPE_CHECKING:
    from litestar import Litestar

    from litestar_sqlstores.store import BaseSQLSpecStore

__all__ = ("SQLSessionConfig",)


@dataclass
class SQLSessionConfig(ServerSideSessionConfig):
    """Configuration of sessions in a store of this package, in place of ``ServerSideSessionConfig``.

    All its fields mean the same, but for ``renew_on_access``, which is on: a session lives ``max_age`` seconds after
    its last use. If it is off, a session lives ``max_age`` seconds after its last change.
    """

    # Without a type, so that it is no field of the dataclass, and subclasses can have another.
    _backend_class = SQLSessionBackend  # type: ignore[assignment]

    renew_on_access: bool = field(default=True)
    """Whether the use of a session makes it live on."""
    owner_key: str | Callable[[dict[str, Any]], str | None] | None = field(default=None)
    """Whom a session belongs to: the name of the entry of the session that says so, or a function of the session."""
    on_conflict: Literal["overwrite", "merge"] = field(default="overwrite")
    """What two requests do that change one session at the same time. ``"overwrite"``: the session of the last one is
    stored, whole. ``"merge"``: each stores the top-level entries that it changed; for one that both changed, the last
    value counts."""

    # The store that was found last, and may hold sessions. Without a type, so that it is no field.
    _found = None

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigurationError: ``max_age``, ``on_conflict`` or ``owner_key`` cannot be.
        """
        super().__post_init__()
        if not isinstance(self.max_age, int):
            # Browsers ignore Max-Age=100.5 and drop the cookie when they close (RFC 6265, section 5.2.2).
            msg = f"max_age is {self.max_age!r}; it must be a whole number of seconds"
            raise ConfigurationError(msg)
        if self.on_conflict not in ("overwrite", "merge"):
            msg = f"on_conflict is {self.on_conflict!r}; it must be 'overwrite' or 'merge'"
            raise ConfigurationError(msg)
        if not (self.owner_key is None or isinstance(self.owner_key, str) or callable(self.owner_key)):
            msg = f"owner_key is {self.owner_key!r}; it must be the name of an entry, or a function of the session"
            raise ConfigurationError(msg)

    @property
    def middleware(self) -> DefineMiddleware:
        """The middleware for a layer of the application."""
        return DefineMiddleware(SQLSessionMiddleware, backend=self._backend_class(config=self))

    def get_store_from_app(self, app: Litestar) -> BaseSQLSpecStore[Any]:
        """The store of the application that :attr:`store` names.

        Raises:
            ConfigurationError: It is none of this package, or keeps keys as text.
        """
        # Each request asks, and the answer is hardly ever another one.
        if app.stores.get(self.store) is not self._found:
            store = registered_store(app, self.store, type(self).__name__)
            refuse_kept_keys(store)
            self._found = store
        return cast("BaseSQLSpecStore[Any]", self._found)

    def owner_of(self, session: Any) -> str | None:
        """Whom a session belongs to; None for nobody."""
        if self.owner_key is None:
            return None
        if isinstance(self.owner_key, str):
            owner = session.get(self.owner_key) if isinstance(session, dict) else getattr(session, self.owner_key, None)
        else:
            owner = self.owner_key(session)
        return None if owner is None else str(owner)
