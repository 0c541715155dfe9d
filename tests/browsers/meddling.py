"""What happens to browsers and to the database between the visits."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.browsers.application import MAX_AGE, PARTS
from tests.browsers.exchanges import Order
from tests.browsers.jar import Cookie
from tests.browsers.programs import Program
from tests.browsers.violations import Violation

if TYPE_CHECKING:
    from tests.browsers.browser import Browser
    from tests.browsers.history import History
    from tests.browsers.model import Session

__all__ = ("damage", "end_owned", "expire", "forge", "move", "plant", "replay")


NOT_JSON = b"\x80\x04 no JSON"


async def plant(history: History, attacker: Browser, victim: Browser, part: str) -> bool:
    """Somebody puts their own session into another's browser, before either has logged in."""
    if attacker.cookie(part, Order(part, "page")) is None:
        await history.visit(attacker, Order(part, "page", Program((("set", "a", "1"),))))
    session = history.session_of(attacker, part)
    if session is None or any("user" in data for data in session.possible):
        return False
    cookie = attacker.cookie(part, Order(part, "page"))
    assert cookie is not None
    victim.jar.put(cookie, time.time())
    history.secrets.give(cookie.value, victim.name)
    return True


def forge(history: History, browser: Browser, part: str, value: str, *, elsewhere: bool) -> None:
    """A browser has a cookie that this application never gave out, or one before it did, with another path."""
    path = _other_path(part) if elsewhere else PARTS[part].path
    browser.jar.put(Cookie(part, value, Order(part, "page").host, path), time.time())


def replay(history: History, browser: Browser, part: str, which: int) -> bool:
    """Somebody has an id that is dead, from a backup of another's browser, say."""
    world = history.worlds[part]
    dead = sorted({*world.ended, *world.rotated})
    if not dead:
        return False
    value = dead[which % len(dead)]
    browser.jar.put(Cookie(part, value, Order(part, "page").host, PARTS[part].path), time.time())
    history.secrets.give(value, browser.name)
    return True


def move(history: History, browser: Browser, part: str) -> None:
    """The application's cookies had another path when the browser got its own."""
    cookie = browser.cookie(part, Order(part, "page"))
    if cookie is not None:
        browser.jar.remove(cookie)
        browser.jar.put(replace(cookie, path=_other_path(part)), time.time())


async def end_owned(history: History, browser: Browser, part: str) -> None:
    """A script of the site's owner ends all sessions of a user."""
    await history.store(part).delete_owned(history.account(browser))
    history.worlds[part].end_all(history.account(browser))


async def expire(history: History, session: Session, part: str) -> None:
    """A session's time is over."""
    await history.store(part).delete(session.id)
    history.worlds[part].end(session)


async def damage(history: History, browser: Browser, session: Session, part: str) -> None:
    """What is stored of a session cannot be read for a while: it is as if it were not there, and stays."""
    store, world = history.store(part), history.worlds[part]
    data = await store.get(session.id)
    assert data is not None
    await store.set(session.id, NOT_JSON, MAX_AGE)
    kept = world.sessions.pop(session.id)
    try:
        await history.visit(browser, Order(part, "page", Program((("read",),))))
        if await store.get(session.id) != NOT_JSON:
            raise Violation("unreadable session removed", f"of {browser.name}, {part}")
    finally:
        world.sessions[session.id] = kept
        await store.set(session.id, data, MAX_AGE, owner=session.possible[0].get("user"))


def _other_path(part: str) -> str:
    """Another path whose cookies go with the part's pages, too."""
    return "/" if PARTS[part].path != "/" else f"/{part}"
