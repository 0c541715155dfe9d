"""Faults that this package had, or could have, each by name: put back on purpose, the histories find them.

A fault takes a function of the package's and puts another in its place, in the processes of the web server, before the
application is made. If the function is no longer there, that fails, and the fault is to be written anew.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("FAULTS", "Fault", "SeamGone", "put_back")

SESSIONS = "litestar_sqlstores.sessions"
CACHE = "litestar_sqlstores.cache"
STORE = "litestar_sqlstores.store:BaseSQLSpecStore"
LIMIT = "litestar_sqlstores.rate_limits.middleware:SQLRateLimitMiddleware"


class SeamGone(Exception):  # noqa: N818 - says what is so
    """What a fault wants to replace is not there."""


@dataclass(frozen=True)
class Fault:
    """Something broken.

    Attributes:
        found_as: The kinds of violations that it may be found as.
        seams: What it replaces, ``module:name`` or ``module:class.name``, and by what: a function of the original.
    """

    found_as: frozenset[str]
    seams: tuple[tuple[str, Callable[[Any], Any]], ...]


FAULTS: dict[str, Fault] = {}


def put_back(name: str) -> None:
    """Break this process's package; an empty name leaves it as it is.

    Raises:
        SeamGone: What the fault replaces is not there.
    """
    if not name:
        return
    for path, make in FAULTS[name].seams:
        module, _, names = path.partition(":")
        owner: Any = importlib.import_module(module)
        *parents, last = names.split(".")
        for parent in parents:
            owner = getattr(owner, parent, None)
        # What a class has from its parents is another seam.
        found = next((vars(each)[last] for each in getattr(owner, "__mro__", [owner]) if last in vars(each)), None)
        if found is None:
            msg = f"the fault {name!r} replaces {path}, which is not there: write it anew"
            raise SeamGone(msg)
        setattr(owner, last, make(found))


def _register(name: str, found_as: str, *seams: tuple[str, Callable[[Any], Any]]) -> None:
    FAULTS[name] = Fault(frozenset(found_as.split(", ")), seams)


def _always(value: Any) -> Callable[[Any], Any]:
    """What gives one value, whatever it is asked."""
    return lambda _: lambda *_args, **_kwargs: value


def _never_done(result: Any = None) -> Callable[[Any], Any]:
    """What does nothing, asynchronously."""

    def make(_: Any) -> Any:
        async def nothing(*_args: Any, **_kwargs: Any) -> Any:
            return result

        return nothing

    return make


# -- sessions: which one a request has


def _adopting(load: Any) -> Any:
    async def adopting(backend: Any, connection: Any, ids: Any) -> Any:
        state = await load(backend, connection, ids)
        if state.stored_id is None and ids:
            state.session_id = ids[0]
        return state

    return adopting


def _first_field_only(ids: Any) -> Any:
    def first_field_only(self: Any, scope: Any) -> Any:
        cookies = [pair for pair in scope["headers"] if pair[0] == b"cookie"]
        return ids(self, {**scope, "headers": cookies[:1]})

    return first_field_only


def _removing(find: Any) -> Any:
    async def removing(backend: Any, store: Any, session_id: str) -> Any:
        found = await find(backend, store, session_id)
        if found is None:
            await store.delete(session_id)
        return found

    return removing


_register("adopts unknown ids", "wrong cookie", (f"{SESSIONS}.backend:load_session", _adopting))
_register(
    "reads the last cookie only",
    "another session, wrong cookie",
    (f"{SESSIONS}.cookies:SessionCookies.ids", lambda ids: lambda self, scope: ids(self, scope)[-1:]),
)
_register(
    "reads the first field of cookies only",
    "another session, wrong cookie",
    (f"{SESSIONS}.cookies:SessionCookies.ids", _first_field_only),
)
_register(
    "an unreadable session is removed", "unreadable session removed", (f"{SESSIONS}.loading:find_session", _removing)
)

# -- sessions: what becomes of it


def _writes_anyway(replace: Any) -> Any:
    async def writes_anyway(self: Any, key: str, value: Any, expires_in: Any = None, **options: Any) -> bool:
        options.pop("expected", None)
        await self.set(key, value, expires_in, **options)
        return True

    return writes_anyway


def _ends_nothing(replace: Any) -> Any:
    async def ends_nothing(self: Any, key: str, value: Any, expires_in: Any = None, **options: Any) -> Any:
        return expires_in == 0 or await replace(self, key, value, expires_in, **options)

    return ends_nothing


def _forgetting_failures(settle: Any) -> Any:
    async def forgetting(self: Any, *args: Any) -> Any:
        try:
            return await settle(self, *args)
        except Exception:  # noqa: BLE001 - that is the fault
            return False

    return forgetting


_register(
    "the scope's session is believed",
    "another session, wrong cookie, session of another user",
    (
        f"{SESSIONS}.state:SessionState.session_in",
        lambda _: lambda _state, connection: connection.scope.get("session"),
    ),
)
_register("an ended session comes back", "another session, wrong cookie", (f"{STORE}.replace", _writes_anyway))
_register("a rotated id lives on", "another session, wrong cookie", (f"{STORE}.replace", _ends_nothing))
_register(
    "a log-out leaves the session", "another session, session of another user", (f"{STORE}.delete_many", _never_done())
)
_register("log-out everywhere leaves sessions", "another session", (f"{STORE}.delete_owned", _never_done(0)))
_register(
    "a log-in by set_session keeps the id",
    "wrong cookie, session of another user, another session",
    (f"{SESSIONS}.saving:Saving._is_another", _always(value=False)),
)
_register(
    "a late request begins a session",
    "wrong cookie",
    (f"{SESSIONS}.saving:Saving._was_rotated", _never_done(result=False)),
)
_register(
    "changes are not merged",
    "another session",
    (f"{SESSIONS}.saving:merge", lambda _: lambda _base, mine, _theirs: mine),
)
_register(
    "websockets store nothing late",
    "another session",
    (f"{SESSIONS}.backend:SQLSessionBackend.save_late", _never_done()),
)
_register(
    "what cannot be stored is passed over",
    "wrong status",
    (f"{SESSIONS}.backend:SQLSessionBackend.settle", _forgetting_failures),
)

# -- sessions: what the browser is told


def _always_telling(settle: Any) -> Any:
    async def always_telling(self: Any, state: Any, session: Any, message: Any, connection: Any) -> bool:
        loaded = state.stored_id
        told = bool(await settle(self, state, session, message, connection))
        if loaded and not told:
            cookies = importlib.import_module(f"{SESSIONS}.cookies").SessionCookies(self.config)
            cookies.tell(message, loaded)
        return True

    return always_telling


def _without_failure(settle: Any) -> Any:
    async def without_failure(state: Any, message: Any, connection: Any) -> None:
        try:
            await settle(state, message, connection)
        finally:
            state.failure = None

    return without_failure


_register(
    "every answer sends the cookie again",
    "wrong cookie",
    (f"{SESSIONS}.backend:SQLSessionBackend.settle", _always_telling),
)
_register("no Vary: Cookie", "no Vary: Cookie", (f"{SESSIONS}.middleware:vary_by_cookie", _always(value=None)))
_register(
    "cookies on public pages", "cookie on a public page", (f"{SESSIONS}.backend:make_private", _always(value=None))
)
_register(
    "adds to the header list of others",
    "secret of another browser, several cookies, wrong cookie",
    (f"{SESSIONS}.middleware:copy_headers", lambda _: lambda message: message),
    (f"{SESSIONS}.middleware:own_headers", _always(value=None)),
)
_register(
    "a response that begins is not given up",
    "response begins or ends twice",
    (f"{SESSIONS}.middleware:_settle", _without_failure),
)


# -- what is in the tables


def _owned_by_its_key(store_set: Any) -> Any:
    async def owned_by_its_key(self: Any, key: str, value: Any, expires_in: Any = None, **options: Any) -> None:
        await store_set(self, key, value, expires_in, **{**options, "owner": key[:100]})

    return owned_by_its_key


_register("ids are in the table", "secret in a table", (f"{STORE}.set", _owned_by_its_key))

# -- the response cache


def _blind(watch: Any) -> Any:
    def blind(scope: Any) -> Any:
        made = watch(scope)
        made.scope = scope
        return made

    return blind


_register(
    "the cache is not ours",
    "secret in a table, secret of another browser, private page from the cache, compressed for who cannot read it",
    ("litestar_sqlstores.plugin:cache_responses", _always(value=None)),
)
_register(
    "the cache stores Set-Cookie",
    "secret in a table, secret of another browser, private page from the cache",
    (f"{CACHE}.filling:forbids_storing", _always(value=False)),
    (f"{CACHE}.filling:without_cookie", lambda _: lambda headers, _cookie: headers),
)
_register(
    "the cache stores what was made with a session",
    "private page from the cache, session of another user",
    (f"{CACHE}.middleware:Watch", _blind),
)
_register(
    "the cache ignores Vary",
    "another page from the cache, compressed for who cannot read it",
    (f"{CACHE}.filling:vary_names", lambda _: lambda _headers: set()),
)
_register(
    "the cache ignores the host",
    "another page from the cache",
    (f"{CACHE}.requests:default_key", lambda key: lambda scope, _hosts: key(scope, [])),
)
_register(
    "the cache ignores the query",
    "another page from the cache",
    (f"{CACHE}.requests:default_key", lambda key: lambda scope, hosts: key({**scope, "query_string": b""}, hosts)),
)
_register("the cache stores nothing", "not from the cache", (f"{CACHE}.middleware:page_of", _always(value=None)))


# -- rate limits

_register(
    "a limit counts all clients as one",
    "wrong count",
    (f"{LIMIT}.key_for_request", _never_done("everybody")),
)
_register(
    "a limit counts each call twice",
    "wrong count",
    (
        f"{STORE}.increment",
        lambda increment: lambda self, key, by=1, expires_in=None: increment(self, key, 2 * by, expires_in),
    ),
)
