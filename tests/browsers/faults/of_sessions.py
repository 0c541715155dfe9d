"""Faults of sessions: which one a request has, what becomes of it, and what the browser is told."""

from __future__ import annotations

import importlib
from typing import Any

from tests.browsers.faults.seams import STORE, always, never_done, register

SESSIONS = "litestar_sqlstores.sessions"

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
    async def removing(backend: Any, app: Any, connection: Any, session_id: str) -> Any:
        found = await find(backend, app, connection, session_id)
        if found is None:
            await backend.config.get_store_from_app(app).delete(session_id)
        return found

    return removing


register("adopts unknown ids", "wrong cookie", (f"{SESSIONS}.backend:load_session", _adopting))
register(
    "reads the last cookie only",
    "another session, wrong cookie",
    (f"{SESSIONS}.cookies:SessionCookies.ids", lambda ids: lambda self, scope: ids(self, scope)[-1:]),
)
register(
    "reads the first field of cookies only",
    "another session, wrong cookie",
    (f"{SESSIONS}.cookies:SessionCookies.ids", _first_field_only),
)
register(
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


register(
    "the scope's session is believed",
    "another session, wrong cookie, session of another user",
    (
        f"{SESSIONS}.state:SessionState.session_in",
        lambda _: lambda _state, connection: connection.scope.get("session"),
    ),
)
register("an ended session comes back", "another session, wrong cookie", (f"{STORE}.replace", _writes_anyway))
register("a rotated id lives on", "another session, wrong cookie", (f"{STORE}.replace", _ends_nothing))
register(
    "a log-out leaves the session", "another session, session of another user", (f"{STORE}.delete_many", never_done())
)
register("log-out everywhere leaves sessions", "another session", (f"{STORE}.delete_owned", never_done(0)))
register(
    "a log-in by set_session keeps the id",
    "wrong cookie, session of another user, another session",
    (f"{SESSIONS}.saving:Saving._is_another", always(value=False)),
)
register(
    "a late request begins a session",
    "wrong cookie",
    (f"{SESSIONS}.saving:was_rotated", never_done(result=False)),
)
register(
    "changes are not merged",
    "another session",
    (f"{SESSIONS}.saving:merge", lambda _: lambda _base, mine, _theirs: mine),
)
register(
    "websockets store nothing late",
    "another session",
    (f"{SESSIONS}.backend:SQLSessionBackend.save_late", never_done()),
)
register(
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


register(
    "every answer sends the cookie again",
    "wrong cookie",
    (f"{SESSIONS}.backend:SQLSessionBackend.settle", _always_telling),
)
register("no Vary: Cookie", "no Vary: Cookie", (f"{SESSIONS}.middleware:vary_by_cookie", always(value=None)))
register("cookies on public pages", "cookie on a public page", (f"{SESSIONS}.backend:make_private", always(value=None)))
register(
    "adds to the header list of others",
    "secret of another browser, several cookies, wrong cookie",
    (f"{SESSIONS}.middleware:copy_headers", lambda _: lambda message: message),
    (f"{SESSIONS}.middleware:own_headers", always(value=None)),
)
register(
    "a response that begins is not given up",
    "response begins or ends twice",
    (f"{SESSIONS}.middleware:_settle", _without_failure),
)
