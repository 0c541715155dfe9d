"""What every answer must be, whatever went before it, and what must never be in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.browsers.application import CSRF_COOKIE, LIMIT, ORIGINS, OWN_PARTS, PARTS
from tests.browsers.handlers import END
from tests.browsers.violations import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.browsers.exchanges import Exchange

__all__ = ("Secrets", "check_answer", "check_cookies", "check_limit", "check_replay", "is_replay")

SHORTEST = 12


class Secrets:
    """Ids and tokens, and whose they are."""

    def __init__(self) -> None:
        self._holders: dict[str, set[str]] = {}

    @property
    def all(self) -> Iterable[str]:
        return self._holders

    def give(self, secret: str, browser: str) -> None:
        """Somebody knows a secret, from an answer or from elsewhere."""
        if len(secret) >= SHORTEST:
            self._holders.setdefault(secret, set()).add(browser)

    def check(self, exchange: Exchange) -> None:
        """An answer tells nobody what is another's; what it tells is then the browser's."""
        assert exchange.answer is not None
        sent = {cookie.value for cookie in exchange.sent}
        for secret, holders in self._holders.items():
            if secret in exchange.answer.raw and exchange.browser.name not in holders and secret not in sent:
                what = f"{secret!r} of {holders} is told to {exchange.browser.name}: {exchange}"
                raise Violation("secret of another browser", what)
        for cookie in exchange.cookies:
            self.give(cookie.value, exchange.browser.name)


def is_replay(exchange: Exchange) -> bool:
    """Whether an answer was made for another request."""
    page = exchange.answer.page if exchange.answer else None
    return page is not None and page["request"] != exchange.id


def check_answer(exchange: Exchange, account: str, *, late: bool = False) -> None:
    """A response begins once, is whole, and is for who asked.

    Args:
        exchange: The request and its answer.
        account: Who asked.
        late: Whether its session had got another id before it came, so that nothing of it need be stored.
    """
    answer, order, report = exchange.answer, exchange.order, exchange.report
    assert answer is not None
    assert report is not None
    if report.starts != 1 or report.seen_starts > 1 or (not order.is_socket and report.ends != 1):
        raise Violation("response begins or ends twice", exchange)
    if report.raised or answer.broken:
        raise Violation("broken off", exchange)
    expected = _statuses(exchange) | ({200} if late else set())
    if answer.status not in expected:
        raise Violation("wrong status", f"{answer.status} in place of one of {sorted(expected)}: {exchange}")
    if answer.status in {200, 101}:
        _check_page(exchange, answer.page, account)
    origins = answer.all("access-control-allow-origin")
    if origins != ([order.origin] if order.origin in ORIGINS else []) and not order.is_socket:
        raise Violation("another origin", exchange)
    if "gzip" in answer.listed("content-encoding") and not order.gzip:
        raise Violation("compressed for who cannot read it", exchange)


def _statuses(exchange: Exchange) -> set[int]:
    order = exchange.order
    steps = {"unknown"} if is_replay(exchange) else order.program.names
    if order.part not in PARTS:
        return {200, 429}
    if order.is_socket:
        return {101}
    if order.method == "POST" and not any(cookie.name == CSRF_COOKIE for cookie in exchange.sent):
        return {403}
    spoiled = {500, 503} if "spoil" in steps else set()
    if "raise" in steps:
        return spoiled | ({500} if ("raise", "error") in order.program.before else {409})
    # It may be thrown away again, by a log-out.
    return spoiled | ({200} if not spoiled or {"log-out", "end"} & steps else set())


def _check_page(exchange: Exchange, page: dict[str, Any] | None, account: str) -> None:
    assert exchange.answer is not None
    raw = exchange.answer.raw
    if page is None or page["end"] != END or (exchange.order.page == "events" and f"data: {END}" not in raw):
        raise Violation("half a page", exchange)
    user = (page["session"] or {}).get("user", account)
    if user != account:
        raise Violation("session of another user", f"{account} is shown what is {user}'s: {exchange}")
    panel = (page.get("panel") or {}).get("panel user", exchange.browser.name)
    if panel != exchange.browser.name:
        raise Violation("session of another user", f"the panel of {panel}: {exchange}")


def check_replay(made: Exchange, given: Exchange) -> None:
    """A cached page is one that anybody may see, and the one that was asked for."""
    assert made.answer is not None
    steps = made.order.program.names
    if made.order.program.touches or "cookie" in steps or made.order.authorization or "private" in made.order.page:
        raise Violation("private page from the cache", f"{made} made it; it was given to {given}")
    same = ["path", "query", "host", "method", *(["language"] if "varying" in given.order.page else [])]
    if differing := [name for name in same if getattr(made.order, name) != getattr(given.order, name)]:
        raise Violation("another page from the cache", f"{made} made it; {differing} is not as in {given}")


def check_cookies(exchange: Exchange) -> None:
    """What depends on a session says so, and what is public has none."""
    answer, order = exchange.answer, exchange.order
    assert answer is not None
    if order.part not in OWN_PARTS or order.is_socket:
        return
    has_cookie = any(cookie.name in OWN_PARTS for cookie in exchange.cookies)
    touches = order.program.touches and not is_replay(exchange) and answer.status < 400
    if (has_cookie or touches) and "cookie" not in answer.listed("vary"):
        raise Violation("no Vary: Cookie", exchange)
    if has_cookie and "public" in answer.listed("cache-control"):
        raise Violation("cookie on a public page", exchange)


def check_limit(exchange: Exchange, calls: int, *, ours: bool) -> None:
    """A limit lets through as many calls as it says, and tells each client its own count."""
    answer = exchange.answer
    assert answer is not None
    status = 200 if calls <= LIMIT else 429
    remaining = [str(max(0, LIMIT - calls))]
    if answer.status != status or answer.all("ratelimit-remaining") != remaining:
        raise Violation("wrong count", f"call {calls} of {LIMIT}: {exchange}")
    resets = [int(value) for value in answer.all("ratelimit-reset")]
    if len(resets) != 1 or not 0 <= resets[0] <= 3600:
        raise Violation("wrong reset", exchange)
    if ours and status == 429 and not answer.all("retry-after"):
        raise Violation("no Retry-After", exchange)
