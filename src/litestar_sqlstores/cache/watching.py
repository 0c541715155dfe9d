"""Notices whether a handler uses what is a visitor's own: the session, the user, cookies, the CSRF token.

While a response is made that may be cached, the inner application gets a scope that reads and writes through to the
real one, and takes a note of what is looked at. Middleware outside of the cache has the real one: what it does is none
of the response's business.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Self, cast

from litestar.connection import ASGIConnection
from litestar.types import Empty

from litestar_sqlstores.cache.compat import CONNECTION_STATE_KEY

if TYPE_CHECKING:
    from litestar.types import Scope

__all__ = ("Watch",)

_PERSONAL = frozenset({"session", "user", "auth"})
_OWN_PREFIX = "litestar_sqlstores."
"""What SQLSessionConfig keeps in the scope for its functions, such as ``rotate_session_id``."""


class Watch:
    """What was used of a request.

    Attributes:
        scope: What the inner application is to get.
        personal: Whether the session, the user or the authentication was read or changed.
        cookies: Whether cookies were read.
        csrf_token: Whether the CSRF token was read; every template reads it.
    """

    def __init__(self, scope: Scope) -> None:
        self.personal = False
        self.cookies = False
        self.csrf_token = False
        self.scope = cast("Scope", _WatchedScope(scope, self))


_dict: Any = dict


class _Mirror(MutableMapping[str, Any], _dict):  # type: ignore[misc]  # the methods of the former, in a dict
    """A dict whose items are those of another one, whichever of the two is changed.

    It is a dict, and holds copies of the items, for code that wants no other mapping or takes a dict apart by itself.
    """

    __slots__ = ("_original", "_watch")

    def __init__(self, original: dict[str, Any], watch: Watch) -> None:
        _dict.__init__(self, original)
        self._original = original
        self._watch = watch

    def _note(self, key: object) -> None:
        """Take a note that an item is used."""

    def _shown(self, key: str, value: Any) -> Any:  # noqa: ARG002 - for subclasses
        """What to give for an item."""
        return value

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return self._shown(key, self._original[key])

    def __setitem__(self, key: str, value: Any) -> None:
        self._note(key)
        self._original[key] = value
        _dict.__setitem__(self, key, value)

    def __delitem__(self, key: str) -> None:
        self._note(key)
        del self._original[key]
        _dict.pop(self, key, None)

    # Because of it, `dict(scope)` and `{**scope}` ask for each item, too.
    def __iter__(self) -> Iterator[str]:
        return iter(self._original)

    def __len__(self) -> int:
        return len(self._original)

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy is a dict of its own, as that of the original would be.
        return dict, (dict(self),)


class _WatchedScope(_Mirror):
    __slots__ = ("_state",)

    def __init__(self, scope: Scope, watch: Watch) -> None:
        super().__init__(cast("dict[str, Any]", scope), watch)
        self._state: _WatchedState | None = None

    def _note(self, key: object) -> None:
        if key in _PERSONAL or (isinstance(key, str) and key.startswith(_OWN_PREFIX)):
            self._watch.personal = True

    def _shown(self, key: str, value: Any) -> Any:
        if key != "state" or not isinstance(value, dict) or isinstance(value, _WatchedState):
            return value
        if self._state is None or self._state._original is not value:
            self._state = _WatchedState(value, self._watch, cast("Scope", self._original))
        return self._state


class _WatchedState(_Mirror):
    __slots__ = ("_scope",)

    def __init__(self, state: dict[str, Any], watch: Watch, scope: Scope) -> None:
        super().__init__(state, watch)
        self._scope = scope

    def _shown(self, key: str, value: Any) -> Any:
        if key != CONNECTION_STATE_KEY or isinstance(value, _WatchedConnectionState):
            return value
        return _WatchedConnectionState(value, self._watch, self._scope)


class _WatchedConnectionState:
    """Litestar's own notes on a request."""

    __slots__ = ("_scope", "_state", "_watch")

    def __init__(self, state: Any, watch: Watch, scope: Scope) -> None:
        object.__setattr__(self, "_state", state)
        object.__setattr__(self, "_watch", watch)
        object.__setattr__(self, "_scope", scope)

    def __getattr__(self, name: str) -> Any:
        if name == "session_id":
            self._watch.personal = True
        elif name == "cookies":
            self._watch.cookies = True
        elif name == "csrf_token":
            self._watch.csrf_token = True
        elif name == "base_url" and self._state.base_url is Empty:
            # Litestar copies the whole scope to make it, which would count as a look at the session.
            return ASGIConnection[Any, Any, Any, Any](self._scope).base_url
        return getattr(self._state, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "session_id":
            self._watch.personal = True
        elif name == "csrf_token":
            # By Litestar's CSRF middleware, which has looked for its cookie, and calls the handler only now.
            self._watch.cookies = False
        setattr(self._state, name, value)
